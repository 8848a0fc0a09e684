//! `ca_certificate`, `client_certificate` and `client_key`: certificates of a target or of an API.

use super::field::{Field, Reading};
use super::section::Section;
use crate::secret::Secret;
use crate::target::{is_certificates, is_private_key};

/// The keys of certificates.
pub(super) const CERTIFICATES: [&str; 3] = ["ca_certificate", "client_certificate", "client_key"];

/// Certificates for connections to a server, in PEM form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PemCertificates {
    /// The only authorities that may have signed the server's certificate.
    pub authorities: Option<Secret>,
    /// The certificate that elt shows, with its chain, and its private key.
    pub own: Option<(Secret, Secret)>,
}

/// Reads the certificates of a section that has the three keys.
pub(super) fn read(section: &Section<'_>) -> Option<PemCertificates> {
    let [authorities, certificate, key] = CERTIFICATES.map(|key| section.field(key));
    let own = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let certificate = pem(certificate, "certificate", is_certificates);
            let key = pem(key, "private key without a passphrase", is_private_key);
            Some((certificate?, key?))
        }
        (None, None) => None,
        (Some(field), None) => {
            field.problem("needs client_key, the private key of this certificate");
            return None;
        }
        (None, Some(field)) => {
            field.problem("needs client_certificate, the certificate of this key");
            return None;
        }
    };
    let authorities = match authorities {
        Some(field) => Some(pem(field, "certificate", is_certificates)?),
        None => None,
    };
    Some(PemCertificates { authorities, own })
}

/// Reads `ca_certificate` of a section that has this key alone. The outer `None`: there was a problem.
pub(super) fn authorities(section: &Section<'_>) -> Option<Option<Secret>> {
    match section.field("ca_certificate") {
        Some(field) => pem(field, "certificate", is_certificates).map(Some),
        None => Some(None),
    }
}

/// A text in PEM form that a secret holds. Files are not accepted, because the author of a config could otherwise use the
/// certificates of the machine that reads it.
fn pem(field: &Field<'_>, what: &str, is_right: impl FnOnce(&str) -> bool) -> Option<Secret> {
    if !field.is_one_secret() {
        field.problem("expected ${secret:NAME}, a stored secret that holds it in PEM form");
        return None;
    }
    match field.reading()? {
        Reading::Known(text) if !is_right(&text) => {
            field.problem(format!("{} does not hold a {what} in PEM form", field.shown()));
            None
        }
        Reading::Known(text) | Reading::Open(text) => Some(Secret::new(text)),
    }
}
