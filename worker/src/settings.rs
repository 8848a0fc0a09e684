//! Flags and environment of a worker: the only place of this crate that reads the environment.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use elt_shared::metrics::ProcessMetrics;
use elt_shared::queue::retention::Keep;
use elt_shared::redaction;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::settings::{AllowedVariables, NetworkSettings};
use reqwest::Url;
use tokio_util::sync::CancellationToken;

use crate::health::WorkerHealth;

/// Default of [`WorkerSettings::cloud_metadata`]: where the machines of AWS find it.
const METADATA_SERVICE: &str = "http://169.254.169.254";

/// How long things stay, and how many of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What stays, and how long")]
pub struct KeepSettings {
    /// Days after which finished tickets and lost workers are forgotten.
    #[arg(long, env = "ELT_KEEP_TICKETS_DAYS", default_value_t = 7)]
    pub keep_tickets_days: u16,
    /// Days after which log lines in the control database are deleted; `elt.log` is limited by its size.
    #[arg(long, env = "ELT_KEEP_LOGS_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_logs_days: u16,
    /// Log lines that stay in the control database at most; the oldest are deleted first.
    #[arg(long, env = "ELT_KEEP_LOG_LINES", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub keep_log_lines: u32,
    /// Days after which runs are deleted, with their attempts. The newest of each pipeline and the last ones that succeeded stay.
    #[arg(long, env = "ELT_KEEP_RUNS_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_runs_days: u16,
    /// Newest runs of each pipeline that stay however old they are.
    #[arg(long, env = "ELT_KEEP_RUNS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub keep_runs: u32,
    /// Days after which the lists of files are removed from reports of runs that list many; their numbers stay.
    #[arg(long, env = "ELT_KEEP_REPORTS_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_reports_days: u16,
    /// Days after which schedules that ended are deleted, once their runs are.
    #[arg(long, env = "ELT_KEEP_SCHEDULES_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_schedules_days: u16,
    /// Days after which config versions without runs are deleted, except the newest of each pipeline.
    #[arg(long, env = "ELT_KEEP_UNUSED_CONFIGS_DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_unused_configs_days: u16,
    /// Newest coverage reports that stay.
    #[arg(long, env = "ELT_KEEP_COVERAGE_REPORTS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_coverage_reports: u32,
    /// Days after which messages about pipelines are deleted that were sent or given up, and incidents that are over.
    #[arg(long, env = "ELT_KEEP_NOTIFICATIONS_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_notifications_days: u16,
    /// Days after which rows of the audit are deleted. Younger ones than 30 days are always kept.
    #[arg(long, env = "ELT_AUDIT_RETENTION_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(30..))]
    pub audit_retention_days: u16,
    /// Days after which API tokens that were revoked or have expired are deleted.
    #[arg(long, env = "ELT_KEEP_TOKENS_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_tokens_days: u16,
    /// Days after which markers and receipts of this installation's runs are deleted from targets, once their runs are.
    #[arg(long, env = "ELT_KEEP_LOADS_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_loads_days: u16,
    /// Days after which rejected rows that no run has seen again are deleted from targets. A row can be replayed as long as
    /// a run that rejected it first or last is there (`ELT_KEEP_RUNS_DAYS`).
    #[arg(long, env = "ELT_KEEP_QUARANTINE_DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_quarantine_days: u16,
    /// Newest config versions of each pipeline whose combined CSV stays in the data folder.
    #[arg(long, env = "ELT_KEEP_OUTPUTS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_outputs: u32,
    /// Days after which an upload to an inbox that is not continued is deleted.
    #[arg(long, env = "ELT_KEEP_UPLOADS_DAYS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_uploads_days: u16,
}

impl KeepSettings {
    /// The same, as retention uses it.
    pub fn keep(&self) -> Keep {
        Keep {
            tickets: self.keep_tickets_days,
            log_lines: self.keep_logs_days,
            most_log_lines: self.keep_log_lines,
            runs: self.keep_runs_days,
            newest_runs: self.keep_runs,
            reports: self.keep_reports_days,
            schedules: self.keep_schedules_days,
            unused_configs: self.keep_unused_configs_days,
            coverage_reports: self.keep_coverage_reports,
            notifications: self.keep_notifications_days,
            audit: self.audit_retention_days,
            ended_tokens: self.keep_tokens_days,
            loads: self.keep_loads_days,
            quarantine: self.keep_quarantine_days,
            outputs: self.keep_outputs,
            uploads: self.keep_uploads_days,
        }
    }
}

