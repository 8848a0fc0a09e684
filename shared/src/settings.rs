//! Flags and environment of a process. Apart from the `settings.rs` of the other crates, and in `cli` the file of the
//! command that has a setting, nothing else reads the environment.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use clap::Args;
use reqwest::Url;
use sha2::{Digest, Sha256};

use crate::config::is_secret_name;
use crate::network::HostRule;
use crate::redaction;
use crate::secret::Secret;

/// The account that started this process. It decides about the default data folder, also after the process has dropped to
/// another account.
static STARTED_AS: OnceLock<nix::unistd::Uid> = OnceLock::new();

/// Where the control database is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database and data folder")]
pub struct DatabaseSettings {
    /// The control database, as this process's login. Without it, `up`, `run`, `plan` and `check` use a private PostgreSQL in the data folder.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_parser = secret)]
    pub database_url: Option<Secret>,
    /// The control database as the login that owns its tables. Migrations and all commands but `up`, `serve` and `worker` use it. Default: `DATABASE_URL`.
    #[arg(long, global = true, env = "ELT_OWNER_DATABASE_URL", hide_env_values = true, value_parser = secret)]
    pub owner_database_url: Option<Secret>,
    /// The default target, used by configs whose target names no server: a low-privilege role.
    #[arg(long, global = true, env = "ELT_TARGET_URL", hide_env_values = true, value_parser = secret)]
    pub target_url: Option<Secret>,
    /// Keeps the private cluster, the output files and the log. Default: /var/lib/elt as root, else $XDG_DATA_HOME/elt.
    #[arg(long, global = true, env = "ELT_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Keeps the files that are uploaded to pipelines, a folder each. The API and all workers need the same folder. Default: `inbox` in the data folder.
    #[arg(long, global = true, env = "ELT_INBOX")]
    pub inbox: Option<PathBuf>,
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
        let account = *STARTED_AS.get_or_init(nix::unistd::geteuid);
        if account.is_root() {
            return PathBuf::from("/var/lib/elt");
        }
        own_data_dir(|name| std::env::var_os(name), || Some(nix::unistd::User::from_uid(account).ok()??.dir))
    }

    /// The folder of the inboxes: as set, or the one in `data_dir`.
    pub fn inbox(&self, data_dir: &Path) -> PathBuf {
        self.inbox.clone().unwrap_or_else(|| data_dir.join("inbox"))
    }
}

/// Where an account keeps data. A service may have no HOME: then the account's entry counts.
fn own_data_dir(variable: impl Fn(&str) -> Option<OsString>, entry: impl FnOnce() -> Option<PathBuf>) -> PathBuf {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || folder("HOME").or_else(entry).map(|home| home.join(".local/share"));
    folder("XDG_DATA_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("elt")
}

/// Bounds of new API tokens.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "API tokens")]
pub struct TokenSettings {
    /// Longest lifetime of an API token, in days.
    #[arg(long, env = "ELT_TOKEN_MAX_DAYS", default_value_t = 366, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub token_max_days: u16,
    /// API tokens that one user or service account may have at a time.
    #[arg(long, env = "ELT_TOKENS_PER_OWNER", default_value_t = 20)]
    pub tokens_per_owner: u16,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self { token_max_days: 366, tokens_per_owner: 20 }
    }
}

/// Where a process answers probes and Prometheus.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Probes and metrics")]
pub struct ProbeSettings {
    /// Where to answer `/livez`, `/readyz` and `/metrics` by plain HTTP, for example 127.0.0.1:9464. Without it a worker
    /// answers nothing, and the API answers at its own address.
    #[arg(long, env = "ELT_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// The token that readers of `/metrics` send as `Authorization: Bearer …`.
    #[arg(long, env = "ELT_METRICS_TOKEN", hide_env_values = true, value_parser = secret)]
    pub metrics_token: Option<Secret>,
    /// Pipelines of which a worker's metrics name each; all others count together as `_other`.
    #[arg(long, env = "ELT_METRICS_PIPELINES", default_value_t = MOST_NAMED_PIPELINES)]
    pub metrics_pipelines: u16,
}

