//! What a load needs to commit once its rows are copied: the findings of the first pass, and what was decided from them. A
//! load that began before the end of the first pass waits for it here.

use std::sync::Arc;

use elt_shared::runs::report::{Drift, RunReport};
use tokio::sync::oneshot;

use super::Halt;
use super::copy::FileContent;
use super::cursors::NewCursor;
use crate::contract::decide::Change;
use crate::error::PipelineError;
use crate::frame::profile::Profile;

/// What the first pass found and what was decided by it, beside the columns.
pub struct Decided {
    /// The findings about the files.
    pub profile: Arc<Profile>,
    /// Changes that the table needs before the rows fit into it.
    pub changes: Vec<Change>,
    /// Differences between the files and the table, for the report.
    pub drift: Vec<Drift>,
    /// The cursors of incremental sources after this run.
    pub cursors: Vec<NewCursor>,
    /// The report so far.
    pub report: RunReport,
}

/// The first pass, as a load sees it.
pub enum FirstPass {
    /// It had ended when the load began.
    Ended(Box<Decided>),
    /// It goes on while the rows are copied. The sender sends when the columns are those that the load began with; otherwise it is
    /// dropped, and nothing of the load may be committed.
    Running(oneshot::Receiver<Decided>),
}

impl FirstPass {
    /// The findings about the files. `None`: it goes on.
    pub(super) fn profile(&self) -> Option<Arc<Profile>> {
        match self {
            Self::Ended(decided) => Some(Arc::clone(&decided.profile)),
            Self::Running(_) => None,
        }
    }

    /// Waits for the end of the first pass. `contents`: what the second pass has read.
    ///
    /// # Errors
    /// [`Halt::FileChanged`] when both passes did not read the same bytes; [`PipelineError::Stopped`] when the sender was dropped.
    pub(super) async fn ended(self, contents: &[FileContent]) -> Result<Decided, Halt> {
        let decided = match self {
            Self::Ended(decided) => *decided,
            Self::Running(decided) => decided.await.map_err(|_| PipelineError::Stopped)?,
        };
        // The types of the columns were decided from other bytes, so the rows that were sent must not be loaded.
        let is_other = |read: &&FileContent| !read.is_as_profiled(&decided.profile);
        match contents.iter().find(is_other) {
            Some(changed) => Err(Halt::FileChanged { file: changed.file }),
            None => Ok(decided),
        }
    }
}

impl FileContent {
    /// Whether the first pass has read the same bytes.
    pub(super) fn is_as_profiled(&self, profile: &Profile) -> bool {
        profile.files.get(self.file).is_some_and(|file| {
            (file.index, file.summary.bytes, file.summary.content_hash) == (self.file, self.bytes, self.hash)
        })
    }
}
