//! The guard rails around the queue: tickets arrive soon and once, whatever happens to connections, and what nobody
//! takes care of any more is swept up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use elt_shared::job::ExecuteRun;
use elt_shared::queue::heartbeat::Heartbeat;
use elt_shared::queue::listener::Listener;
use elt_shared::queue::retention::{self, Keep, Kind};
use elt_shared::queue::workers::{QueueWorkers, Undelivered};
use elt_shared::queue::{self, sweeper};
use elt_shared::runs::lifecycle::{self, EndedBy};
use elt_shared::runs::{End, Outcome, RunState};
use elt_shared::store::runs;
use elt_shared::store::schedules::ScheduleState;
use elt_shared::store::{run_counts, schedules, workers};
use elt_shared::{job, trigger};
use futures::StreamExt;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::app::PATIENCE;
use crate::support::control::{Control, request};

/// What a worker without a pipeline was handed, and how often.
type Handed = Arc<Mutex<HashMap<Uuid, usize>>>;

/// Starts a queue worker whose runs take `work` each and then succeed.
fn start_worker(control: &Control, name: &str, work: Duration, handed: &Handed, stop: &CancellationToken) {
    let (heartbeat, listener) = (Heartbeat::default(), Listener::default());
    let options = control.db.connect_options().as_ref().clone();
    tokio::spawn(heartbeat.clone().beat(options.clone(), name.to_owned(), listener.clone(), stop.clone()));
    tokio::spawn(listener.clone().listen(options, job::QUEUE.to_owned(), stop.clone()));
    let queue_workers = QueueWorkers {
        db: control.db.clone(),
        queue: job::QUEUE.into(),
        worker_id: name.into(),
        concurrency: 2,
        heartbeat: heartbeat.clone(),
        listener,
    };
    let (db, name, handed) = (control.db.clone(), name.to_owned(), Arc::clone(handed));
    let handle = move |ticket: ExecuteRun| {
        let (db, name, handed, heartbeat) = (db.clone(), name.clone(), Arc::clone(&handed), heartbeat.clone());
        async move {
            let began = Instant::now();
            let Some(run) = lifecycle::begin(&db, ticket.run_id, &name).await? else { return Ok(()) };
            let _held = heartbeat.hold(run.id, run.epoch, began);
            *handed.lock().expect("not poisoned").entry(run.id).or_default() += 1;
            sleep(work).await;
            let mut db = db.acquire().await?;
            lifecycle::finish(
                &mut db,
                run.id,
                EndedBy::Attempt(run.epoch),
                &End::Succeeded { outcome: Outcome::Clean },
                None,
            )
            .await?;
            Ok::<_, Undelivered>(())
        }
    };
    tokio::spawn(queue_workers.work(handle, stop.clone()));
}

