//! Runs that wait for the same server: one of them tries to reach it, and the others are woken when it answers.

use std::time::Duration;

use elt_shared::queue::sweeper;
use elt_shared::runs::lifecycle::{self, EndedBy, Started, Taken, Wait};
use elt_shared::runs::{End, Failure, Outcome, RunState};
use elt_shared::store::runs::Run;
use elt_shared::store::target_outages::Pauses;
use elt_shared::target::TargetPlace;

use crate::support::control::Control;

/// A place to load to.
fn place() -> TargetPlace {
    TargetPlace { server: "server".into(), table: "table".into(), shown: "target db:5432/shop".into() }
}

async fn start(control: &Control, run: &Run, place: &TargetPlace) -> Taken {
    let longest = Some(Duration::from_secs(3_600));
    lifecycle::take(&control.db, run.id, "w", Some(place), longest).await.expect("asked")
}

async fn begun(control: &Control, run: &Run, place: &TargetPlace) -> Box<Started> {
    match start(control, run, place).await {
        Taken::Begun { started, .. } => started,
        other => panic!("the run did not begin: {other:?}"),
    }
}

/// The run does not reach its server.
async fn fail(control: &Control, run: &Run) {
    let mut db = control.db.acquire().await.expect("a connection");
    let pauses = Pauses { first: Duration::from_secs(600), longest: Duration::from_secs(600) };
    let wait = Wait {
        shown: "target db:5432/shop",
        failure: Failure { code: "target_unreachable", error: "refused" },
        longest: Duration::from_secs(3_600),
        pause: Duration::from_secs(600),
        server: Some(("server", pauses)),
    };
    let state = lifecycle::wait(&mut db, run.id, run.epoch, &wait).await.expect("asked");
    assert_eq!(state, Some(RunState::Queued));
}

async fn let_the_pause_pass(control: &Control) {
    control.execute("update target_outages set next_try_at = now() - interval '1 minute'").await;
    control.execute("update runs set not_before = now() where not_before is not null").await;
}

#[tokio::test]
async fn a_worker_that_dies_while_it_tries_holds_up_the_others_no_longer_than_its_lease() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    let (to_a, to_b) = (place(), TargetPlace { table: "other".into(), ..place() });
    fail(&control, &begun(&control, &first, &to_a).await.run).await;
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Waits), "its server is known to be away");
    control.lose_tickets().await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!(control.tickets(second.id).await, 0, "it waits for the result of the other");

    let_the_pause_pass(&control).await;
    let trying = begun(&control, &first, &to_a).await.run;
    assert_eq!(trying.waits_on.as_deref(), Some("server"), "it tries for all");
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Waits), "one tries at a time");
    control.expire(first.id).await;
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Begun { .. }), "the one that tried is gone");
}

#[tokio::test]
async fn another_run_tries_when_the_one_that_should_was_stopped_and_all_wake_when_the_server_answers() {
    let control = Control::start().await;
    let [first, second, third] = [control.run("a").await, control.run("b").await, control.run("c").await];
    let other = |table: &str| TargetPlace { table: table.into(), ..place() };
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    for (run, place) in [(&second, other("b")), (&third, other("c"))] {
        assert!(matches!(start(&control, run, &place).await, Taken::Waits));
    }
    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, first.id).await.expect("stopped");
    control.lose_tickets().await;
    let_the_pause_pass(&control).await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    let woken = [control.tickets(second.id).await, control.tickets(third.id).await];
    assert_eq!(woken.iter().sum::<i64>(), 1, "one of the two tries: {woken:?}");

    let (tries, waits, place) =
        if woken[0] == 1 { (&second, &third, other("b")) } else { (&third, &second, other("c")) };
    begun(&control, tries, &place).await;
    let away = lifecycle::server_answers(&control.db, "server").await.expect("noted");
    assert!(away.is_some());
    assert_eq!(control.tickets(waits.id).await, 1, "the other is woken");
    let waits = control.look(waits.id).await;
    assert_eq!((waits.waits_on, waits.waits_for, waits.waiting_since), (None, None, None));
    assert_eq!(lifecycle::server_answers(&control.db, "server").await.expect("noted"), None);
}

