//! Certificates that an operator or a config names: authorities to trust, and a certificate to show.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::config::PemCertificates;
use crate::secret::Secret;
use crate::target::address::CertificateFiles;

/// No file of certificates is larger. The bundle of a distribution has about 250 KiB.
const MOST_BYTES: u64 = 1 << 20;

/// Certificates for connections to targets.
#[derive(Debug, Default)]
pub(in crate::target) struct Certificates {
    /// Trusted besides the public ones, or alone.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether no other authorities are trusted.
    pub are_alone: bool,
    /// The chain that this process shows, and its key.
    pub own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Reads the files of an address and the authorities of `ELT_TARGET_CA_FILE`.
///
/// # Errors
/// [`TlsError::Certificate`] names the file: it is missing, not a regular file, too large, or holds no certificate.
pub(in crate::target) async fn read(
    files: &CertificateFiles,
    authorities: Option<&PathBuf>,
) -> Result<Certificates, TlsError> {
    let (files, authorities) = (files.clone(), authorities.cloned());
    let read = tokio::task::spawn_blocking(move || {
        let mut trusted = Vec::new();
        for file in authorities.iter().chain(&files.authorities) {
            trusted.extend(certificates(file)?);
        }
        let own = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => Some((certificates(certificate)?, private_key(key)?)),
            (None, None) => None,
            _ => return Err(TlsError::Certificate("sslcert and sslkey are only usable together".into())),
        };
        Ok(Certificates { authorities: trusted, are_alone: false, own })
    });
    read.await.map_err(|error| TlsError::Io(error.into()))?
}

impl Certificates {
    /// Puts the certificates that a config names in place of the others.
    ///
    /// # Errors
    /// [`TlsError::Certificate`]: a secret holds something else.
    pub fn prefer(&mut self, named: &PemCertificates) -> Result<(), TlsError> {
        if let Some(authorities) = &named.authorities {
            self.authorities = of_secret(authorities, "ca_certificate")?;
            self.are_alone = true;
        }
        if let Some((certificate, key)) = &named.own {
            let certificate = of_secret(certificate, "client_certificate")?;
            let key = private_key_of(key.expose().as_bytes());
            let key = key.ok_or_else(|| TlsError::Certificate("client_key is not a private key in PEM form".into()))?;
            self.own = Some((certificate, key));
        }
        Ok(())
    }
}

fn of_secret(pem: &Secret, key: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates_of(pem.expose().as_bytes())
        .ok_or_else(|| TlsError::Certificate(format!("{key} holds no certificate in PEM form")))
}

/// Whether a text holds certificates in PEM form.
pub fn is_certificates(pem: &str) -> bool {
    certificates_of(pem.as_bytes()).is_some()
}

/// Whether a text holds a private key in PEM form that needs no passphrase.
pub fn is_private_key(pem: &str) -> bool {
    private_key_of(pem.as_bytes()).is_some()
}

/// The certificates of a text; `None` when it holds none, or something broken.
fn certificates_of(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}

fn private_key_of(pem: &[u8]) -> Option<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).ok()
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates_of(&bounded(file)?).ok_or_else(|| unusable(file, "holds no certificate in PEM form"))
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    private_key_of(&bounded(file)?).ok_or_else(|| unusable(file, "holds no private key in PEM form"))
}

/// The content of a regular file of at most [`MOST_BYTES`].
fn bounded(path: &Path) -> Result<Vec<u8>, TlsError> {
    let cannot = |error: std::io::Error| unusable(path, &format!("cannot be read: {error}"));
    // A pipe would otherwise keep the thread until somebody writes into it.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(unusable(path, "is not a regular file"));
    }
    let mut content = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut content).map_err(cannot)?;
    if content.len() as u64 > MOST_BYTES {
        return Err(unusable(path, "is larger than 1 MiB"));
    }
    Ok(content)
}

fn unusable(file: &Path, why: &str) -> TlsError {
    TlsError::Certificate(format!("the certificate file {} {why}", file.display()))
}
