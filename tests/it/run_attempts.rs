//! What a run's row goes through: attempts, leases, waiting for a target, stopping. The database is the judge.

use std::time::Duration;

use elt_shared::runs::lifecycle::{self, Claim, EndedBy, RetryAnswer, StopAnswer};
use elt_shared::runs::{AttemptEnd, End, Failure, Outcome, RunState};
use elt_shared::store::schedules::{self, ScheduleState};
use elt_shared::store::{run_counts, runs};

use crate::support::control::Control;

#[tokio::test]
async fn of_many_workers_one_gets_the_run() {
    let control = Control::start().await;
    let run = control.run("people").await;
    assert_eq!(control.tickets(run.id).await, 1, "the ticket came with the run");

    let takers = (0..16).map(|n| {
        let db = control.db.clone();
        tokio::spawn(async move { lifecycle::begin(&db, run.id, &format!("worker-{n}")).await.expect("asked") })
    });
    let mut taken = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        taken.extend(taker.await.expect("no panic"));
    }
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].attempt, taken[0].epoch), (1, 1));
}

#[tokio::test]
async fn an_attempt_that_lost_its_run_changes_nothing_any_more() {
    let control = Control::start().await;
    let run = control.run("people").await;
    let old = control.begin(&run, "sleeper").await;
    control.expire(run.id).await;
    let new = control.begin(&run, "successor").await;
    assert_eq!((new.epoch, new.attempt), (2, 2));

    let mut db = control.db.acquire().await.expect("a connection");
    let failure = End::Failed { code: "late".into(), error: "late".into(), next_step: "none".into() };
    assert!(!lifecycle::finish(&mut db, run.id, EndedBy::Attempt(old.epoch), &failure, None).await.expect("asked"));
    assert!(!lifecycle::hand_back(&mut db, run.id, old.epoch).await.expect("asked"));
    assert!(
        lifecycle::retry_later(&mut db, run.id, old.epoch, Duration::ZERO, Failure { code: "x", error: "x" })
            .await
            .expect("asked")
            .is_none()
    );
    assert_ne!(runs::find(&mut *db, run.id).await.expect("asked").expect("the run").epoch, old.epoch);
    assert_eq!(lifecycle::claim_target(&control.db, run.id, old.epoch, "t").await.expect("asked"), Claim::Fenced);
    assert!(lifecycle::renew(&mut *db, &[(run.id, old.epoch)]).await.expect("asked").is_empty());
    assert!(
        lifecycle::finish(
            &mut db,
            run.id,
            EndedBy::Attempt(new.epoch),
            &End::Succeeded { outcome: Outcome::Clean },
            None
        )
        .await
        .expect("asked")
    );

    let outcomes: Vec<(i64, Option<String>)> =
        sqlx::query_as("select epoch, outcome from run_attempts where run_id = $1 order by epoch")
            .bind(run.id)
            .fetch_all(&control.db)
            .await
            .expect("read the attempts");
    assert_eq!(outcomes, [(1, Some("worker_lost".into())), (2, Some("succeeded".into()))]);
}

#[tokio::test]
async fn a_busy_target_makes_the_run_wait_and_the_one_that_finishes_wakes_it() {
    let control = Control::start().await;
    let [first, second, third] =
        [control.run("people").await, control.run("people").await, control.run("people").await];
    let first = control.begin(&first, "w").await;
    let second = control.begin(&second, "w").await;
    let third = control.begin(&third, "w").await;
    let claim = async |run: &runs::Run| {
        lifecycle::claim_target(&control.db, run.id, run.epoch, "db/people").await.expect("asked")
    };
    assert_eq!(claim(&first).await, Claim::Taken);
    assert_eq!(claim(&second).await, Claim::Busy { run: first.id });

    let mut db = control.db.acquire().await.expect("a connection");
    control.lose_tickets().await;
    for waiter in [&second, &third] {
        assert!(lifecycle::wait_for_target(&mut db, waiter.id, waiter.epoch, first.id).await.expect("asked"));
        assert_eq!(control.tickets(waiter.id).await, 0, "it gave its slot back and waits to be woken");
    }
    let waiting = control.look(second.id).await;
    assert_eq!((waiting.state.as_str(), waiting.attempt), ("queued", 0), "waiting costs no attempt");
    assert!(waiting.waits_for.expect("a sentence").contains(&first.id.to_string()));

    assert!(
        lifecycle::finish(
            &mut db,
            first.id,
            EndedBy::Attempt(first.epoch),
            &End::Succeeded { outcome: Outcome::Clean },
            None
        )
        .await
        .expect("asked")
    );
    assert_eq!(control.tickets(second.id).await, 1, "the one that waits longest is woken");
    assert_eq!(control.tickets(third.id).await, 0, "the other waits on");
    let second = control.begin(&second, "w").await;
    assert_eq!(claim(&second).await, Claim::Taken);
    assert!(
        lifecycle::finish(&mut db, second.id, EndedBy::Attempt(second.epoch), &End::Stopped, None)
            .await
            .expect("asked")
    );
    assert_eq!(control.tickets(third.id).await, 1);
}

