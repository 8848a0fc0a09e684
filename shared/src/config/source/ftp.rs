//! `type: ftp`: files on an FTP server, in the clear or over TLS.

use super::after_load;
use super::files;
use super::place_keys::PlaceOptions;
use super::ssh::is_host;
use crate::config::certificates;
use crate::config::keys::{Choice, Key, joined};
use crate::config::section::Section;
use crate::secret::Secret;

/// `type: ftp`.
#[derive(Debug, Clone, PartialEq)]
pub struct FtpSource {
    /// Host name or address.
    pub host: String,
    /// Default 21, or 990 with implicit TLS.
    pub port: u16,
    /// Account.
    pub username: String,
    /// Password of the account. `None`: an anonymous login.
    pub password: Option<Secret>,
    /// A file, a folder or a glob on the server.
    pub path: String,
    /// Whether the connection is encrypted.
    pub tls: FtpTls,
    /// The only authorities that may have signed the server's certificate, in PEM form.
    pub authorities: Option<Secret>,
    /// How the files are read, and what happens to them.
    pub place: PlaceOptions,
}

impl FtpSource {
    /// Where the files are.
    pub fn address(&self) -> String {
        format!("{}:{} {}", self.host, self.port, self.path)
    }
}

/// How a connection to an FTP server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FtpTls {
    /// With `AUTH TLS`, before the login. A server that does not offer it is refused.
    #[default]
    Explicit,
    /// From the first byte on.
    Implicit,
    /// The connection is not encrypted.
    None,
}

impl Choice for FtpTls {
    const WORDS: &'static [(&'static str, Self)] =
        &[("explicit", Self::Explicit), ("implicit", Self::Implicit), ("none", Self::None)];
}

pub(super) const KEYS: &[Key] = &joined::<{ OWN_KEYS.len() + files::KEYS.len() }>(OWN_KEYS, files::KEYS);

const OWN_KEYS: &[Key] = &[
    Key::text("host", "Host name or address.").required(),
    Key::whole("port", 1, 65_535, "Default 21, or 990 with `tls: implicit`."),
    Key::text("username", "Account; default `anonymous`.").or(&["user"]),
    Key::secret("password", "Password of the account."),
    Key::text("path", "A file, a folder or a glob on the server.").or(&["remote_path"]).required(),
    Key::choice::<FtpTls>(
        "tls",
        "How the connection is encrypted: `explicit` (default: by AUTH TLS, before the login), `implicit` (from the first byte \
         on) or `none`.",
    ),
    Key::secret(
        "ca_certificate",
        "`${secret:NAME}`: the only authorities that may have signed the server's certificate, in PEM form.",
    ),
    super::SETTLE_KEY,
    after_load::KEY,
];

pub(super) fn read(section: &Section<'_>) -> Option<FtpSource> {
    let host = section.required_text("host").filter(|host| is_host(section, host));
    let path = section.required_text("path");
    let files = files::read(section);
    let after_load = after_load::read(section);
    let authorities = certificates::authorities(section);
    let tls = section.choice("tls").unwrap_or_default();
    let default_port = if tls == FtpTls::Implicit { 990 } else { 21 };
    Some(FtpSource {
        port: section.small("port").unwrap_or(default_port),
        username: section.filled_text("username").unwrap_or_else(|| "anonymous".to_owned()),
        password: section.secret("password"),
        tls,
        authorities: authorities?,
        host: host?,
        path: path?,
        place: PlaceOptions { files: files?, settle_seconds: super::settle_seconds(section), after_load: after_load? },
    })
}
