//! Handles a ticket: takes its run if it needs an attempt, executes the attempt, and supervises it.
//!
//! The attempt runs on a task of its own. When the queue's worker ends because of a database error, its handlers end with
//! it, but the attempt goes on under its lease, and the ticket that is delivered again finds nothing to do.

use std::sync::Arc;
use std::time::Duration;

use elt_shared::backfills;
use elt_shared::config::{PipelineConfig, RetryConfig};
use elt_shared::job::ExecuteRun;
use elt_shared::queue::heartbeat::{HeldRun, Intake};
use elt_shared::queue::workers::Undelivered;
use elt_shared::runs::lifecycle::{self, Started, Taken};
use elt_shared::runs::report::RunReport;
use elt_shared::runs::{RunKind, RunProgress};
use elt_shared::store::runs::{self, Run};
use elt_shared::store::{notifications, queue_wait, schedules};
use elt_shared::target::TargetPlace;
use elt_shared::telemetry;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::decision::outage_wait::longest_wait;
use super::decision::{Circumstances, Decision};
use super::record::record;
use super::run_metrics::measure;
use crate::error::{PipelineError, Result};
use crate::extract::ExtractContext;
use crate::pipeline;
use crate::progress::Progress;
use crate::run_context::{EARLY_LOAD_BYTES, HashMemory, RunContext};
use crate::thread::on_own_thread;
use crate::worker_context::WorkerContext;
use crate::{config_cache, extract, paths};

/// Time between two writes of a run's progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Executes an attempt of the ticket's run and waits for its end.
///
/// # Errors
/// When the ticket should be delivered again.
pub(crate) async fn execute(worker: WorkerContext, ticket: ExecuteRun) -> Result<(), Undelivered> {
    // The slot comes before the run is taken, because a run that was taken holds its lease and, soon, its target.
    let slot = Arc::clone(&worker.slots).acquire_owned().await.map_err(|_| Undelivered::Stopping)?;
    if worker.stopping.is_cancelled() {
        return Err(Undelivered::Stopping);
    }
    let waited = queue_wait::seconds(&worker.db, ticket.run_id).await?;
    // The clock starts before the statement is sent: the lease may begin at any time until its answer arrives.
    let began = Instant::now();
    let (started, is_limited, place) = match take(&worker, ticket.run_id).await? {
        (Taken::Begun { started, is_limited }, place) => (*started, is_limited, place),
        (Taken::NotNeeded, _) => {
            tracing::debug!(run.id = %ticket.run_id, "a ticket for a run that needs nothing now");
            return Ok(());
        }
        (Taken::Waits, _) => {
            tracing::debug!(run.id = %ticket.run_id, "the run waits: its target is away or busy");
            return Ok(());
        }
        (Taken::Held, _) => {
            tracing::debug!(run.id = %ticket.run_id, "the run waits: a pause or a limit keeps it from starting");
            return Ok(());
        }
        (Taken::QueuePaused, _) => {
            drop(slot);
            wait_until_open(&worker, Intake::Paused).await;
            return Ok(());
        }
        (Taken::PassedOn, _) => {
            drop(slot);
            wait_until_open(&worker, Intake::Drained).await;
            return Ok(());
        }
    };
    let run = &started.run;
    let held = worker.heartbeat.hold(run.id, run.epoch, began);
    if let Some(waited) = waited {
        worker.metrics.waited(waited);
    }
    let span = tracing::info_span!("run", run.id = %run.id, pipeline = run.name, attempt = run.attempt);
    telemetry::continue_trace(&span, run.traceparent.as_deref());
    let supervised =
        worker.runs.spawn(supervise(worker.clone(), started, is_limited, place, held, slot).instrument(span));
    // If the task panics, the lease ends and the sweeper sends the run back to the queue.
    let _ = supervised.await;
    worker.attempt_ended.notify_one();
    Ok(())
}

/// Waits until the worker may take runs again, or stops. The queue hands out no further tickets to handlers that wait, so
/// a worker that may not take runs uses at most as many tickets as it has slots.
async fn wait_until_open(worker: &WorkerContext, because: Intake) {
    worker.heartbeat.note_intake(because);
    let mut intake = worker.heartbeat.intake();
    tokio::select! {
        _ = intake.wait_for(|intake| *intake == Intake::Open) => {}
        () = worker.stopping.cancelled() => {}
    }
}

/// Takes the run of a ticket, and finds the place that it loads to.
async fn take(worker: &WorkerContext, id: Uuid) -> Result<(Taken, Option<TargetPlace>), sqlx::Error> {
    let found = runs::find(&worker.db, id).await?;
    let Some(run) = found.filter(|run| !run.state.is_final()) else { return Ok((Taken::NotNeeded, None)) };
    // A config that cannot be read fails the attempt, which says why.
    let config = worker.configs.get(&worker.db, &worker.settings, run.config_id).await.ok();
    let target = config.as_ref().map(|config| config.target.of_run(&run.target_table));
    let place = target.and_then(|target| TargetPlace::of(&target, worker.settings.target_url.as_ref()));
    // Only runs that change their target wait for each other, or try to reach it for each other. A person waits for the
    // others, which find out for themselves.
    let changes_target = matches!(run.kind, RunKind::Run | RunKind::Replay | RunKind::Undo);
    let shared = place.as_ref().filter(|_| changes_target);
    let longest = config.and_then(|config| longest_wait(&run, &config.retry));
    Ok((lifecycle::take(&worker.db, id, &worker.id, shared, longest).await?, place))
}

