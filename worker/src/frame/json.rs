//! JSON files.

use std::sync::Arc;

use super::read::FileError;
use super::sheet::Sheet;
use super::window::Window;
use crate::extract::InputFile;

/// A JSON file that is being read.
pub(super) struct Json {
    window: Window,
}

impl Json {
    pub(super) fn open(window: Window, _file: usize, _input: &InputFile) -> Result<Self, FileError> {
        Err(FileError::new("unsupported", window.name(), None, "JSON is not read yet"))
    }

    pub(super) fn read(&mut self, _sheet: &mut Sheet) -> Result<bool, FileError> {
        Ok(false)
    }

    pub(super) fn text(&self) -> &[u8] {
        self.window.text()
    }

    pub(super) fn names(&self) -> Arc<Vec<String>> {
        Arc::default()
    }

    pub(super) fn filtered(&self) -> u64 {
        0
    }

    pub(super) fn seen(&self) -> (u64, u128) {
        self.window.seen()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
