//! The login, with a password, a key, or both. Each is tried once, because more attempts would lock accounts.

use std::sync::Arc;

use elt_shared::secret::Secret;
use russh::client::{AuthResult, Handle};
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};

use super::agent;
use super::credentials::{Credentials, Key};
use super::dialogue;
use super::error::{Result, SftpError};
use super::host_key::HostKeyCheck;
use super::signer::{KeySigner, SignError};

/// An SSH connection that may log in.
pub(super) type Ssh = Handle<HostKeyCheck>;

/// What became of one attempt to log in.
pub(super) enum Answer {
    /// The account is logged in.
    LetIn,
    /// The server wants something else.
    Refused {
        /// Login methods that the server would accept next.
        offers: MethodSet,
        /// Whether it accepted this, and wants something else as well.
        wants_more: bool,
    },
}

/// Why an attempt had no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Ssh(#[from] russh::Error),
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The server asks for something that a config cannot have. Its question.
    #[error("a question")]
    AsksMore(String),
    /// The agent cannot be used. The end of a sentence.
    #[error("the agent")]
    Agent(String),
}

impl From<AuthResult> for Answer {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::LetIn,
            AuthResult::Failure { remaining_methods, partial_success } => {
                Self::Refused { offers: remaining_methods, wants_more: partial_success }
            }
        }
    }
}

/// Logs in. The error says what the server would have accepted.
pub(super) async fn login(ssh: &mut Ssh, user: &str, credentials: &Credentials, server: &str) -> Result<()> {
    let (server, user_name) = (server.to_owned(), user.to_owned());
    match attempt(ssh, user, credentials).await {
        Ok(Answer::LetIn) => Ok(()),
        Ok(Answer::Refused { offers, .. }) => {
            let offers = shown(&offers);
            Err(SftpError::Login { server, user: user_name, with: credentials.name(), offers })
        }
        Err(Failure::AsksMore(question)) => Err(SftpError::AsksMore { server, user: user_name, question }),
        Err(Failure::Agent(reason)) => Err(SftpError::BadAgent { server, reason }),
        Err(error @ (Failure::Ssh(_) | Failure::Sign(_))) => Err(SftpError::Lost { server, reason: error.to_string() }),
    }
}

/// With the key and the password, in the order the server asks for them. It may want both, one after the other, or be
/// content with either.
async fn attempt(ssh: &mut Ssh, user: &str, credentials: &Credentials) -> Result<Answer, Failure> {
    let (mut key, mut password) = (credentials.key.as_ref(), credentials.password.as_ref());
    if password.is_none()
        && let Some(key) = key
    {
        return with_key(ssh, user, key).await;
    }
    let mut answer = Answer::from(ssh.authenticate_none(user).await?);
    loop {
        let Answer::Refused { offers, .. } = &answer else { return Ok(answer) };
        let takes_password =
            offers.contains(&MethodKind::Password) || offers.contains(&MethodKind::KeyboardInteractive);
        answer = if offers.contains(&MethodKind::PublicKey)
            && let Some(key) = key.take()
        {
            with_key(ssh, user, key).await?
        } else if (takes_password || credentials.key.is_none())
            && let Some(password) = password.take()
        {
            with_password(ssh, user, password, offers).await?
        } else {
            return Ok(answer);
        };
    }
}

async fn with_key(ssh: &mut Ssh, user: &str, key: &Key) -> Result<Answer, Failure> {
    match key {
        Key::Private(key, None) => {
            let hash = rsa_hash(ssh, key.algorithm().is_rsa()).await?;
            let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
            Ok(ssh.authenticate_publickey(user, key).await?.into())
        }
        Key::Private(key, Some(certificate)) => with_certificate(ssh, user, key, certificate).await,
        Key::OfAgent(socket, certificate) => agent::log_in(ssh, user, socket, certificate.as_ref()).await,
    }
}

async fn with_certificate(
    ssh: &mut Ssh,
    user: &str,
    key: &PrivateKey,
    certificate: &Certificate,
) -> Result<Answer, Failure> {
    let hash = rsa_hash(ssh, key.algorithm().is_rsa()).await?;
    let signed = ssh.authenticate_certificate_with(user, certificate.clone(), hash, &mut KeySigner(key)).await;
    Ok(signed?.into())
}

/// The hash for the signature of an RSA key, the best that the server knows; `None` for other keys.
pub(super) async fn rsa_hash(ssh: &Ssh, is_rsa: bool) -> Result<Option<HashAlg>, russh::Error> {
    if is_rsa { Ok(ssh.best_supported_rsa_hash().await?.flatten()) } else { Ok(None) }
}

/// By the method the server offers, because some ask for passwords only in a dialogue.
async fn with_password(ssh: &mut Ssh, user: &str, password: &Secret, offers: &MethodSet) -> Result<Answer, Failure> {
    if offers.contains(&MethodKind::Password) || !offers.contains(&MethodKind::KeyboardInteractive) {
        return Ok(ssh.authenticate_password(user, password.expose()).await?.into());
    }
    dialogue::answer(ssh, user, password, offers).await
}

fn shown(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(<&str>::from).collect();
    if names.is_empty() { String::new() } else { format!("; it accepts {}", names.join(", ")) }
}
