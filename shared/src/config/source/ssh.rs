//! An SSH server: where it is, how to log in to it, and which host keys are accepted. The server of an `sftp` source and
//! the jump host before it have the same keys.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use crate::config::field::{Field, Reading};
use crate::config::keys::{Choice, Key};
use crate::config::section::Section;
use crate::secret::Secret;

/// An SSH server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshServer {
    /// Host name or address.
    pub host: String,
    /// Default 22.
    pub port: u16,
    /// Account.
    pub username: String,
    /// How to log in.
    pub login: SshLogin,
    /// Which host keys are accepted.
    pub trust: HostTrust,
}

/// How to log in to an SSH server: with a key, a password, or both. At least one of them is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshLogin {
    /// The key. `None`: the password alone.
    pub key: Option<SshKey>,
    /// An OpenSSH certificate for the key, or the path of its file.
    pub certificate: Option<String>,
    /// Password of the account. `None`: the key alone.
    pub password: Option<Secret>,
}

/// The key of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshKey {
    /// A private key in PEM or OpenSSH format.
    Private {
        /// The key's text or its file's path.
        key: Secret,
        /// Passphrase of the key.
        passphrase: Option<Secret>,
    },
    /// One of the keys in the SSH agent that the worker may use.
    OfAgent,
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
    /// Only a host certificate that the authority with this `SHA256:…` fingerprint has signed for the host.
    Authority(String),
}

impl SshLogin {
    /// With a password.
    pub fn password(password: impl Into<Secret>) -> Self {
        Self { key: None, certificate: None, password: Some(password.into()) }
    }

    /// With a private key, given as its text or the path of its file.
    pub fn private_key(key: impl Into<Secret>, passphrase: Option<Secret>) -> Self {
        Self::key(SshKey::Private { key: key.into(), passphrase })
    }

    /// With one of the keys in the agent.
    pub fn agent() -> Self {
        Self::key(SshKey::OfAgent)
    }

    /// With a password as well.
    #[must_use]
    pub fn and_password(self, password: impl Into<Secret>) -> Self {
        Self { password: Some(password.into()), ..self }
    }

    /// With a certificate for the key.
    #[must_use]
    pub fn and_certificate(self, certificate: impl Into<String>) -> Self {
        Self { certificate: Some(certificate.into()), ..self }
    }

    fn key(key: SshKey) -> Self {
        Self { key: Some(key), certificate: None, password: None }
    }
}

#[derive(Debug, Clone, Copy)]
enum Trust {
    FirstUse,
    Strict,
}

impl Choice for Trust {
    const WORDS: &'static [(&'static str, Self)] = &[("first_use", Self::FirstUse), ("strict", Self::Strict)];
}

pub(super) const KEYS: &[Key] = &[
    Key::text("host", "Host name or address.").required(),
    Key::whole("port", 1, 65_535, "Default 22."),
    Key::text("username", "Account.").or(&["user"]).required(),
    Key::secret("password", "Password of the account."),
    Key::secret(
        "private_key",
        "A private key in PEM or OpenSSH format, or the path of its file; with `password` for a server that wants both.",
    ),
    Key::secret("passphrase", "Passphrase of the private key.").or(&["private_key_passphrase", "key_passphrase"]),
    Key::text("certificate", "An OpenSSH certificate for the key, or the path of its file (`id_ed25519-cert.pub`)."),
    Key::flag(
        "agent",
        "Log in with a key of the SSH agent that the workers may use (ELT_SSH_AGENT), in place of `private_key`.",
    ),
    Key::choice::<Trust>("trust", "Which host keys are accepted: the first one seen, or only approved ones."),
    Key::text("host_key", "The only host key accepted, as `SHA256:…` fingerprint."),
    Key::text(
        "host_ca",
        "The authority that must have signed a certificate for the host: its public key, or the `SHA256:…` fingerprint of it.",
    ),
];

