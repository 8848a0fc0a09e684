//! Two processes of one installation with different secret keys, before anything is sealed.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::keys::{KEY, OTHER, close, database};
use crate::support::{Folder, Running, elt, run};

fn with_key(folder: &Folder, arguments: &[&str], key: &str) -> Command {
    let mut command = elt(folder, arguments);
    command.env("ELT_SECRET_KEY", key).env("ELT_JWT_KEY", KEY);
    command
}

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

#[tokio::test]
async fn the_first_server_decides_about_the_key_and_others_are_refused() {
    let folder = Folder::new();
    let opened = database(&folder).await;
    assert_eq!(run(elt(&folder, &["migrate"])).code, Some(0));
    let mut first = Running::start(with_key(&folder, &SERVE, KEY));
    first.wait_for("elt answers at");

    for arguments in [&SERVE[..], &["worker"], &["up", "--listen", "127.0.0.1:0"]] {
        let said = run(with_key(&folder, arguments, OTHER));
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains("wrong_secret_key"), "{arguments:?}: {}", said.stderr);
    }
    let mut same = Running::start(with_key(&folder, &["worker"], KEY));
    same.wait_for("working on queue");
    for process in [first, same] {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.end().0.code(), Some(0));
    }
    close(opened).await;
}

#[tokio::test]
async fn a_worker_that_came_first_with_another_key_says_so_as_soon_as_a_server_has_one() {
    let folder = Folder::new();
    let opened = database(&folder).await;
    assert_eq!(run(elt(&folder, &["migrate"])).code, Some(0));
    let mut worker = Running::start(with_key(&folder, &["worker"], OTHER));
    worker.wait_for("working on queue");
    let mut server = Running::start(with_key(&folder, &SERVE, KEY));
    server.wait_for("elt answers at");

    worker.wait_for("wrong_secret_key");

    for process in [worker, server] {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.end().0.code(), Some(0));
    }
    close(opened).await;
}
