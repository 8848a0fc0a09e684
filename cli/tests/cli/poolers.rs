//! The control database behind a real PgBouncer.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::keys::{KEY, close, database};
use crate::support::{Folder, Running, elt, run};

#[path = "../../../tests/it/support/pgbouncer.rs"]
mod pgbouncer;

use pgbouncer::{ACCEPTS, PgBouncer};

fn through(pooler: &PgBouncer, server: &str, folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = elt(folder, arguments);
    let url = pooler.before(server);
    command.env("DATABASE_URL", url).env("ELT_SECRET_KEY", KEY).env("ELT_JWT_KEY", KEY);
    // Not the folder of the cluster, whose own address would otherwise be asked for.
    command.env("ELT_DATA_DIR", folder.path().join("other"));
    command
}

#[tokio::test]
async fn a_pooler_that_shares_sessions_is_refused_for_the_control_database_with_what_to_do() {
    let folder = Folder::new();
    let opened = database(&folder).await;
    let server = opened.0.control_url().expose().to_owned();
    let all = [&["migrate"][..], &["user", "list"], &["worker"], &["serve", "--listen", "127.0.0.1:0"]];
    for (mode, more, commands) in [
        ("transaction", "", &all[..]),
        ("transaction", "default_pool_size = 1\n", &all[..1]),
        ("statement", "", &all[2..3]),
    ] {
        let pooler = PgBouncer::start(&server, mode, &format!("{ACCEPTS}{more}"));
        for arguments in commands {
            let said = run(through(&pooler, &server, &folder, arguments));
            assert_eq!(said.code, Some(78), "{mode} {arguments:?}: {}", said.stderr);
            let refusal = format!(
                "a connection pooler in transaction mode is before the control database at {}",
                pooler.address()
            );
            assert!(said.stderr.contains(&refusal), "{mode} {arguments:?}: {}", said.stderr);
            assert!(said.stderr.contains("pool_mode = session"), "{}", said.stderr);
        }
    }
    close(opened).await;
}

#[tokio::test]
async fn everything_works_on_a_control_database_behind_a_pooler_in_session_mode() {
    let folder = Folder::new();
    let opened = database(&folder).await;
    let server = opened.0.control_url().expose().to_owned();
    let pooler = PgBouncer::start(&server, "session", &format!("{ACCEPTS}default_pool_size = 60\n"));
    for arguments in [&["migrate"][..], &["user", "list"]] {
        let said = run(through(&pooler, &server, &folder, arguments));
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
    }
    let mut worker = Running::start(through(&pooler, &server, &folder, &["worker"]));
    worker.wait_for("working on queue");
    let mut api = Running::start(through(&pooler, &server, &folder, &["serve", "--listen", "127.0.0.1:0"]));
    api.wait_for("elt answers at");
    let workers = run(through(&pooler, &server, &folder, &["workers", "list"])).stdout;
    let line = workers.lines().find(|line| line.contains("working")).unwrap_or_else(|| panic!("{workers}"));
    let id = line.split_whitespace().next().expect("its id");
    // The worker hears of it by a notification and answers with its heartbeat.
    let drained = run(through(&pooler, &server, &folder, &["workers", "drain", id, "--wait"]));
    assert_eq!(drained.code, Some(0), "{}", drained.stderr);
    for process in [api, worker] {
        process.signal(Signal::SIGTERM);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(!said.contains("WARN the heartbeat"), "{said}");
        assert!(!said.contains("the listener lost"), "{said}");
    }
    close(opened).await;
}

#[tokio::test]
async fn a_pooler_that_refuses_how_a_session_begins_is_named_with_its_setting() {
    let folder = Folder::new();
    let opened = database(&folder).await;
    let server = opened.0.control_url().expose().to_owned();
    let pooler = PgBouncer::start(&server, "session", "");
    let said = run(through(&pooler, &server, &folder, &["user", "list"]));
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("unsupported startup parameter: extra_float_digits"), "{}", said.stderr);
    assert!(said.stderr.contains("ignore_startup_parameters = extra_float_digits, options"), "{}", said.stderr);
    close(opened).await;
}
