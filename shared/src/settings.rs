//! Flags and environment of a process. Together with the `settings.rs` of `api` and `worker`, the only readers of the environment.

use std::path::PathBuf;

use clap::Args;

use crate::network::HostRule;
use crate::secret::Secret;

/// Where the control database is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database and data folder")]
pub struct DatabaseSettings {
    /// The control database. Without it, local mode runs a private PostgreSQL in the data folder.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_parser = secret)]
    pub database_url: Option<Secret>,
    /// The default target, used by configs whose target names no server: a low-privilege role.
    #[arg(long, global = true, env = "ELT_TARGET_URL", hide_env_values = true, value_parser = secret)]
    pub target_url: Option<Secret>,
    /// Keeps the private cluster, the output files and the log. Default: /var/lib/elt as root, else $XDG_DATA_HOME/elt.
    #[arg(long, global = true, env = "ELT_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder with the PostgreSQL server programs (initdb, postgres) for local mode.
    #[arg(long, global = true, env = "PG_BIN")]
    pub pg_bin: Option<PathBuf>,
}

impl DatabaseSettings {
    /// The data folder: as set, or the default of this account.
    pub fn data_dir(&self) -> PathBuf {
        if let Some(folder) = &self.data_dir {
            return folder.clone();
        }
        if nix::unistd::geteuid().is_root() {
            return PathBuf::from("/var/lib/elt");
        }
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(home)
            .unwrap_or_else(std::env::temp_dir)
            .join("elt")
    }
}

/// What a process says about itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs and traces")]
pub struct TelemetrySettings {
    /// Which lines are written: `info`, or per module, `info,elt_worker=debug`.
    #[arg(long, global = true, env = "ELT_LOG", default_value = "info")]
    pub log: String,
    /// How lines look on stderr.
    #[arg(long, global = true, env = "ELT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// OTLP/HTTP endpoint traces are sent to.
    #[arg(long, global = true, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// How lines look on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Which hosts sources and targets may be on. Link-local and metadata addresses are always refused unless allowed here.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkSettings {
    /// Networks (CIDR) and host names that may never be called.
    #[arg(long, env = "ELT_NET_DENY", value_delimiter = ',')]
    pub net_deny: Vec<HostRule>,
    /// Networks (CIDR) and host names that may be called all the same.
    #[arg(long, env = "ELT_NET_ALLOW", value_delimiter = ',')]
    pub net_allow: Vec<HostRule>,
}

/// Where programs are looked for.
pub(crate) fn search_path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}

/// A clap value parser for secrets.
pub fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}
