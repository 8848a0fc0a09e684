//! A worker that is killed after it sent the rows of an incremental source and before the commit: cursor and rows agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::world::{World, alone, report, rounds};

/// Rows that each round adds.
const NEW_ROWS: u64 = 500;

/// An API with rows `0..count`, whose cursor is the row's number. `?since=` is inclusive.
async fn serve(count: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = vec![0; 16 << 10];
            let Ok(read) = client.read(&mut request).await else { continue };
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let since = request.split_once("since=").map(|(_, rest)| rest);
            let since =
                since.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).unwrap_or(0);
            let rows = (since..count.load(Ordering::Relaxed))
                .map(|n| format!("{{\"id\":{n},\"at\":{n},\"note\":\"row {n}\"}}"));
            let body = format!("[{}]", rows.collect::<Vec<_>>().join(","));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length";
            let _ = client.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
    });
    format!("http://{address}/rows")
}

#[test]
fn a_worker_that_is_killed_between_copy_and_commit_leaves_cursor_and_rows_in_agreement() {
    alone(async {
        let world = World::start().await;
        let count = Arc::new(AtomicU64::new(NEW_ROWS));
        let url = serve(Arc::clone(&count)).await;
        let source = format!("{{type: api, url: \"{url}\", incremental: {{cursor: at, param: since}}}}");
        let config = "monitor: {enabled: false}\n";
        let mut worker = world.worker(&[]).await;
        let first = world.trigger_source("cursors", &source, config).await;
        assert_eq!(world.finished(first).await.state.as_str(), "succeeded");
        let rounds = rounds(3);
        for round in 0..rounds {
            let before = agreed(&world).await;
            count.fetch_add(NEW_ROWS, Ordering::Relaxed);
            // The loading transaction waits for this lock when its rows are sent and its cursor is not moved yet.
            let mut holder = sqlx::PgConnection::connect(&world.target_url()).await.expect("connected");
            let lock = "hashtextextended('elt state public.cursors', 0)";
            query(&mut holder, &format!("select pg_advisory_lock({lock})")).await;
            let run = world.trigger_source("cursors", &source, config).await;
            waits(&world).await;
            worker.process.signal(Signal::SIGKILL);
            if round % 2 == 0 {
                // The server may notice only later that the client is gone, and must not commit what it was not told to.
                query(&mut holder, &format!("select pg_advisory_unlock({lock})")).await;
            }
            drop(holder);
            gone(&world).await;
            assert_eq!(agreed(&world).await, before, "nothing of the killed attempt is there");
            expire(&world, run).await;
            worker = world.worker(&[]).await;
            let done = world.finished(run).await;
            assert_eq!(done.state.as_str(), "succeeded", "{done:#?}");
            assert_eq!(agreed(&world).await, count.load(Ordering::Relaxed), "every row is there once");
        }
        report("kill -9 between COPY and COMMIT of an incremental source", rounds, Vec::new());
        drop(worker);
        world.end().await;
    });
}

async fn query(connection: &mut sqlx::PgConnection, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Number of rows, which must be the distinct ones and those up to the cursor.
async fn agreed(world: &World) -> u64 {
    let sql = "select count(*), count(distinct id), (select value::bigint + 1 from _elt_state) from cursors";
    let (rows, distinct, cursor): (i64, i64, i64) = sqlx::query_as(sql).fetch_one(&world.target).await.expect("counts");
    assert_eq!((rows, distinct), (cursor, cursor), "rows, distinct rows and cursor");
    rows as u64
}

/// Waits until the loading transaction waits for the lock.
async fn waits(world: &World) {
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    until(async || sqlx::query_scalar::<_, i64>(waiting).fetch_one(&world.target).await.expect("asked") > 0).await;
}

/// Waits until no session of the killed worker is left in the target.
async fn gone(world: &World) {
    let admin = world.administrator().await;
    let sessions =
        "select count(*) from pg_stat_activity where application_name like 'elt:%' and backend_type = 'client backend'
                    and application_name ~ '^elt:[0-9a-f-]{36}:'";
    until(async || sqlx::query_scalar::<_, i64>(sessions).fetch_one(&admin).await.expect("asked") == 0).await;
    admin.close().await;
}

/// Ends the lease of a killed worker's run, so that the test need not wait for it.
async fn expire(world: &World, run: uuid::Uuid) {
    let sql = "update runs set lease_expires_at = now() - interval '1 second' where id = $1 and state = 'running'";
    sqlx::query(sql).bind(run).execute(&world.control).await.expect("expired");
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !is_so().await {
        assert!(std::time::Instant::now() < deadline, "it did not happen in time");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
