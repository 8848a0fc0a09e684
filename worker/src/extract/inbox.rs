//! The pipeline's inbox: a local folder into which the API puts the files that people and programs upload.

use std::path::{Path, PathBuf};

use elt_shared::config::{AfterLoad, InboxSource, SourceConfig};
use elt_shared::explained::{Code, Explained};
use elt_shared::inbox::{FileIdentity, Inbox};
use tokio::task::spawn_blocking;

use super::{ExtractContext, Extracted, local};
use crate::error::{PipelineError, Result};
use crate::humanize;
use crate::input::{InputFile, RemoteTask, Stamp, Version};

/// What the names of uploaded files begin with in reports and receipts, whatever folder the inbox is in.
pub const SHOWN: &str = "inbox/";

/// Lists the files of an inbox, in name order. Returns no files while nothing was uploaded.
///
/// # Errors
/// When this worker does not have the folder of the inboxes, or the inbox cannot be read.
pub async fn extract(index: usize, source: &InboxSource, context: &ExtractContext) -> Result<Extracted> {
    if !is_there(index, source)? {
        return Ok(Extracted::default());
    }
    let mut extracted = local::extract(index, &source.local, context).await?;
    for file in &mut extracted.files {
        file.name = shown(&file.name);
        file.after_load = source.delete_loaded.then(|| RemoteTask {
            path: file.path.to_string_lossy().into_owned(),
            action: AfterLoad::Delete,
            version: version(file.stamp),
        });
    }
    for file in &mut extracted.left_out {
        file.name = shown(&file.name);
    }
    Ok(extracted)
}

/// A value that changes when a file lands, is replaced or removed.
///
/// # Errors
/// As [`extract`].
pub async fn fingerprint(index: usize, source: &InboxSource, context: &ExtractContext) -> Result<u128> {
    match is_there(index, source)? {
        true => local::fingerprint(index, &source.local, context).await,
        false => Ok(0),
    }
}

/// Deletes the files that were loaded, as their sources say, if they are still the files that were read. Failures are
/// returned as sentences for the report.
pub(super) async fn after_load(sources: &[SourceConfig], files: &[InputFile]) -> Vec<String> {
    let is_of_inbox = |file: &&InputFile| matches!(sources.get(file.source), Some(SourceConfig::Inbox(_)));
    let tasks: Vec<RemoteTask> = files.iter().filter(is_of_inbox).filter_map(|file| file.after_load.clone()).collect();
    if tasks.is_empty() {
        return Vec::new();
    }
    let deleting = spawn_blocking(move || tasks.iter().filter_map(delete).collect());
    deleting.await.unwrap_or_else(|error| vec![format!("loaded files may still be in the inbox: {error}")])
}

/// Deletes one file. Returns a sentence about the reason why it is still there.
fn delete(task: &RemoteTask) -> Option<String> {
    let path = Path::new(&task.path);
    let shown = shown(&task.path);
    let (Some(folder), Some(name), Some(identity)) = (path.parent(), path.file_name(), identity(&task.version)) else {
        return Some(format!("{shown} was loaded and stays in the inbox: remove it by hand"));
    };
    let deleted = Inbox::open_at(folder).and_then(|inbox| match inbox {
        Some(inbox) => inbox.remove_unchanged(name, identity),
        None => Ok(false),
    });
    match deleted {
        Ok(true) => {
            tracing::info!("deleted {shown}");
            None
        }
        Ok(false) => Some(format!("{shown} was loaded and not deleted: it was replaced or removed meanwhile")),
        Err(error) => Some(format!("{shown} was loaded and stays in the inbox: {}", humanize::unreadable(&error))),
    }
}

/// The stamp of a file as a version, which a task carries through the opening of archives.
fn version(stamp: Stamp) -> Version {
    Version { size: Some(stamp.size), modified: None, tag: Some(format!("{} {}", stamp.inode, stamp.mtime_ns)) }
}

fn identity(version: &Version) -> Option<FileIdentity> {
    let (inode, modified_ns) = version.tag.as_deref()?.split_once(' ')?;
    Some(FileIdentity { inode: inode.parse().ok()?, bytes: version.size?, modified_ns: modified_ns.parse().ok()? })
}

/// Whether the inbox is there. False: nothing was uploaded yet.
fn is_there(index: usize, source: &InboxSource) -> Result<bool> {
    let folder = PathBuf::from(&source.local.path);
    let is_missing = |path: &Path| matches!(path.try_exists(), Ok(false));
    if !is_missing(&folder) {
        return Ok(true);
    }
    let Some(inboxes) = folder.parent() else { return Ok(false) };
    if !is_missing(inboxes) {
        return Ok(false);
    }
    Err(PipelineError::Extract(Explained {
        code: Code::InboxMissing,
        message: format!(
            "source {}: the folder of uploaded files, {}, is not there on this worker's machine",
            index + 1,
            inboxes.display()
        ),
        next_step:
            "Give the API and all workers the same folder: set ELT_INBOX to a folder that they share, and start \
                    them again."
                .into(),
    }))
}

/// The name of a file as people see it, by its path.
fn shown(path: &str) -> String {
    format!("{SHOWN}{}", path.rsplit('/').next().unwrap_or(path))
}