/// Default of [`ProbeSettings::metrics_pipelines`].
const MOST_NAMED_PIPELINES: u16 = 100;

impl Default for ProbeSettings {
    fn default() -> Self {
        Self { metrics_listen: None, metrics_token: None, metrics_pipelines: MOST_NAMED_PIPELINES }
    }
}

impl ProbeSettings {
    /// Whether a request with this `Authorization` header may read the metrics of operators.
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        let Some(expected) = &self.metrics_token else { return true };
        let sent = authorization.and_then(|header| header.split_once(' '));
        // Hashes are compared, because the time that it takes then tells nothing about the token.
        sent.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && Sha256::digest(token) == Sha256::digest(expected.expose())
        })
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
    /// Lines for people, with colours on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// The keys that seal secrets in the control database. Without a setting, those in the data folder's `keys.json`.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Secret keys")]
pub struct SecretKeySettings {
    /// Seals configs and secrets, and signs the audit: at least 32 random bytes, the same in every process. Without it
    /// nothing sealed opens.
    #[arg(long, global = true, env = "ELT_SECRET_KEY", hide_env_values = true, value_parser = secret)]
    pub secret_key: Option<Secret>,
    /// A file with the secret key, instead of the key itself. More lines are more keys: the first seals, all open.
    #[arg(long, global = true, env = "ELT_SECRET_KEY_FILE", conflicts_with = "secret_key")]
    pub secret_key_file: Option<PathBuf>,
    /// Keys that only open, separated by commas: the ones before, and the next one while processes are restarted.
    #[arg(
        long,
        global = true,
        env = "ELT_SECRET_KEY_OLD",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = secret
    )]
    pub secret_key_old: Vec<Secret>,
}

/// Which hosts sources and targets may be on. The most specific rule decides; link-local and metadata addresses are
/// refused unless a rule names them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkSettings {
    /// Networks (CIDR) and host names that may never be called.
    #[arg(long, env = "ELT_NET_DENY", value_delimiter = ',')]
    pub net_deny: Vec<HostRule>,
    /// Networks (CIDR) and host names that may be called. When set, no other host may be; `*` stands for all others.
    #[arg(long, env = "ELT_NET_ALLOW", value_delimiter = ',')]
    pub net_allow: Vec<HostRule>,
    /// File with certificate authorities, in PEM form, that may have signed the certificates of targets, besides the
    /// public ones.
    #[arg(long, env = "ELT_TARGET_CA_FILE")]
    pub target_ca_file: Option<PathBuf>,
    /// Seconds without an answer after which the connection of a run to its target is given up, when the server says on
    /// another connection that the session has ended or waits for this side, or cannot be asked.
    #[arg(long, env = "ELT_TARGET_SILENCE", default_value_t = TARGET_SILENCE, value_parser = clap::value_parser!(u16).range(3..=3_600))]
    pub target_silence: u16,
    /// The proxy that all requests of API sources go through, `http://USER:PASSWORD@HOST:PORT`. The rules for hosts hold
    /// for the hosts that are asked for, as this machine finds them.
    #[arg(long, env = "ELT_HTTP_PROXY", hide_env_values = true, value_parser = secret)]
    pub http_proxy: Option<Secret>,
    /// Address of this installation in people's browsers, `https://elt.example.com`. Messages about pipelines link to it, and an
    /// identity provider must allow the redirect to `/auth/oidc/callback` below it.
    #[arg(long, env = "ELT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Further rules for what users who are not admins have elt connect to.
    #[command(flatten)]
    pub user_rules: UserNetworkSettings,
    /// Whether [`Self::user_rules`] hold as well, because a user who is not an admin named the host.
    #[arg(skip)]
    pub is_for_user: bool,
}

