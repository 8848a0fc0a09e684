//! The action on a file in its place after its rows are loaded: it is moved, deleted or tagged, if it is still the file that
//! was read.

use std::time::Duration;

use elt_shared::config::{AfterLoad, SourceConfig};

use super::attempts::Attempts;
use super::error::{Result, StoreError};
use super::limits::StoreLimits;
use super::{FileStore, open};
use crate::extract::ExtractContext;
use crate::extract::remote_paths::free_path;
use crate::input::{InputFile, RemoteTask};

/// Longest time for the actions on the files of one source, because the run occupies its worker meanwhile.
const AFTER_LOAD_TIMEOUT: Duration = Duration::from_mins(10);

/// Moves, deletes or tags the files that were loaded, as their sources say. It is called after the load has committed, so
/// failures are returned as sentences for the report.
pub(in crate::extract) async fn after_load(
    sources: &[SourceConfig],
    files: &[InputFile],
    context: &ExtractContext,
) -> Vec<String> {
    let limits = StoreLimits { total: AFTER_LOAD_TIMEOUT, ..StoreLimits::default() };
    after_load_within(sources, files, context, &limits).await
}

/// The same with other limits, for tests.
pub async fn after_load_within(
    sources: &[SourceConfig],
    files: &[InputFile],
    context: &ExtractContext,
    limits: &StoreLimits,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        // SFTP sources have tasks, too, and carry them out by themselves.
        if source.place().is_none() {
            continue;
        }
        let tasks: Vec<&RemoteTask> =
            files.iter().filter(|file| file.source == index).filter_map(|file| file.after_load.as_ref()).collect();
        if tasks.is_empty() {
            continue;
        }
        match open(source, context, limits) {
            Ok(store) => warnings.extend(carry_out_all(&*store, &tasks, context, limits).await),
            Err(error) => warnings.push(error.to_string()),
        }
    }
    warnings
}

/// Carries out the tasks of one source until its time is up or the run should stop. The files that are left stay where
/// they are; their rows are duplicates when they are read again.
async fn carry_out_all(
    store: &dyn FileStore,
    tasks: &[&RemoteTask],
    context: &ExtractContext,
    limits: &StoreLimits,
) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + limits.total;
    let mut warnings = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        let name = store.shown(&task.path);
        let carried_out = tokio::select! {
            biased;
            () = context.stop.cancelled() => Err("the run was asked to stop".to_owned()),
            done = tokio::time::timeout_at(deadline, carry_out(store, task, limits)) => {
                done.map_err(|_| format!("the actions after the load took longer than {} s", limits.total.as_secs_f32()))
            }
        };
        match carried_out {
            Ok(Ok(done)) => tracing::info!("{done}"),
            Ok(Err(StoreError::Changed { .. })) => {
                warnings.push(format!("{name} was loaded and stays as it is: it has changed since"));
            }
            Ok(Err(error)) => warnings.push(format!("{name} was loaded and stays as it is: {error}")),
            Err(why) => {
                let more = match tasks.len() - number - 1 {
                    0 => String::new(),
                    1 => " and 1 more file".to_owned(),
                    more => format!(" and {more} more files"),
                };
                warnings.push(format!("{name}{more} were loaded and may still be as they were: {why}"));
                break;
            }
        }
    }
    warnings
}

/// The request of an earlier attempt whose answer was lost, so that the server may have carried it out.
enum Asked {
    Nothing,
    Delete,
    MoveTo(String),
}

/// Carries out one task. Returns a sentence for the log.
async fn carry_out(store: &dyn FileStore, task: &RemoteTask, limits: &StoreLimits) -> Result<String> {
    let mut attempts = Attempts::new(limits);
    let mut asked = Asked::Nothing;
    loop {
        match once(store, task, &mut asked).await {
            Err(error) => attempts.after(error).await?,
            done => return done,
        }
    }
}

async fn once(store: &dyn FileStore, task: &RemoteTask, asked: &mut Asked) -> Result<String> {
    let (path, name) = (task.path.as_str(), store.shown(&task.path));
    let now = match (store.look(path).await, &*asked) {
        // The earlier attempt did it.
        (Err(StoreError::Missing { .. }), Asked::Delete) => return Ok(format!("deleted {name}")),
        (Err(StoreError::Missing { .. }), Asked::MoveTo(to)) => {
            let moved = store.look(to).await?;
            return match moved.size == task.version.size {
                true => Ok(format!("moved {name} to {}", store.shown(to))),
                false => Err(StoreError::Changed { name }),
            };
        }
        (now, _) => now?,
    };
    if now != task.version {
        return Err(StoreError::Changed { name });
    }
    match &task.action {
        AfterLoad::Keep => Ok(format!("kept {name}")),
        AfterLoad::Delete => {
            *asked = Asked::Delete;
            store.delete(path, &now).await?;
            Ok(format!("deleted {name}"))
        }
        AfterLoad::Move(folder) => {
            let to = match &*asked {
                // What is there is a copy of this file.
                Asked::MoveTo(to) => to.clone(),
                Asked::Nothing | Asked::Delete => destination(store, folder, path).await?,
            };
            *asked = Asked::MoveTo(to.clone());
            store.rename(path, &to, &now).await?;
            Ok(format!("moved {name} to {}", store.shown(&to)))
        }
        AfterLoad::Tag { key, value } => {
            store.tag(path, key, value).await?;
            Ok(format!("tagged {name} with {key}={value}"))
        }
    }
}

/// The path in `folder` that a file is moved to.
async fn destination(store: &dyn FileStore, folder: &str, path: &str) -> Result<String> {
    let is_taken = |path: String| async move {
        match store.look(&path).await {
            Ok(_) => Ok(true),
            Err(StoreError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    };
    let unreadable = |reason| StoreError::Unreadable { name: store.shown(folder), reason };
    free_path(path, |file| store.moved_path(folder, file), is_taken, unreadable).await
}
