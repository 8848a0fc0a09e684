//! The API behind its own TLS.

use std::path::Path;

use reqwest::{Certificate, Client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::TestApp;
use crate::support::folder::Folder;

/// Writes a new certificate for 127.0.0.1 with its key. Returns a client that trusts it and no other.
fn write_pair(folder: &Path) -> Client {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let pem = made.cert.pem();
    std::fs::write(folder.join("cert.pem"), &pem).expect("written");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    let trusted = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
    // Without a pool, every request makes a handshake of its own.
    Client::builder().tls_certs_only([trusted]).pool_max_idle_per_host(0).build().expect("a client")
}

async fn app(folder: &Folder) -> TestApp {
    TestApp::start_with(|options| {
        options.workers = 0;
        options.api.tls_cert = Some(folder.path().join("cert.pem"));
        options.api.tls_key = Some(folder.path().join("key.pem"));
    })
    .await
}

#[tokio::test]
async fn the_api_speaks_https_and_says_so_to_who_does_not() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let client = write_pair(folder.path());
    let app = app(&folder).await;
    // Connections that never begin a handshake hold nobody up.
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(app.address).await.expect("connected"));
    }
    let url = format!("https://{}/livez", app.address);
    let answer = client.get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.version(), reqwest::Version::HTTP_11);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let missing = client.get(format!("https://{}/nothing", app.address)).send().await.expect("an answer");
    assert!(missing.headers().contains_key("strict-transport-security"), "errors as well");

    let plain = Client::new().get(app.url("/livez")).send().await.expect("an answer in plain HTTP");
    assert_eq!(plain.status(), 400);
    assert_eq!(plain.text().await.expect("a text"), "This port speaks HTTPS only. Begin the address with https://.\n");
    let mut stream = TcpStream::connect(app.address).await.expect("connected");
    stream.write_all(&[b'x'; 100_000]).await.expect("sent");
    let mut told = String::new();
    stream.read_to_string(&mut told).await.expect("an answer");
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let first = write_pair(folder.path());
    let app = app(&folder).await;
    let url = format!("https://{}/livez", app.address);
    first.get(&url).send().await.expect("the first certificate");
    let second = write_pair(folder.path());
    let used = app.eventually(async || second.get(&url).send().await.ok().map(|answer| answer.status())).await;
    assert_eq!(used.expect("the new certificate is used"), 200);
    first.get(&url).send().await.expect_err("the old one is not");
}

#[tokio::test]
async fn plain_http_sends_no_hsts() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    assert_eq!(app.get("/livez").await.header("strict-transport-security"), "");
}