/// Seconds. With the time for the last question, a lost connection is noticed within a minute.
const TARGET_SILENCE: u16 = 45;

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            net_deny: Vec::new(),
            net_allow: Vec::new(),
            target_ca_file: None,
            target_silence: TARGET_SILENCE,
            http_proxy: None,
            public_url: None,
            user_rules: UserNetworkSettings::default(),
            is_for_user: false,
        }
    }
}

impl NetworkSettings {
    /// The rules for hosts that an admin named, or that a user who is not an admin named.
    pub fn for_hosts_of(&self, is_admin: bool) -> Self {
        Self { is_for_user: !is_admin, ..self.clone() }
    }

    /// [`Self::public_url`] as a URL. `None`: it is not set, or nothing can be linked to it.
    pub fn public_url(&self) -> Option<Url> {
        let url = Url::parse(self.public_url.as_ref()?.trim()).ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        (matches!(url.scheme(), "http" | "https") && is_plain && url.fragment().is_none()).then_some(url)
    }

    /// [`Self::target_silence`] as a duration.
    pub fn target_silence(&self) -> Duration {
        Duration::from_secs(self.target_silence.into())
    }

    /// Whether [`Self::http_proxy`] is the address of a proxy, with neither path nor query, or not set. It is not checked where
    /// it is read, because the message would repeat its password.
    pub fn has_usable_proxy(&self) -> bool {
        let is_address = |url: Url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/" && url.query().is_none()
        };
        self.http_proxy.as_ref().is_none_or(|proxy| Url::parse(proxy.expose()).is_ok_and(is_address))
    }
}

/// Which hosts a user who is not an admin may have elt connect to, among those that everyone may reach. Private
/// networks and this machine are refused unless a rule names them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct UserNetworkSettings {
    /// Networks (CIDR) and host names that data views of users, and messages of configs that no admin uploaded, may not connect to.
    #[arg(long, env = "ELT_NET_DENY_USER", value_delimiter = ',')]
    pub net_deny_user: Vec<HostRule>,
    /// Networks (CIDR) and host names that data views of users, and messages of configs that no admin uploaded, may connect to. When
    /// set, they reach no other host; `*` stands for all others outside private networks. The default target is always allowed.
    #[arg(long, env = "ELT_NET_ALLOW_USER", value_delimiter = ',')]
    pub net_allow_user: Vec<HostRule>,
}

/// The variables of this process's environment that the driver of PostgreSQL adds to every connection, and that none of its
/// options takes back. What belongs to a connection stands in its URL.
pub fn variables_of_the_driver() -> Vec<&'static str> {
    const NAMES: [&str; 5] = ["PGAPPNAME", "PGOPTIONS", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT"];
    NAMES.into_iter().filter(|name| std::env::var_os(name).is_some()).collect()
}

/// Whether a variable is set and holds nothing but white space.
pub fn is_empty_variable(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value.to_string_lossy().trim().is_empty())
}

/// The path in `NAME_FILE`, for the secret setting `NAME`.
pub fn file_of(name: &str) -> Option<PathBuf> {
    std::env::var_os(format!("{name}_FILE")).map(PathBuf::from)
}

/// A clap value parser for secrets.
///
/// # Errors
/// When the text is empty.
pub fn secret(text: &str) -> Result<Secret, &'static str> {
    if text.trim().is_empty() { Err("it is empty") } else { Ok(Secret::new(text)) }
}

/// Looks `${env:NAME}` up in this process's environment, if the name is allowed.
#[derive(Debug, Clone, Copy)]
pub struct AllowedVariables<'a> {
    allow: &'a [String],
}

impl<'a> AllowedVariables<'a> {
    /// Those listed in `ELT_ENV_ALLOW`, and no others.
    pub fn new(allow: &'a [String]) -> Self {
        Self { allow }
    }

