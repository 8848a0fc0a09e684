//! Flags and environment of the API.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use elt_shared::secret::Secret;
use elt_shared::settings::{NetworkSettings, secret};

use crate::oidc::settings::OidcSettings;
use crate::second_factor::RequireTotp;

/// How the API is set up.
#[derive(Debug, Clone, Args)]
pub struct ApiSettings {
    /// Where to listen.
    #[arg(long, env = "ELT_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Signs tokens: at least 32 bytes, the same on every replica.
    #[arg(long, env = "ELT_JWT_KEY", hide_env_values = true, value_parser = secret)]
    pub jwt_key: Option<Secret>,
    /// Recognises a config that was uploaded before: at least 32 bytes, the same on every replica.
    #[arg(long, env = "ELT_SECRET_KEY", hide_env_values = true, value_parser = secret)]
    pub secret_key: Option<Secret>,
    /// Origins whose pages may call the API, `https://elt.example.com`; `*` for any.
    #[arg(long, env = "ELT_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    #[arg(long, env = "ELT_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpAddr>,
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
}

impl ApiSettings {
    /// Settings with these keys and everything else at its default.
    pub fn with_keys(jwt_key: Secret, secret_key: Secret) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            jwt_key: Some(jwt_key),
            secret_key: Some(secret_key),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            require_totp: RequireTotp::Off,
            oidc: OidcSettings::default(),
            target_url: None,
            data_dir: PathBuf::new(),
            network: NetworkSettings::default(),
            env_allow: Vec::new(),
        }
    }
}
