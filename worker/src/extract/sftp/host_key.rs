//! The check that this is the same server as before. It comes before anything secret is sent.
//!
//! Keys are kept in the control database, so that what one worker pinned every worker holds to. A host that is known
//! under one key and shows another has changed, whatever the algorithm: a new algorithm is no reason to trust it.

use elt_shared::config::HostTrust;
use elt_shared::store::known_hosts::{self, KnownHost, ShownKey};
use russh::Preferred;
use russh::client;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};
use sqlx::PgPool;

use super::host_certificate;

/// Checks the key of one server.
#[derive(Clone)]
pub(super) struct HostKeyCheck {
    pub(super) control: PgPool,
    /// Name under which its keys are kept. It tells two servers apart that have one address behind different jump hosts.
    pub(super) known_as: String,
    /// Name or address by which it is called, which its certificate must have.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) trust: HostTrust,
}

/// Why a connection ended before the login.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("unknown host key")]
    Unknown(ShownKey),
    #[error("changed host key")]
    Changed { expected: Vec<String>, shown: ShownKey },
    #[error("a certificate instead of a key")]
    Certificate,
    /// The server shows no certificate of the authority. The end of a sentence.
    #[error("no good certificate: {0}")]
    NotVouchedFor(String),
    #[error("could not look up known host keys")]
    Control(#[from] sqlx::Error),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

/// What a key that was shown is worth.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Trusted,
    PinFirst,
    Unknown,
    Changed { expected: Vec<String> },
}

impl client::Handler for HostKeyCheck {
    type Error = HandshakeError;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, HandshakeError> {
        let key = match (key, &self.trust) {
            (PublicKeyOrCertificate::PublicKey { key, .. }, HostTrust::Authority(_)) => {
                let ShownKey { algorithm, fingerprint, .. } = shown(key);
                return Err(HandshakeError::NotVouchedFor(format!("it shows the key {algorithm} {fingerprint}")));
            }
            (PublicKeyOrCertificate::PublicKey { key, .. }, _) => key,
            (PublicKeyOrCertificate::Certificate(certificate), HostTrust::Authority(authority)) => {
                host_certificate::check(certificate, authority, &self.host).map_err(HandshakeError::NotVouchedFor)?;
                return Ok(true);
            }
            (PublicKeyOrCertificate::Certificate(_), _) => return Err(HandshakeError::Certificate),
        };
        let shown = shown(key);
        let known = match self.trust {
            HostTrust::Pinned(_) => Vec::new(),
            _ => known_hosts::of_server(&self.control, &self.known_as, self.port).await?,
        };
        match judge(&self.trust, &known, &shown) {
            Verdict::Trusted => Ok(true),
            Verdict::PinFirst => self.pin(shown).await,
            Verdict::Unknown => {
                known_hosts::note_unknown(&self.control, &self.known_as, self.port, &shown).await?;
                Err(HandshakeError::Unknown(shown))
            }
            Verdict::Changed { expected } => {
                if !matches!(self.trust, HostTrust::Pinned(_)) {
                    known_hosts::note_unknown(&self.control, &self.known_as, self.port, &shown).await?;
                }
                Err(HandshakeError::Changed { expected, shown })
            }
        }
    }
}

impl HostKeyCheck {
    /// Pins the first key. Another worker may have been first, with another key.
    async fn pin(&self, shown: ShownKey) -> Result<bool, HandshakeError> {
        let trusted = known_hosts::pin_first(&self.control, &self.known_as, self.port, &shown).await?;
        match judge(&self.trust, &trusted, &shown) {
            Verdict::Changed { expected } => Err(HandshakeError::Changed { expected, shown }),
            _ => {
                let (ShownKey { algorithm, fingerprint, .. }, Self { known_as, port, .. }) = (&shown, self);
                tracing::info!(
                    fingerprint,
                    "pinned the host key of {known_as}:{port} on first use: {algorithm} {fingerprint}"
                );
                Ok(true)
            }
        }
    }

    /// The lists of key algorithms to ask for, one connection each, until one shows a key we hold.
    ///
    /// A server has several keys and shows the one we ask for first, so we ask for the one we know.
    pub(super) async fn preferences(&self) -> sqlx::Result<Vec<Vec<Algorithm>>> {
        let all = Preferred::DEFAULT.key.to_vec();
        if matches!(self.trust, HostTrust::Pinned(_)) {
            // A fingerprint does not say of which key it is.
            let each = FAMILIES.iter().map(|family| family.to_vec());
            return Ok(std::iter::once(all).chain(each).collect());
        }
        if matches!(self.trust, HostTrust::Authority(_)) {
            return Ok(vec![all]);
        }
        let known = known_hosts::of_server(&self.control, &self.known_as, self.port).await?;
        let trusted = known.iter().filter(|known| known.trusted);
        let ours: Vec<Algorithm> = trusted.filter_map(|known| family_of(&known.algorithm)).flatten().cloned().collect();
        Ok(if ours.is_empty() { vec![all] } else { vec![ours, all] })
    }
}

