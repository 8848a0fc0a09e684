//! A real standby as the control database, before and after it is promoted.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection};

use crate::keys::{KEY, close, database};
use crate::support::{Folder, PATIENCE, Running, elt, run, run_with};

#[path = "../../../tests/it/support/standby.rs"]
mod standby;

use standby::Pair;

const STANDBY: &str = "the control database is a standby, which cannot be written to";

fn on(url: &str, folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = elt(folder, arguments);
    command.env("DATABASE_URL", url).env("ELT_SECRET_KEY", KEY).env("ELT_JWT_KEY", KEY);
    command.env("ELT_DATA_DIR", folder.path().join("other"));
    command
}

/// Waits until the standby has everything that its primary has.
async fn follows(servers: &Pair) {
    let mut primary = PgConnection::connect(&servers.primary).await.expect("connected to the primary");
    let mut standby = PgConnection::connect(&servers.standby).await.expect("connected to the standby");
    let written: String =
        sqlx::query_scalar("select pg_current_wal_lsn()::text").fetch_one(&mut primary).await.expect("asked");
    let deadline = Instant::now() + PATIENCE;
    let has_it = "select pg_last_wal_replay_lsn() >= $1::pg_lsn";
    while !sqlx::query_scalar::<_, bool>(has_it).bind(&written).fetch_one(&mut standby).await.expect("asked") {
        assert!(Instant::now() < deadline, "the standby does not follow its primary");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_control_database_that_is_a_standby_is_named_by_every_command_and_waited_for() {
    let folder = Folder::new();
    let opened = database(&folder).await;
    let servers = standby::pair(opened.0.superuser_url().expose()).await;
    let migrated = run(on(&servers.primary, &folder, &["migrate"]));
    assert_eq!(migrated.code, Some(0), "{}", migrated.stderr);
    let standby = servers.standby.as_str();
    follows(&servers).await;

    for (arguments, said) in [
        (&["migrate"][..], STANDBY),
        (&["worker"], STANDBY),
        (&["user", "add", "eve"], "the control database cannot be written to: it is a standby"),
    ] {
        let refused = run_with(on(standby, &folder, arguments), "a password of eve\n");
        assert_eq!(refused.code, Some(69), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(said), "{arguments:?}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("Name the primary server in DATABASE_URL"),
            "{arguments:?}: {}",
            refused.stderr
        );
        assert!(!refused.stderr.contains("read-only transaction"), "{arguments:?}: {}", refused.stderr);
    }
    // What only reads works, and says what the database is.
    let users = run(on(standby, &folder, &["user", "list"]));
    assert_eq!(users.code, Some(0), "{}", users.stderr);
    let status = run(on(standby, &folder, &["status"]));
    assert!(status.stdout.contains("read-only"), "{}", status.stdout);
    assert!(status.stdout.contains(STANDBY), "{}", status.stdout);

    let mut worker = on(standby, &folder, &["worker"]);
    worker.env("ELT_WAIT_SECONDS", "3600");
    let mut worker = Running::start(worker);
    worker.wait_for("waiting");
    let mut db = PgConnection::connect(standby).await.expect("connected to the standby");
    sqlx::query("select pg_promote()").execute(&mut db).await.expect("promoted");
    worker.wait_for("working on queue");
    worker.signal(Signal::SIGTERM);
    let (ended, said) = worker.end();
    assert_eq!(ended.code(), Some(0), "{said}");
    close(opened).await;
}
