//! Signatures for a login with a certificate.

use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};

/// Why the agent or the key made no signature.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignError {
    #[error(transparent)]
    Lost(#[from] russh::SendError),
    #[error("the key could not sign: {0}")]
    Key(#[from] russh::keys::signature::Error),
    #[error("the signature could not be sent: {0}")]
    Encoding(#[from] russh::keys::ssh_encoding::Error),
    #[error("the agent did not sign: {0}")]
    Agent(#[from] russh::keys::Error),
}

/// Signs with a private key, an RSA key with the hash that the server knows. The login with a certificate that the SSH
/// library has would sign with SHA-1, which servers refuse.
pub(super) struct KeySigner<'a>(pub(super) &'a PrivateKey);

impl Signer for KeySigner<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let signature: Signature = match self.0.key_data() {
            KeypairData::Rsa(pair) => (pair, hash).try_sign(&to_sign)?,
            _ => self.0.try_sign(&to_sign)?,
        };
        signature.encode_prefixed(&mut to_sign)?;
        Ok(to_sign)
    }
}

/// Has an agent sign with one of its keys, also when a certificate for the key, which the agent does not hold, is shown to
/// the server.
pub(super) struct AgentSigner<'a, S: AgentStream> {
    pub(super) agent: &'a mut AgentClient<S>,
    pub(super) identity: &'a AgentIdentity,
}

impl<S: AgentStream + Send + Unpin> Signer for AgentSigner<'_, S> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        Ok(self.agent.sign_request(self.identity, hash, to_sign).await?)
    }
}
