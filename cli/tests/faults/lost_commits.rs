//! Targets that commit, lose the answer and stay away for a minute, in every mode of loading.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use elt_shared::runs::lifecycle::{self, RetryAnswer};
use nix::sys::signal::Signal;
use sqlx::AssertSqlSafe;
use tokio::time::sleep;
use uuid::Uuid;

use crate::chaos_proxy::{ChaosProxy, Fate};
use crate::world::{Pipeline, World, alone, report};

/// Rows of each table.
const ROWS: u32 = 3_010;
/// Tables that lose the answer to their COMMIT.
const TABLES: usize = 20;
/// How long their targets stay away.
const AWAY: Duration = Duration::from_secs(60);

const MODES: [(&str, &str); 4] = [
    ("hashed", ""),
    ("plain", "load: {dedupe: none}\n"),
    ("merged", "load: {mode: merge, key: [id]}\n"),
    ("replaced", "load: {mode: replace}\n"),
];

/// A run whose target goes away with its COMMIT.
struct Doomed {
    table: String,
    run: Uuid,
    proxy: ChaosProxy,
}

async fn doomed(world: &World, number: usize) -> Doomed {
    let (mode, load) = MODES[number % MODES.len()];
    let pipeline: Pipeline = world.pipeline(&format!("{mode}_{number}"), ROWS);
    // One row in a hundred comes twice, which would be two rows without deduplication: load distinct ones.
    let rows: String = (0..ROWS).map(|id| format!("{id},name {id}\n")).collect();
    let folder = world.source_folder(&pipeline);
    std::fs::remove_dir_all(&folder).expect("emptied the folder");
    std::fs::create_dir_all(&folder).expect("made the folder");
    std::fs::write(folder.join("rows.csv"), format!("id,name\n{rows}")).expect("wrote the rows");

    let url = world.target_url();
    let port: u16 = url.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')?.0.parse().ok()).expect("a port");
    let fate = Fate::LosesCommitForLong("set loaded_at = clock_timestamp()");
    let proxy = ChaosProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), [fate]).await;
    let through = url.replace(&format!(":{port}/"), &format!(":{}/", proxy.address.port()));
    let target = format!("{{url: '{through}', table: {}}}", pipeline.table);
    let source = format!("{{type: local, path: {}}}", folder.display());
    let more = format!("{load}monitor: {{enabled: false}}\n");
    let run = world.trigger_into(&pipeline.table, &target, &source, &more).await;
    Doomed { table: pipeline.table, run, proxy }
}

/// Waits until every COMMIT was lost.
async fn all_lost(doomed: &[Doomed]) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while doomed.iter().any(|doomed| doomed.proxy.lost_commits() == 0) {
        assert!(Instant::now() < deadline, "not every run came to its COMMIT");
        sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_target_that_commits_and_stays_away_neither_loses_nor_doubles_a_row() {
    alone(async {
        let world = World::start().await;
        let mut workers = vec![world.worker(&[]).await, world.worker(&[]).await];
        let mut all = Vec::new();
        for number in 0..TABLES {
            all.push(doomed(&world, number).await);
        }
        all_lost(&all).await;
        let lost = Instant::now();
        let mut db = world.control.acquire().await.expect("a connection");
        while lost.elapsed() < AWAY {
            for doomed in &all {
                let run = world.look(doomed.run).await.expect("the run is there");
                assert!(run.finished_at.is_none() && run.attempt == 1, "{run:#?}");
                let repeated = lifecycle::retry(&mut db, run.id, None, "somebody").await.expect("asked");
                assert!(!matches!(repeated, Some(RetryAnswer::Started(_))), "{repeated:?}");
            }
            if workers.len() == 2 && lost.elapsed() > AWAY / 3 {
                // A new worker reads from the database what the old one knew.
                let killed = workers.swap_remove(0);
                killed.process.signal(Signal::SIGKILL);
                workers.extend([world.worker(&[]).await, world.worker(&[]).await]);
            }
            sleep(Duration::from_secs(1)).await;
        }
        let back = Instant::now();
        for doomed in &all {
            doomed.proxy.let_through();
        }
        let mut seconds = Vec::new();
        for Doomed { table, run, .. } in &all {
            let done = world.finished(*run).await;
            seconds.push(back.elapsed().as_secs_f64());
            assert_eq!((done.state.as_str(), done.attempt), ("succeeded", 1), "{table}: {done:#?}");
            let counted = format!("select count(*), count(distinct id) from {table}");
            let found: (i64, i64) =
                sqlx::query_as(AssertSqlSafe(counted)).fetch_one(&world.target).await.expect("counted the rows");
            assert_eq!(found, (ROWS.into(), ROWS.into()), "{table}");
        }
        report("COMMIT's answer lost, target away for 60 s", TABLES, seconds);
        drop((workers, db));
        world.end().await;
    });
}
