//! Watches the data folder, which holds the files of runs while they are at work. A worker whose folder is gone, cannot be
//! written to or has too little room takes no runs, because each would fail at it while other workers are well.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elt_shared::disk::free_bytes;
use elt_shared::private_folder;
use elt_shared::store::workers;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::humanize::size;
use crate::worker_context::WorkerContext;

/// Time between two looks at the folder.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Longest time to wait for a look. A network file system that is away answers nothing at all.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// A look at the folder, which goes on however long its file system takes to answer.
type Look = JoinHandle<Option<Trouble>>;

/// A reason why a worker takes no runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no folder at its path.
    Gone,
    /// No file can be written into it.
    NotWritable(ErrorKind),
    /// It has fewer free bytes than a worker needs to take runs.
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// The file system did not answer in time.
    Silent,
}

impl Trouble {
    /// The reason as a sentence about the folder.
    fn sentence(&self, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            Self::Gone => format!("the data folder {folder} is gone"),
            Self::NotWritable(kind) => format!("the data folder {folder} cannot be written to: {kind}"),
            Self::Full { free, needed } => format!(
                "the data folder {folder} has {} free, less than {} (ELT_MIN_FREE_MIB)",
                size(*free),
                size(*needed)
            ),
            Self::Silent => format!("the data folder {folder} does not answer"),
        }
    }

    /// Whether another trouble is of the same kind. The free bytes change with every look.
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Looks at the folder until the worker stops, and notes when it begins or ends to be in trouble.
pub(crate) async fn keep_watching(worker: WorkerContext) {
    let folder = worker.settings.data_dir.clone();
    // The first look may make the folder. Later, a folder that is missing was lost.
    let _ = private_folder::create(&folder);
    let mut known: Option<Trouble> = None;
    let mut noted = true;
    let mut unfinished: Option<Look> = None;
    loop {
        let start = || look(&worker, &folder, known.is_some());
        let found = result(&mut unfinished, start, LOOK_WITHIN).await;
        let changed = match (&known, &found) {
            (Some(known), Some(found)) => !known.is_like(found),
            (known, found) => known.is_some() != found.is_some(),
        };
        if changed {
            let sentence = found.as_ref().map(|trouble| trouble.sentence(&folder));
            match &sentence {
                Some(because) => tracing::warn!(worker = worker.id, "the worker takes no runs: {because}"),
                None => tracing::info!(worker = worker.id, "the worker takes runs again: its data folder is well"),
            }
            worker.takes_nothing_because.send_replace(sentence);
            known = found;
            noted = false;
        }
        if !noted {
            // The control database may be away, too. The next look notes it then.
            let because = worker.takes_nothing_because.borrow().clone();
            noted = workers::note_takes_nothing(&worker.db, &worker.id, because.as_deref()).await.is_ok();
        }
        tokio::select! {
            () = sleep(LOOK_INTERVAL) => {}
            () = worker.stopping.cancelled() => return,
        }
    }
}

/// Looks at the folder once. A folder that was in trouble needs a tenth more room to be well again, so that a worker does not
/// change its mind with every run.
fn look(worker: &WorkerContext, folder: &Path, was_in_trouble: bool) -> Look {
    let needed = worker.settings.min_free_bytes();
    let needed = if was_in_trouble { needed.saturating_add(needed / 10) } else { needed };
    let (folder, probe) = (folder.to_owned(), folder.join(format!(".{}.probe", worker.id)));
    tokio::task::spawn_blocking(move || trouble(&folder, probe, needed))
}

/// The result of the unfinished look, or of a new one when none is unfinished. A look that does not end in time stays
/// unfinished, and no other one is started meanwhile, because each occupies a thread until the file system answers.
async fn result(unfinished: &mut Option<Look>, start: impl FnOnce() -> Look, within: Duration) -> Option<Trouble> {
    let mut look = unfinished.take().unwrap_or_else(start);
    match timeout(within, &mut look).await {
        Ok(Ok(trouble)) => trouble,
        Ok(Err(_)) => None,
        Err(_) => {
            *unfinished = Some(look);
            Some(Trouble::Silent)
        }
    }
}

/// The trouble of a folder that needs `needed` free bytes. Writes the file `probe` and removes it.
fn trouble(folder: &Path, probe: PathBuf, needed: u64) -> Option<Trouble> {
    if !folder.is_dir() {
        return Some(Trouble::Gone);
    }
    if let Some(free) = free_bytes(folder)
        && free < needed
    {
        return Some(Trouble::Full { free, needed });
    }
    // A file shows what permissions and free blocks do not: a read-only file system, a quota, a lack of inodes.
    let written = fs::write(&probe, b"elt");
    let removed = fs::remove_file(&probe);
    written.and(removed).err().map(|error| Trouble::NotWritable(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("elt-{name}-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_folder_with_room_is_well_and_keeps_nothing_of_the_look() {
        let folder = folder("well");
        assert_eq!(trouble(&folder, folder.join("probe"), 1), None);
        assert_eq!(fs::read_dir(&folder).expect("listed").count(), 0);
        fs::remove_dir(&folder).expect("removed");
    }

    #[test]
    fn a_folder_that_is_gone_or_has_too_little_room_is_in_trouble() {
        let folder = folder("trouble");
        let full = trouble(&folder, folder.join("probe"), u64::MAX).expect("too little room");
        assert!(matches!(full, Trouble::Full { needed: u64::MAX, .. }), "{full:?}");
        assert!(full.sentence(&folder).contains("ELT_MIN_FREE_MIB"));
        assert!(full.is_like(&Trouble::Full { free: 0, needed: 1 }) && !full.is_like(&Trouble::Gone));
        fs::remove_dir(&folder).expect("removed");
        assert_eq!(trouble(&folder, folder.join("probe"), 0), Some(Trouble::Gone));
        // A file has taken the place of the folder.
        fs::write(&folder, b"").expect("written");
        assert_eq!(trouble(&folder, folder.join("probe"), 0), Some(Trouble::Gone));
        fs::remove_file(&folder).expect("removed");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_waited_for_and_no_other_one_is_started() {
        let (answer, answers) = std::sync::mpsc::channel::<Option<Trouble>>();
        let mut unfinished = Some(tokio::task::spawn_blocking(move || answers.recv().expect("an answer")));
        let within = Duration::from_millis(20);
        for _ in 0..3 {
            let found = result(&mut unfinished, || panic!("another look was started"), within).await;
            assert_eq!(found, Some(Trouble::Silent));
        }
        answer.send(Some(Trouble::Gone)).expect("the look waits");
        let found = result(&mut unfinished, || panic!("another look was started"), Duration::from_secs(60)).await;
        assert_eq!(found, Some(Trouble::Gone), "the look ended, and its result counts");
        let well = || tokio::task::spawn_blocking(|| None);
        assert_eq!(result(&mut unfinished, well, Duration::from_secs(60)).await, None);
        assert!(unfinished.is_none());
    }

    #[test]
    fn a_folder_that_takes_no_file_is_in_trouble() {
        let folder = folder("unwritable");
        let no_name = folder.join("missing").join("probe");
        assert_eq!(trouble(&folder, no_name, 0), Some(Trouble::NotWritable(ErrorKind::NotFound)));
        fs::remove_dir(&folder).expect("removed");
    }
}