/// The kinds of host certificates to ask for. A server that has one shows it before a key, so they are asked for only when
/// an authority decides.
pub(super) fn certificates(trust: &HostTrust) -> Vec<Algorithm> {
    match trust {
        HostTrust::Authority(_) => FAMILIES.concat(),
        HostTrust::FirstUse | HostTrust::Strict | HostTrust::Pinned(_) => Vec::new(),
    }
}

fn judge(trust: &HostTrust, known: &[KnownHost], shown: &ShownKey) -> Verdict {
    if let HostTrust::Pinned(pin) = trust {
        let plain = |fingerprint: &str| fingerprint.trim().trim_end_matches('=').to_owned();
        return if plain(pin) == plain(&shown.fingerprint) {
            Verdict::Trusted
        } else {
            Verdict::Changed { expected: vec![pin.trim().to_owned()] }
        };
    }
    let trusted: Vec<&KnownHost> = known.iter().filter(|known| known.trusted).collect();
    if trusted.iter().any(|known| known.fingerprint == shown.fingerprint) {
        return Verdict::Trusted;
    }
    if trusted.is_empty() {
        return if *trust == HostTrust::Strict { Verdict::Unknown } else { Verdict::PinFirst };
    }
    let name = |known: &&KnownHost| format!("{} {}", known.algorithm, known.fingerprint);
    Verdict::Changed { expected: trusted.iter().map(name).collect() }
}

fn shown(key: &PublicKey) -> ShownKey {
    ShownKey {
        algorithm: key.algorithm().as_str().to_owned(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        public_key: key.to_openssh().unwrap_or_default(),
    }
}

/// Key algorithms a server may hold one key of. An RSA key signs with more than one hash.
const FAMILIES: [&[Algorithm]; 5] = [
    &[Algorithm::Ed25519],
    &[Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }],
    &[Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }],
    &[Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 }],
    &[Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, Algorithm::Rsa { hash: Some(HashAlg::Sha256) }],
];

fn family_of(algorithm: &str) -> Option<&'static [Algorithm]> {
    let rsa = algorithm == "ssh-rsa" || algorithm.starts_with("rsa-");
    FAMILIES.into_iter().find(|family| match &family[0] {
        Algorithm::Rsa { .. } => rsa,
        other => other.as_str() == algorithm,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fingerprint: &str) -> ShownKey {
        ShownKey { algorithm: "ssh-ed25519".into(), fingerprint: fingerprint.into(), public_key: String::new() }
    }

    fn known(fingerprint: &str, trusted: bool) -> KnownHost {
        KnownHost {
            host: "h".into(),
            port: 22,
            algorithm: "ssh-rsa".into(),
            fingerprint: fingerprint.into(),
            public_key: String::new(),
            trusted,
            seen_at: chrono::Utc::now(),
            approved_by: None,
        }
    }

    #[test]
    fn a_new_server_is_pinned_or_refused_as_the_config_says() {
        assert_eq!(judge(&HostTrust::FirstUse, &[], &key("SHA256:a")), Verdict::PinFirst);
        assert_eq!(judge(&HostTrust::Strict, &[], &key("SHA256:a")), Verdict::Unknown);
        assert_eq!(judge(&HostTrust::Strict, &[known("SHA256:a", false)], &key("SHA256:a")), Verdict::Unknown);
        assert_eq!(judge(&HostTrust::Strict, &[known("SHA256:a", true)], &key("SHA256:a")), Verdict::Trusted);
    }

    #[test]
    fn another_key_of_a_known_server_is_a_changed_key_whatever_its_algorithm() {
        let changed = Verdict::Changed { expected: vec!["ssh-rsa SHA256:a".into()] };
        for trust in [HostTrust::FirstUse, HostTrust::Strict] {
            let keys = [known("SHA256:a", true), known("SHA256:b", false)];
            assert_eq!(judge(&trust, &keys, &key("SHA256:b")), changed);
        }
    }

    #[test]
    fn a_pin_in_the_config_is_the_only_key() {
        let pinned = HostTrust::Pinned("SHA256:abc=".into());
        assert_eq!(judge(&pinned, &[], &key("SHA256:abc")), Verdict::Trusted);
        let changed = Verdict::Changed { expected: vec!["SHA256:abc=".into()] };
        assert_eq!(judge(&pinned, &[known("SHA256:x", true)], &key("SHA256:x")), changed);
    }

    #[test]
    fn every_key_we_store_can_be_asked_for() {
        for algorithm in ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"]
        {
            assert!(family_of(algorithm).is_some(), "{algorithm}");
        }
        assert!(family_of("ssh-dss").is_none());
    }
}
