//! Where a run's files are: where its relative paths start and which folders it may use.

use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::PipelineConfig;
use elt_shared::trigger::OPTION_BASE;
use tokio_util::sync::CancellationToken;

use crate::extract::{ExtractContext, YoungFiles};
use crate::pipeline::folder::combined_path_of;
use crate::roots::Roots;
use crate::settings::WorkerSettings;

/// Where relative paths of a run's config start: the caller's folder for `elt run`, else the worker's.
pub fn base(settings: &WorkerSettings, options: &serde_json::Value) -> PathBuf {
    let own = || match settings.base.as_os_str().is_empty() {
        true => std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        false => settings.base.clone(),
    };
    options[OPTION_BASE].as_str().map_or_else(own, PathBuf::from)
}

/// The folders sources and output files may be in.
///
/// A run of `elt run` acts for the person at the terminal: unless a setting names folders, it reads and writes wherever
/// that person may.
pub fn roots(settings: &WorkerSettings, queue: &str) -> Roots {
    let for_a_person = elt_shared::job::is_private(queue);
    let folders = match !settings.fs_roots.is_empty() || for_a_person {
        true => settings.fs_roots.clone(),
        false => vec![base(settings, &serde_json::Value::Null), settings.data_dir.clone()],
    };
    let roots = Roots::new(folders, &settings.data_dir).writing_to(&settings.output_roots);
    match for_a_person {
        false => roots,
        true if settings.fs_roots.is_empty() && settings.output_roots.is_empty() => {
            roots.with_outputs_at_the_base().writing_anywhere()
        }
        true => roots.with_outputs_at_the_base(),
    }
}

/// What a look at a schedule's sources may touch.
pub fn look_context(
    settings: &WorkerSettings,
    config: &PipelineConfig,
    (config_id, queue, options): (i64, &str, &serde_json::Value),
    control: sqlx::PgPool,
    stop: CancellationToken,
) -> ExtractContext {
    let base = base(settings, options);
    let roots = roots(settings, queue);
    ExtractContext {
        spool: settings.data_dir.join("spool").join("ticks"),
        never: vec![combined_path_of(config, config_id, &base, &settings.data_dir, &roots)],
        roots,
        network: Arc::new(settings.network.clone()),
        base,
        control,
        stop,
        young: YoungFiles::LeaveOut,
    }
}
