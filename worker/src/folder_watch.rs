//! Watches the local folders of active monitors. When a file changes there, the schedule's next tick is brought forward.
//!
//! Ticks come at their interval without it, too, because the operating system reports no changes on network mounts, and none
//! when its table of watches is full.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use elt_shared::config::{InboxSource, SourceConfig};
use elt_shared::store::schedules;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use crate::extract::local;
use crate::paths;
use crate::worker_context::WorkerContext;

/// Time between two updates of the list of watched folders.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);
/// Time without a change after which a folder counts as quiet.
const QUIET_TIME: Duration = Duration::from_millis(300);
/// Longest time that changes are collected in a folder that does not become quiet.
const MAX_COLLECTING: Duration = Duration::from_secs(2);
/// Longest time that a tick is put off because files keep changing.
const MAX_SETTLING: Duration = Duration::from_secs(30);
/// Most changed paths that wait to be matched to schedules. When there are more, every schedule's tick is brought forward.
const BACKLOG: usize = 4_096;

/// Watches until the worker stops.
pub async fn keep_watching(worker: WorkerContext) {
    let (sender, mut stirred) = mpsc::channel(BACKLOG);
    let overflowed = Arc::new(AtomicBool::new(false));
    let mut folders = match Folders::new(sender, Arc::clone(&overflowed)) {
        Ok(folders) => folders,
        Err(error) => {
            tracing::warn!(%error, "folders cannot be watched on this machine: changes are found at the next tick");
            return;
        }
    };
    let mut ticks = worker.listener.ticks();
    let mut settling = Settling::default();
    while !worker.stopping.is_cancelled() {
        folders = folders.refresh(&worker).await;
        let until = Instant::now() + REFRESH_INTERVAL;
        tokio::select! {
            Some(first) = stirred.recv() => {
                let concerned = folders.concerned_until_quiet(first, &mut stirred, &overflowed).await;
                // Files that have to settle are left out, because a tick before that would not count them.
                let at_once = concerned.iter().filter(|(_, settles)| settles.contains(&Duration::ZERO));
                bring_forward(&worker, at_once.map(|(schedule, _)| schedule)).await;
                settling.add(&concerned, Instant::now());
            }
            settled = settling.next() => bring_forward(&worker, [settled].iter()).await,
            _ = ticks.changed() => sleep(QUIET_TIME).await,
            () = sleep_until(until) => {}
            () = worker.stopping.cancelled() => {}
        }
    }
}

/// Brings ticks forward to now.
async fn bring_forward(worker: &WorkerContext, schedules: impl Iterator<Item = &Uuid>) {
    let ids: Vec<Uuid> = schedules.copied().collect();
    if ids.is_empty() {
        return;
    }
    let brought = async {
        let mut db = worker.db.acquire().await?;
        schedules::bring_forward(&mut db, &ids).await
    };
    if let Err(error) = brought.await {
        tracing::warn!(%error, "could not bring the ticks forward: changes are found at the next tick");
    }
}

/// Ticks that are due once changed files have settled, by schedule and settle time. A schedule has one entry for each of its
/// settle times, so that a file that settles soon does not cancel the tick for one that takes longer.
#[derive(Default)]
struct Settling(HashMap<(Uuid, Duration), Settle>);

/// The time at which files that changed will have settled.
struct Settle {
    at: Instant,
    /// Latest value of `at`, which is moved on while the files keep changing.
    latest: Instant,
}

impl Settling {
    /// Notes that files of these schedules changed at `now`.
    fn add(&mut self, concerned: &HashMap<Uuid, BTreeSet<Duration>>, now: Instant) {
        for (schedule, settles) in concerned {
            for &settle in settles.iter().filter(|settle| !settle.is_zero()) {
                let at = now + settle + QUIET_TIME;
                let entry = self.0.entry((*schedule, settle)).or_insert(Settle { at, latest: at + MAX_SETTLING });
                entry.at = at.min(entry.latest);
            }
        }
    }

    /// Waits until the next entry is due. Returns its schedule.
    async fn next(&mut self) -> Uuid {
        let Some((key, at)) = self.first() else { return std::future::pending().await };
        sleep_until(at).await;
        self.0.remove(&key);
        key.0
    }

