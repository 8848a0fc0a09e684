//! Flags and environment of a worker: the only place of this crate that reads the environment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use elt_shared::metrics::ProcessMetrics;
use elt_shared::queue::retention::Keep;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::settings::{AllowedVariables, NetworkSettings};
use tokio_util::sync::CancellationToken;

use crate::health::WorkerHealth;

/// Flags and environment of a worker.
#[derive(Debug, Clone, Args)]
pub struct WorkerSettings {
    /// Runs this worker executes at the same time.
    #[arg(long, env = "ELT_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// The queue it takes runs from.
    #[arg(long, env = "ELT_QUEUE", default_value = elt_shared::job::QUEUE)]
    pub queue: String,
    /// Folders sources may be in, separated by `:`. Default: the working folder and the data folder; for `elt run` every folder.
    #[arg(long, env = "ELT_FS_ROOTS", value_delimiter = ':')]
    pub fs_roots: Vec<PathBuf>,
    /// Folders combined CSVs may be written to beside the data folder's `output`, separated by `:`.
    #[arg(long, env = "ELT_OUTPUT_ROOTS", value_delimiter = ':')]
    pub output_roots: Vec<PathBuf>,
    /// Names `${env:NAME}` in a config may stand for, separated by commas.
    #[arg(long, env = "ELT_ENV_ALLOW", value_delimiter = ',')]
    pub env_allow: Vec<String>,
    /// Seconds between two checks of the sources of a monitored pipeline whose config names no interval.
    #[arg(long, env = "ELT_MONITOR_INTERVAL", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub monitor_interval: u32,
    /// Seconds running runs get to finish when the worker is asked to stop; then they are handed back to the queue.
    #[arg(long, env = "ELT_GRACE_PERIOD", default_value_t = 30)]
    pub grace_period: u32,
    /// Seconds after which a run is given up.
    #[arg(long, env = "ELT_RUN_TIMEOUT", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..))]
    pub run_timeout: u32,
    /// Days after which finished tickets and lost workers are forgotten.
    #[arg(long, env = "ELT_KEEP_TICKETS_DAYS", default_value_t = 7)]
    pub keep_tickets_days: u16,
    /// Days after which log lines in the control database are deleted; `elt.log` is limited by its size.
    #[arg(long, env = "ELT_KEEP_LOGS_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_logs_days: u16,
    /// Days after which rows of the audit are deleted. Younger ones than 30 days are always kept.
    #[arg(long, env = "ELT_AUDIT_RETENTION_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(30..))]
    pub audit_retention_days: u16,
    /// Days after which API tokens that were revoked or have expired are deleted.
    #[arg(long, env = "ELT_KEEP_TOKENS_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_tokens_days: u16,
    /// Log lines that stay in the control database at most; the oldest are deleted first.
    #[arg(long, env = "ELT_KEEP_LOG_LINES", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub keep_log_lines: u32,
    /// Days after which config versions that never ran are deleted, except the newest of each pipeline.
    #[arg(long, env = "ELT_KEEP_UNUSED_CONFIGS_DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_unused_configs_days: u16,
    /// Which hosts sources and targets may be on.
    #[command(flatten)]
    pub network: NetworkSettings,
    /// The default target; set by the process from its database settings.
    #[arg(skip)]
    pub target_url: Option<Secret>,
    /// Opens configs and secrets, and signs the audit when retention removes its oldest rows; set by the process from its
    /// secret key settings. Without it no run starts.
    #[arg(skip)]
    pub keys: Option<Arc<KeyRing>>,
    /// The data folder; set by the process from its database settings.
    #[arg(skip)]
    pub data_dir: PathBuf,
    /// Where relative paths of a config start, unless its run says otherwise. Empty: the working folder.
    #[arg(skip)]
    pub base: PathBuf,
    /// Cancelled by a second signal: running runs are handed back at once instead of after the grace period.
    #[arg(skip)]
    pub force: CancellationToken,
    /// The metrics of the process, to which the worker adds its own.
    #[arg(skip)]
    pub metrics: ProcessMetrics,
    /// Pipelines that have metrics of their own.
    #[arg(skip)]
    pub named_pipelines: u16,
    /// The worker's health, which the process's probes ask for.
    #[arg(skip)]
    pub health: WorkerHealth,
}

impl WorkerSettings {
    /// [`Self::grace_period`] as a duration.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_period.into())
    }

    /// [`Self::run_timeout`] as a duration.
    pub fn run_timeout(&self) -> Duration {
        Duration::from_secs(self.run_timeout.into())
    }

    /// What retention leaves in the control database.
    pub fn keep(&self) -> Keep {
        Keep {
            tickets: self.keep_tickets_days,
            log_lines: self.keep_logs_days,
            most_log_lines: self.keep_log_lines,
            unused_configs: self.keep_unused_configs_days,
            audit: self.audit_retention_days,
            ended_tokens: self.keep_tokens_days,
        }
    }

    /// The variables that `${env:NAME}` may stand for.
    pub fn variables(&self) -> AllowedVariables<'_> {
        AllowedVariables::new(&self.env_allow)
    }
}
