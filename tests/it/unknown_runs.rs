//! Runs of which it is unknown whether they loaded, as the control database keeps them. No test asks a target.

use elt_shared::job;
use elt_shared::queue::sweeper;
use elt_shared::runs::lifecycle::{self, EndedBy, RetryAnswer, StopAnswer};
use elt_shared::runs::{AttemptEnd, End, Failure, Outcome};
use elt_shared::store::runs::Run;

use crate::support::control::Control;

/// A run whose worker was lost after it noted its COMMIT.
async fn unknown(control: &Control) -> Run {
    let run = control.begin(&control.run("people").await, "doomed").await;
    assert!(lifecycle::note_commit(&control.db, run.id, run.epoch).await.expect("noted"));
    lose(control, &run).await;
    control.look(run.id).await
}

/// Loses the worker of a run and lets the sweeper find it.
async fn lose(control: &Control, run: &Run) {
    control.lose_tickets().await;
    control.expire(run.id).await;
    sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
}

/// Makes the next question to the target due.
async fn due(control: &Control) {
    control.execute("update runs set not_before = null").await;
}

#[tokio::test]
async fn a_run_that_is_lost_after_its_commit_was_noted_is_unknown_until_its_target_answers() {
    let control = Control::start().await;
    let run = unknown(&control).await;
    assert_eq!((run.state.as_str(), run.is_unknown(), run.verdict.is_none()), ("queued", true, true));
    let waits_for = run.waits_for.clone().expect("a sentence");
    assert!(waits_for.starts_with("the target people since 20"), "{waits_for}");
    assert!(waits_for.ends_with("UTC: whether it loaded is unknown"), "{waits_for}");
    assert_eq!(control.tickets(run.id).await, 1, "its target is asked at once");

    let mut db = control.db.acquire().await.expect("a connection");
    for asks in 1..=20 {
        due(&control).await;
        let asking = control.begin(&run, "asks").await;
        assert_eq!((asking.attempt, asking.is_unknown()), (1, true), "asking the target is not an attempt");
        control.lose_tickets().await;
        let away = Failure { code: "load_failed", error: "connection refused" };
        assert!(lifecycle::ask_again(&mut db, run.id, asking.epoch, away).await.expect("asked"));
        let pause: f64 = sqlx::query_scalar("select extract(epoch from not_before - now())::float8 from runs")
            .fetch_one(&control.db)
            .await
            .expect("a pause");
        assert!(pause < 60.0 && (pause > 30.0 || asks < 7), "after {asks} asks it pauses {pause} s");
    }
    due(&control).await;
    let asking = control.begin(&run, "doomed, too").await;
    lose(&control, &asking).await;
    assert!(control.look(run.id).await.is_unknown(), "a question whose worker is lost leaves the run unknown");

    due(&control).await;
    let asking = control.begin(&run, "asks").await;
    let end = End::Succeeded { outcome: Outcome::Clean };
    assert!(lifecycle::finish(&mut db, run.id, EndedBy::Attempt(asking.epoch), &end, None).await.expect("finished"));
    let known = control.look(run.id).await;
    assert_eq!((known.state.as_str(), known.is_unknown()), ("succeeded", false));
}

#[tokio::test]
async fn an_unknown_run_that_did_not_load_is_tried_again_while_it_has_attempts() {
    let control = Control::start().await;
    let mut run = unknown(&control).await;
    let mut db = control.db.acquire().await.expect("a connection");
    for attempt in 2..=3 {
        let asking = control.begin(&run, "asks").await;
        let nothing = Failure { code: "not_loaded", error: "the target has nothing of it" };
        assert!(
            lifecycle::retry_later(&mut db, run.id, asking.epoch, Default::default(), nothing)
                .await
                .expect("asked")
                .is_some()
        );
        let again = control.begin(&run, "doomed").await;
        assert_eq!((again.attempt, again.is_unknown()), (attempt, false));
        assert!(lifecycle::note_commit(&control.db, run.id, again.epoch).await.expect("noted"));
        lose(&control, &again).await;
        run = control.look(run.id).await;
    }
    let verdict = run.verdict.expect("its attempts are used up");
    assert!(matches!(&*verdict, End::Failed { code, .. } if code == "worker_lost"), "{verdict:?}");
}