    fn first(&self) -> Option<((Uuid, Duration), Instant)> {
        self.0.iter().min_by_key(|(_, settle)| settle.at).map(|(key, settle)| (*key, settle.at))
    }
}

/// The watched folders, with the schedules that they are watched for.
struct Folders {
    watcher: RecommendedWatcher,
    watched: HashMap<PathBuf, Watched>,
}

struct Watched {
    /// The schedules that read the folder, with the time for which a file must not have changed before it counts.
    schedules: HashMap<Uuid, Duration>,
    /// Paths of their combined CSVs, which do not count as changes.
    never: HashSet<PathBuf>,
    deep: bool,
    /// Device and inode of the folder that is watched; `None`: it is not watched, for a reason that was logged.
    node: Option<(u64, u64)>,
}

impl Folders {
    fn new(sender: mpsc::Sender<PathBuf>, overflowed: Arc<AtomicBool>) -> notify::Result<Self> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return overflowed.store(true, Ordering::Relaxed) };
            if event.need_rescan() {
                overflowed.store(true, Ordering::Relaxed);
            }
            for path in event.paths.into_iter().filter(|_| is_change(event.kind)) {
                if sender.try_send(path).is_err() {
                    overflowed.store(true, Ordering::Relaxed);
                }
            }
        })?;
        Ok(Self { watcher, watched: HashMap::new() })
    }

    /// Watches the folders of the queue's active monitors, and stops watching others.
    async fn refresh(mut self, worker: &WorkerContext) -> Self {
        let wanted = match wanted(worker).await {
            Ok(wanted) => wanted,
            Err(error) => {
                tracing::debug!(%error, "could not list the monitors");
                return self;
            }
        };
        // Adding a deep folder lists all folders below it, which blocks.
        let updated = tokio::task::spawn_blocking(move || {
            self.update(wanted);
            self
        });
        match updated.await {
            Ok(folders) => folders,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn update(&mut self, wanted: HashMap<PathBuf, Watched>) {
        let gone: Vec<PathBuf> = self.watched.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect();
        for path in gone {
            self.watched.remove(&path);
            let _ = self.watcher.unwatch(&path);
        }
        for (path, want) in wanted {
            let before = self.watched.remove(&path);
            let node = self.watch(&path, want.deep, before);
            self.watched.insert(path, Watched { node, ..want });
        }
    }

    /// Watches one folder, anew when it was deleted and made again since.
    fn watch(&mut self, path: &Path, deep: bool, before: Option<Watched>) -> Option<(u64, u64)> {
        let node = std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
        let known = before.as_ref().map(|before| before.node);
        if known == Some(node) && before.is_some_and(|before| before.deep == deep) {
            return node;
        }
        if known.flatten().is_some() {
            let _ = self.watcher.unwatch(path);
        }
        node?;
        let mode = if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        match self.watcher.watch(path, mode) {
            Ok(()) => node,
            Err(error) => {
                let folder = path.display();
                tracing::warn!(%error, "cannot watch {folder}: changes in it are found at the next tick");
                node
            }
        }
    }

    /// Waits until files stop changing. Returns the schedules that read them, with their settle times.
    async fn concerned_until_quiet(
        &self,
        first: PathBuf,
        stirred: &mut mpsc::Receiver<PathBuf>,
        overflowed: &AtomicBool,
    ) -> HashMap<Uuid, BTreeSet<Duration>> {
        let mut concerned = HashMap::new();
        note(&mut concerned, self.concerned(&first));
        let latest = Instant::now() + MAX_COLLECTING;
        while let Ok(Some(path)) = timeout_at(latest.min(Instant::now() + QUIET_TIME), stirred.recv()).await {
            note(&mut concerned, self.concerned(&path));
            if Instant::now() >= latest {
                break;
            }
        }
        if overflowed.swap(false, Ordering::Relaxed) {
            note(&mut concerned, self.watched.values().flat_map(Watched::all));
        }
        concerned
    }

    fn concerned(&self, path: &Path) -> impl Iterator<Item = (Uuid, Duration)> {
        let covers = move |folder: &Path, deep: bool| {
            if deep { path.starts_with(folder) } else { path == folder || path.parent() == Some(folder) }
        };
        let watched = self.watched.iter().filter(move |(folder, watched)| covers(folder, watched.deep));
        watched.filter(move |(_, watched)| !watched.never.contains(path)).flat_map(|(_, watched)| watched.all())
    }
}

fn note(concerned: &mut HashMap<Uuid, BTreeSet<Duration>>, more: impl Iterator<Item = (Uuid, Duration)>) {
    for (schedule, settle) in more {
        concerned.entry(schedule).or_default().insert(settle);
    }
}

impl Watched {
    fn all(&self) -> impl Iterator<Item = (Uuid, Duration)> {
        self.schedules.iter().map(|(schedule, settle)| (*schedule, *settle))
    }
}

/// Whether an event is a change of a file. Opening and reading a file are not.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// The folders of the active monitors of the worker's queue.
async fn wanted(worker: &WorkerContext) -> sqlx::Result<HashMap<PathBuf, Watched>> {
    let mut wanted = HashMap::new();
    for schedule in schedules::watched(&worker.db, &worker.settings.queue).await? {
        // A config that cannot be used here is skipped, because its tick fails and reports it.
        let Ok(config) = worker.configs.get(&worker.db, &worker.settings, schedule.config_id).await else { continue };
        let used =
            paths::UsedConfig { config_id: schedule.config_id, queue: &schedule.queue, options: &schedule.options };
        let look = paths::change_check_context(
            &worker.settings,
            &config,
            used,
            worker.db.clone(),
            worker.tokens.clone(),
            worker.stopping.clone(),
        );
        for source in &config.sources {
            let (SourceConfig::Local(source) | SourceConfig::Inbox(InboxSource { local: source, .. })) = source else {
                continue;
            };
            let Some((folder, deep)) = local::watched_folder(source, &look) else { continue };
            let new = || Watched { schedules: HashMap::new(), never: HashSet::new(), deep, node: None };
            let watched: &mut Watched = wanted.entry(folder).or_insert_with(new);
            let settle = watched.schedules.entry(schedule.id).or_default();
            *settle = Duration::from_secs(source.settle_seconds).max(*settle);
            watched.never.extend(look.never.iter().cloned());
            watched.deep |= deep;
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writes_are_changes() {
        use notify::event::{CreateKind, ModifyKind, RemoveKind};
        for change in [
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Any),
            EventKind::Remove(RemoveKind::File),
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
        ] {
            assert!(is_change(change), "{change:?}");
        }
        assert!(!is_change(EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(!is_change(EventKind::Access(AccessKind::Read)));
    }

    #[test]
    fn a_file_that_settles_soon_does_not_cancel_the_look_at_one_that_takes_longer() {
        let (schedule, now) = (Uuid::from_u128(1), Instant::now());
        let mut settling = Settling::default();
        for seconds in [20, 5, 0] {
            let concerned = HashMap::from([(schedule, BTreeSet::from([Duration::from_secs(seconds)]))]);
            settling.add(&concerned, now);
        }
        for expected in [5, 20] {
            let (key, at) = settling.first().expect("a look is due");
            assert_eq!((key.0, (at - now).as_secs()), (schedule, expected));
            settling.0.remove(&key);
        }
        assert!(settling.first().is_none());
    }

    #[test]
    fn each_settle_time_of_a_schedule_is_kept() {
        let (schedule, mut concerned) = (Uuid::from_u128(1), HashMap::new());
        for seconds in [60, 5, 60, 0] {
            note(&mut concerned, std::iter::once((schedule, Duration::from_secs(seconds))));
        }
        let seconds: Vec<u64> = concerned[&schedule].iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 5, 60]);
    }

    #[test]
    fn a_look_moves_on_with_the_files_but_not_for_ever() {
        let (schedule, now) = (Uuid::from_u128(1), Instant::now());
        let concerned = HashMap::from([(schedule, BTreeSet::from([Duration::from_secs(5)]))]);
        let mut settling = Settling::default();
        let mut due_after = |seconds| {
            settling.add(&concerned, now + Duration::from_secs(seconds));
            (settling.first().expect("a look is due").1 - now).as_secs()
        };
        assert_eq!([0, 3, 60].map(&mut due_after), [5, 8, 35]);
    }
}
