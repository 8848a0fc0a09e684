//! Encryption of the connections to an FTP server.

use std::sync::Arc;

use elt_shared::config::FtpSource;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::answers::Server;
use crate::extract::places::Result;

/// Trusts the authorities of the config, or the public ones. Data connections use the same configuration as the control
/// connection, and with it the tickets of its session: some servers accept only data connections that belong to the session.
pub(super) fn config(source: &FtpSource, server: &Server) -> Result<Arc<ClientConfig>> {
    let refused = |reason: &str| server.bad_certificates(reason);
    let mut roots = RootCertStore::empty();
    match &source.authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.expose().as_bytes()) {
                let certificate = certificate.map_err(|_| refused("it is not a certificate in PEM form"))?;
                roots.add(certificate).map_err(|_| refused("it is not the certificate of an authority"))?;
            }
            if roots.is_empty() {
                return Err(refused("it has no certificate in PEM form"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| refused("no version of TLS is available"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What is wrong with a server's certificate, by the library's words about a handshake. `None`: it failed in another way.
pub(super) fn certificate_problem(error: &str) -> Option<&'static str> {
    let (_, problem) = error.split_once("invalid peer certificate: ")?;
    let named = [
        ("UnknownIssuer", "was signed by an authority that is not known here"),
        ("Expired", "has expired"),
        ("expired", "has expired"),
        ("NotValidYet", "is not valid yet"),
        ("not valid yet", "is not valid yet"),
        ("NotValidForName", "was issued for another host name"),
        ("not valid for name", "was issued for another host name"),
        ("BadSignature", "was signed with another key than that of the authority"),
        ("CaUsedAsEndEntity", "is that of an authority, not of a server"),
    ];
    let found = named.iter().find(|(word, _)| problem.contains(word));
    Some(found.map_or("is not valid", |(_, sentence)| sentence))
}
