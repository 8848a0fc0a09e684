//! TLS of the API's listener: a certificate and a key in files, which are read again when they change.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. SIGHUP has them read at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Largest file of a chain of certificates, in bytes. Such a chain has a few KiB.
const LONGEST_FILE: u64 = 1 << 20;
/// First byte of every TLS connection: the content type of a handshake record.
const HANDSHAKE: u8 = 0x16;
/// How long a client that speaks plain HTTP may take to read its answer.
const LAST_WORDS: Duration = Duration::from_secs(2);
const PLAIN_HTTP: &str = "This port speaks HTTPS only. Begin the address with https://.\n";

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Only one of the two files is named.
    #[error("a certificate and a key are needed together")]
    Half,
    /// A file cannot be read.
    #[error("could not read {file}")]
    File {
        /// The file that was read.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{file} holds no {what} in PEM format")]
    Content {
        /// The file that was read.
        file: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// The two do not make a server: for example, the key is another certificate's.
    #[error("the certificate in {certificate} cannot be used with the key in {key}")]
    Pair {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the private key.
        key: PathBuf,
        /// Why rustls refuses the pair.
        source: rustls::Error,
    },
}

/// A certificate and its key, as they were read last. A pair that cannot be used never replaces one that can.
#[derive(Clone)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    server: Arc<RwLock<Arc<ServerConfig>>>,
}

/// What tells a file from its successor: inode, size, and time of the last change.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Tls {
    /// Reads both files. `None` when neither is named.
    ///
    /// # Errors
    /// When only one is named, or the two cannot be used together.
    pub fn load(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Self>, TlsError> {
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let server = Arc::new(RwLock::new(Arc::new(read(certificate, key)?)));
                Ok(Some(Self { certificate: certificate.into(), key: key.into(), server }))
            }
            _ => Err(TlsError::Half),
        }
    }

    /// Makes a connection a TLS one. A client that begins with anything else gets an HTTP answer that says so.
    ///
    /// # Errors
    /// When there is no TLS connection at the end.
    pub async fn accept(&self, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
            let _ = timeout(LAST_WORDS, refuse(&mut stream)).await;
            return Err(io::ErrorKind::InvalidData.into());
        }
        let server = Arc::clone(&self.server.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(server).accept(stream).await
    }

    /// Reads the files again when they change or the process gets SIGHUP, until `stop`.
    pub async fn follow(self, stop: CancellationToken) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            tracing::error!("SIGHUP cannot be listened for, so a new certificate needs a restart");
            return;
        };
        let mut seen = self.stamps();
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
                () = stop.cancelled() => return,
            };
            let found = self.stamps();
            if asked || found != seen {
                self.reload();
                seen = found;
            }
        }
    }

    /// Uses what the files hold now, if it can be used.
    fn reload(&self) {
        match read(&self.certificate, &self.key) {
            Ok(server) => {
                *self.server.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(server);
                tracing::info!("new connections use the certificate that is in {} now", self.certificate.display());
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the new certificate or key cannot be used, so the old ones stay in use: {error}"
            ),
        }
    }

    fn stamps(&self) -> [Stamp; 2] {
        [&self.certificate, &self.key].map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        })
    }
}

/// Answers a client that does not speak TLS.
async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    let length = PLAIN_HTTP.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{PLAIN_HTTP}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // The request is read, because closing a connection with unread bytes would take the answer away from the client.
    let mut request = [0; 4096];
    while stream.read(&mut request).await? > 0 {}
    Ok(())
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let content = |file: &Path, what| TlsError::Content { file: file.into(), what };
    let text = bytes_of(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(content(certificate, "certificate"));
    }
    let private = PrivateKeyDer::from_pem_slice(&bytes_of(key)?).map_err(|_| content(key, "private key"))?;
    let pair = |source| TlsError::Pair { certificate: certificate.into(), key: key.into(), source };
    let mut server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(pair)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(file)?.take(LONGEST_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| TlsError::File { file: file.into(), source })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder with a certificate for 127.0.0.1 and its key.
    pub(crate) fn pair() -> (tempfile::TempDir, Tls) {
        let folder = tempfile::tempdir().expect("a folder");
        write_pair(folder.path());
        let tls = Tls::load(Some(&folder.path().join("cert.pem")), Some(&folder.path().join("key.pem")));
        (folder, tls.expect("a pair").expect("both are named"))
    }

    fn write_pair(folder: &Path) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        fs::write(folder.join("cert.pem"), made.cert.pem()).expect("written");
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    }

    fn in_use(tls: &Tls) -> Arc<ServerConfig> {
        Arc::clone(&tls.server.read().expect("not poisoned"))
    }

    #[test]
    fn a_broken_pair_never_replaces_a_good_one() {
        let (folder, tls) = pair();
        let (first, key) = (in_use(&tls), folder.path().join("key.pem"));
        let of_another = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        for broken in ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &of_another] {
            fs::write(&key, broken).expect("written");
            tls.reload();
            assert!(Arc::ptr_eq(&in_use(&tls), &first), "{broken}");
        }
        fs::remove_file(&key).expect("removed");
        tls.reload();
        assert!(Arc::ptr_eq(&in_use(&tls), &first));
        write_pair(folder.path());
        tls.reload();
        assert!(!Arc::ptr_eq(&in_use(&tls), &first));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (folder, _) = pair();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let told = |cert: Option<&Path>, key: Option<&Path>| {
            let error = Tls::load(cert, key).err().expect("refused").to_string();
            error.replace(&folder.path().display().to_string(), "DIR")
        };
        assert_eq!(told(Some(&cert), None), "a certificate and a key are needed together");
        assert_eq!(told(Some(&key), Some(&key)), "DIR/key.pem holds no certificate in PEM format");
        assert_eq!(told(Some(&cert), Some(&cert)), "DIR/cert.pem holds no private key in PEM format");
        assert_eq!(told(Some(&cert), Some(&folder.path().join("no"))), "could not read DIR/no");
    }
}
