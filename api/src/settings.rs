//! Flags and environment of the API.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::settings::{NetworkSettings, secret};

/// How the API is set up.
#[derive(Debug, Clone, Args)]
pub struct ApiSettings {
    /// Where to listen.
    #[arg(long, env = "ELT_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
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
}

impl ApiSettings {
    /// Settings with these keys and everything else at its default. A weak secret key counts as missing.
    pub fn with_keys(jwt_key: Secret, secret_key: Secret) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            jwt_key: Some(jwt_key),
            keys: KeyRing::of(secret_key, Vec::new()).ok().map(Arc::new),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            target_url: None,
            data_dir: PathBuf::new(),
            network: NetworkSettings::default(),
            env_allow: Vec::new(),
        }
    }
}
