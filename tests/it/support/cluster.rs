//! A PostgreSQL cluster for the tests of one process, gone with it.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use elt_cluster::Cluster;
use sqlx::{Connection, PgConnection};

/// Starts the cluster and says how a superuser connects to it.
pub async fn start() -> String {
    start_in(&format!("elt-tests-{}", std::process::id())).await
}

/// Starts one more cluster, whose settings a test may change, and says how a superuser connects to it.
pub async fn another(name: &str) -> String {
    start_in(&format!("elt-tests-{}-{name}", std::process::id())).await
}

async fn start_in(folder: &str) -> String {
    let folder = std::env::temp_dir().join(folder);
    let cluster = Cluster::start(&folder, None).await.expect("started PostgreSQL for the tests");
    stop_with_this_process(cluster.server_pid().expect("a running server"), &folder);
    let url = cluster.superuser_url().expose().to_owned();
    let mut db = PgConnection::connect(&url).await.expect("connected to the tests' own PostgreSQL");
    // Nothing of it is kept: waiting for the disk would only slow the tests down.
    for statement in [
        "alter system set fsync = off",
        "alter system set synchronous_commit = off",
        "alter system set full_page_writes = off",
        "select pg_reload_conf()",
    ] {
        sqlx::query(statement).execute(&mut db).await.expect(statement);
    }
    // Dropping the cluster would end its use, not stop its server.
    std::mem::forget(cluster);
    url
}

/// Tests end without a last word, so a shell waits for the end of this process: then its standard input ends.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process")]
fn stop_with_this_process(server: i32, folder: &std::path::Path) {
    let script = "read _; kill -INT $0; while kill -0 $0 2>/dev/null; do sleep 0.1; done; rm -rf \"$1\"";
    let mut watcher = Command::new("sh")
        .args(["-c", script, &server.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the tests, not for the shell that cleans up behind them.
        .process_group(0)
        .spawn()
        .expect("started the shell that stops PostgreSQL");
    // Held open for as long as this process lives.
    std::mem::forget(watcher.stdin.take());
}
