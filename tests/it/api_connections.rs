//! How an API source connects: which authorities it trusts, to which hosts it shows a certificate, and its proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use elt_shared::config::{ApiSource, PemCertificates};
use elt_worker::extract::http::{self, HttpLimits};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::authority::Authority;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::forward_proxy::ForwardProxy;

/// An HTTPS server that answers every request alike. Ends with this value.
struct HttpsServer {
    address: SocketAddr,
    /// Whether each request came with a certificate.
    certified: Arc<Mutex<Vec<bool>>>,
    serving: JoinHandle<()>,
}

impl HttpsServer {
    /// A server whose certificate `authority` signed. It accepts certificates of clients that `authority` signed, and insists
    /// on one when `strict`.
    async fn start(authority: &Authority, strict: bool, answer: String) -> Self {
        let (certificate, key) = authority.sign("127.0.0.1");
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).expect("a root")).expect("added");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let verifier = if strict { verifier } else { verifier.allow_unauthenticated() }.build().expect("a verifier");
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_client_cert_verifier(verifier).with_single_cert(chain, key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("a server's configuration")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let certified = Arc::<Mutex<Vec<bool>>>::default();
        let seen = Arc::clone(&certified);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                // A client that does not trust the server ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => asked.push(byte),
                        Err(_) => break,
                    }
                }
                if asked.is_empty() {
                    continue;
                }
                seen.lock().expect("requests").push(stream.get_ref().1.peer_certificates().is_some());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, certified, serving }
    }

    fn url(&self) -> String {
        format!("https://{}/rows", self.address)
    }

    fn certified(&self) -> Vec<bool> {
        self.certified.lock().expect("requests").clone()
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn rows() -> String {
    let body = r#"[{"id":1}]"#;
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn quick() -> HttpLimits {
    HttpLimits { attempts: 1, backoff: Duration::from_millis(10), ..HttpLimits::default() }
}

#[tokio::test]
async fn an_authority_and_a_certificate_of_the_config_are_used_for_its_host() {
    let lab = Extraction::new().await;
    let authority = Authority::new("elt tests");
    let server = HttpsServer::start(&authority, true, rows()).await;
    let (certificate, key) = authority.sign("client");
    let own = Some((certificate.as_str().into(), key.as_str().into()));
    let authorities = Some(authority.certificate.as_str().into());
    let source = |certificates| ApiSource { certificates, ..ApiSource::at(&server.url()) };
    let extract = async |certificates| http::extract_within(0, &source(certificates), &lab.context, &quick()).await;

    let extracted =
        extract(PemCertificates { authorities: authorities.clone(), own: own.clone() }).await.expect("rows");
    assert_eq!(texts(&extracted)[0].1, r#"[{"id":1}]"#);
    assert_eq!(server.certified(), [true]);

    let port = server.address.port();
    let unknown = failure(extract(PemCertificates { authorities: None, own: own.clone() }).await, port);
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
    let unnamed = extract(PemCertificates { authorities, own: None }).await;
    assert!(failure(unnamed, port).starts_with("source_unreachable"), "the server insists on a certificate");
    let other = Authority::new("another authority");
    let wrong = extract(PemCertificates { authorities: Some(other.certificate.as_str().into()), own }).await;
    assert!(failure(wrong, port).contains("invalid peer certificate"), "the only authorities are those of the config");
    assert_eq!(server.certified(), [true], "no further request was answered");
}

#[tokio::test]
async fn another_host_sees_no_certificate_of_the_config_and_is_not_trusted_because_of_it() {
    let lab = Extraction::new().await;
    let authority = Authority::new("elt tests");
    let away = HttpsServer::start(&authority, false, rows()).await;
    let redirect =
        format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", away.url());
    let server = HttpsServer::start(&authority, true, redirect).await;
    let (certificate, key) = authority.sign("client");
    let certificates = PemCertificates {
        authorities: Some(authority.certificate.as_str().into()),
        own: Some((certificate.as_str().into(), key.as_str().into())),
    };
    let source = ApiSource { certificates, ..ApiSource::at(&server.url()) };
    let told = failure(http::extract_within(0, &source, &lab.context, &quick()).await, away.address.port());
    assert!(told.contains("/rows could not be reached: invalid peer certificate"), "{told}");
    assert_eq!((server.certified(), away.certified()), (vec![true], Vec::new()));
}

#[tokio::test]
async fn requests_go_through_the_proxy_of_the_settings_and_the_rules_for_hosts_hold() {
    let authority = Authority::new("elt tests");
    let server = HttpsServer::start(&authority, false, rows()).await;
    let proxy = ForwardProxy::start(r#"[{"id":2}]"#).await;
    let lab = Extraction::new().await.with_proxy(&format!("http://ann:pass@{}", proxy.address), &["192.0.2.0/24"]);
    let certificates =
        PemCertificates { authorities: Some(authority.certificate.as_str().into()), ..PemCertificates::default() };
    let extract = async |source: &ApiSource| http::extract_within(0, source, &lab.context, &quick()).await;

    let secure = ApiSource { certificates, auth_token: Some("canary".into()), ..ApiSource::at(&server.url()) };
    let extracted = extract(&secure).await.expect("rows of the server");
    assert_eq!(texts(&extracted)[0].1, r#"[{"id":1}]"#);
    let head = proxy.heads().pop().expect("a request");
    assert!(head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", server.address)), "{head}");
    assert!(
        head.to_lowercase().contains("proxy-authorization: basic yw5uonbhc3m=") && !head.contains("canary"),
        "{head}"
    );

    // Nobody listens there: the proxy answers.
    let plain = extract(&ApiSource::at("http://127.0.0.1:9/rows")).await.expect("rows of the proxy");
    assert_eq!(texts(&plain)[0].1, r#"[{"id":2}]"#);
    let head = proxy.heads().pop().expect("a request");
    assert!(head.starts_with("GET http://127.0.0.1:9/rows HTTP/1.1\r\n"), "{head}");

    let before = proxy.heads().len();
    for (url, code) in [
        ("http://192.0.2.7/rows", "source_refused"),
        ("https://169.254.169.254/latest", "source_refused"),
        ("http://metadata.google.internal/", "source_refused"),
        ("http://no-such-host.invalid/", "source_unreachable"),
    ] {
        let told = failure(extract(&ApiSource::at(url)).await, 0);
        assert!(told.starts_with(code), "{url}: {told}");
    }
    assert_eq!(proxy.heads().len(), before, "the proxy was not asked");
}