#[tokio::test]
async fn an_unknown_run_cannot_be_retried_and_stops_only_when_its_target_answers() {
    let control = Control::start().await;
    let run = unknown(&control).await;
    let mut db = control.db.acquire().await.expect("a connection");
    let repeated = lifecycle::retry(&mut db, run.id, None, "ann").await.expect("asked");
    assert!(matches!(repeated, Some(RetryAnswer::Unknown(_))), "{repeated:?}");

    let asking = control.begin(&run, "asks").await;
    assert!(
        lifecycle::ask_again(&mut db, run.id, asking.epoch, Failure { code: "load_failed", error: "away" })
            .await
            .expect("asked")
    );
    control.lose_tickets().await;
    let stopping = lifecycle::request_stop(&mut db, run.id).await.expect("asked");
    let Some(StopAnswer::Stopping(stopping)) = stopping else { panic!("it may have loaded: {stopping:?}") };
    assert_eq!((stopping.state.as_str(), stopping.is_unknown()), ("queued", true));
    assert!(stopping.waits_for.is_some_and(|says| says.ends_with("unknown; it ends stopped if it did not")));
    assert!(matches!(stopping.verdict.as_deref(), Some(End::Stopped)));
    assert_eq!(control.tickets(run.id).await, 1, "its target is asked at once");
}

#[tokio::test]
async fn a_stop_that_comes_while_an_attempt_becomes_unknown_is_kept() {
    let control = Control::start().await;
    let mut db = control.db.acquire().await.expect("a connection");
    let run = control.begin(&control.run("people").await, "w").await;
    lifecycle::request_stop(&mut db, run.id).await.expect("asked");
    assert!(lifecycle::leave_unknown(&mut db, run.id, run.epoch, None, AttemptEnd::Unknown).await.expect("asked"));
    assert!(matches!(control.look(run.id).await.verdict.as_deref(), Some(End::Stopped)));
}

#[tokio::test]
async fn a_frozen_worker_that_wakes_up_cannot_commit() {
    let control = Control::start().await;
    let frozen = control.begin(&control.run("people").await, "frozen").await;
    lose(&control, &frozen).await;
    assert!(!lifecycle::note_commit(&control.db, frozen.id, frozen.epoch).await.expect("asked"), "the run is queued");
    let successor = control.begin(&frozen, "successor").await;
    assert!(!lifecycle::note_commit(&control.db, frozen.id, frozen.epoch).await.expect("asked"), "it is another's");
    assert!(lifecycle::note_commit(&control.db, frozen.id, successor.epoch).await.expect("asked"));
}

#[tokio::test]
async fn an_unknown_run_of_a_process_that_is_gone_is_asked_about_by_another() {
    let control = Control::start().await;
    let (gone, other): (&str, &str) = (job::private_queue().leak(), job::private_queue().leak());
    let yaml = "name: mine\nsources: [{type: local, path: /data}]\ntarget: {table: mine}\nmonitor: {enabled: false}\n";
    let run = control.trigger(yaml, |request| request.queue = gone).await.run;
    let run = control.begin(&run, "elt run").await;
    assert!(lifecycle::note_commit(&control.db, run.id, run.epoch).await.expect("noted"));
    lose(&control, &run).await;
    for queue in [other, job::QUEUE] {
        sweeper::sweep(&control.db, queue).await.expect("swept");
    }
    let adopted = control.look(run.id).await;
    assert_eq!((adopted.queue.as_str(), adopted.is_unknown()), (job::QUEUE, true), "shared queues are not left again");
    assert!(matches!(adopted.verdict.as_deref(), Some(End::Failed { code, .. }) if code == "worker_lost"));
    assert_eq!(control.tickets(run.id).await, 1);
}

#[tokio::test]
async fn a_run_of_a_process_that_is_gone_before_its_commit_certainly_loaded_nothing() {
    let control = Control::start().await;
    let queue: &str = job::private_queue().leak();
    let yaml = "name: mine\nsources: [{type: local, path: /data}]\ntarget: {table: mine}\nmonitor: {enabled: false}\n";
    let run = control.trigger(yaml, |request| request.queue = queue).await.run;
    let run = control.begin(&run, "elt run").await;
    lose(&control, &run).await;
    let failed = control.look(run.id).await;
    assert_eq!((failed.state.as_str(), failed.error_code.as_deref()), ("failed", Some("worker_lost")));
    assert_eq!(failed.next_step.as_deref(), Some("Nothing was loaded: run it again."));
}
