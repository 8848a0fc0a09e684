//! A login with the keys in an SSH agent. The keys never leave the agent: it signs for the login.

use std::path::Path;

use russh::keys::Certificate;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;

use super::login::{Answer, Failure, Ssh, rsa_hash};
use super::signer::{AgentSigner, SignError};
use crate::humanize::unreadable;

/// Most keys of an agent that a server is shown, in the agent's order. Servers close a connection after six that they do not
/// accept.
const SHOWN_KEYS: usize = 5;

/// Logs in with the agent at `socket`: with the key of the certificate, or with each of its keys in turn.
pub(super) async fn log_in(
    ssh: &mut Ssh,
    user: &str,
    socket: &Path,
    certificate: Option<&Certificate>,
) -> Result<Answer, Failure> {
    let mut agent = AgentClient::connect_uds(socket).await.map_err(|error| Failure::Agent(why(&error)))?;
    if let Some(binding) = ssh.agent_session_binding() {
        // Keys that are limited to some servers are only used after this. Older agents do not know it, and need not.
        let _ = agent.bind_session(binding, false).await;
    }
    let identities = agent.request_identities().await.map_err(|error| Failure::Agent(why(&error)))?;
    let wanted: Vec<AgentIdentity> = match certificate {
        None => identities,
        Some(certificate) => identities.into_iter().filter(|identity| is_key_of(identity, certificate)).collect(),
    };
    let mut last = match (wanted.is_empty(), certificate) {
        (true, None) => return Err(Failure::Agent("it holds no keys".into())),
        (true, Some(_)) => return Err(Failure::Agent("it does not hold the key of the `certificate`".into())),
        (false, _) => None,
    };
    for identity in wanted.iter().take(SHOWN_KEYS) {
        let signer = &mut AgentSigner { agent: &mut agent, identity };
        let signed = match (certificate, identity) {
            (Some(certificate), _) | (None, AgentIdentity::Certificate { certificate, .. }) => {
                let hash = rsa_hash(ssh, certificate.algorithm().is_rsa()).await?;
                ssh.authenticate_certificate_with(user, certificate.clone(), hash, signer).await
            }
            (None, AgentIdentity::PublicKey { key, .. }) => {
                let hash = rsa_hash(ssh, key.algorithm().is_rsa()).await?;
                ssh.authenticate_publickey_with(user, key.clone(), hash, signer).await
            }
        };
        let answer = match signed {
            Err(SignError::Agent(error)) => return Err(Failure::Agent(why(&error))),
            signed => Answer::from(signed?),
        };
        if matches!(answer, Answer::LetIn | Answer::Refused { wants_more: true, .. }) {
            return Ok(answer);
        }
        last = Some(answer);
    }
    last.ok_or_else(|| Failure::Agent("it holds no keys".into()))
}

/// Whether an identity is the plain key that a certificate is for.
fn is_key_of(identity: &AgentIdentity, certificate: &Certificate) -> bool {
    matches!(identity, AgentIdentity::PublicKey { key, .. } if key.key_data() == certificate.public_key())
}

fn why(error: &russh::keys::Error) -> String {
    match error {
        russh::keys::Error::IO(error) => format!("its socket (ELT_SSH_AGENT) cannot be used: {}", unreadable(error)),
        russh::keys::Error::AgentFailure => "it refused to sign: it may be locked, or ask for a confirmation".into(),
        _ => "its answer cannot be understood".into(),
    }
}