async fn supervise(
    worker: WorkerContext,
    started: Started,
    is_limited: bool,
    place: Option<TargetPlace>,
    held: HeldRun,
    slot: OwnedSemaphorePermit,
) {
    let (run, began) = (started.run, Instant::now());
    // A run that waits for something may be tried a thousand times, and the log says once that it waits.
    if run.outages == 0 {
        tracing::info!(table = run.target_table, "run of {} into {} started", run.name, run.target_table);
    } else {
        tracing::debug!(outages = run.outages, "run of {} into {} is tried again", run.name, run.target_table);
    }
    let progress = Arc::new(Progress::default());
    let (cause, worked) = attempt(&worker, &run, &held, &progress).await;
    let waited = started
        .outage_seconds
        .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default().saturating_add(began.elapsed()));
    let about = Circumstances { place, waited: waited.unwrap_or_default(), commit_sent: progress.commit_sent() };
    let decision = Decision::of(&run, &about, cause, worked);
    let at = progress.snapshot();
    // The lease is held until the end is written, because a sweeper that saw it end before would start the run again.
    let written = record(&worker.db, &run, &held, &decision, &at).await;
    measure(&worker.metrics, &run, &decision, written, held.lost.is_cancelled(), &progress);
    // The slot is given up only now, because the next run must not start while this one may still write.
    drop(slot);
    // A failure only delays the runs that wait: the sweeper does the same.
    if is_limited && let Err(error) = lifecycle::release(&worker.db, &run.queue, &run.name).await {
        tracing::debug!(%error, "could not wake the runs that wait for this one");
    }
    if let Some(whole) = run.part_of
        && let Err(error) = lifecycle::wake_whole(&worker.db, whole).await
    {
        tracing::debug!(%error, "could not let the run of all tables end; the sweeper does it");
    }
    if let Some(backfill) = run.backfill_id
        && let Err(error) = backfills::advance_now(&worker.db, backfill).await
    {
        tracing::debug!(%error, "could not start the next window of the backfill; the sweeper does it");
    }
}

/// The reason why an attempt is asked to stop before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A stop was asked for, or the run's window is over.
    Asked,
    /// The worker stops and its grace period is over.
    HandBack,
    /// The lease is lost, or will be before it can be extended.
    Lost,
    /// It took longer than a run may take.
    TooLong,
}

impl Cause {
    /// Time that an attempt has to reach its next batch boundary; then it is cut off.
    fn time_to_stop(self) -> Duration {
        Duration::from_secs(match self {
            Self::Asked | Self::HandBack => 60,
            Self::TooLong => 30,
            // The lease is nearly over when an attempt is given up. What is written after that is fenced.
            Self::Lost => 4,
        })
    }
}

/// The result of an attempt: its answer with the retry rules of its config, `None` when it was cut off, or a panic.
pub(super) type Worked = Result<Option<(Result<RunReport>, RetryConfig)>, JoinError>;

/// Executes one attempt, and stops it for the first cause that occurs. Returns that cause, and the attempt's result.
async fn attempt(
    worker: &WorkerContext,
    run: &Run,
    held: &HeldRun,
    progress: &Arc<Progress>,
) -> (Option<Cause>, Worked) {
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    // If this function is dropped, the attempt must not go on without anybody who extends its lease.
    let _cut = cut.clone().drop_guard();
    let (worker_, run_, stop_, progress_) = (worker.clone(), run.clone(), stop.clone(), Arc::clone(progress));
    let work = on_own_thread(cut.clone(), async move || work(worker_, run_, stop_, progress_).await);
    let mut work = std::pin::pin!(work);
    let cause = tokio::select! {
        worked = &mut work => return (None, worked),
        cause = cause(worker, held) => cause,
        () = show(worker, run, progress) => Cause::Lost,
    };
    tracing::info!(?cause, "the run is asked to stop");
    stop.cancel();
    tokio::select! {
        worked = &mut work => return (Some(cause), worked),
        () = sleep(cause.time_to_stop()) => {}
        () = worker.abort.cancelled() => {}
    }
    cut.cancel();
    (Some(cause), work.await)
}

async fn cause(worker: &WorkerContext, held: &HeldRun) -> Cause {
    tokio::select! {
        // A lost lease comes first, because the other causes let the attempt write how it ended.
        biased;
        () = held.lost.cancelled() => Cause::Lost,
        () = held.stop.cancelled() => Cause::Asked,
        () = worker.hand_back.cancelled() => Cause::HandBack,
        () = sleep(worker.settings.run_timeout()) => Cause::TooLong,
    }
}

