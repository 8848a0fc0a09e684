//! The address of a PostgreSQL database: the one reader of `postgres://…` URLs, for configs and for the settings
//! `DATABASE_URL` and `ELT_TARGET_URL`.
//!
//! What a URL leaves out is a fixed default. Nothing comes from `PG*` variables, password files or service files, because the
//! author of a config must not be able to use the credentials of the process that reads it, and because an operator should
//! find everything about the control database in one place.
//!
//! # Layout
//! - [`parse`]: from a URL to an address
//! - [`problem`]: why a URL is refused

mod parse;
mod problem;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

pub(crate) use self::parse::decoded as percent_decoded;
pub use self::problem::AddressProblem;
use crate::config::SslMode;
use crate::secret::Secret;

/// The port of a server when an address names none.
pub const DEFAULT_PORT: u16 = 5432;

/// Who wrote a URL. An operator may name sockets and files of the machine; a config may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The author of a config.
    Config,
    /// Who set `DATABASE_URL` or `ELT_TARGET_URL`.
    Operator,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A host name, or an address without brackets.
    Name(String),
    /// The folder of a Unix socket.
    Socket(PathBuf),
}

/// Files of this machine with certificates. Only an operator's URL names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// `sslrootcert`: who may have signed the server's certificate.
    pub authorities: Option<PathBuf>,
    /// `sslcert`: the certificate this process shows.
    pub certificate: Option<PathBuf>,
    /// `sslkey`: the key of that certificate.
    pub key: Option<PathBuf>,
}

/// The address of a database, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetAddress {
    /// Where the server listens.
    pub host: Host,
    /// Port; part of the file name for a Unix socket.
    pub port: u16,
    /// Database name.
    pub database: String,
    /// Name of the PostgreSQL role that logs in.
    pub user: String,
    /// Empty when the address has none.
    pub password: Secret,
    /// As written; `None`: see [`TargetAddress::encryption`].
    pub sslmode: Option<SslMode>,
    /// Files with certificates.
    pub files: CertificateFiles,
    /// Settings of the session, `options[name]=value` in an operator's URL.
    pub options: Vec<(String, String)>,
}

impl TargetAddress {
    /// Reads a URL.
    ///
    /// # Errors
    /// The first thing that is wrong with it, without any part of it that may be a secret.
    pub fn parse(url: &str, author: Author) -> Result<Self, AddressProblem> {
        parse::url(url, author)
    }

    /// Reads a host as a config's `host` names it: a name or an address, in brackets or not.
    ///
    /// # Errors
    /// A Unix socket, a list of hosts, characters that no host has.
    pub fn host_name(text: &str) -> Result<String, AddressProblem> {
        parse::host_name(text)
    }

    /// How a connection to a target is encrypted: as the address says, else `prefer` on this machine and `require`
    /// beyond it, because only there others can listen.
    pub fn encryption(&self) -> SslMode {
        self.sslmode.unwrap_or(SslMode::default_for(self.is_on_this_machine()))
    }

    /// Whether the address is a Unix socket, `localhost` or a loopback address.
    pub fn is_on_this_machine(&self) -> bool {
        match &self.host {
            Host::Socket(_) => true,
            Host::Name(name) => is_loopback(name),
        }
    }

    /// `host:port/database`, for messages.
    pub fn server(&self) -> String {
        match &self.host {
            Host::Socket(folder) => format!("{}:{}/{}", folder.display(), self.port, self.database),
            Host::Name(name) => format!("{}:{}/{}", bracketed(name), self.port, self.database),
        }
    }

    /// The address as the driver takes it, for databases that are connected to directly. Only the operator's own are. `elt`
    /// starts without the variables that the driver would add, see [`crate::settings::variables_of_the_driver`].
    pub fn driver_options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose())
            .database(&self.database)
            .ssl_mode(driver_ssl_mode(self.sslmode.unwrap_or_default()))
            .options(self.options.iter().map(|(name, value)| (name, value)))
            .disable_statement_logging();
        let options = match &self.host {
            Host::Socket(folder) => options.socket(folder),
            Host::Name(name) => options.host(&bracketed(name)),
        };
        let files = &self.files;
        let options = files.authorities.iter().fold(options, |options, file| options.ssl_root_cert(file));
        let options = files.certificate.iter().fold(options, |options, file| options.ssl_client_cert(file));
        files.key.iter().fold(options, |options, file| options.ssl_client_key(file))
    }

    /// The address as a URL that reads back as the same address.
    pub fn to_url(&self) -> Secret {
        let mut url = format!("postgres://{}:{}@", encoded(&self.user), encoded(self.password.expose()));
        match &self.host {
            Host::Name(name) => url.push_str(&bracketed(name)),
            Host::Socket(folder) => url.push_str(&encoded(&folder.to_string_lossy())),
        }
        let _ = write!(url, ":{}/{}", self.port, encoded(&self.database));
        let mut separator = '?';
        let mut parameter = |name: &str, value: &str| {
            let _ = write!(url, "{separator}{name}={}", encoded(value));
            separator = '&';
        };
        if let Some(mode) = self.sslmode {
            parameter("sslmode", mode.word());
        }
        let files = &self.files;
        for (name, file) in
            [("sslrootcert", &files.authorities), ("sslcert", &files.certificate), ("sslkey", &files.key)]
        {
            if let Some(file) = file {
                parameter(name, &file.to_string_lossy());
            }
        }
        for (name, value) in &self.options {
            parameter(&encoded(&format!("options[{name}]")), value);
        }
        Secret::new(url)
    }
}

/// Whether a host, without brackets, is this machine by its name or address.
pub fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

/// A host as it stands in a URL and as the driver takes it.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Percent-encodes all but letters, digits, `-`, `_` and `.`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn driver_ssl_mode(mode: SslMode) -> PgSslMode {
    match mode {
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Allow => PgSslMode::Allow,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        SslMode::VerifyFull => PgSslMode::VerifyFull,
    }
}
