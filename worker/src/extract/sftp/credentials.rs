//! What a login proves itself with. It is read and checked before a connection is made, so that an unusable key is reported
//! first.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use elt_shared::config::{SshKey, SshLogin};
use elt_shared::secret::Secret;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PrivateKey, decode_secret_key};

use super::error::{Result, SftpError};
use crate::extract::ExtractContext;
use crate::humanize::unreadable;
use crate::roots::OpenError;

/// The key and the password of a config, at least one of them.
pub(super) struct Credentials {
    pub(super) key: Option<Key>,
    pub(super) password: Option<Secret>,
}

/// The key of a login, with the certificate for it.
pub(super) enum Key {
    /// A private key.
    Private(Arc<PrivateKey>, Option<Certificate>),
    /// A key in the agent that listens at this socket.
    OfAgent(PathBuf, Option<Certificate>),
}

/// Most bytes of a file with a key or a certificate.
const FILE_BYTES: u64 = 64 << 10;

impl Credentials {
    /// The credentials for `server`.
    ///
    /// # Errors
    /// When the key or the certificate cannot be used, or the worker may not use an agent.
    pub(super) fn of(login: &SshLogin, server: &str, context: &ExtractContext) -> Result<Self> {
        let bad_key = |reason| SftpError::BadKey { server: server.to_owned(), what: "private key", reason };
        let bad_certificate = |reason| SftpError::BadKey { server: server.to_owned(), what: "certificate", reason };
        let certificate = login.certificate.as_deref().map(|text| certificate(text, context)).transpose();
        let key = match &login.key {
            None => None,
            Some(SshKey::Private { key, passphrase }) => {
                let key = private_key(key, passphrase.as_ref(), context).map_err(bad_key)?;
                let certificate = certificate.map_err(bad_certificate)?;
                if certificate.as_ref().is_some_and(|made_for| made_for.public_key() != key.public_key().key_data()) {
                    return Err(bad_certificate("it is for another key than `private_key`".into()));
                }
                Some(Key::Private(Arc::new(key), certificate))
            }
            Some(SshKey::OfAgent) => {
                let Some(socket) = &context.ssh_agent else {
                    return Err(SftpError::NoAgent { server: server.to_owned() });
                };
                Some(Key::OfAgent(socket.clone(), certificate.map_err(bad_certificate)?))
            }
        };
        Ok(Self { key, password: login.password.clone() })
    }

    /// What they are, for a sentence about a login that was refused.
    pub(super) fn name(&self) -> String {
        let key = self.key.as_ref().map(|key| match key {
            Key::Private(_, None) => "private key",
            Key::Private(_, Some(_)) => "private key and certificate",
            Key::OfAgent(_, None) => "SSH agent's keys",
            Key::OfAgent(_, Some(_)) => "certificate and SSH agent",
        });
        let names: Vec<&str> = key.into_iter().chain(self.password.is_some().then_some("password")).collect();
        names.join(" and ")
    }
}

fn private_key(key: &Secret, passphrase: Option<&Secret>, context: &ExtractContext) -> Result<PrivateKey, String> {
    let text = match key.expose() {
        text if text.contains("-----BEGIN") || text.starts_with("PuTTY-User-Key-File-") => text.to_owned(),
        path => read(path, "key", context)?,
    };
    decode_secret_key(&text, passphrase.map(Secret::expose)).map_err(|error| why(&error, passphrase.is_some()))
}

/// A user's certificate that is valid now.
fn certificate(written: &str, context: &ExtractContext) -> Result<Certificate, String> {
    let text = match written.contains("-cert-v01@openssh.com ") {
        true => written.to_owned(),
        false => read(written, "certificate", context)?,
    };
    let certificate =
        Certificate::from_openssh(text.trim()).map_err(|_| "it is not an OpenSSH certificate".to_owned())?;
    if certificate.cert_type() != CertType::User {
        return Err("it is a host's, not a user's".into());
    }
    let now = SystemTime::now();
    if certificate.valid_before_time().is_some_and(|end| end <= now) {
        return Err(format!("it was valid until {}", moment(certificate.valid_before())));
    }
    if certificate.valid_after_time().is_some_and(|start| start > now) {
        return Err(format!("it is valid from {} on", moment(certificate.valid_after())));
    }
    Ok(certificate)
}

/// A point in time in UTC, for people.
pub(super) fn moment(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    moment.map_or_else(|| "a time that cannot be shown".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// The text of a file with a key or a certificate, which must be in a folder that the worker may read.
fn read(path: &str, what: &str, context: &ExtractContext) -> Result<String, String> {
    let looks_like_a_path = !path.is_empty() && path.len() < 4096 && !path.contains('\n');
    if !looks_like_a_path {
        return Err(format!("it is neither a {what} nor the path of one"));
    }
    let path = context.base.join(Path::new(path));
    // The text may be a key that lost its first line, so the message does not repeat it.
    let unreadable = |error: std::io::Error| {
        format!("it is not a {what}, and as the path of one it cannot be read: {}", unreadable(&error))
    };
    let opened = context.roots.open(&path).map_err(|error| match error {
        OpenError::Unreadable(error) => unreadable(error),
        refused => format!("it is not a {what}, and as the path of one it {refused}"),
    })?;
    let meta = opened.file.metadata().map_err(unreadable)?;
    if !meta.is_file() || meta.len() > FILE_BYTES {
        return Err(format!("its file is not a {what}"));
    }
    let mut text = String::new();
    opened.file.take(FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn why(error: &russh::keys::Error, has_passphrase: bool) -> String {
    match (error, has_passphrase) {
        (russh::keys::Error::KeyIsEncrypted, false) => "it is encrypted, and there is no `passphrase`".into(),
        (russh::keys::Error::SshKey(_) | russh::keys::Error::Unpad(_) | russh::keys::Error::Pkcs8(_), true) => {
            "its `passphrase` does not open it, or the key is damaged".into()
        }
        _ => format!("it cannot be parsed ({error})"),
    }
}
