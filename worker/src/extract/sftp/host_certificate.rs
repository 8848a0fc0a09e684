//! The check of a certificate that a server shows: the authority that a config names has signed it, for this host, and for
//! this time.

use std::time::{SystemTime, UNIX_EPOCH};

use globset::GlobBuilder;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg};

use super::credentials::moment;

/// Checks a certificate. `authority` is the `SHA256:…` fingerprint of the authority's key.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(super) fn check(certificate: &Certificate, authority: &str, host: &str) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    check_at(certificate, authority, host, now)
}

fn check_at(certificate: &Certificate, authority: &str, host: &str, now: u64) -> Result<(), String> {
    let signed_by = certificate.signature_key().fingerprint(HashAlg::Sha256).to_string();
    if signed_by != authority {
        return Err(format!("another authority has signed it, {signed_by}"));
    }
    certificate.verify_signature().map_err(|_| "its signature is wrong".to_owned())?;
    if certificate.cert_type() != CertType::Host {
        return Err("its certificate is a user's, not a host's".into());
    }
    if certificate.valid_before() <= now {
        return Err(format!("its certificate was valid until {}", moment(certificate.valid_before())));
    }
    if certificate.valid_after() > now {
        return Err(format!("its certificate is valid from {} on", moment(certificate.valid_after())));
    }
    if certificate.critical_options().iter().next().is_some() {
        return Err("its certificate has a condition that elt does not know".into());
    }
    let host = host.trim_end_matches('.');
    if !certificate.valid_principals().iter().any(|name| names(name, host)) {
        return Err(match certificate.valid_principals() {
            [] => "its certificate names no host".into(),
            names => format!("its certificate is for {}, not for {host}", names.join(", ")),
        });
    }
    Ok(())
}

/// Whether a name in a certificate, with `*` and `?` as OpenSSH reads them, is that of the host.
fn names(name: &str, host: &str) -> bool {
    if name.contains(['[', '{', '\\']) {
        return false;
    }
    GlobBuilder::new(name).case_insensitive(true).build().is_ok_and(|glob| glob.compile_matcher().is_match(host))
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::certificate::Builder;
    use russh::keys::{Algorithm, PrivateKey};

    use super::*;

    /// A seed makes always the same key.
    fn key(seed: u8) -> PrivateKey {
        let pair = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]);
        let key = PrivateKey::from(pair);
        assert_eq!(key.algorithm(), Algorithm::Ed25519);
        key
    }

    fn certificate(kind: CertType, names: &[&str], condition: Option<&str>) -> Certificate {
        let (host, authority) = (key(1), key(2));
        let mut builder =
            Builder::new(vec![7; 16], host.public_key().key_data().clone(), 1000, 2000).expect("a builder");
        builder.cert_type(kind).expect("its kind");
        for name in names {
            builder.valid_principal(*name).expect("a name");
        }
        if names.is_empty() {
            builder.all_principals_valid().expect("any name");
        }
        if let Some(condition) = condition {
            builder.critical_option(condition, "").expect("a condition");
        }
        builder.sign(&authority).expect("signed")
    }

    #[test]
    fn only_a_certificate_of_the_authority_for_the_host_and_the_time_is_good() {
        let authority = key(2).public_key().fingerprint(HashAlg::Sha256).to_string();
        let other = key(3).public_key().fingerprint(HashAlg::Sha256).to_string();
        let good = certificate(CertType::Host, &["files.example.com", "*.internal"], None);
        for host in ["files.example.com", "FILES.example.com.", "a.internal"] {
            assert_eq!(check_at(&good, &authority, host, 1500), Ok(()), "{host}");
        }
        let refused = |certificate: &Certificate, authority: &str, host, now| {
            check_at(certificate, authority, host, now).expect_err("it is not good")
        };
        assert!(refused(&good, &other, "files.example.com", 1500).starts_with("another authority"));
        assert!(
            refused(&good, &authority, "example.com", 1500).contains("is for files.example.com, *.internal, not for")
        );
        assert!(refused(&good, &authority, "files.example.com", 2000).contains("valid until 1970-01-01 00:33 UTC"));
        assert!(refused(&good, &authority, "files.example.com", 999).contains("valid from"));
        let user = certificate(CertType::User, &["files.example.com"], None);
        assert!(refused(&user, &authority, "files.example.com", 1500).contains("a user's"));
        let conditional = certificate(CertType::Host, &["files.example.com"], Some("source-address"));
        assert!(refused(&conditional, &authority, "files.example.com", 1500).contains("a condition"));
        let any = certificate(CertType::Host, &[], None);
        assert!(refused(&any, &authority, "files.example.com", 1500).contains("names no host"));
    }
}
