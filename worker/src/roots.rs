//! Which files configs may name: those below some folders, and never the program's own.

use std::path::{Path, PathBuf};

use crate::extract::words::unreadable;

/// In the data folder: keys, the log, and the private cluster with its passwords.
const OWN: [&str; 3] = ["keys.json", "elt.log", "postgres"];

/// The folders sources and output files may be in.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// Empty: anywhere.
    folders: Vec<PathBuf>,
    own: Vec<PathBuf>,
    /// The data folder's `output`, where files may always be written.
    output: Option<PathBuf>,
}

impl From<Vec<PathBuf>> for Roots {
    fn from(folders: Vec<PathBuf>) -> Self {
        Self { folders, own: Vec::new(), output: None }
    }
}

impl Roots {
    /// These folders, without what the program keeps for itself in its data folder.
    pub fn new(folders: Vec<PathBuf>, data_dir: &Path) -> Self {
        let own = OWN.iter().map(|name| data_dir.join(name)).collect();
        // The path is resolved without `output`, because the first run makes that folder.
        let data_dir = std::fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        Self { folders, own, output: Some(data_dir.join("output")) }
    }

    /// Whether a path may be read; its links are followed.
    ///
    /// # Errors
    /// Why not, as the end of a sentence that starts with the path.
    pub fn inside(&self, path: &Path) -> Result<(), String> {
        let real =
            std::fs::canonicalize(path).map_err(|error| format!("cannot be followed: {}", unreadable(&error)))?;
        if self.own(&real) {
            return Err("is one of elt's own files".into());
        }
        match self.holds(&real) {
            true => Ok(()),
            false => Err("is outside the folders the worker may read".into()),
        }
    }

    /// Whether a file may be written at a path without links.
    pub fn may_write(&self, real: &Path) -> bool {
        self.holds(real) || self.output.as_ref().is_some_and(|output| below(real, output))
    }

    /// Whether a path without links is the program's own.
    pub fn own(&self, real: &Path) -> bool {
        self.own.iter().any(|own| below(real, own))
    }

    /// Whether a path without links lies in one of the folders.
    pub fn holds(&self, real: &Path) -> bool {
        self.folders.is_empty() || self.folders.iter().any(|folder| below(real, folder))
    }
}

fn below(real: &Path, folder: &Path) -> bool {
    real.starts_with(std::fs::canonicalize(folder).as_deref().unwrap_or(folder))
}
