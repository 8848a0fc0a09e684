//! What one attempt of a run works with: the run, its config, and what it may touch.

use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::template::{SINCE, UNTIL, Values};
use elt_shared::config::{LoadMode, PipelineConfig, TimeFormat};
use elt_shared::runs::Trigger;
use elt_shared::secret::Secret;
use elt_shared::settings::NetworkSettings;
use elt_shared::store::runs::Run;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::extract::cloud::CloudCredentials;
use crate::extract::containers::UnpackLimits;
use crate::extract::http::SourceTokens;
use crate::extract::{ExtractContext, WantedFiles, YoungFiles};
use crate::paths;
use crate::progress::Progress;
use crate::roots::Roots;

/// Size of a delivery, in bytes, from which an early load saves more time than looking at the first rows takes.
pub const EARLY_LOAD_BYTES: u64 = 8 << 20;

/// What one attempt of a run works with and may touch. It knows neither the queue nor HTTP.
#[derive(Clone)]
pub struct RunContext {
    /// The control database.
    pub control: PgPool,
    /// The run as [`begin`](elt_shared::store::runs::begin) returned it: its epoch fences every write.
    pub run: Run,
    /// The config of the run, with every reference resolved.
    pub config: PipelineConfig,
    /// The process's own target, for configs that name no server.
    pub default_target: Option<Secret>,
    /// Socket of the SSH agent whose keys may be used.
    pub ssh_agent: Option<PathBuf>,
    /// What buckets may use of the worker's own credentials.
    pub cloud: CloudCredentials,
    /// The folder where relative paths of the config start.
    pub base: PathBuf,
    /// The data folder. Work folders and default output files are below it.
    pub data_dir: PathBuf,
    /// The folders that may be read and written.
    pub roots: Roots,
    /// The hosts that may be called.
    pub network: Arc<NetworkSettings>,
    /// Cancelled when the run should stop: it ends at the next batch boundary with nothing loaded.
    pub stop: CancellationToken,
    /// The progress of the run, which people watch.
    pub progress: Arc<Progress>,
    /// Tokens of APIs, which it shares with other runs of the worker.
    pub tokens: SourceTokens,
    /// Memory that it may take for row hashes.
    pub memory: HashMemory,
    /// Size of a delivery, in bytes, from which its load begins while the first pass is still reading.
    pub early_load_bytes: u64,
    /// Limits for what comes out of archives and encrypted files.
    pub unpack: UnpackLimits,
}

impl RunContext {
    /// The attempt's own folder for spooled files, which is deleted when the attempt ends.
    pub fn work_folder(&self) -> PathBuf {
        self.data_dir.join("spool").join(format!("{}-{}", self.run.id, self.run.epoch))
    }

    /// Path of the run's combined CSV.
    pub fn combined_csv(&self) -> PathBuf {
        paths::combined_csv(&self.config, self.run.config_id, &self.base, &self.data_dir, &self.roots)
    }

    /// What the extraction of the run's sources may touch.
    pub fn extract_context(&self) -> ExtractContext {
        ExtractContext {
            base: self.base.clone(),
            spool: self.work_folder(),
            roots: self.roots.clone(),
            never: vec![self.combined_csv()],
            network: self.network.clone(),
            default_target: self.default_target.clone(),
            ssh_agent: self.ssh_agent.clone(),
            cloud: self.cloud.clone(),
            tokens: self.tokens.clone(),
            control: self.control.clone(),
            stop: self.stop.clone(),
            progress: Arc::clone(&self.progress),
            young: self.young_files(),
            files: WantedFiles::of(&self.config.target),
            unpack: self.unpack,
            values: self.values_of_window(),
            old_below: Vec::new(),
            read_before: Vec::new(),
        }
    }

    /// Whether the run claims its table only when it has its rows: the run of a window, so that windows are fetched at the
    /// same time. With `load.mode: merge` it claims the table first, as other runs do. Otherwise a run that loads a newer
    /// version of a row meanwhile would lose it to the version that the window has fetched before.
    pub fn claims_when_fetched(&self) -> bool {
        self.run.window().is_some() && self.config.load.mode != LoadMode::Merge
    }

    /// The window of a backfill's run, as the placeholders of each source get it unless `incremental` says otherwise. Values
    /// are empty for a run without a window.
    fn values_of_window(&self) -> Vec<Values> {
        let mut values = Values::default();
        if let Some(window) = self.run.window() {
            let text = |at| TimeFormat::Rfc3339.write(at);
            values = values.with(SINCE, text(window.from)).with(UNTIL, text(window.to));
        }
        vec![values; self.config.sources.len()]
    }

    /// The treatment of files that may still be being written. A run by hand takes such a file as far as it is written,
    /// when it ends with a whole record. A replace would lose the rows that are yet to come, and a run that a change or a
    /// schedule started has time to wait for them.
    fn young_files(&self) -> YoungFiles {
        let by_itself = matches!(self.run.trigger, Trigger::Schedule | Trigger::FileChange);
        if by_itself || self.config.load.mode == LoadMode::Replace {
            YoungFiles::Wait
        } else {
            YoungFiles::WaitForRecord
        }
    }
}

/// Bytes of memory that a run may take for row hashes. With less it loads the same rows, but slower.
#[derive(Debug, Clone, Copy)]
pub struct HashMemory {
    /// Bytes for the hashes of the rows it delivers.
    pub own: usize,
    /// Bytes when the hashes of the table's rows are among them.
    pub all: usize,
}

impl Default for HashMemory {
    fn default() -> Self {
        Self { own: 24 << 20, all: 64 << 20 }
    }
}