/// Reads the keys.
pub(super) fn read(section: &Section<'_>) -> Option<SshServer> {
    let host = section.required_text("host").filter(|host| is_host(section, host));
    let username = section.required_text("username");
    let login = login(section);
    let trust = trust(section);
    Some(SshServer {
        port: section.small("port").unwrap_or(22),
        host: host?,
        username: username?,
        login: login?,
        trust: trust?,
    })
}

/// Whether a text can be a host. Messages and traces name the host, so it must not hold a user and a password.
pub(super) fn is_host(section: &Section<'_>, host: &str) -> bool {
    if host.contains('@')
        && let Some(field) = section.field("host")
    {
        field.problem("expected a host name or an address; `username` and `password` are keys of their own");
        return false;
    }
    true
}

fn login(section: &Section<'_>) -> Option<SshLogin> {
    let agent = section.flag("agent").unwrap_or(false);
    let own = section.secret("private_key");
    let key = match (own, agent) {
        (Some(_), true) => {
            section.field("agent")?.problem("expected either `agent` or `private_key`, because a login has one key");
            return None;
        }
        (None, true) => Some(SshKey::OfAgent),
        (own, false) => own.map(|key| SshKey::Private { key, passphrase: section.secret("passphrase") }),
    };
    let certificate = section.filled_text("certificate");
    if certificate.is_some() && !agent && !section.wrote("private_key") {
        let field = section.field("certificate")?;
        field.problem("a certificate belongs to a key: write its `private_key`, or `agent: true`");
        return None;
    }
    let password = section.secret("password");
    if key.is_none() && password.is_none() {
        if !section.has("password") && !section.has("private_key") {
            section.problem("missing key \"password\" or \"private_key\"");
        }
        return None;
    }
    Some(SshLogin { key, certificate, password })
}

fn trust(section: &Section<'_>) -> Option<HostTrust> {
    let trust = match section.choice("trust") {
        Some(Trust::Strict) => HostTrust::Strict,
        Some(Trust::FirstUse) | None => HostTrust::FirstUse,
    };
    let found = match (section.field("host_key"), section.field("host_ca")) {
        (Some(_), Some(field)) => {
            field.problem("expected either `host_key` or `host_ca`: a server shows a key or a certificate");
            return None;
        }
        (Some(field), None) => named(field, fingerprint, HostTrust::Pinned, "as `ssh-keygen -lf` prints it"),
        (None, Some(field)) => named(field, authority, HostTrust::Authority, "or the authority's public key"),
        (None, None) => return Some(trust),
    }?;
    Some(found.unwrap_or(trust))
}

/// The trust that a key names by a fingerprint; `Some(None)` while its value is not known.
fn named(
    field: &Field<'_>,
    read: fn(&str) -> Option<String>,
    trust: fn(String) -> HostTrust,
    otherwise: &str,
) -> Option<Option<HostTrust>> {
    match field.reading()? {
        Reading::Open(_) => Some(None),
        Reading::Known(text) => match read(&text) {
            Some(fingerprint) => Some(Some(trust(fingerprint))),
            None => {
                field.problem(format!(
                    "expected a fingerprint such as SHA256:… of 43 characters, {otherwise}, found {}",
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

/// The fingerprint of an authority, which is written as such or as a public key in OpenSSH's one-line form, also behind the
/// `@cert-authority *.example.com` of a `known_hosts` file.
fn authority(text: &str) -> Option<String> {
    fingerprint(text).or_else(|| {
        // Every key begins with the length of its kind's name, whose upper bytes are zero.
        let key = text.split_whitespace().find(|word| word.starts_with("AAAA"))?;
        let digest = Sha256::digest(STANDARD.decode(key).ok()?);
        Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_named_by_its_key_or_the_fingerprint_of_it() {
        // `ssh-keygen -lf` prints this fingerprint of the key.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let print = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
        for text in [print, key, &format!("{key} ca@example.com\n"), &format!("@cert-authority *.example.com {key}")] {
            assert_eq!(authority(text).as_deref(), Some(print), "{text}");
        }
        for text in ["", "SHA256:short", "ssh-ed25519", "ssh-ed25519 AAAA!"] {
            assert_eq!(authority(text), None, "{text}");
        }
    }
}