impl Default for KeepSettings {
    fn default() -> Self {
        let keep = Keep::default();
        Self {
            keep_tickets_days: keep.tickets,
            keep_logs_days: keep.log_lines,
            keep_log_lines: keep.most_log_lines,
            keep_runs_days: keep.runs,
            keep_runs: keep.newest_runs,
            keep_reports_days: keep.reports,
            keep_schedules_days: keep.schedules,
            keep_unused_configs_days: keep.unused_configs,
            keep_coverage_reports: keep.coverage_reports,
            keep_notifications_days: keep.notifications,
            audit_retention_days: keep.audit,
            keep_tokens_days: keep.ended_tokens,
            keep_loads_days: keep.loads,
            keep_quarantine_days: keep.quarantine,
            keep_outputs: keep.outputs,
            keep_uploads_days: keep.uploads,
        }
    }
}

/// Flags and environment of a worker.
#[derive(Debug, Clone, Args)]
pub struct WorkerSettings {
    /// Runs this worker executes at the same time.
    #[arg(long, env = "ELT_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// The queue it takes runs from.
    #[arg(long, env = "ELT_QUEUE", default_value = elt_shared::job::QUEUE, value_parser = queue)]
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
    /// Socket of an SSH agent whose keys `sftp` sources with `agent: true` may log in with: `$SSH_AUTH_SOCK` for one's own.
    /// Default: none, because everyone who may write a config could use the keys.
    #[arg(long, env = "ELT_SSH_AGENT", value_name = "SOCKET")]
    pub ssh_agent: Option<PathBuf>,
    /// Credentials of the worker itself that `s3` sources of configs by admins may use, separated by commas: those in its
    /// `environment`, and those of the role of the machine (`instance`). Default: none, because the author of such a config
    /// reads with the worker's identity.
    #[arg(long, env = "ELT_CLOUD_CREDENTIALS", value_delimiter = ',', value_enum)]
    pub cloud_credentials: Vec<CloudCredential>,
    /// Address of the metadata service that has the credentials of the machine's role: `http://` and an IP address. While
    /// `instance` is lent, configs cannot call the address; a host name in ELT_NET_ALLOW that leads there is not noticed.
    #[arg(long, env = "ELT_CLOUD_METADATA", value_name = "URL", default_value = METADATA_SERVICE, value_parser = metadata_address)]
    pub cloud_metadata: Url,
    /// Seconds between two checks of the sources of a monitored pipeline whose config names no interval.
    #[arg(long, env = "ELT_MONITOR_INTERVAL", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub monitor_interval: u32,
    /// Seconds running runs get to finish when the worker is asked to stop; then they are handed back to the queue.
    #[arg(long, env = "ELT_GRACE_PERIOD", default_value_t = 30)]
    pub grace_period: u32,
    /// Seconds after which a run is given up.
    #[arg(long, env = "ELT_RUN_TIMEOUT", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..))]
    pub run_timeout: u32,
    /// Seconds without progress after which a running run is shown as silent (`silent_since`).
    #[arg(long, env = "ELT_SILENT_SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    pub silent_seconds: u32,
    /// MiB that the data folder must have free so that the worker takes runs. With less it leaves them to other workers.
    #[arg(long, env = "ELT_MIN_FREE_MIB", default_value_t = 256)]
    pub min_free_mib: u32,
    /// Files and folders that an archive may have, those in archives inside it included.
    #[arg(long, env = "ELT_UNPACK_ENTRIES", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub unpack_entries: u32,
    /// GiB that one run may unpack from archives and encrypted files.
    #[arg(long, env = "ELT_UNPACK_GIB", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub unpack_gib: u32,
    /// Bytes that may come out of each byte of an archive or encrypted file, after a first 64 MiB.
    #[arg(long, env = "ELT_UNPACK_RATIO", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub unpack_ratio: u32,
    /// What retention leaves.
    #[command(flatten)]
    pub keep: KeepSettings,
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
    /// The folder of the pipelines' inboxes; set by the process from its database settings. Empty: `inbox` in the data folder.
    #[arg(skip)]
    pub inbox: PathBuf,
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

/// A queue named `..` could not be paused, because browsers ask for `/pause` instead, which pauses every pipeline.
fn queue(name: &str) -> Result<String, &'static str> {
    match name {
        "." | ".." => Err("expected a name other than `.` and `..`, which browsers take out of addresses"),
        name => Ok(name.to_owned()),
    }
}

