//! The new cluster takes the old one's place. Two folders are renamed, one after the other, and the file `exchange` says so
//! from before the first rename to behind the second one, so that a start in between finishes it. Without that, a start
//! would find no cluster and make an empty one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::LocalError;
use crate::folder::{Folder, Names, failed};

/// Puts the new cluster into the place of the old one, which had this version. Returns the folder that keeps the old one.
pub(super) fn begin(folder: &Folder, from: u32) -> Result<PathBuf, LocalError> {
    let kept = free_name(folder, from);
    let name = kept.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    folder.write(&note(folder), &name)?;
    finish(folder)?;
    Ok(kept)
}

/// Finishes an exchange that was begun. Does nothing otherwise. The caller holds the gate.
///
/// # Errors
/// When a folder cannot be renamed.
pub fn finish(folder: &Folder) -> Result<(), LocalError> {
    let note = note(folder);
    let Some(kept) = folder.read(&note)? else { return Ok(()) };
    let (kept, old, new) = (folder.beside(kept.trim()), folder.data(), folder.with(Names::UPGRADE_TO).data());
    // Each step looks whether it is still to be done, because the process may have ended behind any of them.
    if new.exists() {
        if old.exists() {
            rename(&old, &kept)?;
        }
        rename(&new, &old)?;
    }
    fs::remove_file(&note).map_err(failed("remove", &note))?;
    sync(&note).map_err(failed("write", &note))
}

fn rename(from: &Path, to: &Path) -> Result<(), LocalError> {
    fs::rename(from, to).map_err(failed("rename", from))?;
    sync(to).map_err(failed("rename", from))
}

/// Makes the names in the folder of `path` survive a power failure.
fn sync(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn note(folder: &Folder) -> PathBuf {
    folder.beside("exchange")
}

/// `data-15`, or `data-15.2` when an earlier upgrade left that.
fn free_name(folder: &Folder, version: u32) -> PathBuf {
    let name = |number: u32| match number {
        1 => folder.beside(&format!("data-{version}")),
        number => folder.beside(&format!("data-{version}.{number}")),
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}
