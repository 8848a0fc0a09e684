//! A server with a certificate of its own, which is exchanged while it runs.

use std::fs::File;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use reqwest::{Certificate, Client};

use crate::support::{Folder, PATIENCE, elt, start_up};

/// Writes a file that looks unchanged from outside: always of the same size and time. The server then reads it again
/// only when it gets the signal.
fn write(folder: &Folder, name: &str, pem: &str) {
    let path = folder.write(name, &format!("{pem:\n<4096}"));
    let file = File::options().write(true).open(path).expect("the file");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(1)).expect("its time");
}

/// Writes a new certificate for 127.0.0.1 with its key. Returns a client that trusts it and no other.
fn write_pair(folder: &Folder) -> Client {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let pem = made.cert.pem();
    write(folder, "cert.pem", &pem);
    write(folder, "key.pem", &made.signing_key.serialize_pem());
    let trusted = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
    // Without a pool, every request makes a handshake of its own.
    Client::builder().tls_certs_only([trusted]).pool_max_idle_per_host(0).build().expect("a client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_exchanges_the_certificate_and_a_pair_that_does_not_fit_changes_nothing() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let first = write_pair(&folder);
    let mut command = elt(&folder, &["up", "--no-worker", "--listen", "127.0.0.1:0"]);
    command.args(["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let mut up = start_up(command);
    assert!(up.url.starts_with("https://127.0.0.1:"), "{}", up.url);
    let livez = format!("{}/livez", up.url);
    let answers = async |client: &Client| client.get(&livez).send().await.is_ok_and(|answer| answer.status() == 200);
    assert!(answers(&first).await);

    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    write(&folder, "key.pem", &other.signing_key.serialize_pem());
    up.process.signal(Signal::SIGHUP);
    up.process.wait_for("cannot be used with the key in");
    assert!(answers(&first).await, "the pair that was read before stays in use");

    let second = write_pair(&folder);
    up.process.signal(Signal::SIGHUP);
    let deadline = Instant::now() + PATIENCE;
    while !answers(&second).await {
        assert!(Instant::now() < deadline, "the new certificate is not used");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!answers(&first).await, "the old certificate is not used any more");
    up.stop();
}