#[tokio::test]
async fn a_target_let_go_before_the_wait_began_wakes_at_once() {
    let control = Control::start().await;
    let holder = control.begin(&control.run("people").await, "w").await;
    let waiter = control.begin(&control.run("people").await, "w").await;
    let mut db = control.db.acquire().await.expect("a connection");
    assert_eq!(lifecycle::claim_target(&control.db, holder.id, holder.epoch, "t").await.expect("asked"), Claim::Taken);
    assert!(
        lifecycle::finish(
            &mut db,
            holder.id,
            EndedBy::Attempt(holder.epoch),
            &End::Succeeded { outcome: Outcome::Clean },
            None
        )
        .await
        .expect("asked")
    );
    control.lose_tickets().await;
    assert!(lifecycle::wait_for_target(&mut db, waiter.id, waiter.epoch, holder.id).await.expect("asked"));
    assert_eq!(control.tickets(waiter.id).await, 1);
}

#[tokio::test]
async fn a_retry_waits_on_the_database_clock_and_counts() {
    let control = Control::start().await;
    let run = control.run("people").await;
    let mut db = control.db.acquire().await.expect("a connection");
    for attempt in 1..=3 {
        let begun = control.begin(&run, "w").await;
        assert_eq!(begun.attempt, attempt);
        let delay = if attempt == 1 { Duration::from_secs(3600) } else { Duration::ZERO };
        assert!(
            lifecycle::retry_later(&mut db, run.id, begun.epoch, delay, Failure { code: "reset", error: "it was cut" })
                .await
                .expect("asked")
                .is_some()
        );
        if attempt == 1 {
            assert!(lifecycle::begin(&control.db, run.id, "w").await.expect("asked").is_none(), "not due yet");
            assert_eq!(control.look(run.id).await.waits_for.as_deref(), Some("attempt 2 of 3: it was cut"));
            control.execute("update runs set not_before = now()").await;
        }
    }
    assert!(lifecycle::begin(&control.db, run.id, "w").await.expect("asked").is_none(), "its attempts are used up");
}

#[tokio::test]
async fn a_run_handed_back_costs_no_attempt_and_waits_for_nobody() {
    let control = Control::start().await;
    let run = control.run("people").await;
    let begun = control.begin(&run, "w").await;
    control.lose_tickets().await;
    let mut db = control.db.acquire().await.expect("a connection");
    assert!(lifecycle::hand_back(&mut db, run.id, begun.epoch).await.expect("asked"));
    assert_eq!(control.tickets(run.id).await, 1);
    assert_eq!(control.begin(&run, "other").await.attempt, 1);
}

#[tokio::test]
async fn stopping_a_run_depends_on_how_far_it_is() {
    let control = Control::start().await;
    let mut db = control.db.acquire().await.expect("a connection");
    let queued = control.run("people").await;
    let stopped = lifecycle::request_stop(&mut db, queued.id).await.expect("asked");
    assert!(matches!(stopped, Some(StopAnswer::Stopped(run)) if run.finished_at.is_some()));
    assert_eq!(control.tickets(queued.id).await, 0, "its ticket is taken back");
    assert!(lifecycle::begin(&control.db, queued.id, "w").await.expect("asked").is_none());

    let running = control.begin(&control.run("people").await, "w").await;
    let stopping = lifecycle::request_stop(&mut db, running.id).await.expect("asked");
    assert!(matches!(stopping, Some(StopAnswer::Stopping(run)) if run.state == RunState::Running));
    let renewed = lifecycle::renew(&control.db, &[(running.id, running.epoch)]).await.expect("asked");
    assert!(renewed[0].stop, "the worker hears of it with its next heartbeat at the latest");
    assert!(
        lifecycle::finish(&mut db, running.id, EndedBy::Attempt(running.epoch), &End::Stopped, None)
            .await
            .expect("asked")
    );
    let again = lifecycle::request_stop(&mut db, running.id).await.expect("asked");
    assert!(matches!(again, Some(StopAnswer::AlreadyFinished(_))));

    let retried = lifecycle::retry(&mut db, running.id, None, "ann").await.expect("asked");
    let Some(RetryAnswer::Started(retried)) = retried else { panic!("not repeated: {retried:?}") };
    assert_eq!((retried.retry_of, retried.parent_id), (Some(running.id), Some(running.id)));
    assert_eq!((retried.subject_id, retried.trigger.as_str()), (None, "retry"));
    assert_eq!(control.tickets(retried.id).await, 1);
    let again = lifecycle::retry(&mut db, retried.id, None, "ann").await.expect("asked");
    assert!(matches!(again, Some(RetryAnswer::Unfinished(_))), "it has not finished");
    assert!(lifecycle::retry(&mut db, uuid::Uuid::nil(), None, "ann").await.expect("asked").is_none());
}

