//! The run's work folder, removed when the run ends.

use std::path::{Path, PathBuf};

use elt_shared::private_folder;

use crate::error::{PipelineError, Result};
use crate::run_context::RunContext;

/// A folder for spooled files. It is deleted with them when this value is dropped.
#[derive(Debug)]
pub struct WorkFolder(PathBuf);

impl WorkFolder {
    /// Creates the folder of an attempt.
    ///
    /// # Errors
    /// [`PipelineError::Io`] when the data folder cannot be written to.
    pub fn create(context: &RunContext) -> Result<Self> {
        let path = context.work_folder();
        private_folder::create(&path).map_err(|source| PipelineError::Io {
            doing: format!("make the work folder {}", path.display()),
            source,
        })?;
        Ok(Self(path))
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