#[tokio::test]
async fn a_run_that_finds_the_outage_second_has_no_ticket_until_the_first_one_is_stopped() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    let to_b = TargetPlace { table: "other".into(), ..place() };
    // Both begin before the outage is known.
    let both = [begun(&control, &first, &place()).await.run, begun(&control, &second, &to_b).await.run];
    control.lose_tickets().await;
    for run in &both {
        fail(&control, run).await;
    }
    assert_eq!([control.tickets(first.id).await, control.tickets(second.id).await], [1, 0], "one of them tries");
    let waiting = control.look(second.id).await;
    assert_eq!((waiting.not_before, waiting.waits_on.as_deref()), (None, Some("server")));

    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, first.id).await.expect("stopped");
    let_the_pause_pass(&control).await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!(control.tickets(second.id).await, 1, "now the other tries");
    let trying = begun(&control, &second, &to_b).await.run;
    assert!(lifecycle::server_answers(&control.db, "server").await.expect("noted").is_some());
    let (by, end) = (EndedBy::Attempt(trying.epoch), End::Succeeded { outcome: Outcome::Clean });
    assert!(lifecycle::finish(&mut db, second.id, by, &end, None).await.expect("asked"));
    assert_eq!(control.look(second.id).await.state, RunState::Succeeded);
}

#[tokio::test]
async fn a_try_that_fails_before_it_reaches_the_server_makes_the_pause_longer() {
    let control = Control::start().await;
    let run = control.run("a").await;
    fail(&control, &begun(&control, &run, &place()).await.run).await;
    let mut db = control.db.acquire().await.expect("a connection");
    let failure = Failure { code: "source_unreachable", error: "refused" };
    let hour = Duration::from_secs(3_600);
    for failures in [2, 3] {
        let_the_pause_pass(&control).await;
        let trying = begun(&control, &run, &place()).await.run;
        assert_eq!(trying.waits_on.as_deref(), Some("server"), "it tries for all");
        let state = match failures {
            2 => {
                let source = Wait { shown: "source", failure, longest: hour, pause: hour, server: None };
                lifecycle::wait(&mut db, run.id, trying.epoch, &source).await
            }
            _ => lifecycle::retry_later(&mut db, run.id, trying.epoch, hour, failure).await,
        };
        assert_eq!(state.expect("asked"), Some(RunState::Queued));
        let noted: (i32, bool, bool) =
            sqlx::query_as("select failures, next_try_at > now(), tried_by is null from target_outages")
                .fetch_one(&control.db)
                .await
                .expect("the outage");
        assert_eq!(noted, (failures, true, true));
    }
}

#[tokio::test]
async fn a_run_that_is_held_or_whose_ticket_is_on_its_way_is_not_chosen_to_try() {
    let control = Control::start().await;
    let [first, second, third] = [control.run("a").await, control.run("b").await, control.run("c").await];
    let other = |table: &str| TargetPlace { table: table.into(), ..place() };
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    for (run, place) in [(&second, other("b")), (&third, other("c"))] {
        assert!(matches!(start(&control, run, &place).await, Taken::Waits));
    }
    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, first.id).await.expect("stopped");
    control.execute("insert into pauses (scope, name, paused_by) values ('pipeline', 'b', 'ann')").await;
    control.execute("update runs set held = 'paused' where name = 'b'").await;
    let_the_pause_pass(&control).await;
    // One of several runs is chosen at random.
    for _ in 0..8 {
        control.lose_tickets().await;
        sweeper::sweep(&control.db, "elt").await.expect("swept");
        assert_eq!([control.tickets(second.id).await, control.tickets(third.id).await], [0, 1]);
    }

    // The queue delivers this ticket again by itself.
    control.execute("update apalis.jobs set status = 'Failed', attempts = 1 where status = 'Pending'").await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!([control.tickets(second.id).await, control.tickets(third.id).await], [0, 0]);
}

