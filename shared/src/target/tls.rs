//! Encryption of a connection to a target: PostgreSQL's question whether the server has TLS, and the handshake.

mod certificates;
#[cfg(test)]
mod tests;
mod verifier;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(super) use self::certificates::{Certificates, read};
pub use self::certificates::{is_certificates, is_private_key};
use super::guard::Wire;
use crate::config::SslMode;

/// The question whether the server has TLS: a length, and a number in place of a version.
const QUESTION: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Why a connection could not be encrypted.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// The server has no TLS and the address requires it.
    #[error("the server offers no TLS")]
    NotOffered,
    /// The server's certificate is not trusted, or the certificates that were named cannot be used.
    #[error("{0}")]
    Certificate(String),
    /// The server does not speak PostgreSQL's protocol.
    #[error("the server answered the question for TLS with the byte 0x{0:02x}")]
    Answer(u8),
    /// The connection was lost.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Encrypts a connection as the mode says. `host` is the name that a certificate must have been issued for.
///
/// # Errors
/// See [`TlsError`].
pub(super) async fn negotiate(
    mut stream: TcpStream,
    host: &str,
    mode: SslMode,
    certificates: &Certificates,
) -> Result<Box<dyn Wire>, TlsError> {
    if matches!(mode, SslMode::Disable | SslMode::Allow) {
        return Ok(Box::new(stream));
    }
    let address = stream.peer_addr()?.ip();
    stream.write_all(&QUESTION).await?;
    // One byte: whatever a machine in between sends behind it belongs to the handshake and makes it fail.
    match stream.read_u8().await {
        Ok(b'S') => {}
        Ok(b'N') if mode == SslMode::Prefer => return Ok(Box::new(stream)),
        Ok(b'N') => return Err(TlsError::NotOffered),
        Ok(other) => return Err(TlsError::Answer(other)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let closed = "the connection was closed before the server said anything";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, closed).into());
        }
        Err(error) => return Err(error.into()),
    }
    let config = client_config(mode, certificates)?;
    let name = server_name(host, address, mode)?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(refused @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) => {
                Err(TlsError::Certificate(verifier::sentence(refused)))
            }
            _ => Err(error.into()),
        },
    }
}

fn client_config(mode: SslMode, certificates: &Certificates) -> Result<ClientConfig, TlsError> {
    let unusable = |error: rustls::Error| TlsError::Certificate(format!("the certificates cannot be used: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier::for_mode(mode, certificates, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &certificates.own {
        Some((chain, key)) => config.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(unusable),
        None => Ok(config.with_no_client_auth()),
    }
}

/// The name that is sent and verified. A host that is a number in a spelling of its own has no name in TLS; its address
/// stands for it where no name is verified.
fn server_name(host: &str, address: IpAddr, mode: SslMode) -> Result<ServerName<'static>, TlsError> {
    match ServerName::try_from(host.to_owned()) {
        Ok(name) => Ok(name),
        Err(_) if mode != SslMode::VerifyFull => Ok(ServerName::from(address)),
        Err(_) => Err(TlsError::Certificate(format!("{host} is not a name that a certificate can have"))),
    }
}
