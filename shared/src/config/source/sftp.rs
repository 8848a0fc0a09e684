//! `type: sftp`: files on an SFTP server, flat or nested below `sftp:`.

use super::after_load::{self, AfterLoad};
use super::files::{self, FileOptions};
use crate::config::keys::{Choice, Key, Shape, joined};
use crate::config::reader::{Field, Reading};
use crate::config::section::Section;
use crate::secret::Secret;

/// `type: sftp`, flat or nested.
#[derive(Debug, Clone, PartialEq)]
pub struct SftpSource {
    /// Host name or address.
    pub host: String,
    /// Default 22.
    pub port: u16,
    /// Account.
    pub username: String,
    /// How to log in.
    pub login: SftpLogin,
    /// A file, a folder or a glob on the server.
    pub path: String,
    /// How the files are read.
    pub files: FileOptions,
    /// Which host keys are accepted.
    pub trust: HostTrust,
    /// Seconds that a file must stay unchanged before it is loaded.
    pub settle_seconds: u64,
    /// What happens to a file after its load committed.
    pub after_load: AfterLoad,
}

/// How to log in to an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SftpLogin {
    /// With a password.
    Password(Secret),
    /// With a private key in PEM or OpenSSH format, or the path of its file.
    PrivateKey {
        /// The key's text or its file's path.
        key: Secret,
        /// Passphrase of the key.
        passphrase: Option<Secret>,
    },
    /// With a private key and a password, for a server that asks for both.
    PrivateKeyAndPassword {
        /// The key's text or its file's path.
        key: Secret,
        /// Passphrase of the key.
        passphrase: Option<Secret>,
        /// Password of the account.
        password: Secret,
    },
}

/// Which host keys are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostTrust {
    /// The first key seen is pinned; another one fails.
    #[default]
    FirstUse,
    /// Only keys an admin approved.
    Strict,
    /// Only the key with this `SHA256:…` fingerprint.
    Pinned(String),
}

#[derive(Debug, Clone, Copy)]
enum Trust {
    FirstUse,
    Strict,
}

impl Choice for Trust {
    const WORDS: &'static [(&'static str, Self)] = &[("first_use", Self::FirstUse), ("strict", Self::Strict)];
}

pub(super) const KEYS: &[Key] = &joined::<{ OWN_KEYS.len() + files::KEYS.len() }>(OWN_KEYS, files::KEYS);

const OWN_KEYS: &[Key] = &[
    Key::text("host", "Host name or address.").required(),
    Key::whole("port", 1, 65_535, "Default 22."),
    Key::text("username", "Account.").or(&["user"]).required(),
    Key::secret("password", "Password of the account."),
    Key::secret(
        "private_key",
        "A private key in PEM or OpenSSH format, or the path of its file; with `password` for a server that wants both.",
    ),
    Key::secret("passphrase", "Passphrase of the private key.").or(&["private_key_passphrase", "key_passphrase"]),
    Key::text("path", "A file, a folder or a glob on the server.").or(&["remote_path"]).required(),
    Key::choice::<Trust>("trust", "Which host keys are accepted: the first one seen, or only approved ones."),
    Key::text("host_key", "The only host key accepted, as `SHA256:…` fingerprint."),
    super::SETTLE_KEY,
    after_load::KEY,
    Key::of("sftp", Shape::Nested, "The same keys, one level deeper."),
];

/// Reads the source; keys may stand in the source itself or below `sftp:`.
pub(super) fn read(source: &Field<'_>) -> Option<SftpSource> {
    let nested = source.child("sftp");
    let layers = std::iter::once(source.clone()).chain(nested).collect();
    let section = &Section::open(layers, KEYS, Some("type"))?;
    let host = section.required_text("host").filter(|host| is_host(section, host));
    let username = section.required_text("username");
    let path = section.required_text("path");
    let login = login(section);
    let files = files::read(section);
    let after_load = after_load::read(section);
    let trust = trust(section);
    Some(SftpSource {
        port: section.small("port").unwrap_or(22),
        settle_seconds: super::settle_seconds(section),
        host: host?,
        username: username?,
        login: login?,
        path: path?,
        files: files?,
        trust: trust?,
        after_load: after_load?,
    })
}

/// Whether a text can be a host. Messages and traces name the host, so it must not hold a user and a password.
fn is_host(section: &Section<'_>, host: &str) -> bool {
    if host.contains('@')
        && let Some(field) = section.field("host")
    {
        field.problem("expected a host name or an address; `username` and `password` are keys of their own");
        return false;
    }
    true
}

fn login(section: &Section<'_>) -> Option<SftpLogin> {
    match (section.secret("password"), section.secret("private_key")) {
        (Some(password), None) => Some(SftpLogin::Password(password)),
        (None, Some(key)) => Some(SftpLogin::PrivateKey { key, passphrase: section.secret("passphrase") }),
        (Some(password), Some(key)) => {
            Some(SftpLogin::PrivateKeyAndPassword { key, passphrase: section.secret("passphrase"), password })
        }
        (None, None) => {
            if !section.has("password") && !section.has("private_key") {
                section.problem("missing key \"password\" or \"private_key\"");
            }
            None
        }
    }
}

fn trust(section: &Section<'_>) -> Option<HostTrust> {
    let trust = match section.choice("trust") {
        Some(Trust::Strict) => HostTrust::Strict,
        Some(Trust::FirstUse) | None => HostTrust::FirstUse,
    };
    let Some(field) = section.field("host_key") else { return Some(trust) };
    match field.reading()? {
        Reading::Open(_) => Some(trust),
        Reading::Known(text) => match fingerprint(&text) {
            Some(fingerprint) => Some(HostTrust::Pinned(fingerprint)),
            None => {
                field.problem(format!(
                    "expected a fingerprint such as SHA256:… of 43 characters, as `ssh-keygen -lf` prints it, found {}",
                    field.shown()
                ));
                None
            }
        },
    }
}

/// `SHA256:` and 32 bytes in unpadded base64.
fn fingerprint(text: &str) -> Option<String> {
    let digest = text.trim().strip_prefix("SHA256:")?.trim_end_matches('=');
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (digest.len() == 43 && digest.bytes().all(base64)).then(|| format!("SHA256:{digest}"))
}
