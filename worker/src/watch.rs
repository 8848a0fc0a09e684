//! Watches the local folders of active monitors: when something changes there, the schedule's next tick is brought
//! forward. It only ever makes a tick come sooner: where the system reports nothing (a network mount, a full watch
//! table, a folder that was away) the tick that is due anyway finds the change.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use elt_shared::config::SourceConfig;
use elt_shared::store::schedules;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use crate::extract::local;
use crate::places;
use crate::shell::Shell;

/// How often the list of folders is brought up to date, also when nothing says it changed.
const REFRESH: Duration = Duration::from_secs(10);
/// A folder must have been quiet for this long.
const QUIET: Duration = Duration::from_millis(300);
/// But a folder that is never quiet does not wait longer than this.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest time that a look at files is put off because they keep changing.
const LONGEST_SETTLING: Duration = Duration::from_secs(30);
/// Paths that may wait to be looked at; when there are more, every schedule's tick is brought forward.
const BACKLOG: usize = 4_096;

/// Watches until the worker stops.
pub async fn keep_watching(shell: Shell) {
    let (sender, mut stirred) = mpsc::channel(BACKLOG);
    let overflowed = Arc::new(AtomicBool::new(false));
    let mut folders = match Folders::new(sender, Arc::clone(&overflowed)) {
        Ok(folders) => folders,
        Err(error) => {
            tracing::warn!(%error, "folders cannot be watched on this machine: changes are found at the next tick");
            return;
        }
    };
    let mut ticks = shell.listener.ticks();
    let mut settling = Settling::default();
    while !shell.stopping.is_cancelled() {
        folders = folders.refresh(&shell).await;
        let until = Instant::now() + REFRESH;
        tokio::select! {
            Some(first) = stirred.recv() => {
                let concerned = folders.concerned_until_quiet(first, &mut stirred, &overflowed).await;
                // A look before the files have settled would not count them.
                let at_once = concerned.iter().filter(|(_, settles)| settles.contains(&Duration::ZERO));
                bring_forward(&shell, at_once.map(|(schedule, _)| schedule)).await;
                settling.add(&concerned, Instant::now());
            }
            settled = settling.next() => bring_forward(&shell, [settled].iter()).await,
            _ = ticks.changed() => sleep(QUIET).await,
            () = sleep_until(until) => {}
            () = shell.stopping.cancelled() => {}
        }
    }
}

/// Brings ticks forward to now.
async fn bring_forward(shell: &Shell, schedules: impl Iterator<Item = &Uuid>) {
    let ids: Vec<Uuid> = schedules.copied().collect();
    if ids.is_empty() {
        return;
    }
    let brought = async {
        let mut db = shell.db.acquire().await?;
        schedules::bring_forward(&mut db, &ids).await
    };
    if let Err(error) = brought.await {
        tracing::warn!(%error, "could not bring the ticks forward: changes are found at the next tick");
    }
}

/// Schedules to look at once files that changed have settled, by schedule and settle time. A schedule has one entry for
/// each of its settle times, so that a file that settles soon does not cancel the look at one that takes longer.
#[derive(Default)]
struct Settling(HashMap<(Uuid, Duration), Settle>);

/// The time at which files that changed will have settled.
struct Settle {
    at: Instant,
    /// Latest value of `at`, which moves on while the files keep changing.
    latest: Instant,
}

impl Settling {
    /// Notes that files of these schedules changed at `now`.
    fn add(&mut self, concerned: &HashMap<Uuid, BTreeSet<Duration>>, now: Instant) {
        for (schedule, settles) in concerned {
            for &settle in settles.iter().filter(|settle| !settle.is_zero()) {
                let at = now + settle + QUIET;
                let entry = self.0.entry((*schedule, settle)).or_insert(Settle { at, latest: at + LONGEST_SETTLING });
                entry.at = at.min(entry.latest);
            }
        }
    }

    /// Waits for the next one to have settled.
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

/// The folders watched, and for whom.
struct Folders {
    watcher: RecommendedWatcher,
    watched: HashMap<PathBuf, Watched>,
}

struct Watched {
    /// For whom, and how long a file must have been left alone before it counts.
    schedules: HashMap<Uuid, Duration>,
    /// Their combined CSVs: writing them is no change.
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

    /// Watches what the active monitors of the queue want watched now, and no more.
    async fn refresh(mut self, shell: &Shell) -> Self {
        let wanted = match wanted(shell).await {
            Ok(wanted) => wanted,
            Err(error) => {
                tracing::debug!(%error, "could not list the monitors");
                return self;
            }
        };
        // Adding a deep folder walks it.
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
        let latest = Instant::now() + LONGEST;
        while let Ok(Some(path)) = timeout_at(latest.min(Instant::now() + QUIET), stirred.recv()).await {
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
        let covers = move |folder: &Path, deep: bool| match deep {
            true => path.starts_with(folder),
            false => path == folder || path.parent() == Some(folder),
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

/// Reading a file is no change, and neither is opening it.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// What the active monitors of the worker's queue want watched.
async fn wanted(shell: &Shell) -> sqlx::Result<HashMap<PathBuf, Watched>> {
    let mut wanted = HashMap::new();
    for schedule in schedules::watched(&shell.db, &shell.settings.queue).await? {
        // A config that does not resolve here makes its tick fail, and say so.
        let Ok(config) = shell.configs.get(&shell.db, &shell.settings, schedule.config_id).await else { continue };
        let place = (schedule.config_id, schedule.queue.as_str(), &schedule.options);
        let look = places::look_context(&shell.settings, &config, place, shell.db.clone(), shell.stopping.clone());
        for source in &config.sources {
            let SourceConfig::Local(source) = source else { continue };
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