#[tokio::test]
async fn neither_a_sweep_nor_a_failed_try_waits_for_a_transaction_that_has_the_outage() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    let_the_pause_pass(&control).await;
    let trying = begun(&control, &first, &place()).await.run;
    let lost =
        begun(&control, &second, &TargetPlace { server: "elsewhere".into(), table: "b".into(), ..place() }).await;
    control
        .execute(
            "insert into target_outages (server, code, next_try_at) values ('old', 'x', now() - interval '2 hours')",
        )
        .await;
    control.expire(lost.run.id).await;

    let mut other = control.db.begin().await.expect("a transaction");
    sqlx::query("select from target_outages for update").execute(&mut *other).await.expect("locked");
    let (mut db, hour) = (control.db.acquire().await.expect("a connection"), Duration::from_secs(3_600));
    let failure = Failure { code: "source_unreachable", error: "refused" };
    let both = async {
        sweeper::sweep(&control.db, "elt").await.expect("swept");
        lifecycle::retry_later(&mut db, first.id, trying.epoch, hour, failure).await.expect("asked")
    };
    let state = tokio::time::timeout(Duration::from_secs(60), both).await.expect("nothing waits");
    assert_eq!(state, Some(RunState::Queued));
    other.rollback().await.expect("rolled back");
    // The run that should try is not at work, so another one may try at once.
    let to_c = TargetPlace { table: "c".into(), ..place() };
    let third = control.run("c").await;
    assert_eq!(begun(&control, &third, &to_c).await.run.waits_on.as_deref(), Some("server"));
}

#[tokio::test]
async fn a_run_whose_time_is_over_tries_once_more_even_while_another_does() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    let to_b = TargetPlace { table: "other".into(), ..place() };
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Waits));
    control.lose_tickets().await;
    control.execute("update runs set waits_until = now() - interval '1 second'").await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!(control.tickets(second.id).await, 1);
    let last = begun(&control, &second, &to_b).await;
    assert!(last.outage_seconds.is_some_and(|seconds| seconds >= 0.0));
    assert_eq!(last.run.waits_on, None, "it tries for itself alone");
}

#[tokio::test]
async fn a_run_that_waits_for_a_table_is_woken_when_the_run_that_has_it_ends_or_dies() {
    for dies in [false, true] {
        let control = Control::start().await;
        let [first, second, third] = [control.run("a").await, control.run("a").await, control.run("a").await];
        let holder = begun(&control, &first, &place()).await.run;
        for waiter in [&second, &third] {
            assert!(matches!(start(&control, waiter, &place()).await, Taken::Waits));
        }
        let waiting = control.look(second.id).await;
        assert_eq!((waiting.state, waiting.attempt, waiting.waits_for_run), (RunState::Queued, 0, Some(first.id)));
        assert_eq!(waiting.waiting_code.as_deref(), Some("target_busy"));
        control.lose_tickets().await;
        if dies {
            control.execute("update runs set attempt = max_attempts where state = 'running'").await;
            control.expire(first.id).await;
            sweeper::sweep(&control.db, "elt").await.expect("swept");
        } else {
            let mut db = control.db.acquire().await.expect("a connection");
            let (by, end) = (EndedBy::Attempt(holder.epoch), End::Succeeded { outcome: Outcome::Clean });
            assert!(lifecycle::finish(&mut db, first.id, by, &end, None).await.expect("asked"));
        }
        assert_eq!(control.tickets(second.id).await, 1, "the one that waits longest is woken");
        begun(&control, &second, &place()).await;
        assert!(matches!(start(&control, &third, &place()).await, Taken::Waits | Taken::NotNeeded));
    }
}