async fn all_succeed(control: &Control, count: i64) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while Instant::now() < deadline {
        let counts = run_counts::by_state(&control.db, None).await.unwrap_or_default();
        if counts == [(RunState::Succeeded, count)] {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("not all runs succeeded: {:?}", run_counts::by_state(&control.db, None).await);
}

#[tokio::test]
async fn a_ticket_wakes_an_idle_worker_at_once() {
    let control = Control::start().await;
    let (handed, stop) = (Handed::default(), CancellationToken::new());
    start_worker(&control, "w", Duration::ZERO, &handed, &stop);
    // What wakes the worker, without the clock by which it looks as well.
    let listener = Listener::default();
    let mut tickets = listener.tickets();
    let options = control.db.connect_options().as_ref().clone();
    tokio::spawn(listener.clone().listen(options, job::QUEUE.to_owned(), stop.clone()));
    let mut woken = async || tokio::time::timeout(PATIENCE, tickets.next()).await.expect("woken").expect("listening");
    // The listener wakes every task once when it begins to listen.
    woken().await;
    for n in 1..=5 {
        control.run("people").await;
        woken().await;
        all_succeed(&control, n).await;
    }
    stop.cancel();
}

#[tokio::test]
async fn many_runs_and_two_workers_execute_each_run_once() {
    let control = Control::start().await;
    let (handed, stop) = (Handed::default(), CancellationToken::new());
    for n in 0..20 {
        control.run(&format!("table_{n}")).await;
    }
    start_worker(&control, "one", Duration::from_millis(20), &handed, &stop);
    start_worker(&control, "two", Duration::from_millis(20), &handed, &stop);
    all_succeed(&control, 20).await;
    stop.cancel();
    let handed = handed.lock().expect("not poisoned");
    assert_eq!(handed.len(), 20);
    assert!(handed.values().all(|times| *times == 1), "{handed:?}");
}

#[tokio::test]
async fn cut_connections_neither_lose_nor_repeat_a_run() {
    let control = Control::start().await;
    let (handed, stop) = (Handed::default(), CancellationToken::new());
    start_worker(&control, "w", Duration::from_millis(300), &handed, &stop);
    let cutter = control.connect_apart().await;
    for n in 0..10 {
        // Tickets are pushed while connections are cut, too: a push that fails is the caller's to repeat.
        while control.try_run(&format!("table_{n}")).await.is_none() {}
        if n % 3 == 0 {
            cutter.cut_all_others().await;
        }
        sleep(Duration::from_millis(100)).await;
    }
    // What a cut connection left to the sweeper is swept without waiting for its turn.
    let sweeping = CancellationToken::new();
    let (db, end) = (control.db.clone(), sweeping.clone());
    tokio::spawn(async move {
        while !end.is_cancelled() {
            let _ = sweeper::sweep(&db, job::QUEUE).await;
            sleep(Duration::from_millis(500)).await;
        }
    });
    all_succeed(&control, 10).await;
    sweeping.cancel();
    stop.cancel();
}

#[tokio::test]
async fn a_ticket_nobody_understands_is_put_away() {
    let control = Control::start().await;
    let mut db = control.db.acquire().await.expect("a connection");
    queue::push(&mut db, job::QUEUE, &serde_json::json!({ "run_id": 7 }), 0, 0).await.expect("pushed");
    let (handed, stop) = (Handed::default(), CancellationToken::new());
    start_worker(&control, "w", Duration::ZERO, &handed, &stop);
    control.run("people").await;
    all_succeed(&control, 1).await;
    stop.cancel();
}

#[tokio::test]
async fn a_heartbeat_tells_runs_to_stop_and_that_they_are_lost() {
    let control = Control::start().await;
    let (heartbeat, listener, stop) = (Heartbeat::default(), Listener::default(), CancellationToken::new());
    let options = control.db.connect_options().as_ref().clone();
    tokio::spawn(heartbeat.clone().beat(options.clone(), "w".into(), listener.clone(), stop.clone()));
    tokio::spawn(listener.listen(options, job::QUEUE.into(), stop.clone()));
    let asked = control.begin(&control.run("a").await, "w").await;
    let taken = control.begin(&control.run("b").await, "w").await;
    let calm = control.begin(&control.run("c").await, "w").await;
    let held = [&asked, &taken, &calm].map(|run| heartbeat.hold(run.id, run.epoch, Instant::now()));

    control.expire(taken.id).await;
    control.begin(&taken, "thief").await;
    let before = control.look(calm.id).await.lease_expires_at;
    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, asked.id).await.expect("asked");

    let waited = tokio::time::timeout(PATIENCE, async {
        held[0].stop.cancelled().await;
        held[1].lost.cancelled().await;
    });
    waited.await.expect("the heartbeat told them");
    assert!(!held[0].lost.is_cancelled() && !held[2].lost.is_cancelled() && !held[2].stop.is_cancelled());
    assert!(control.look(calm.id).await.lease_expires_at > before, "the lease was extended");
    stop.cancel();
}

#[tokio::test]
async fn a_lost_run_is_tried_again_until_its_attempts_are_used_up() {
    let control = Control::start().await;
    let run = control.run("people").await;
    for attempt in 1..=3 {
        let begun = control.begin(&run, "doomed").await;
        assert_eq!(begun.attempt, attempt);
        control.lose_tickets().await;
        control.expire(run.id).await;
        sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
        assert_eq!(control.tickets(run.id).await, i64::from(attempt < 3), "attempt {attempt}");
    }
    let failed = control.look(run.id).await;
    assert_eq!((failed.state.as_str(), failed.error_code.as_deref()), ("failed", Some("worker_lost")));
    assert_eq!(failed.error.as_deref(), Some("the run lost its worker 3 times"), "no attempt came to its COMMIT");
    assert!(failed.next_step.is_some());
}

#[tokio::test]
async fn a_lost_run_that_was_to_stop_has_stopped() {
    let control = Control::start().await;
    let run = control.begin(&control.run("people").await, "doomed").await;
    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, run.id).await.expect("asked");
    control.expire(run.id).await;
    sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
    assert_eq!(control.look(run.id).await.state, RunState::Stopped);
}

#[tokio::test]
async fn a_queued_run_without_a_ticket_gets_one() {
    let control = Control::start().await;
    let consumed = control.run("consumed").await;
    let kept = control.run("kept").await;
    let early = control.run("early").await;
    control.execute(&format!("update runs set not_before = now() + interval '1 hour' where id = '{}'", early.id)).await;
    control
        .execute("update apalis.jobs set status = 'Done' where convert_from(job, 'UTF8') not like '%' || (select id from runs where name = 'kept') || '%'")
        .await;
    sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
    sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
    assert_eq!(control.tickets(consumed.id).await, 1);
    assert_eq!(control.tickets(kept.id).await, 1);
    assert_eq!(control.tickets(early.id).await, 0, "not before it is due");
}

