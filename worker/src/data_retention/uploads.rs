//! Unfinished uploads to inboxes.

use std::path::PathBuf;
use std::time::Duration;

use elt_shared::inbox::Inbox;
use tokio::task::spawn_blocking;

use super::{DataFolderError, Removed, entries};

/// Removes the uploads below `inboxes` to which no byte was written for the time `unused`, and counts them in `removed`.
pub async fn remove(inboxes: PathBuf, unused: Duration, removed: &mut Removed) -> Result<(), DataFolderError> {
    let removing = spawn_blocking(move || {
        let (folders, more) = entries(&inboxes)?;
        let mut count = 0;
        for folder in folders {
            // What is not an inbox was put there by somebody else.
            if let Ok(Some(inbox)) = Inbox::open_at(&folder.path()) {
                count += inbox.remove_unfinished(unused)?;
            }
        }
        Ok::<_, std::io::Error>((count, more))
    });
    (removed.cleaned.removed, removed.cleaned.behind) = removing.await.map_err(std::io::Error::other)??;
    Ok(())
}
