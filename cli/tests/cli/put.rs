//! `elt put`: files reach a pipeline through the API, also when the API is killed meanwhile.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::Client;
use crate::support::{Folder, PATIENCE, Running, Up, elt, free_port, run, start_up, up};

const CONFIG: &str = "name: orders\nsources: [{type: inbox}]\ntarget: {table: orders}\nmonitor: {enabled: false}\n";

/// Stores the config of the pipeline `orders` and makes a token for it.
fn prepare(folder: &Folder, url: &str) -> String {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = Client::log_in(url).await;
        client.try_trigger(CONFIG, None).await;
    });
    assert_eq!(run(elt(folder, &["user", "add", "ci", "--service", "--role", "admin"])).code, Some(0));
    let create = [
        "token",
        "create",
        "ci",
        "--owner",
        "ci",
        "--scope",
        "upload",
        "--scope",
        "trigger",
        "--pipeline",
        "orders",
        "--days",
        "1",
    ];
    let said = run(elt(folder, &create));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    said.stdout.trim().to_owned()
}

fn put(folder: &Folder, server: &str, token: &str, more: &[&str]) -> std::process::Command {
    let arguments = [&["put", "--pipeline", "orders", "--server", server], more].concat();
    let mut command = elt(folder, &arguments);
    command.env("ELT_TOKEN", token);
    command
}

fn inbox(folder: &Folder) -> PathBuf {
    folder.path().join("data/inbox/orders")
}

#[test]
fn files_are_uploaded_once_and_loaded() {
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let token = prepare(&folder, &up.url);
    folder.write("a.csv", "id,name\n1,Ann\n");
    folder.write("b.csv", "id,name\n2,Bob\n");

    let said = run(put(&folder, &up.url, &token, &["a.csv", "b.csv", "--run"]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(lines[0].starts_with("a.csv: uploaded, 14 bytes, hash ") && !lines[0].contains("run"), "{}", said.stdout);
    let (_, id) = lines[1].split_once(", run ").expect("the run of the last file");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let finished = runtime.block_on(async { Client::log_in(&up.url).await.wait_until_finished(id).await });
    assert_eq!((&finished["state"], &finished["rows_inserted"]), (&json!("succeeded"), &json!(2)), "{finished}");

    let again = run(put(&folder, &up.url, &token, &["a.csv"]));
    assert!(again.code == Some(0) && again.stdout.starts_with("a.csv: was there already"), "{}", again.stdout);
    folder.write("a.csv", "id,name\n1,Eve\n");
    let refused = run(put(&folder, &up.url, &token, &["a.csv"]));
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("has another file a.csv"), "{}", refused.stderr);
    let replaced = run(put(&folder, &up.url, &token, &["a.csv", "--replace"]));
    assert!(replaced.stdout.starts_with("a.csv: replaced another file"), "{} {}", replaced.stdout, replaced.stderr);

    let nameless = run(put(&folder, &up.url, &token, &["gone.csv"]));
    assert!(nameless.code == Some(1) && nameless.stderr.contains("could not read gone.csv"), "{}", nameless.stderr);
    let other = run(elt(&folder, &["put", "a.csv", "--pipeline", "orders", "--server", &up.url]));
    assert!(other.code == Some(78) && other.stderr.contains("ELT_TOKEN is not set"), "{}", other.stderr);
    let wrong = put(&folder, &up.url, "elt_000000000000000000000000000000000000", &["a.csv"]);
    let wrong = run(wrong);
    assert!(wrong.code == Some(1) && !wrong.stderr.contains("elt_0000"), "{:?} {}", wrong.code, wrong.stderr);
}

/// Forwards connections to a port, and holds each back once `limit` bytes went through, all together.
fn slow_proxy(to: u16, limit: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let passed = Arc::new(AtomicU64::new(limit));
    let left = Arc::clone(&passed);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // While the server is away, its clients see a broken connection.
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let (mut from, mut into) = (client.try_clone().expect("a stream"), server.try_clone().expect("a stream"));
            let left = Arc::clone(&left);
            std::thread::spawn(move || {
                let mut piece = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = from.read(&mut piece) {
                    while left.load(Ordering::SeqCst) < count as u64 {
                        // The server was killed meanwhile, when this fails.
                        if into.take_error().is_ok_and(|error| error.is_some()) {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    left.fetch_sub(count as u64, Ordering::SeqCst);
                    if into.write_all(&piece[..count]).is_err() {
                        break;
                    }
                }
                let _ = into.shutdown(std::net::Shutdown::Both);
            });
            let (mut from, mut into) = (server, client);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut into);
                let _ = into.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, passed)
}

fn partial(folder: &Folder) -> Option<u64> {
    let entries = std::fs::read_dir(inbox(folder).join(".partial")).ok()?.flatten();
    entries.filter(|entry| entry.file_name() != "lock").find_map(|entry| Some(entry.metadata().ok()?.len()))
}

#[test]
fn an_upload_goes_on_after_the_server_was_killed() {
    let folder = Folder::new();
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let start = || -> Up { start_up(elt(&folder, &["up", "--listen", &listen])) };
    let server = start();
    let token = prepare(&folder, &server.url);
    let text: String =
        std::iter::once("id,name\n".to_owned()).chain((0..400_000).map(|id| format!("{id},x\n"))).collect();
    folder.write("big.csv", &text);
    let (proxy, left) = slow_proxy(port, 2_000_000);
    let mut putting = Running::start(put(&folder, &proxy, &token, &["big.csv", "--run"]));
    let deadline = Instant::now() + PATIENCE;
    while partial(&folder).is_none_or(|bytes| bytes < 500_000) {
        assert!(Instant::now() < deadline, "the upload did not begin: {}", putting.said);
        std::thread::sleep(Duration::from_millis(20));
    }
    server.process.signal(Signal::SIGKILL);
    let (status, _) = server.process.end();
    assert!(!status.success());
    let kept = partial(&folder).expect("what arrived is kept");
    assert!(!inbox(&folder).join("big.csv").exists(), "the pipeline sees no file");
    left.store(u64::MAX / 2, Ordering::SeqCst);
    putting.wait_for("trying again");
    let server = start();
    let line = putting.wait_for("big.csv: uploaded");
    let (status, said) = putting.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(kept > 0 && std::fs::read_to_string(inbox(&folder).join("big.csv")).expect("the file") == text);
    assert_eq!(partial(&folder), None);
    let (_, id) = line.split_once(", run ").expect("a run");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let finished = runtime.block_on(async { Client::log_in(&server.url).await.wait_until_finished(id).await });
    assert_eq!((&finished["state"], &finished["rows_inserted"]), (&json!("succeeded"), &json!(400_000)), "{finished}");
}
