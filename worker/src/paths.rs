//! The paths of a run: where its relative paths start, which folders it may use, and where its combined CSV goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use elt_shared::config::PipelineConfig;
use elt_shared::inbox;
use elt_shared::trigger::OPTION_BASE;
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::extract::cloud::CloudCredentials;
use crate::extract::containers::UnpackLimits;
use crate::extract::http::SourceTokens;
use crate::extract::{ExtractContext, WantedFiles, YoungFiles};
use crate::roots::Roots;
use crate::settings::WorkerSettings;

/// Most bytes of a pipeline's name in the name of a file.
const NAME_BYTES: usize = 160;

/// The folder where relative paths of a run's config start: the caller's folder for `elt run`, else the worker's.
pub fn base(settings: &WorkerSettings, options: &Value) -> PathBuf {
    let of_worker = || {
        if settings.base.as_os_str().is_empty() {
            std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
        } else {
            settings.base.clone()
        }
    };
    options[OPTION_BASE].as_str().map_or_else(of_worker, PathBuf::from)
}

/// The folders that the sources and output files of a pipeline's runs on a queue may be in.
///
/// A run of `elt run` acts for the person at the terminal: unless a setting names folders, it reads and writes wherever
/// that person may.
pub fn roots(settings: &WorkerSettings, queue: &str, pipeline: &str) -> Roots {
    let for_a_person = elt_shared::job::is_private(queue);
    let folders = if settings.fs_roots.is_empty() && !for_a_person {
        vec![base(settings, &Value::Null), settings.data_dir.clone()]
    } else {
        settings.fs_roots.clone()
    };
    let inboxes = settings.inboxes();
    let roots = Roots::new(folders, &settings.data_dir)
        .with_inbox(&inboxes, &inbox::path(&inboxes, pipeline))
        .writing_to(&settings.output_roots);
    if !for_a_person {
        return roots;
    }
    let roots = roots.with_outputs_at_the_base();
    if settings.fs_roots.is_empty() && settings.output_roots.is_empty() { roots.writing_anywhere() } else { roots }
}

/// A config version that a run or schedule uses.
#[derive(Debug, Clone, Copy)]
pub struct UsedConfig<'a> {
    /// Id of the config version.
    pub config_id: i64,
    /// The queue of the run or schedule.
    pub queue: &'a str,
    /// Options of the run or schedule, as JSON.
    pub options: &'a Value,
}

/// What a check of a schedule's sources for changes may touch.
pub fn change_check_context(
    settings: &WorkerSettings,
    config: &PipelineConfig,
    used: UsedConfig<'_>,
    control: PgPool,
    tokens: SourceTokens,
    stop: CancellationToken,
) -> ExtractContext {
    let base = base(settings, used.options);
    let roots = roots(settings, used.queue, &config.name);
    ExtractContext {
        spool: settings.data_dir.join("spool").join("ticks"),
        never: vec![combined_csv(config, used.config_id, &base, &settings.data_dir, &roots)],
        roots,
        network: settings.network_of_configs(),
        cloud: CloudCredentials::Kept,
        tokens,
        base,
        default_target: settings.target_url.clone(),
        ssh_agent: settings.ssh_agent.clone(),
        control,
        stop,
        progress: Arc::default(),
        young: YoungFiles::LeaveOut,
        files: WantedFiles::All,
        unpack: unpack_limits(settings),
        values: Vec::new(),
        old_below: Vec::new(),
        read_before: Vec::new(),
    }
}

/// Limits for what comes out of archives and encrypted files.
pub fn unpack_limits(settings: &WorkerSettings) -> UnpackLimits {
    UnpackLimits {
        entries: settings.unpack_entries,
        bytes: u64::from(settings.unpack_gib) << 30,
        ratio: settings.unpack_ratio,
        keep_free: settings.min_free_bytes(),
        ..UnpackLimits::default()
    }
}

/// Path of the combined CSV of a config version.
pub fn combined_csv(config: &PipelineConfig, config_id: i64, base: &Path, data_dir: &Path, roots: &Roots) -> PathBuf {
    match &config.output.path {
        // Collecting the components drops the `.` parts that a config may write.
        Some(path) => roots.output_base(base).join(path).components().collect(),
        None => {
            data_dir.join("output").join(format!("{}-{config_id}.{}", file_name(&config.name), config.output.suffix()))
        }
    }
}

/// A pipeline's name as part of a file name.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let mut name: String = name.chars().map(safe).take(80).collect();
    // Names of files are limited in bytes, and the unfinished file's is longer than this one.
    name.truncate(name.floor_char_boundary(NAME_BYTES));
    if name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_name_cannot_leave_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._.._etc_passwd");
        assert_eq!(file_name("täglich 1.5"), "täglich_1.5");
        assert_eq!(file_name("a\0b\nc\u{202e}/d"), "a_b_c__d");
        assert_eq!(file_name(".."), "_..");
        let longest = "\u{20000}".repeat(300);
        assert!(file_name(&longest).len() <= NAME_BYTES && !file_name(&longest).is_empty());
    }
}
