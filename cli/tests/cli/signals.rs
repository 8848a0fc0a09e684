//! Asked to stop, politely and not.

use nix::sys::signal::{Signal, kill};

use crate::support::{Folder, Running, elt, up};

#[test]
fn sigterm_ends_everything_with_0_and_takes_the_database_along() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = Folder::new();
        let up = up(&folder, &[]);
        up.process.signal(signal);
        let (status, said) = up.process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(!folder.path().join("data/postgres/data/postmaster.pid").exists(), "the private cluster still runs");
    }
}

#[test]
fn workers_and_servers_join_an_installation_and_the_last_one_out_stops_its_database() {
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let mut worker = Running::start(elt(&folder, &["worker"]));
    worker.wait_for("working on queue `elt`");
    let mut server = Running::start(elt(&folder, &["serve", "--listen", "127.0.0.1:0"]));
    server.wait_for("elt answers at");
    let pid_file = folder.path().join("data/postgres/data/postmaster.pid");

    up.stop();
    assert!(pid_file.exists(), "others still use the database");
    for process in [worker, server] {
        process.signal(Signal::SIGTERM);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
    }
    assert!(!pid_file.exists(), "the last one out stops the database");
}

#[test]
fn a_killed_process_leaves_an_installation_that_starts_again() {
    let folder = Folder::new();
    let first = up(&folder, &[]);
    kill(first.process.pid(), Signal::SIGKILL).expect("killed");
    first.process.end();

    let again = up(&folder, &[]);

    again.stop();
}

#[test]
fn an_idle_worker_ends_without_waiting_for_its_grace_period() {
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let mut command = elt(&folder, &["worker"]);
    command.env("ELT_GRACE_PERIOD", "3600");
    let mut worker = Running::start(command);
    worker.wait_for("working on queue `elt`");
    worker.signal(Signal::SIGTERM);
    let (status, said) = worker.end();
    assert_eq!(status.code(), Some(0), "{said}");
    up.stop();
}