    /// The value of a variable. It is hidden in messages from now on when its name says that it is a secret.
    ///
    /// # Errors
    /// A sentence: the name is not allowed, not set, or one of elt's own settings.
    pub fn value(&self, name: &str) -> Result<Secret, String> {
        let value = self.environment(name)?;
        if is_secret_name(name) {
            redaction::add(&value);
        }
        Ok(value)
    }

    fn environment(&self, name: &str) -> Result<Secret, String> {
        if is_own_setting(name) {
            return Err(format!("${{env:{name}}} is a setting of elt itself and never given to a config"));
        }
        if !self.allow.iter().any(|allowed| allowed == name) {
            return Err(format!("${{env:{name}}} is not allowed: add {name} to ELT_ENV_ALLOW on the workers"));
        }
        match std::env::var(name) {
            Ok(value) => Ok(Secret::new(value)),
            Err(std::env::VarError::NotPresent) => {
                Err(format!("${{env:{name}}} is allowed but not set on this worker"))
            }
            Err(std::env::VarError::NotUnicode(_)) => Err(format!("${{env:{name}}} is not valid UTF-8")),
        }
    }
}

/// Settings of elt itself, among them its keys: never given to a config, whatever `ELT_ENV_ALLOW` says.
fn is_own_setting(name: &str) -> bool {
    name.starts_with("ELT_") || ["DATABASE_URL", "DATABASE_URL_FILE"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(allow: &[&str], name: &str) -> String {
        let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
        AllowedVariables { allow: &allow }.value(name).expect_err("the reference is refused")
    }

    #[test]
    fn an_account_without_home_keeps_its_data_where_its_entry_says() {
        let entry = || Some(PathBuf::from("/home/ann"));
        let of = |set: &[(&str, &str)]| {
            own_data_dir(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()), entry)
        };
        assert_eq!(of(&[("XDG_DATA_HOME", "/data"), ("HOME", "/h")]), PathBuf::from("/data/elt"));
        assert_eq!(of(&[("XDG_DATA_HOME", ""), ("HOME", "/h")]), PathBuf::from("/h/.local/share/elt"));
        assert_eq!(of(&[]), PathBuf::from("/home/ann/.local/share/elt"));
    }

    #[test]
    fn a_proxy_is_an_address_and_nothing_more() {
        let with = |proxy: &str| NetworkSettings { http_proxy: Some(proxy.into()), ..NetworkSettings::default() };
        for right in ["http://proxy:3128", "https://ann:pa%40ss@proxy.example.com/", "http://[::1]:8080"] {
            assert!(with(right).has_usable_proxy(), "{right}");
        }
        for wrong in ["proxy:3128", "socks5://proxy", "http://proxy/path", "http://", "http://proxy?a=b"] {
            assert!(!with(wrong).has_usable_proxy(), "{wrong}");
        }
        assert!(NetworkSettings::default().has_usable_proxy());
    }

    #[test]
    fn only_listed_names_resolve() {
        assert!(refusal(&[], "PATH").contains("ELT_ENV_ALLOW"));
        let allow = ["PATH".to_owned()];
        assert!(AllowedVariables { allow: &allow }.value("PATH").is_ok());
    }

    #[test]
    fn our_own_keys_never_resolve() {
        for name in [
            "ELT_JWT_KEY",
            "ELT_SECRET_KEY_OLD",
            "ELT_SECRET_KEY_FILE",
            "ELT_TARGET_URL",
            "ELT_ADMIN_PASSWORD_FILE",
            "DATABASE_URL",
            "DATABASE_URL_FILE",
        ] {
            assert!(refusal(&[name], name).contains("setting of elt itself"), "{name}");
        }
    }

    #[test]
    fn a_listed_name_that_is_not_set_says_so() {
        assert!(refusal(&["NOT_SET_ANYWHERE_42"], "NOT_SET_ANYWHERE_42").contains("not set"));
    }
}
