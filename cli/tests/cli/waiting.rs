//! Servers that start before what they need is there.

use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::keys::{KEY, close, database};
use crate::support::{Folder, PATIENCE, Running, elt, free_port, run, servers_in, up};

/// A server or worker that waits without end.
fn patient(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = elt(folder, arguments);
    command.env("ELT_WAIT_SECONDS", "3600").env("ELT_SECRET_KEY", KEY).env("ELT_JWT_KEY", KEY);
    command
}

/// An address that nothing listens on.
fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Asks until the path is answered with this status. Returns the body.
async fn until_status(url: &str, status: u16) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = reqwest::get(url).await;
        if let Ok(answer) = answer
            && answer.status().as_u16() == status
        {
            return answer.text().await.expect("a body");
        }
        assert!(Instant::now() < deadline, "{url} never answered {status}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn servers_that_come_before_the_migration_wait_for_it_and_say_they_are_not_ready() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let opened = database(&folder).await;
    let address = free_address();
    let mut worker = Running::start(patient(&folder, &["worker"]));
    let mut server = Running::start(patient(&folder, &["serve", "--listen", &address]));
    worker.wait_for("the control database lacks");
    server.wait_for("the control database lacks");
    until_status(&format!("http://{address}/livez"), 200).await;
    let problem = until_status(&format!("http://{address}/readyz"), 503).await;
    assert!(problem.contains("the control database is not migrated yet"), "{problem}");
    until_status(&format!("http://{address}/runs"), 503).await;

    let migrated = run(elt(&folder, &["migrate"]));
    assert_eq!(migrated.code, Some(0), "{}", migrated.stderr);
    worker.wait_for("working on queue");
    server.wait_for("elt answers at");
    until_status(&format!("http://{address}/readyz"), 200).await;
    until_status(&format!("http://{address}/runs"), 401).await;
    for process in [worker, server] {
        process.signal(Signal::SIGTERM);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
    }
    close(opened).await;
}

#[test]
fn a_database_or_an_address_that_is_not_there_is_waited_for_and_a_signal_ends_the_wait() {
    let folder = Folder::new();
    let nowhere = format!("postgres://elt:hunter2@{}/elt", free_address());
    // 192.0.2.0/24 is for documentation, so that no machine has the second address.
    for (arguments, awaited) in [
        (&["worker"][..], "could not connect to the control database"),
        (&["serve", "--listen", "127.0.0.1:0"], "could not connect to the control database"),
        (&["serve", "--listen", "192.0.2.1:8080"], "could not listen on 192.0.2.1:8080"),
    ] {
        let mut command = patient(&folder, arguments);
        command.env("DATABASE_URL", &nowhere);
        let mut process = Running::start(command);
        let line = process.wait_for("waiting");
        assert!(line.contains(awaited) && !line.contains("hunter2"), "{line}");
        process.signal(Signal::SIGTERM);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {said}");

        let mut command = patient(&folder, arguments);
        command.env("DATABASE_URL", &nowhere).env("ELT_WAIT_SECONDS", "1");
        let said = run(command);
        assert_eq!(said.code, Some(69), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(awaited), "{arguments:?}: {}", said.stderr);
    }
}

#[test]
fn a_signal_while_the_private_cluster_starts_leaves_no_server_behind() {
    let folder = Folder::new();
    up(&folder, &[]).stop();
    for arguments in [&["worker"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let mut process = Running::start(elt(&folder, arguments));
        process.wait_for("control database: the private PostgreSQL");
        process.signal(Signal::SIGTERM);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {said}");
        assert_eq!(servers_in(&folder), Vec::<i32>::new(), "{arguments:?}: {said}");
    }
}
