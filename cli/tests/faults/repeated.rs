//! Faults that take minutes: at random, again and again, and those that only a lease ends.

use std::time::Duration;

use chrono::Utc;
use nix::sys::signal::Signal;
use rand::seq::IndexedRandom;
use tokio::time::sleep;

use crate::world::{TAKEN_OVER, World, alone, report, rounds};

/// A run of this many rows takes some seconds in a build without optimisation.
const ROWS: u32 = 250_000;

#[test]
fn a_run_whose_worker_is_killed_is_taken_over_in_every_stage() {
    alone(async {
        let world = World::start().await;
        // Long enough for every stage to be seen by the worker's reports, a second apart.
        let pipelines = [world.pipeline("killed", 4 * ROWS)];
        let mut seconds = Vec::new();
        for stage in ["validate", "load"].iter().cycle().take(2 * rounds(3)) {
            seconds.push(world.taken_over_after_kill(&pipelines[0], stage).await);
        }
        world.check(&pipelines).await;
        assert!(seconds.iter().all(|seconds| *seconds < TAKEN_OVER), "{seconds:?}");
        report("kill -9 while validating or loading", seconds.len(), seconds);
        world.end().await;
    });
}

#[test]
fn workers_killed_at_random_lose_and_double_nothing() {
    alone(async {
        let world = World::start().await;
        let pipelines: Vec<_> = (0..5).map(|n| world.pipeline(&format!("random_{n}"), ROWS / 12)).collect();
        let mut workers = [world.worker(&[]).await, world.worker(&[]).await];
        let mut triggered = Vec::new();
        for n in 0..20 * rounds(3) {
            triggered.push(world.trigger(&pipelines[n % pipelines.len()]).await);
        }
        let mut kills = 0;
        loop {
            let left: i64 = sqlx::query_scalar("select count(*) from runs where finished_at is null")
                .fetch_one(&world.control)
                .await
                .expect("counted");
            if left == 0 {
                break;
            }
            // A supervisor starts it again at once, under the same host name.
            if kills < 3 * rounds(3) {
                let victim = usize::from(rand::random::<bool>());
                workers[victim].process.signal(Signal::SIGKILL);
                workers[victim] = world.worker(&[]).await;
                kills += 1;
            }
            let pause = [1_500, 2_500, 4_000].choose(&mut rand::rng()).copied().unwrap_or(2_000);
            sleep(Duration::from_millis(pause)).await;
        }
        for run in triggered {
            let run = world.finished(run).await;
            assert_eq!(run.state.as_str(), "succeeded", "{run:#?}");
        }
        world.check(&pipelines).await;
        report("kill -9 at random", kills, Vec::new());
        world.end().await;
    });
}

#[test]
fn a_worker_that_was_stopped_and_continued_is_fenced() {
    alone(async {
        let world = World::start().await;
        let pipelines = [world.pipeline("zombie", ROWS)];
        let zombie = world.worker(&[]).await;
        let run = world.trigger(&pipelines[0]).await;
        let at_work = world.at_work(run, "load").await;
        zombie.process.signal(Signal::SIGSTOP);
        let stopped = Utc::now();
        let heir = world.worker(&[]).await;
        world.until(run, "taken over", |run| run.epoch > at_work.epoch && run.state.as_str() != "queued").await;
        let seconds = world.picked_up_after(run, at_work.epoch + 1, stopped).await;
        // It wakes while the heir loads, or after.
        zombie.process.signal(Signal::SIGCONT);
        let done = world.finished(run).await;
        assert_eq!((done.state.as_str(), done.epoch), ("succeeded", at_work.epoch + 1), "{done:#?}");
        // And it works on afterwards.
        heir.process.signal(Signal::SIGTERM);
        heir.process.end();
        let after = [world.pipeline("after", 10)];
        let run = world.trigger(&after[0]).await;
        assert_eq!(world.finished(run).await.state.as_str(), "succeeded");
        world.check(&pipelines).await;
        world.check(&after).await;
        report("SIGSTOP, taken over, SIGCONT", 1, vec![seconds]);
        world.end().await;
    });
}

#[test]
fn a_run_that_kills_every_worker_is_given_up() {
    alone(async {
        let world = World::start().await;
        let poison = world.pipeline("poison", ROWS);
        let harmless = [world.pipeline("harmless", 100)];
        let run = world.trigger(&poison).await;
        sqlx::query("update runs set max_attempts = 3 where id = $1")
            .bind(run)
            .execute(&world.control)
            .await
            .expect("set");
        for attempt in 1..=3 {
            let victim = world.worker(&[]).await;
            world.until(run, "at work", |run| run.state.as_str() == "running" && run.attempt == attempt).await;
            victim.process.signal(Signal::SIGKILL);
            victim.process.end();
        }
        let survivor = world.worker(&[]).await;
        let other = world.trigger(&harmless[0]).await;
        assert_eq!(world.finished(other).await.state.as_str(), "succeeded");
        let given_up = world.finished(run).await;
        assert_eq!((given_up.state.as_str(), given_up.error_code.as_deref()), ("failed", Some("worker_lost")));
        world.check(&harmless).await;
        report("a run that kills every worker, given up", 3, Vec::new());
        drop(survivor);
        world.end().await;
    });
}

#[test]
fn connections_cut_again_and_again_only_cost_time() {
    alone(async {
        let world = World::start().await;
        let pipelines: Vec<_> = (0..3).map(|n| world.pipeline(&format!("cut_{n}"), ROWS / 12)).collect();
        let workers = [world.worker(&[]).await, world.worker(&[]).await];
        let mut triggered = Vec::new();
        for n in 0..9 * rounds(3) {
            triggered.push(world.trigger(&pipelines[n % 3]).await);
        }
        for n in 0..5 * rounds(3) {
            sleep(Duration::from_secs(2)).await;
            workers[n % 2].gate.cut();
        }
        for run in triggered {
            let done = world.finished(run).await;
            assert_eq!(done.state.as_str(), "succeeded", "{done:#?}");
        }
        world.check(&pipelines).await;
        report("connections cut every 2 s", 5 * rounds(3), Vec::new());
        drop(workers);
        world.end().await;
    });
}

#[test]
fn a_worker_cut_off_by_a_silent_network_gives_its_run_up() {
    alone(async {
        let world = World::start().await;
        let pipelines = [world.pipeline("silent", ROWS)];
        let lonely = world.worker(&[]).await;
        let run = world.trigger(&pipelines[0]).await;
        let at_work = world.at_work(run, "load").await;
        lonely.gate.silence(true);
        let silent = Utc::now();
        let heir = world.worker(&[]).await;
        let done = world.finished(run).await;
        assert_eq!((done.state.as_str(), done.epoch), ("succeeded", at_work.epoch + 1), "{done:#?}");
        let seconds = world.picked_up_after(run, at_work.epoch + 1, silent).await;
        assert!(seconds < TAKEN_OVER, "{seconds}");
        // The network comes back, and so does the worker.
        lonely.gate.silence(false);
        heir.process.signal(Signal::SIGTERM);
        heir.process.end();
        let after = [world.pipeline("after_silence", 10)];
        let run = world.trigger(&after[0]).await;
        assert_eq!(world.finished(run).await.state.as_str(), "succeeded");
        world.check(&pipelines).await;
        world.check(&after).await;
        report("silent network while loading", 1, vec![seconds]);
        world.end().await;
    });
}
