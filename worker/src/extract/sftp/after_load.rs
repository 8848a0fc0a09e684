//! The action on a file of the server after its rows are loaded: it is moved or deleted, if it is still the file that was read.

use std::sync::{Mutex, PoisonError};

use elt_shared::config::AfterLoad;

use super::error::{Result, SftpError};
use super::listing::{Version, look, version};
use super::remote::Remote;
use super::session::Session;
use crate::extract::byte_names;
use crate::extract::remote_paths::free_path;
use crate::input::RemoteTask;

/// The request of an earlier connection whose answer was lost, so that the server may have carried it out.
#[derive(Debug, Clone)]
enum Asked {
    Delete,
    MoveTo(String),
}

/// Carries out one task. Returns a sentence for the log.
pub(super) async fn carry_out(remote: &mut Remote<'_>, task: &RemoteTask) -> Result<String> {
    let asked = &Mutex::new(None);
    remote.with(|session| async move { once(&session, task, asked).await }).await
}

async fn once(session: &Session, task: &RemoteTask, asked: &Mutex<Option<Asked>>) -> Result<String> {
    let name = session.name(&task.path);
    let is_loaded = |now: Option<Version>| now.is_some_and(|now| task.version == now.into());
    let now = match look(session, &task.path).await {
        Err(error @ SftpError::Missing { .. }) => {
            // The server may have carried out the request before the connection broke. Then the file is already there.
            let done = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
            return match done {
                Some(Asked::Delete) => Ok(format!("deleted {name}")),
                Some(Asked::MoveTo(to)) if is_loaded(version(&look(session, &to).await?)) => {
                    Ok(format!("moved {name} to {}", byte_names::shown(&to)))
                }
                _ => Err(error),
            };
        }
        now => version(&now?),
    };
    if !is_loaded(now) {
        return Err(SftpError::Changed { name });
    }
    let note = |request: Asked| *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
    let mut fs = session.sftp.fs();
    match &task.action {
        // Only objects in buckets have tags.
        AfterLoad::Keep | AfterLoad::Tag { .. } => Ok(format!("kept {name}")),
        AfterLoad::Delete => {
            note(Asked::Delete);
            session.answer(&name, fs.remove_file(&task.path)).await?;
            Ok(format!("deleted {name}"))
        }
        AfterLoad::Move(folder) => {
            let to = destination(session, folder, &task.path).await?;
            note(Asked::MoveTo(to.clone()));
            session.answer(&name, fs.rename(&task.path, &to)).await?;
            Ok(format!("moved {name} to {}", byte_names::shown(&to)))
        }
    }
}

/// The path in `folder` that a file is moved to. The folder is created when it is missing.
async fn destination(session: &Session, folder: &str, path: &str) -> Result<String> {
    if let Err(SftpError::Missing { .. }) = look(session, folder).await {
        session.answer(&session.name(folder), session.sftp.fs().create_dir(folder)).await?;
    }
    let path_of = |file: &str| format!("{}/{file}", folder.trim_end_matches('/'));
    let is_taken = |path: String| async move {
        match look(session, &path).await {
            Ok(_) => Ok(true),
            Err(SftpError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    };
    free_path(path, path_of, is_taken, |reason| SftpError::Unreadable { name: session.name(folder), reason }).await
}
