//! Flags and environment of the API.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use elt_shared::metrics::ProcessMetrics;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::settings::{NetworkSettings, ProbeSettings, TokenSettings, secret};
use elt_shared::target::Export;

const TOKEN_RATE: NonZeroU32 = NonZeroU32::new(600).expect("more than zero");
/// Rows of an export.
const EXPORT_ROWS: u64 = 1_000_000;
/// MiB of the values of an export.
const EXPORT_MIB: u64 = 1_024;

use crate::oidc::settings::OidcSettings;
use crate::second_factor::RequireTotp;

/// Bytes of an uploaded file.
const UPLOAD_MAX_BYTES: u64 = 5 << 30;
/// Bytes of the inbox of a pipeline.
const INBOX_QUOTA_BYTES: u64 = 20 << 30;
/// Time without a byte after which an upload is ended.
const UPLOAD_SILENCE: Duration = Duration::from_secs(30);

/// Bounds of files that are uploaded to pipelines.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Uploaded files")]
pub struct UploadSettings {
    /// Bytes that a file may have that is uploaded to a pipeline.
    #[arg(long, env = "ELT_UPLOAD_MAX_BYTES", default_value_t = UPLOAD_MAX_BYTES, value_parser = clap::value_parser!(u64).range(1..))]
    pub upload_max_bytes: u64,
    /// Bytes that the inbox of a pipeline may have, with the uploads that are not complete.
    #[arg(long, env = "ELT_INBOX_QUOTA_BYTES", default_value_t = INBOX_QUOTA_BYTES, value_parser = clap::value_parser!(u64).range(1..))]
    pub inbox_quota_bytes: u64,
    /// Time without a byte after which an upload is ended.
    #[arg(skip = UPLOAD_SILENCE)]
    pub silence: Duration,
    /// The folder of the inboxes. Filled in from the process's database settings. Empty: `inbox` in the data folder.
    #[arg(skip)]
    pub inbox: PathBuf,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self {
            upload_max_bytes: UPLOAD_MAX_BYTES,
            inbox_quota_bytes: INBOX_QUOTA_BYTES,
            silence: UPLOAD_SILENCE,
            inbox: PathBuf::new(),
        }
    }
}