/// A clap value parser for the address of a metadata service. A name is not taken, because other names for the same machine
/// would lead configs there.
fn metadata_address(text: &str) -> Result<Url, &'static str> {
    let is_address = |url: &Url| {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        url.scheme() == "http"
            && host.parse::<IpAddr>().is_ok()
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
    };
    Url::parse(text).ok().filter(is_address).ok_or("expected http:// and an IP address, such as http://169.254.169.254")
}

/// Where a kind of the worker's own credentials is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CloudCredential {
    /// In the environment of the worker.
    Environment,
    /// In the metadata service of its machine.
    Instance,
}

/// Credentials in the environment of the worker, under the names that the programs of the clouds use.
#[derive(Debug, Clone, Default)]
pub struct CloudVariables {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<Secret>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
    /// `GOOGLE_APPLICATION_CREDENTIALS`: path of the key of a service account.
    pub google_key_file: Option<PathBuf>,
}

impl CloudVariables {
    /// Those that are set. Messages hide the secrets among them from now on.
    fn read() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty()).map(Secret::new);
        Self {
            access_key_id: set("AWS_ACCESS_KEY_ID"),
            secret_access_key: set("AWS_SECRET_ACCESS_KEY").inspect(redaction::add),
            session_token: set("AWS_SESSION_TOKEN").inspect(redaction::add),
            google_key_file: std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
        }
    }
}

impl WorkerSettings {
    /// Credentials in the environment, when configs may use them.
    pub fn lent_variables(&self) -> Option<CloudVariables> {
        self.cloud_credentials.contains(&CloudCredential::Environment).then(CloudVariables::read)
    }

    /// Address of the metadata service, when configs may use the role of the machine.
    pub fn lent_metadata(&self) -> Option<Url> {
        self.cloud_credentials.contains(&CloudCredential::Instance).then(|| self.cloud_metadata.clone())
    }

    /// The rules for the hosts that configs may call, in which the metadata service is one that they never call.
    pub fn network_of_configs(&self) -> Arc<NetworkSettings> {
        let mut network = self.network.clone();
        let metadata = self.lent_metadata();
        let host = metadata.as_ref().and_then(Url::host_str).map(str::parse);
        if let Some(Ok(host)) = host {
            network.net_deny.push(host);
        }
        Arc::new(network)
    }

    /// [`Self::grace_period`] as a duration.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_period.into())
    }

    /// [`Self::run_timeout`] as a duration.
    pub fn run_timeout(&self) -> Duration {
        Duration::from_secs(self.run_timeout.into())
    }

    /// [`Self::min_free_mib`] in bytes.
    pub fn min_free_bytes(&self) -> u64 {
        u64::from(self.min_free_mib) << 20
    }

    /// The folder of the pipelines' inboxes.
    pub fn inboxes(&self) -> PathBuf {
        if self.inbox.as_os_str().is_empty() { self.data_dir.join("inbox") } else { self.inbox.clone() }
    }

    /// [`Self::silent_seconds`] as a duration.
    pub fn silent(&self) -> Duration {
        Duration::from_secs(self.silent_seconds.into())
    }

    /// The variables that `${env:NAME}` may stand for.
    pub fn variables(&self) -> AllowedVariables<'_> {
        AllowedVariables::new(&self.env_allow)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        keep: KeepSettings,
    }

    #[test]
    fn a_metadata_service_is_an_address_and_nothing_more() {
        for right in [METADATA_SERVICE, "http://127.0.0.2:8080", "http://[fd00:ec2::254]/"] {
            let url = metadata_address(right).expect(right);
            let host = url.host_str().map(str::parse::<elt_shared::network::HostRule>);
            assert!(matches!(host, Some(Ok(elt_shared::network::HostRule::Network(_)))), "{right}");
        }
        for wrong in ["169.254.169.254", "https://169.254.169.254", "http://metadata.internal", "http://10.0.0.1/x", ""]
        {
            assert!(metadata_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_queue_is_not_named_like_a_step_in_an_address() {
        assert!(queue(".").is_err() && queue("..").is_err());
        assert_eq!(queue("...").as_deref(), Ok("..."));
        assert_eq!(queue("nightly").as_deref(), Ok("nightly"));
    }

    #[test]
    fn the_flags_have_the_defaults_of_retention() {
        let flags = Flags::parse_from(["elt"]).keep.keep();
        assert_eq!(format!("{flags:?}"), format!("{:?}", Keep::default()));
    }
}
