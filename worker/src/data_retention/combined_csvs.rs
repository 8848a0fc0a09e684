//! Combined CSVs of earlier config versions, each a copy of all the data, and unfinished ones.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use elt_shared::store::outputs::{self, Superseded};
use elt_shared::store::retention_turns::Left;
use sqlx::PgPool;
use tokio::task::spawn_blocking;

use super::{DataFolderError, Removed, age, entries};
use crate::load::combined_csv::final_name;
use crate::roots::{OutputPlace, Roots, There};

/// Age from which an unfinished file is removed, once the run that wrote it is over.
const UNFINISHED_FOR: Duration = Duration::from_secs(86_400);

/// Removes combined CSVs below `data_dir` that only earlier config versions wrote, beyond the `newest` of each pipeline, and
/// unfinished ones that no run will finish, and counts them in `removed`. Files that a run did not write, or that were
/// changed since, stay.
pub async fn remove(db: &PgPool, data_dir: &Path, newest: u32, removed: &mut Removed) -> Result<(), DataFolderError> {
    let roots = Roots::new(vec![data_dir.to_owned()], data_dir);
    let output = data_dir.join("output");
    let Ok(real) = output.canonicalize() else { return Ok(()) };
    let cleaned = &mut removed.cleaned;
    for path in outputs::superseded(db, &real.to_string_lossy(), newest).await? {
        cleaned.removed += u64::from(remove_superseded(db, &roots, &path, newest).await?);
    }
    let (found, more) = spawn_blocking(move || entries(&output)).await.map_err(std::io::Error::other)??;
    cleaned.behind = more;
    let mut left = Left { rows: Some(0), bytes: Some(0), oldest: None };
    for entry in found {
        let name = entry.file_name();
        if let Some(csv) = final_name(&name) {
            let old = age(&entry).is_some_and(|age| age > UNFINISHED_FOR);
            cleaned.removed += u64::from(old && remove_unfinished(db, &roots, &real.join(csv), &name).await?);
        } else if let Ok(meta) = entry.metadata()
            && meta.is_file()
        {
            left.rows = left.rows.map(|rows| rows + 1);
            left.bytes = left.bytes.map(|bytes| bytes.saturating_add_unsigned(meta.len()));
            let modified = meta.modified().ok().map(Into::into);
            left.oldest = left.oldest.into_iter().chain(modified).min();
        }
    }
    removed.left = left;
    Ok(())
}

/// Removes the file of a superseded path, if it is there and a run wrote it.
async fn remove_superseded(
    db: &PgPool,
    roots: &Roots,
    superseded: &Superseded,
    newest: u32,
) -> Result<bool, DataFolderError> {
    // On a host that does not have the file nothing is done: another host with the same data folder may have it.
    let Some(place) = place(roots, Path::new(&superseded.real_path)) else { return Ok(false) };
    let Ok(There::File(file)) = place.there() else { return Ok(false) };
    let mut tx = db.begin().await?;
    // The row stays locked until the file is gone. When this worker is lost before the commit, the row stays without a file:
    // it does no harm, and from here it looks like one whose file is on another host.
    if !outputs::lock_superseded(&mut tx, &superseded.path, newest).await?
        || !outputs::forget(&mut tx, &superseded.path, &file).await?
    {
        return Ok(false);
    }
    if let Err(error) = place.remove(place.name()) {
        tracing::warn!(%error, "could not remove {}, the combined CSV of an earlier config version", superseded.real_path);
        return Ok(false);
    }
    tx.commit().await?;
    let (path, pipeline) = (&superseded.real_path, &superseded.pipeline);
    tracing::info!(path, pipeline, "removed {path}, the combined CSV of an earlier config version of {pipeline}");
    Ok(true)
}

/// Removes an unfinished file whose path belongs to a pipeline that has no run at work there, unless a worker writes it.
async fn remove_unfinished(db: &PgPool, roots: &Roots, csv: &Path, name: &OsString) -> Result<bool, DataFolderError> {
    let Some(place) = place(roots, csv) else { return Ok(false) };
    match outputs::owner(db, &place.key()).await? {
        Some(owner) if !owner.is_running => {}
        // The run may still give the file its name; and elt did not write a file that belongs to no pipeline.
        _ => return Ok(false),
    }
    let name: &OsStr = name;
    let Ok(file) = place.open(name) else { return Ok(false) };
    // The lock is held until the file is gone, as in the sweep before a run.
    Ok(file.try_lock().is_ok() && place.remove(name).is_ok())
}

/// The place of a file, if its folder is there and may be written.
fn place(roots: &Roots, path: &Path) -> Option<OutputPlace> {
    OutputPlace::look(roots, path).ok().flatten()
}
