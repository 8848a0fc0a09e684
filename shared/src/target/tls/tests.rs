//! Encrypted sessions with a server whose certificate was made for the test.

use std::path::PathBuf;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::TargetDatabase;
use crate::secret::Secret;
use crate::settings::NetworkSettings;
use crate::target::connect::Route;
use crate::target::{AnswerLimits, TargetError};

/// A server of PostgreSQL's protocol that lets everybody in.
struct Server {
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    /// With TLS and a certificate for this name, or without TLS.
    async fn start(certified: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let acceptor = certified.map(|name| {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
            std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).expect("written");
            let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let config = config.expect("versions").with_no_client_auth();
            let config = config.with_single_cert(vec![made.cert.der().clone()], key).expect("a pair");
            TlsAcceptor::from(Arc::new(config))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, acceptor.clone()));
            }
        });
        Self { port, folder }
    }

    fn authorities(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    async fn connect(&self, host: &str, mode: SslMode, authorities: Option<PathBuf>) -> Result<(), TargetError> {
        let url = format!("postgres://ann:x@{host}:{}/shop?sslmode={}", self.port, mode.word());
        let network = NetworkSettings { target_ca_file: authorities, ..NetworkSettings::default() };
        let database = TargetDatabase::Url(Secret::new(url));
        Route::of(&database, None, &network)?.log_in("test", AnswerLimits::VIEW, None).await.map(drop)
    }
}

async fn answer(mut stream: TcpStream, acceptor: Option<TlsAcceptor>) -> io::Result<()> {
    let mut asked = [0; 8];
    stream.read_exact(&mut asked).await?;
    assert_eq!(asked, QUESTION);
    match acceptor {
        Some(acceptor) => {
            stream.write_all(b"S").await?;
            let encrypted = acceptor.accept(stream).await?;
            welcome(encrypted).await
        }
        None => {
            stream.write_all(b"N").await?;
            welcome(stream).await
        }
    }
}

async fn welcome(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let length = stream.read_u32().await?;
    stream.read_exact(&mut vec![0; length as usize - 4]).await?;
    stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
    stream.flush().await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

#[tokio::test]
async fn sslmode_decides_which_certificates_are_accepted() {
    use SslMode::*;
    let server = Server::start(Some("localhost")).await;
    let known = || Some(server.authorities());
    for (host, mode, authorities, refused) in [
        ("localhost", Prefer, None, None),
        ("localhost", Require, None, None),
        ("127.0.0.1", Require, None, None),
        ("localhost", VerifyCa, None, Some("was signed by an authority that is not known here")),
        ("localhost", VerifyFull, None, Some("was signed by an authority that is not known here")),
        ("localhost", VerifyCa, known(), None),
        ("127.0.0.1", VerifyCa, known(), None),
        ("localhost", VerifyFull, known(), None),
        ("127.0.0.1", VerifyFull, known(), Some("was issued for another host name")),
    ] {
        let connected = server.connect(host, mode, authorities.clone()).await;
        match (connected, refused) {
            (Ok(()), None) => {}
            (Err(error), Some(reason)) => {
                assert_eq!(error.code().as_str(), "target_certificate", "{host} {mode:?}: {error}");
                assert!(error.to_string().contains(reason), "{host} {mode:?}: {error}");
            }
            (connected, _) => panic!("{host} {mode:?} {authorities:?}: {connected:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_when_the_config_allows_it() {
    let server = Server::start(None).await;
    assert!(server.connect("127.0.0.1", SslMode::Prefer, None).await.is_ok());
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let refused = server.connect("127.0.0.1", mode, None).await.expect_err("no TLS");
        assert_eq!(refused.code().as_str(), "target_no_tls");
        assert!(refused.next_step().contains("sslmode: disable"), "{}", refused.next_step());
    }
}

#[tokio::test]
async fn a_file_of_authorities_is_a_regular_file_of_bounded_size_with_certificates() {
    let server = Server::start(Some("localhost")).await;
    let folder = server.folder.path();
    std::fs::write(folder.join("large"), vec![b'x'; (1 << 20) + 1]).expect("written");
    std::fs::write(folder.join("text"), "no certificate").expect("written");
    let pipe = folder.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    for (file, reason) in [
        (PathBuf::from("/dev/zero"), "is not a regular file"),
        (pipe, "is not a regular file"),
        (folder.to_owned(), "is not a regular file"),
        (folder.join("large"), "is larger than 1 MiB"),
        (folder.join("text"), "holds no certificate"),
        (folder.join("missing"), "cannot be read"),
    ] {
        let refused = server.connect("localhost", SslMode::VerifyFull, Some(file.clone())).await.expect_err("refused");
        assert_eq!(refused.code().as_str(), "target_certificate", "{refused}");
        let told = refused.to_string();
        assert!(told.contains(reason) && told.contains(&file.display().to_string()), "{told}");
    }
}
