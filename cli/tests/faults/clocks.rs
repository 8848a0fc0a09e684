//! Time: workers whose clocks are hours off, and runs that take longer than their schedule's interval.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use crate::slow_source;
use crate::world::{World, alone, report};

/// How often each of the schedules ticks while clocks are off.
const TICKS: i64 = 20;

#[test]
fn workers_whose_clocks_are_hours_off_do_every_tick_and_run_once() {
    alone(async {
        let world = World::start().await;
        let library = libfaketime();
        let ahead = world.worker(&[("LD_PRELOAD", &library), ("FAKETIME", "+7200s")]).await;
        let behind = world.worker(&[("LD_PRELOAD", &library), ("FAKETIME", "-7200s")]).await;
        let right = world.worker(&[]).await;
        let pipelines: Vec<_> = (0..4).map(|n| world.pipeline(&format!("clock_{n}"), 100)).collect();
        for pipeline in &pipelines {
            let source =
                format!("{{type: local, path: {}, settle_seconds: 0}}", world.source_folder(pipeline).display());
            world.trigger_source(&pipeline.table, &source, "monitor: {interval_seconds: 1}\n").await;
        }
        let before = beats(&world).await;
        let mut now = beats(&world).await;
        while now.ticks.iter().zip(&before.ticks).any(|(now, before)| now - before < TICKS) {
            assert!((now.at - before.at).num_seconds() < 10 * TICKS, "the ticks stand still: {:?}", now.ticks);
            sleep(Duration::from_millis(100)).await;
            now = beats(&world).await;
        }
        let seconds = (now.at - before.at).num_seconds();
        let done: Vec<_> = now.ticks.iter().zip(&before.ticks).map(|(now, before)| now - before).collect();
        assert!(done.iter().all(|done| *done <= seconds + 2), "a tick was done twice: {done:?} in {seconds} s");
        let rescued: i64 = sqlx::query_scalar("select count(*) from run_attempts where outcome = 'worker_lost'")
            .fetch_one(&world.control)
            .await
            .expect("looked at the attempts");
        assert_eq!(rescued, 0, "no lease ended early");
        let runs: i64 =
            sqlx::query_scalar("select count(*) from runs").fetch_one(&world.control).await.expect("counted");
        assert_eq!(runs, 4, "nothing changed, so nothing ran again");
        world.check(&pipelines).await;
        report("clocks of two of three workers 2 h off, 4 schedules", done.iter().sum::<i64>() as usize, Vec::new());
        drop((ahead, behind, right));
        world.end().await;
    });
}

#[test]
fn fires_during_a_long_run_are_left_out_or_queued_as_the_schedule_says() {
    alone(async {
        let world = World::start().await;
        let workers = [world.worker(&[]).await, world.worker(&[]).await];
        let source = format!("{{type: api, url: \"{}\"}}", slow_source::start(Duration::from_secs(4)));
        for (overlap, runs, skipped) in [("skip", 1, 3), ("queue", 4, 0)] {
            let more = format!("schedule: {{cron: \"0 0 1 1 *\", overlap: {overlap}}}\nmonitor: {{enabled: false}}\n");
            let first = world.trigger_source(overlap, &source, &more).await;
            world.finished(first).await;
            fire(&world, overlap).await;
            let long = world.newest_run(overlap).await;
            world.until(long, "running", |run| run.state.as_str() == "running").await;
            for _ in 0..3 {
                fire(&world, overlap).await;
            }
            let found: (i64, i64) = sqlx::query_as(
                "select (select count(*) from runs where schedule_id = s.id and trigger = 'schedule'), skipped
                 from schedules s where name = $1",
            )
            .bind(overlap)
            .fetch_one(&world.control)
            .await
            .expect("the schedule");
            assert_eq!(found, (runs, skipped), "{overlap}: runs made, fires left out");
            let unfinished: Vec<Uuid> =
                sqlx::query_scalar("select id from runs where finished_at is null and name = $1")
                    .bind(overlap)
                    .fetch_all(&world.control)
                    .await
                    .expect("the runs");
            for run in unfinished {
                assert_eq!(world.finished(run).await.state.as_str(), "succeeded");
            }
            let overlapping: i64 = sqlx::query_scalar(
                "select count(*) from run_attempts a join run_attempts b on a.run_id < b.run_id
                 join runs on runs.id = a.run_id and runs.name = $1 join runs r on r.id = b.run_id and r.name = $1
                 where a.outcome = 'succeeded' and b.outcome = 'succeeded'
                   and a.started_at < b.finished_at and b.started_at < a.finished_at",
            )
            .bind(overlap)
            .fetch_one(&world.control)
            .await
            .expect("looked at the attempts");
            assert_eq!(overlapping, 0, "{overlap}: no two were at work at once");
        }
        report("fires during a long run, left out and queued", 6, Vec::new());
        drop(workers);
        world.end().await;
    });
}

/// The library that shifts a process's clock. Its command would stay between the test and the worker.
fn libfaketime() -> String {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder").flatten();
    let found = folders.map(|entry| entry.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.expect("libfaketime: `apt-get install faketime`").to_str().expect("a readable path").to_owned()
}

/// What the schedules have done so far, by the database's clock.
struct Beats {
    at: chrono::DateTime<chrono::Utc>,
    ticks: Vec<i64>,
}

async fn beats(world: &World) -> Beats {
    let (at, ticks) = sqlx::query_as(
        "select clock_timestamp(), coalesce(array_agg(ticks::bigint order by name), '{}') from schedules",
    )
    .fetch_one(&world.control)
    .await
    .expect("the schedules");
    Beats { at, ticks }
}

/// Makes a schedule due, and waits until a worker has seen to it.
async fn fire(world: &World, name: &str) {
    let before: i64 = sqlx::query_scalar(
        "update schedules set next_run_at = now(), next_tick_at = now() where name = $1 returning ticks::bigint",
    )
    .bind(name)
    .fetch_one(&world.control)
    .await
    .expect("made it due");
    for _ in 0..3_000 {
        let ticks: i64 =
            sqlx::query_scalar("select ticks::bigint from schedules where name = $1 and ticking_until is null")
                .bind(name)
                .fetch_optional(&world.control)
                .await
                .expect("looked")
                .unwrap_or(before);
        if ticks > before {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} never ticked");
}
