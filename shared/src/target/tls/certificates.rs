//! Certificates that an operator names: authorities to trust, and a certificate to show.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::target::address::CertificateFiles;

/// No file of certificates is larger. The bundle of a distribution has about 250 KiB.
const MOST_BYTES: u64 = 1 << 20;

/// Certificates for connections to targets.
#[derive(Debug, Default)]
pub(in crate::target) struct Certificates {
    /// Trusted besides the public ones.
    pub authorities: Vec<CertificateDer<'static>>,
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
        Ok(Certificates { authorities: trusted, own })
    });
    read.await.map_err(|error| TlsError::Io(error.into()))?
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = bounded(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(file, "holds no certificate in PEM form")),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&bounded(file)?).map_err(|_| unusable(file, "holds no private key in PEM form"))
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
