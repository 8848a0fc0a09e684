//! The login, with a password, a private key, or both. Each is tried once, because more attempts would lock accounts.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use elt_shared::config::{SftpLogin, SftpSource};
use elt_shared::secret::Secret;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{MethodKind, MethodSet};

use super::error::{Result, SftpError};
use super::host_key::HostKeyCheck;
use crate::extract::ExtractContext;
use crate::humanize::unreadable;
use crate::roots::OpenError;

/// The key and the password of a config, at least one of them. The key is read and decrypted before a connection is made, so
/// that an unusable key is reported first.
pub(super) struct Credentials {
    key: Option<Arc<PrivateKey>>,
    password: Option<Secret>,
}

/// Most bytes of a key file that is read.
const KEY_BYTES: u64 = 64 << 10;
/// Number of questions of a server after which its dialogue counts as a refusal.
const MAX_QUESTIONS: usize = 5;

impl Credentials {
    pub(super) fn of(source: &SftpSource, server: &str, context: &ExtractContext) -> Result<Self> {
        let (key, passphrase, password) = match &source.login {
            SftpLogin::Password(password) => return Ok(Self { key: None, password: Some(password.clone()) }),
            SftpLogin::PrivateKey { key, passphrase } => (key, passphrase, None),
            SftpLogin::PrivateKeyAndPassword { key, passphrase, password } => (key, passphrase, Some(password.clone())),
        };
        let refuse = |reason: String| SftpError::BadKey { server: server.to_owned(), reason };
        let text = match key.expose() {
            text if text.contains("-----BEGIN") || text.starts_with("PuTTY-User-Key-File-") => text.to_owned(),
            path => read(path, context).map_err(refuse)?,
        };
        let key = decode_secret_key(&text, passphrase.as_ref().map(Secret::expose))
            .map_err(|error| refuse(why(&error, passphrase.is_some())))?;
        Ok(Self { key: Some(Arc::new(key)), password })
    }

    fn name(&self) -> &'static str {
        match (&self.key, &self.password) {
            (Some(_), Some(_)) => "private key and password",
            (Some(_), None) => "private key",
            (None, _) => "password",
        }
    }
}

/// Logs in. The error says what the server would have accepted.
pub(super) async fn login(
    session: &mut Handle<HostKeyCheck>,
    user: &str,
    credentials: &Credentials,
    server: &str,
) -> Result<()> {
    let lost = |error: russh::Error| SftpError::Lost { server: server.to_owned(), reason: error.to_string() };
    let remaining = match (&credentials.key, &credentials.password) {
        (Some(key), Some(password)) => with_both(session, user, key, password).await,
        (Some(key), None) => with_key(session, user, key).await,
        (None, Some(password)) => with_password(session, user, password).await,
        (None, None) => session.authenticate_none(user).await.map(refused),
    };
    match remaining.map_err(lost)? {
        None => Ok(()),
        Some(methods) => Err(SftpError::Login {
            server: server.to_owned(),
            user: user.to_owned(),
            with: credentials.name(),
            offers: offers(&methods),
        }),
    }
}

/// With the key and the password, in the order the server asks for them. It may want both, one after the other, or be
/// content with either.
async fn with_both(
    session: &mut Handle<HostKeyCheck>,
    user: &str,
    key: &Arc<PrivateKey>,
    password: &Secret,
) -> Result<Option<MethodSet>, russh::Error> {
    let mut offered = match refused(session.authenticate_none(user).await?) {
        None => return Ok(None),
        Some(offered) => offered,
    };
    let (mut key, mut password) = (Some(key), Some(password));
    loop {
        let refusal = if offered.contains(&MethodKind::PublicKey)
            && let Some(key) = key.take()
        {
            with_key(session, user, key).await?
        } else if (offered.contains(&MethodKind::Password) || offered.contains(&MethodKind::KeyboardInteractive))
            && let Some(password) = password.take()
        {
            with_offered_password(session, user, password, &offered).await?
        } else {
            return Ok(Some(offered));
        };
        match refusal {
            None => return Ok(None),
            Some(remaining) => offered = remaining,
        }
    }
}

async fn with_key(
    session: &mut Handle<HostKeyCheck>,
    user: &str,
    key: &Arc<PrivateKey>,
) -> Result<Option<MethodSet>, russh::Error> {
    let hash = if key.algorithm().is_rsa() { session.best_supported_rsa_hash().await?.flatten() } else { None };
    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
    Ok(refused(session.authenticate_publickey(user, key).await?))
}

async fn with_password(
    session: &mut Handle<HostKeyCheck>,
    user: &str,
    password: &Secret,
) -> Result<Option<MethodSet>, russh::Error> {
    match refused(session.authenticate_none(user).await?) {
        None => Ok(None),
        Some(offered) => with_offered_password(session, user, password, &offered).await,
    }
}

/// By the method the server offers, because some ask for passwords only in a dialogue.
async fn with_offered_password(
    session: &mut Handle<HostKeyCheck>,
    user: &str,
    password: &Secret,
    offered: &MethodSet,
) -> Result<Option<MethodSet>, russh::Error> {
    if offered.contains(&MethodKind::Password) || !offered.contains(&MethodKind::KeyboardInteractive) {
        return Ok(refused(session.authenticate_password(user, password.expose()).await?));
    }
    let mut answer = session.authenticate_keyboard_interactive_start(user, None).await?;
    for _ in 0..MAX_QUESTIONS {
        answer = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(None),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, .. } => return Ok(Some(remaining_methods)),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = prompts.iter().map(|_| password.expose().to_owned()).collect();
                session.authenticate_keyboard_interactive_respond(answers).await?
            }
        };
    }
    Ok(Some(offered.clone()))
}

/// The methods that the server would accept instead. `None`: it accepted the login.
fn refused(result: AuthResult) -> Option<MethodSet> {
    match result {
        AuthResult::Success => None,
        AuthResult::Failure { remaining_methods, .. } => Some(remaining_methods),
    }
}

fn offers(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(<&str>::from).collect();
    if names.is_empty() { String::new() } else { format!("; it accepts {}", names.join(", ")) }
}

/// The text of a key file, which must be in a folder that the worker may read.
fn read(path: &str, context: &ExtractContext) -> Result<String, String> {
    let looks_like_a_path = !path.is_empty() && path.len() < 4096 && !path.contains('\n');
    if !looks_like_a_path {
        return Err("it is neither a key nor the path of one".into());
    }
    let path = context.base.join(Path::new(path));
    // The text may be a key that lost its first line, so the message does not repeat it.
    let unreadable = |error: std::io::Error| {
        format!("it is no key, and as the path of one it cannot be read: {}", unreadable(&error))
    };
    let opened = context.roots.open(&path).map_err(|error| match error {
        OpenError::Unreadable(error) => unreadable(error),
        refused => format!("it is no key, and as the path of one it {refused}"),
    })?;
    let meta = opened.file.metadata().map_err(unreadable)?;
    if !meta.is_file() || meta.len() > KEY_BYTES {
        return Err("its file is no key".into());
    }
    let mut text = String::new();
    opened.file.take(KEY_BYTES).read_to_string(&mut text).map_err(unreadable)?;
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
