//! The process around the work: it keeps the worker and its runs alive, takes tickets and ticks, sweeps, and winds down when
//! it is asked to stop.

use std::sync::Arc;
use std::time::Duration;

use elt_shared::job::is_private;
use elt_shared::notifications::{self, Delivery, Sends};
use elt_shared::queue::workers::QueueWorkers;
use elt_shared::queue::{retention, sweeper};
use elt_shared::store::workers;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::jobs::{execute_run, tick};
use crate::worker_context::WorkerContext;
use crate::{data_folder, data_retention, folder_watch};

/// Time that runs get to reach a batch boundary after the worker asked for them back.
const HAND_BACK_WITHIN: Duration = Duration::from_secs(10);
/// Time for the last writes to the control database after everything was cut off.
const LAST_WRITES_WITHIN: Duration = Duration::from_secs(2);

/// Works until `worker.stopping` is cancelled, then winds down.
pub async fn work(worker: WorkerContext) {
    // The heartbeat and the listener outlive everything else, because a run that is finishing still needs its lease.
    let vital = CancellationToken::new();
    let options = worker.db.connect_options().as_ref().clone();
    let vitals = TaskTracker::new();
    let (heartbeat, listener) = (worker.heartbeat.clone(), worker.listener.clone());
    vitals.spawn(heartbeat.beat(options.clone(), worker.id.clone(), worker.listener.clone(), vital.clone()));
    vitals.spawn(listener.listen(options, worker.settings.queue.clone(), vital.clone()));

    let chores = TaskTracker::new();
    let queue = worker.settings.queue.clone();
    chores.spawn(sweeper::keep_sweeping(worker.db.clone(), queue, worker.stopping.clone()));
    chores.spawn(retention::keep_deleting(
        worker.db.clone(),
        worker.settings.keep.keep(),
        worker.settings.keys.clone(),
        worker.stopping.clone(),
    ));
    chores.spawn(data_retention::keep_removing(
        worker.db.clone(),
        worker.settings.clone(),
        worker.host.clone(),
        worker.stopping.clone(),
    ));
    chores.spawn(tick::keep_ticking(worker.clone()));
    // A process that executes one run of a person ends before it could try again.
    if !is_private(&worker.settings.queue) {
        chores.spawn(notifications::keep_sending(delivery(&worker), worker.stopping.clone()));
    }
    chores.spawn(folder_watch::keep_watching(worker.clone()));
    // A person at a terminal waits for the one run of a private queue, which says itself what it lacks.
    if !is_private(&worker.settings.queue) {
        chores.spawn(data_folder::keep_watching(worker.clone()));
    }
    chores.close();

    let queue = tokio::spawn(take_tickets(worker.clone()));
    worker.stopping.cancelled().await;
    tracing::info!(worker = worker.id, "worker takes nothing new");
    let _ = timeout(LAST_WRITES_WITHIN, workers::note_stopping(&worker.db, &worker.id)).await;
    wind_down(&worker, async {
        let _ = queue.await;
        worker.runs.close();
        worker.runs.wait().await;
        chores.wait().await;
    })
    .await;
    vital.cancel();
    vitals.close();
    let _ = timeout(LAST_WRITES_WITHIN, vitals.wait()).await;
    let _ = timeout(LAST_WRITES_WITHIN, workers::note_stopped(&worker.db, &worker.id)).await;
    tracing::info!(worker = worker.id, "worker stopped");
}

fn delivery(worker: &WorkerContext) -> Delivery {
    let settings = &worker.settings;
    Delivery {
        db: worker.db.clone(),
        sends: Sends::OfQueue(settings.queue.clone()),
        keys: settings.keys.clone(),
        env_allow: settings.env_allow.clone(),
        network: Arc::unwrap_or_clone(settings.network_of_configs()),
        counts: settings.metrics.notifications().clone(),
    }
}

/// Takes tickets until the worker stops, with breaks while it takes no runs, and waits for the handlers at work.
async fn take_tickets(worker: WorkerContext) {
    let mut because = worker.takes_nothing_because.subscribe();
    let shifts = TaskTracker::new();
    for number in 0.. {
        tokio::select! {
            _ = because.wait_for(Option::is_none) => {}
            () = worker.stopping.cancelled() => break,
        }
        let (context, over) = (worker.clone(), worker.stopping.child_token());
        let handle = move |ticket| execute_run::execute(context.clone(), ticket);
        // A shift that ends waits for its own runs, which may take hours. The next one begins all the same: the worker's
        // slots bound how many runs are at work in all of them.
        shifts.spawn(queue_workers(&worker, number).work(handle, over.clone()));
        tokio::select! {
            _ = because.wait_for(Option::is_some) => over.cancel(),
            () = worker.stopping.cancelled() => break,
        }
    }
    shifts.close();
    shifts.wait().await;
}

/// The queue workers of one shift. Their names contain its number, because the queue takes a name that comes back for the
/// worker that had it before.
fn queue_workers(worker: &WorkerContext, shift: usize) -> QueueWorkers {
    QueueWorkers {
        db: worker.db.clone(),
        queue: worker.settings.queue.clone(),
        worker_id: if shift == 0 { worker.id.clone() } else { format!("{}-{shift}", worker.id) },
        concurrency: worker.settings.concurrency.into(),
        heartbeat: worker.heartbeat.clone(),
        listener: worker.listener.clone(),
    }
}

/// Waits until `idle` is over: first for the grace period, then after it asked for the runs back, then after it cut them
/// off. A second signal (`settings.force`) ends each of the first two waits.
async fn wind_down(worker: &WorkerContext, idle: impl Future<Output = ()>) {
    let mut idle = std::pin::pin!(idle);
    let force = &worker.settings.force;
    tokio::select! {
        () = &mut idle => return,
        () = sleep(worker.settings.grace()) => {}
        () = force.cancelled() => {}
    }
    tracing::info!(worker = worker.id, "the grace period is over: runs are handed back");
    worker.hand_back.cancel();
    tokio::select! {
        () = &mut idle => return,
        () = sleep(HAND_BACK_WITHIN) => {}
        () = force.cancelled() => {}
    }
    worker.abort.cancel();
    if timeout(LAST_WRITES_WITHIN, idle).await.is_err() {
        tracing::warn!(worker = worker.id, "work was left unfinished: other workers take it when its lease ends");
    }
}
