//! Work folders of attempts whose worker was killed, with everything they had downloaded.

use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use elt_shared::store::retention_turns::Left;
use elt_shared::store::runs::old::{self, AttemptIs};
use sqlx::PgPool;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{DataFolderError, Removed, age, entries};

/// Minutes after the end of an attempt until its folder is removed: a worker that lost its lease gives up sooner.
const OVER_FOR_MINUTES: u16 = 10;
/// Age from which the folder of a run is removed that the control database does not know: the run was deleted long ago, or
/// belongs to another control database, and no run of that one lasts so long.
const UNKNOWN_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Age from which the downloads of a tick are removed. A tick takes minutes at most.
const TICK_FOR: Duration = Duration::from_secs(86_400);
/// Attempts that the control database is asked for at a time.
const AT_A_TIME: usize = 500;

/// Removes the folders of attempts that are over, below `data_dir`, and counts them in `removed`. `run_timeout`: the longest
/// time that a run may take.
pub async fn remove(
    db: &PgPool,
    data_dir: &Path,
    run_timeout: Duration,
    removed: &mut Removed,
) -> Result<(), DataFolderError> {
    let spool = data_dir.join("spool");
    let folder = spool.clone();
    let (found, more) = spawn_blocking(move || entries(&folder)).await.map_err(std::io::Error::other)??;
    let folders: Vec<(Uuid, i64, DirEntry)> = found.into_iter().filter_map(attempt).collect();
    removed.cleaned.behind = more;
    let mut left = folders.len() as u64;
    let unknown_for = UNKNOWN_FOR.max(run_timeout * 2);
    for some in folders.chunks(AT_A_TIME) {
        let asked: Vec<_> = some.iter().map(|(run, epoch, _)| (*run, *epoch)).collect();
        let over = old::attempts_over(db, &asked, OVER_FOR_MINUTES).await?;
        for (run, epoch, entry) in some {
            let is = over.iter().find(|(other, at, _)| other == run && at == epoch).map(|(_, _, is)| *is);
            let goes = match is {
                Some(AttemptIs::Over) => true,
                Some(AttemptIs::Unknown) => age(entry).is_some_and(|age| age > unknown_for),
                None => false,
            };
            if goes && remove_folder(entry.path()).await {
                removed.cleaned.removed += 1;
                left -= 1;
            } else if goes {
                removed.cleaned.behind = true;
            }
        }
    }
    removed.cleaned.removed += remove_ticks(&spool.join("ticks")).await?;
    removed.left = Left { rows: Some(left.cast_signed()), bytes: None, oldest: oldest(&folders) };
    Ok(())
}

/// The attempt whose work folder an entry is: `<run>-<epoch>`. `None`: it is something else, and stays.
fn attempt(entry: DirEntry) -> Option<(Uuid, i64, DirEntry)> {
    let name = entry.file_name();
    let (run, epoch) = name.to_str()?.rsplit_once('-')?;
    let (run, epoch) = (Uuid::try_parse(run).ok()?, epoch.parse().ok()?);
    let is_own = name.to_str() == Some(&format!("{run}-{epoch}")) && entry.file_type().ok()?.is_dir();
    is_own.then_some((run, epoch, entry))
}

/// Removes the downloads of ticks whose worker was killed.
async fn remove_ticks(folder: &Path) -> Result<u64, DataFolderError> {
    let folder = folder.to_owned();
    let (found, _) = spawn_blocking(move || entries(&folder)).await.map_err(std::io::Error::other)??;
    let mut removed = 0;
    for entry in found {
        // Only folders with the name that `tempfile` gives them.
        let is_download = entry.file_name().to_string_lossy().starts_with(".tmp")
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_download && age(&entry).is_some_and(|age| age > TICK_FOR) && remove_folder(entry.path()).await {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes a folder. False: it could not be removed, or another worker has done so.
async fn remove_folder(path: std::path::PathBuf) -> bool {
    let shown = path.display().to_string();
    match spawn_blocking(move || std::fs::remove_dir_all(path)).await.map_err(std::io::Error::other).flatten() {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => {
            tracing::warn!(%error, "could not remove the work folder {shown} that a lost worker left behind");
            false
        }
    }
}

/// When the oldest of the folders that are still there was changed.
fn oldest(folders: &[(Uuid, i64, DirEntry)]) -> Option<DateTime<Utc>> {
    let there = folders.iter().filter_map(|(_, _, entry)| entry.path().symlink_metadata().ok()?.modified().ok());
    there.min().map(DateTime::from)
}
