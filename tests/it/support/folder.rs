//! A folder of a test's own, removed with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary folder to put sources in.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, with the folders above it, and says where it is. Readers find the whole file or none of it: it
    /// is written elsewhere and then moved.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder above the file")).expect("created the folder");
        let unfinished = format!("{}.{}", self.path().display(), NUMBER.fetch_add(1, Ordering::Relaxed));
        std::fs::write(&unfinished, content).expect("wrote the file");
        std::fs::rename(&unfinished, &path).expect("moved the file");
        path
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("read the file")
    }
}