/// How the API is set up.
#[derive(Debug, Clone, Args)]
pub struct ApiSettings {
    /// Where to listen.
    #[arg(long, env = "ELT_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Seconds for which the API goes on answering when it is asked to stop, while `/readyz` says 503. Longer than load
    /// balancers take to notice.
    #[arg(long, env = "ELT_DRAIN_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=3_600))]
    pub drain_seconds: u32,
    /// Signs tokens: at least 32 bytes, the same on every replica.
    #[arg(long, env = "ELT_JWT_KEY", hide_env_values = true, value_parser = secret)]
    pub jwt_key: Option<Secret>,
    /// Seals configs and secrets. Filled in from the process's secret key settings.
    #[arg(skip)]
    pub keys: Option<Arc<KeyRing>>,
    /// Origins whose pages may call the API, `https://elt.example.com`; `*` for any.
    #[arg(long, env = "ELT_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    #[arg(long, env = "ELT_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpAddr>,
    /// Requests a minute that each API token may send to one API process.
    #[arg(long, env = "ELT_TOKEN_RATE", default_value_t = TOKEN_RATE)]
    pub token_rate: NonZeroU32,
    /// Bounds of new API tokens.
    #[command(flatten)]
    pub tokens: TokenSettings,
    /// Certificate chain in PEM format. With it and its key, the API answers HTTPS only.
    #[arg(long, env = "ELT_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM format.
    #[arg(long, env = "ELT_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Connections to targets that may be open at a time for data views, exports and quarantines.
    #[arg(long, env = "ELT_TARGET_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub target_connections: u16,
    /// Connections to targets that one user may have open at a time.
    #[arg(long, env = "ELT_TARGET_CONNECTIONS_PER_USER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub target_connections_per_user: u16,
    /// Seconds after which an export is ended, finished or not.
    #[arg(long, env = "ELT_EXPORT_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub export_seconds: u32,
    /// Rows that the file of an export has at most.
    #[arg(long, env = "ELT_EXPORT_ROWS", default_value_t = EXPORT_ROWS, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub export_rows: u64,
    /// MiB of values that the file of an export has at most.
    #[arg(long, env = "ELT_EXPORT_MIB", default_value_t = EXPORT_MIB, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub export_mib: u64,
    /// Seconds a client may leave an answer unread before its connection is closed.
    #[arg(long, env = "ELT_UNREAD_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub unread_seconds: u32,
    /// Config versions that a user who is not an admin may store.
    #[arg(long, env = "ELT_CONFIGS_PER_USER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub configs_per_user: u32,
    /// MiB of config versions that a user who is not an admin may store.
    #[arg(long, env = "ELT_CONFIG_MIB_PER_USER", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub config_mib_per_user: u32,
    /// Bounds of files that are uploaded to pipelines.
    #[command(flatten)]
    pub uploads: UploadSettings,
    /// Who must set up a second factor before anything else.
    #[arg(long, env = "ELT_REQUIRE_TOTP", value_enum, default_value_t = RequireTotp::Off)]
    pub require_totp: RequireTotp,
    /// Logins at an identity provider.
    #[command(flatten)]
    pub oidc: OidcSettings,
    /// The default target. Filled in from the process's database settings.
    #[arg(skip)]
    pub target_url: Option<Secret>,
    /// Where combined CSVs and exports are. Filled in from the process's database settings.
    #[arg(skip)]
    pub data_dir: PathBuf,
    /// Which hosts a data view may connect to. Filled in from the process's network settings.
    #[arg(skip)]
    pub network: NetworkSettings,
    /// Names `${env:NAME}` in an admin's data view may stand for. Filled in from the process's worker settings.
    #[arg(skip)]
    pub env_allow: Vec<String>,
    /// Where metrics are read, and by whom. Filled in from the process's settings.
    #[arg(skip)]
    pub probes: ProbeSettings,
    /// The metrics of the process, to which the API adds its own.
    #[arg(skip)]
    pub metrics: ProcessMetrics,
}

impl ApiSettings {
    /// Settings with these keys and everything else at its default. A weak secret key counts as missing.
    pub fn with_keys(jwt_key: Secret, secret_key: Secret) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            drain_seconds: 0,
            jwt_key: Some(jwt_key),
            keys: KeyRing::of(secret_key, Vec::new()).ok().map(Arc::new),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            token_rate: TOKEN_RATE,
            tokens: TokenSettings::default(),
            tls_cert: None,
            tls_key: None,
            target_connections: 16,
            target_connections_per_user: 4,
            export_seconds: 600,
            export_rows: EXPORT_ROWS,
            export_mib: EXPORT_MIB,
            unread_seconds: 30,
            configs_per_user: 1_000,
            config_mib_per_user: 64,
            uploads: UploadSettings::default(),
            require_totp: RequireTotp::Off,
            oidc: OidcSettings::default(),
            target_url: None,
            data_dir: PathBuf::new(),
            network: NetworkSettings::default(),
            env_allow: Vec::new(),
            probes: ProbeSettings::default(),
            metrics: ProcessMetrics::default(),
        }
    }

    /// The folder of the pipelines' inboxes.
    pub fn inboxes(&self) -> PathBuf {
        let Self { uploads: UploadSettings { inbox, .. }, data_dir, .. } = self;
        if inbox.as_os_str().is_empty() { data_dir.join("inbox") } else { inbox.clone() }
    }

    /// [`Self::unread_seconds`] as a duration.
    pub fn unread(&self) -> Duration {
        Duration::from_secs(self.unread_seconds.into())
    }

    /// [`Self::drain_seconds`] as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// An export within the limits of this process.
    pub fn export_of(&self, for_spreadsheets: bool) -> Export {
        let longest = Duration::from_secs(self.export_seconds.into());
        let (max_rows, max_mib) = (self.export_rows, self.export_mib);
        Export { max_rows, max_mib, for_spreadsheets, longest, unread: self.unread() }
    }
}