/// Writes how far the run is, and since when it has shown no progress, until another attempt has it. A write that fails is
/// made up for by the next one.
async fn show(worker: &WorkerContext, run: &Run, progress: &Progress) {
    let counts =
        |at: &RunProgress| (at.stage, at.files_done, at.rows_read, at.bytes_read, at.rows_sent, progress.activity());
    // An attempt that only asks its target makes no progress: what is shown stays that of the attempt before it.
    let mut shown = run.is_unknown().then(|| counts(&progress.snapshot().progress));
    let (mut moved, mut is_silent) = (Instant::now(), false);
    loop {
        sleep(PROGRESS_INTERVAL).await;
        let at = progress.snapshot().progress;
        let counts = counts(&at);
        let is_same = shown.as_ref() == Some(&counts);
        if is_same && (is_silent || moved.elapsed() < worker.settings.silent()) {
            continue;
        }
        let seconds = moved.elapsed().as_secs_f64();
        let writing = async {
            match is_same {
                true => lifecycle::note_silence(&worker.db, run.id, run.epoch, seconds).await,
                false => lifecycle::note_progress(&worker.db, run.id, run.epoch, &at).await,
            }
        };
        match timeout(PROGRESS_INTERVAL, writing).await {
            Ok(Ok(true)) if is_same => {
                is_silent = true;
                tracing::warn!(stage = %at.stage, "the run has shown no progress for {seconds:.0} s");
            }
            Ok(Ok(true)) => (shown, moved, is_silent) = (Some(counts), Instant::now(), false),
            Ok(Ok(false)) => return,
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// The attempt itself, with the retry rules of its config.
async fn work(
    worker: WorkerContext,
    run: Run,
    stop: CancellationToken,
    progress: Arc<Progress>,
) -> (Result<RunReport>, RetryConfig) {
    let context = match prepare(&worker, run, stop, progress).await {
        Ok(context) => context,
        Err(error) => return (Err(error), RetryConfig::default()),
    };
    let retry = context.config.retry.clone();
    note_seen(&worker, &context).await;
    let result = pipeline::run(&context).await;
    let loads = matches!(context.run.kind, RunKind::Run | RunKind::Replay) && !context.config.target.has_tables();
    if result.is_ok() && loads {
        worker.housekeeper.after_load(&context, &worker.settings, &worker.stopping);
    }
    (result, retry)
}

async fn prepare(
    worker: &WorkerContext,
    run: Run,
    stop: CancellationToken,
    progress: Arc<Progress>,
) -> Result<RunContext> {
    let config = worker.configs.get(&worker.db, &worker.settings, run.config_id).await?;
    progress.hide_until_recorded(config.held());
    if !config.notify.rules.is_empty() {
        let kept = notifications::note_rules(&worker.db, run.config_id, &config.notify).await;
        kept.map_err(|source| PipelineError::Control { doing: "keep what the config says about messages", source })?;
    }
    let mut config = PipelineConfig::clone(&config);
    config.target = config.target.of_run(&run.target_table);
    Ok(RunContext {
        control: worker.db.clone(),
        default_target: worker.settings.target_url.clone(),
        ssh_agent: worker.settings.ssh_agent.clone(),
        base: paths::base(&worker.settings, &run.options),
        data_dir: worker.settings.data_dir.clone(),
        roots: paths::roots(&worker.settings, &run.queue, &run.name),
        network: worker.settings.network_of_configs(),
        cloud: config_cache::lent_credentials(&worker.db, &worker.settings, run.config_id, &config).await?,
        tokens: worker.tokens.clone(),
        config,
        run,
        stop,
        progress,
        memory: HashMemory::default(),
        early_load_bytes: EARLY_LOAD_BYTES,
        unpack: paths::unpack_limits(&worker.settings),
    })
}

/// Notes the fingerprint of the sources at the schedule before they are read, so that whatever changes from here on is
/// seen as a change.
async fn note_seen(worker: &WorkerContext, context: &RunContext) {
    let run = &context.run;
    // A run that only waits for the runs of its tables reads no sources, so what changed meanwhile is for the next run.
    let reads = run.kind == RunKind::Run && !run.is_unknown() && run.divided_at.is_none();
    let Some(schedule) = run.schedule_id.filter(|_| reads) else { return };
    let used = paths::UsedConfig { config_id: run.config_id, queue: &run.queue, options: &run.options };
    let look = paths::change_check_context(
        &worker.settings,
        &context.config,
        used,
        worker.db.clone(),
        worker.tokens.clone(),
        context.stop.child_token(),
    );
    let look = ExtractContext { cloud: context.cloud.clone(), ..look };
    // An error is left to the run, which fails with it.
    if let Ok(seen) = extract::look::fingerprint(&context.config, &look).await
        && let Err(error) = schedules::note_seen(&worker.db, schedule, &seen).await
    {
        tracing::warn!(%error, "could not note what the sources look like");
    }
}
