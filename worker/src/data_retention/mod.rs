//! The data folder: what lost workers and earlier config versions left behind is removed.
//!
//! Several workers may share a data folder, also from several hosts. Each removes only what the control database says is
//! over, and what elt itself has written.
//!
//! # Layout
//! - [`work_folders`]: folders of attempts whose worker was killed
//! - [`combined_csvs`]: combined CSVs of earlier config versions, and unfinished ones
//! - [`uploads`]: unfinished uploads to inboxes

mod combined_csvs;
mod uploads;
mod work_folders;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use elt_shared::backoff::jittered;
use elt_shared::queue::retention::{Cleaned, Kind, Midway, begin_turn, finish_turn, turn_end};
use elt_shared::store::retention_turns::{Left, Subject};
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::settings::WorkerSettings;

/// Time until the first look. What the worker itself left behind when it was killed is over some minutes later.
const FIRST: Duration = Duration::from_secs(30);
/// Time between two looks.
const EVERY: Duration = Duration::from_secs(3600);
/// A turn that another worker of this host ended within this time is not taken again.
const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(600);
/// Most entries of a folder that one turn looks at; the next turn looks at the others.
const MOST_ENTRIES: usize = 10_000;

/// The reason why a turn failed.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// The control database could not be asked.
    #[error("the control database could not be asked what is over")]
    Control(#[from] sqlx::Error),
    /// A folder could not be read.
    #[error("the data folder could not be read")]
    Io(#[from] std::io::Error),
}

/// The result of a turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removed {
    /// How much was removed, and whether something old was left.
    pub cleaned: Cleaned,
    /// What is there now.
    pub left: Left,
}

/// Removes what is left behind in the data folder, every hour until `stop`.
pub async fn keep_removing(db: PgPool, settings: Arc<WorkerSettings>, host: String, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = sleep(jittered(pause)) => {}
            () = stop.cancelled() => return,
        }
        // A stop between two removals loses nothing: the rest is removed after the next start.
        if stop.run_until_cancelled(take_turns(&db, &settings, &host)).await.is_none() {
            return;
        }
        pause = EVERY;
    }
}

async fn take_turns(db: &PgPool, settings: &WorkerSettings, host: &str) {
    let keep = settings.keep.keep();
    for kind in [Kind::WorkFolders, Kind::CombinedCsvs, Kind::Uploads] {
        let folder = if kind == Kind::Uploads { settings.inboxes() } else { settings.data_dir.clone() };
        let place = format!("{host}:{}", folder.display());
        let subject = Subject { kind: kind.name(), place: &place };
        if !begin_turn(db, subject, NOT_AGAIN_WITHIN, kind, &keep).await {
            continue;
        }
        let removed = remove(db, settings, kind).await;
        let left = removed.as_ref().map_or_else(|_| Left::default(), |removed| removed.left);
        let end = turn_end(kind, &place, &removed.map(|removed| removed.cleaned));
        finish_turn(db, subject, kind, &end, Some(left)).await;
    }
}

/// Removes one kind from the data folder, without a look at whose turn it is.
///
/// # Errors
/// When the control database cannot be asked, or a folder cannot be read. What was removed before that stays removed.
pub async fn remove(db: &PgPool, settings: &WorkerSettings, kind: Kind) -> Result<Removed, Midway<DataFolderError>> {
    let mut removed = Removed::default();
    let all = match kind {
        Kind::WorkFolders => work_folders::remove(db, &settings.data_dir, settings.run_timeout(), &mut removed).await,
        Kind::Uploads => {
            let unused = Duration::from_hours(u64::from(settings.keep.keep().uploads) * 24);
            uploads::remove(settings.inboxes(), unused, &mut removed).await
        }
        _ => combined_csvs::remove(db, &settings.data_dir, settings.keep.keep().outputs, &mut removed).await,
    };
    all.map_err(|source| Midway { removed: removed.cleaned.removed, source })?;
    Ok(removed)
}

/// The entries of a folder, at most [`MOST_ENTRIES`], and whether there are more. A folder that is missing has none.
fn entries(folder: &Path) -> std::io::Result<(Vec<std::fs::DirEntry>, bool)> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), false)),
        entries => entries?,
    };
    let mut found: Vec<_> = entries.take(MOST_ENTRIES + 1).collect::<Result<_, _>>()?;
    let more = found.len() > MOST_ENTRIES;
    found.truncate(MOST_ENTRIES);
    Ok((found, more))
}

/// Time since an entry, or what is directly in it, was changed. `None`: it is gone, or the clock was set back.
fn age(entry: &std::fs::DirEntry) -> Option<Duration> {
    entry.metadata().ok()?.modified().ok()?.elapsed().ok()
}