#[tokio::test]
async fn a_run_that_was_asked_to_stop_is_not_tried_again() {
    let control = Control::start().await;
    let mut db = control.db.acquire().await.expect("a connection");
    let run = control.begin(&control.run("people").await, "w").await;
    lifecycle::request_stop(&mut db, run.id).await.expect("asked");
    let delay = Duration::from_secs(3600);
    let cut = Failure { code: "reset", error: "it was cut" };
    let state = lifecycle::retry_later(&mut db, run.id, run.epoch, delay, cut).await.expect("asked");
    assert_eq!(state, Some(RunState::Stopped), "the caller hears what was written");
    assert_eq!(control.look(run.id).await.state, RunState::Stopped);
}

#[tokio::test]
async fn every_end_of_a_run_reaches_its_schedule_also_that_of_a_run_that_never_started() {
    let control = Control::start().await;
    let mut db = control.db.acquire().await.expect("a connection");
    for (name, starts) in [("never_started", false), ("started", true)] {
        let yaml = format!("name: {name}\nsources: [{{type: local, path: /data}}]\ntarget: {{table: {name}}}\n");
        let triggered = control.trigger(&yaml, |_| ()).await;
        let (run, schedule) = (triggered.run, triggered.schedule.expect("it monitors").id);
        schedules::end(&mut db, schedule, ScheduleState::Stopping, "for the test").await.expect("stopping");
        if starts {
            let begun = control.begin(&run, "w").await;
            let by = EndedBy::Attempt(begun.epoch);
            assert!(lifecycle::finish(&mut db, run.id, by, &End::Stopped, None).await.expect("finished"));
        } else {
            lifecycle::request_stop(&mut db, run.id).await.expect("asked");
        }
        assert_eq!(control.look(run.id).await.state, RunState::Stopped, "{name}");
        assert_eq!(
            control.tickets(run.id).await,
            i64::from(starts),
            "{name}: the ticket of a run that never started is withdrawn"
        );
        let ended = schedules::find(&control.db, schedule).await.expect("asked").expect("a schedule");
        assert_eq!(ended.state, ScheduleState::Stopped, "{name}: its last run has ended");
    }
}

#[tokio::test]
async fn a_run_that_a_worker_has_taken_cannot_be_ended_as_one_that_never_started() {
    let control = Control::start().await;
    let mut db = control.db.acquire().await.expect("a connection");
    let running = control.begin(&control.run("running").await, "w").await;
    let unknown = control.begin(&control.run("unknown").await, "w").await;
    let left = AttemptEnd::Unknown;
    assert!(lifecycle::leave_unknown(&mut db, unknown.id, unknown.epoch, None, left).await.expect("asked"));
    for (run, state) in [(running, RunState::Running), (unknown, RunState::Queued)] {
        let ended = lifecycle::finish(&mut db, run.id, EndedBy::StopBeforeStart, &End::Stopped, None).await;
        assert!(!ended.expect("asked"), "{state}");
        assert_eq!(control.look(run.id).await.state, state);
    }
}

#[tokio::test]
async fn runs_are_listed_in_pages_newest_first_and_counted() {
    let control = Control::start().await;
    let mut made = Vec::new();
    for table in ["a", "b", "a", "a"] {
        made.push(control.run(table).await.id);
    }
    made.reverse();
    let filter = runs::RunFilter { name: Some("a"), ..Default::default() };
    let page = runs::list(&control.db, &filter, None, 2).await.expect("listed");
    assert_eq!(page.iter().map(|run| run.id).collect::<Vec<_>>(), [made[0], made[1]]);
    let page = runs::list(&control.db, &filter, Some(made[1]), 2).await.expect("listed");
    assert_eq!(page.iter().map(|run| run.id).collect::<Vec<_>>(), [made[3]]);
    assert_eq!(run_counts::by_state(&control.db, None).await.expect("counted"), [(RunState::Queued, 4)]);
}
