//! Which certificates of a server are accepted, by `sslmode`.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{Certificates, TlsError};
use crate::config::SslMode;

/// The verifier of a mode: any certificate, one that a known authority signed, or one for this host name.
pub(super) fn for_mode(
    mode: SslMode,
    certificates: &Certificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let authorities = match mode {
        SslMode::VerifyCa | SslMode::VerifyFull => Some(authorities(certificates, provider)?),
        _ => None,
    };
    Ok(match authorities {
        Some(authorities) if mode == SslMode::VerifyFull => authorities,
        authorities => Arc::new(AnyName { authorities, provider: Arc::clone(provider) }),
    })
}

fn authorities(
    certificates: &Certificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let public = webpki_roots::TLS_SERVER_ROOTS.iter().filter(|_| !certificates.are_alone).cloned();
    let mut roots = RootCertStore::from_iter(public);
    for authority in &certificates.authorities {
        let added = roots.add(authority.clone());
        added.map_err(|error| TlsError::Certificate(format!("a certificate authority cannot be used: {error}")))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| TlsError::Certificate(format!("the certificate authorities cannot be used: {error}")))
}

/// What is wrong with a server's certificate.
pub(super) fn sentence(error: &Error) -> String {
    let what = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "was signed by an authority that is not known here"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => "has expired",
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "is not valid yet"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "was issued for another host name",
        Error::InvalidCertificate(CertificateError::Revoked) => "was revoked",
        Error::NoCertificatesPresented => "is missing",
        _ => "is not valid",
    };
    format!("its certificate {what}")
}

/// Accepts certificates for any host name: those of `authorities`, or all. The server must still have the key.
#[derive(Debug)]
struct AnyName {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is verified last, after the signatures and the dates.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
