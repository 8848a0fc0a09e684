//! A PostgreSQL cluster for the tests of one process, gone with it.

use elt_cluster::Cluster;
use sqlx::{Connection, PgConnection};

use super::standby::stop_with_this_process;

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