#[tokio::test]
async fn what_a_killed_process_left_on_its_own_queue_ends() {
    let control = Control::start().await;
    let queue = job::private_queue();
    let yaml = "name: mine\nsources: [{type: local, path: /data}]\ntarget: {table: mine}\n";
    let gone = control.trigger(yaml, |request| request.queue = Box::leak(queue.into_boxed_str())).await;
    let schedule = gone.schedule.expect("it monitors").id;
    sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
    assert_eq!(control.look(gone.run.id).await.state, RunState::Queued, "its process may only just have started");

    for table in ["runs", "schedules"] {
        control.execute(&format!("update {table} set created_at = now() - interval '10 minutes'")).await;
    }
    sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
    assert_eq!(control.look(gone.run.id).await.state, RunState::Stopped);
    let schedule = schedules::find(&control.db, schedule).await.expect("looked").expect("there");
    assert_eq!(schedule.state, ScheduleState::Stopped);
    assert_eq!(schedule.reason.as_deref(), Some("the process that monitored is gone"));
}

#[tokio::test]
async fn a_run_whose_window_is_over_never_starts() {
    let control = Control::start().await;
    let run = control.run("people").await;
    control.execute("update runs set not_after = now() - interval '1 second'").await;
    assert!(lifecycle::begin(&control.db, run.id, "w").await.expect("asked").is_none());
    sweeper::sweep(&control.db, job::QUEUE).await.expect("swept");
    assert_eq!(control.look(run.id).await.state, RunState::Stopped);
}

#[tokio::test]
async fn old_tickets_and_workers_are_deleted_and_no_others() {
    let control = Control::start().await;
    let [old, failed, fresh, waiting] = [
        control.run("old").await,
        control.run("failed").await,
        control.run("fresh").await,
        control.run("waiting").await,
    ];
    let set = async |run: Uuid, change: &str| {
        control
            .execute(&format!(
                "update apalis.jobs set {change} where id = (select ticket_id from runs where id = '{run}')"
            ))
            .await;
    };
    set(old.id, "status = 'Done', done_at = now() - interval '8 days'").await;
    set(failed.id, "status = 'Failed', attempts = 1, done_at = now() - interval '8 days'").await;
    set(fresh.id, "status = 'Done', done_at = now() - interval '6 days'").await;
    let new = workers::NewWorker { id: "gone", host: "h", version: "0", queue: "elt", concurrency: 1 };
    workers::register(&control.db, &new).await.expect("registered");
    control.execute("update workers set heartbeat_at = now() - interval '8 days'").await;

    let cleaned = retention::clean(&control.db, Kind::Tickets, &Keep::default(), None).await.expect("deleted");
    assert_eq!(cleaned.removed, 1);
    let left: i64 =
        sqlx::query_scalar("select count(*) from apalis.jobs").fetch_one(&control.db).await.expect("counted");
    assert_eq!(left, 3, "a ticket that is delivered again and the waiting one stay");
    assert_eq!(control.tickets(waiting.id).await, 1);
    assert!(workers::list(&control.db, true, 10).await.expect("listed").is_empty());
}

#[tokio::test]
async fn old_log_lines_are_deleted_in_batches_and_young_ones_stay() {
    let control = Control::start().await;
    control
        .execute(
            "insert into log_lines (at, level, target, message, process)
             select now() - make_interval(days => case when n > 5100 then 29 else 31 end), 'INFO', 't', 'm' || n, 'p'
             from generate_series(1, 5103) n",
        )
        .await;
    let cleaned = retention::clean(&control.db, Kind::LogLines, &Keep::default(), None).await.expect("deleted");
    assert_eq!(cleaned.removed, 5100);
    let left: i64 = sqlx::query_scalar("select count(*) from log_lines where at < now() - interval '28 days'")
        .fetch_one(&control.db)
        .await
        .expect("counted");
    assert_eq!(left, 3);
}

#[tokio::test]
async fn a_rolled_back_trigger_leaves_neither_run_nor_ticket() {
    let control = Control::start().await;
    let yaml = "name: undone\nsources: [{type: local, path: /data}]\ntarget: {table: undone}\n";
    let (config, pipeline) = control.keep(yaml).await;
    let mut tx = control.db.begin().await.expect("a transaction");
    let run = trigger::trigger(&mut tx, &request(&config, &pipeline)).await.expect("triggered").run;
    tx.rollback().await.expect("rolled back");
    assert!(runs::find(&control.db, run.id).await.expect("looked").is_none());
    assert_eq!(control.tickets(run.id).await, 0);
}
