//! Local sources: a folder, a file or a glob on a disk that the worker can read.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elt_shared::config::LocalSource;
use elt_shared::explained::{Code, Explained};
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

use super::{ExtractContext, Extracted, YoungFiles};
use crate::error::{PipelineError, Result};
use crate::input::format_of;

mod listing;
mod record_end;
#[cfg(test)]
mod tests;
pub(crate) mod walk;

use listing::{Listed, Listing, Scope};

/// Longest time that a run waits for files that may still be being written.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Time that is added to a wait, because a file's modification time may be a little older than the write that set it.
const WAIT_MARGIN: Duration = Duration::from_millis(50);

/// Lists the files of a local source, in name order. Waits for those that may still be written, as the context says.
///
/// # Errors
/// When its path is missing or outside the folders that may be read, or the file it names cannot be read or is still
/// being written after the wait.
pub async fn extract(index: usize, source: &LocalSource, context: &ExtractContext) -> Result<Extracted> {
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        let listed = list(index, source, context).await?;
        let waits = matches!(context.young, YoungFiles::Wait | YoungFiles::WaitForRecord);
        let Some(rests_in) = listed.rests_in.filter(|_| waits) else { return Ok(listed.extracted) };
        if Instant::now() + rests_in > deadline {
            return match listed.young_required {
                Some(name) => Err(still_written(&name)),
                None => Ok(listed.extracted),
            };
        }
        tracing::info!("waiting {:.1} s for files that may still be written", rests_in.as_secs_f32());
        tokio::select! {
            () = context.stop.cancelled() => return Err(PipelineError::Stopped),
            () = tokio::time::sleep(rests_in + WAIT_MARGIN) => {}
        }
    }
}

async fn list(index: usize, source: &LocalSource, context: &ExtractContext) -> Result<Listed> {
    let (source, context) = (source.clone(), context.clone());
    let list = move || Listing::new(index, &source, Scope::of(&context)).list();
    tokio::task::spawn_blocking(list)
        .await
        .map_err(|error| PipelineError::Internal(format!("listing a folder: {error}")))?
}

/// The failure of a source whose only file keeps changing.
fn still_written(name: &str) -> PipelineError {
    PipelineError::Extract(Explained {
        code: Code::SourceChanged,
        message: format!("{name} changed a moment ago and is probably still being written"),
        next_step:
            "Wait until the file is written completely and retry the run, or write a smaller `settle_seconds` in \
                    the source."
                .into(),
    })
}

/// A value that changes when a file is added, removed or written, from the paths, sizes, times and inodes of the files. A file
/// that may still be being written does not count until it has not changed for `settle_seconds`.
///
/// # Errors
/// As [`extract`].
pub async fn fingerprint(index: usize, source: &LocalSource, context: &ExtractContext) -> Result<u128> {
    let Listed { extracted, .. } = list(index, source, context).await?;
    let mut hash = Xxh3::new();
    for file in &extracted.files {
        hash.update(file.path.as_os_str().as_bytes());
        hash.update(&[0]);
        hash.update(&file.stamp.size.to_le_bytes());
        hash.update(&file.stamp.mtime_ns.to_le_bytes());
        hash.update(&file.stamp.inode.to_le_bytes());
    }
    Ok(hash.digest128())
}

/// The folder to watch for a source, and whether folders below it are watched, too. `None`: no folder of it can be watched.
pub fn watched_folder(source: &LocalSource, context: &ExtractContext) -> Option<(PathBuf, bool)> {
    let place = Listing::new(0, source, Scope::of(context)).place().ok()?;
    let deep = source.recursive || place.wanted.is_some();
    context.roots.inside(&place.start).ok()?;
    if place.start.is_file() { Some((place.start.parent()?.to_owned(), false)) } else { Some((place.start, deep)) }
}

/// Whether a source would read a file of this path.
pub fn covers(source: &LocalSource, file: &Path, context: &ExtractContext) -> bool {
    let Ok(place) = Listing::new(0, source, Scope::of(context)).place() else { return false };
    let (Ok(start), Ok(file)) = (place.start.canonicalize(), file.canonicalize()) else { return false };
    let Ok(below) = file.strip_prefix(&start) else { return false };
    let deep_enough = place.deep || below.components().count() <= 1;
    deep_enough && place.wants(&place.start.join(below)) && format_of(&file.to_string_lossy(), &source.files).is_some()
}
