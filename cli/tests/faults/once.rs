//! One of each of the faults that every day brings: a killed worker, signals, a crashed database, a lost notification.

use std::time::{Duration, Instant};

use chrono::Utc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::token_chain::TokenChain;
use crate::world::{TAKEN_OVER, World, alone, report, rounds};

/// A run of this many rows takes some seconds in a build without optimisation.
const ROWS: u32 = 250_000;

#[test]
fn a_run_whose_worker_is_killed_is_taken_over() {
    alone(async {
        let world = World::start().await;
        let pipelines = [world.pipeline("killed", ROWS)];
        let mut seconds = Vec::new();
        for _ in 0..rounds(1) {
            seconds.push(world.taken_over_after_kill(&pipelines[0], "load").await);
        }
        world.check(&pipelines).await;
        assert!(seconds.iter().all(|seconds| *seconds < TAKEN_OVER), "{seconds:?}");
        report("kill -9 while loading", seconds.len(), seconds);
        world.end().await;
    });
}

#[test]
fn a_refresh_token_outlives_the_worker_that_got_it() {
    alone(async {
        let world = World::start().await;
        let chain = TokenChain::start().await;
        let doomed = world.worker(&[]).await;
        let run = world.trigger_source("chained", &chain.source(), "monitor: {enabled: false}\n").await;
        let deadline = Instant::now() + Duration::from_secs(120);
        while chain.requests() == 0 {
            assert!(Instant::now() < deadline, "the API was never asked");
            sleep(Duration::from_millis(5)).await;
        }
        // The answer of the token server was used just now, so that it was kept before.
        doomed.process.signal(Signal::SIGKILL);
        chain.revoke_access();
        let heir = world.worker(&[]).await;
        let done = world.finished(run).await;
        assert_eq!(done.state.as_str(), "succeeded", "{done:#?}");
        assert_eq!(chain.sent(), ["refresh-0", "refresh-1"], "each was sent once");
        let rows: i64 =
            sqlx::query_scalar("select count(*) from chained").fetch_one(&world.target).await.expect("rows");
        assert_eq!(rows, 1);
        drop(heir);
        report("kill -9 after a new refresh token", 1, Vec::new());
        world.end().await;
    });
}

#[test]
fn a_terminated_worker_hands_its_run_on() {
    alone(async {
        let world = World::start().await;
        let pipelines = [world.pipeline("handed", ROWS)];
        let leaving = world.worker(&[("ELT_GRACE_PERIOD", "0")]).await;
        let run = world.trigger(&pipelines[0]).await;
        let at_work = world.at_work(run, "load").await;
        let other = world.worker(&[]).await;
        leaving.process.signal(Signal::SIGTERM);
        let asked = Utc::now();
        let (status, said) = leaving.process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        let done = world.finished(run).await;
        assert_eq!((done.state.as_str(), done.attempt), ("succeeded", at_work.attempt), "no attempt was burned");
        let seconds = world.picked_up_after(run, at_work.epoch + 1, asked).await;
        // A lease lasts 25 seconds.
        assert!(seconds < 20.0, "no lease had to end first: {seconds}");
        world.check(&pipelines).await;
        report("SIGTERM while loading, no grace", 1, vec![seconds]);
        drop(other);
        world.end().await;
    });
}

#[test]
fn a_second_signal_ends_a_worker_without_waiting_for_its_grace_period() {
    alone(async {
        let world = World::start().await;
        let pipelines = [world.pipeline("forced", ROWS)];
        let worker = world.worker(&[("ELT_GRACE_PERIOD", "3600")]).await;
        let run = world.trigger(&pipelines[0]).await;
        world.at_work(run, "load").await;
        worker.process.signal(Signal::SIGTERM);
        // Two signals that are sent at once may arrive as one.
        world.some("the worker is stopping", "select count(*) from workers where stopping").await;
        worker.process.signal(Signal::SIGTERM);
        worker.process.end();
        let other = world.worker(&[]).await;
        assert_eq!(world.finished(run).await.state.as_str(), "succeeded");
        world.check(&pipelines).await;
        report("SIGTERM twice while loading", 1, Vec::new());
        drop(other);
        world.end().await;
    });
}

#[test]
fn a_database_that_crashes_in_the_middle_of_a_load_loses_nothing() {
    alone(async {
        let mut world = World::start().await;
        let pipelines = [world.pipeline("crashed", ROWS)];
        let worker = world.worker(&[]).await;
        let mut seconds = Vec::new();
        for _ in 0..rounds(1) {
            sqlx::query("drop table if exists crashed").execute(&world.target).await.expect("dropped");
            let run = world.trigger(&pipelines[0]).await;
            world.at_work(run, "load").await;
            // SIGQUIT is PostgreSQL's immediate shutdown: it recovers when it starts again.
            kill(Pid::from_raw(world.server_pid()), Signal::SIGQUIT).expect("crashed the server");
            sleep(Duration::from_secs(1)).await;
            worker.gate.lead_to(world.start_server_again().await);
            let back = Utc::now();
            let done = world.finished(run).await;
            assert_eq!(done.state.as_str(), "succeeded", "{done:#?}");
            let started = done.started_at.expect("it started");
            seconds.push((done.finished_at.expect("it finished") - back.max(started)).as_seconds_f64());
        }
        world.check(&pipelines).await;
        report("PostgreSQL crash while loading, until the run is finished", seconds.len(), seconds);
        drop(worker);
        world.end().await;
    });
}

#[test]
fn a_lost_notification_costs_a_second_or_two() {
    alone(async {
        let world = World::start().await;
        let pipelines = [world.pipeline("unheard", 10)];
        let worker = world.worker(&[]).await;
        let warm_up = world.trigger(&pipelines[0]).await;
        world.finished(warm_up).await;
        let mut seconds = Vec::new();
        // A busy machine may take longer now and then, so there are more rounds until half of them were quick.
        let few = |seconds: &[f64]| seconds.iter().filter(|seconds| **seconds < 4.0).count() < rounds(3);
        while few(&seconds) && seconds.len() < 10 * rounds(3) {
            let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where query ilike 'listen %'";
            world.some("somebody listens", cut).await;
            let asked = Utc::now();
            let run = world.trigger(&pipelines[0]).await;
            let done = world.finished(run).await;
            seconds.push((done.started_at.expect("it started") - asked).as_seconds_f64());
        }
        assert!(!few(&seconds), "{seconds:?}");
        world.check(&pipelines).await;
        report("notification lost", seconds.len(), seconds);
        drop(worker);
        world.end().await;
    });
}
