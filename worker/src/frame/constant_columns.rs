//! Columns that a file does not have itself, with the same value in each of its rows.

use std::sync::Arc;

use elt_shared::explained::Code;

use super::CellKind;
use super::profile::Declared;
use super::read::{FileError, FileSummary, Rows};
use super::record_batch::{Cell, RecordBatch};

/// The rows of a file with further columns in front of its own. They are in front because a JSON file gains columns while it
/// is read.
pub(super) struct ConstantColumns {
    rows: Box<dyn Rows>,
    file: String,
    constants: Vec<(String, Option<String>)>,
    names: Arc<Vec<String>>,
    /// Number of the file's own columns in `names`.
    own: usize,
}

impl ConstantColumns {
    /// Adds the columns to the rows of the file with this name.
    ///
    /// # Errors
    /// When the file has a column of such a name itself.
    pub(super) fn new(
        rows: Box<dyn Rows>,
        file: &str,
        constants: &[(String, Option<String>)],
    ) -> Result<Self, FileError> {
        let names = Arc::new(constants.iter().map(|(name, _)| name.clone()).collect());
        let mut columns = Self { rows, file: file.to_owned(), constants: constants.to_vec(), names, own: 0 };
        columns.take_names()?;
        Ok(columns)
    }

    /// Takes over the names of the file's columns that appeared since the last batch.
    fn take_names(&mut self) -> Result<(), FileError> {
        let own = self.rows.names();
        if own.len() == self.own {
            return Ok(());
        }
        for name in &own[self.own..] {
            if self.constants.iter().any(|(constant, _)| constant.to_lowercase() == name.to_lowercase()) {
                let what = format_args!("it has a column {name:?} itself, which the config makes for its files");
                return Err(FileError::new(Code::ReservedName, &self.file, None, what)
                    .hint("Give the column another name in `path_columns`, or in `excel.sheet_column`."));
            }
        }
        Arc::make_mut(&mut self.names).extend_from_slice(&own[self.own..]);
        self.own = own.len();
        Ok(())
    }
}

impl Rows for ConstantColumns {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        let more = self.rows.read(record_batch)?;
        self.take_names()?;
        let constants: Vec<Cell> = self
            .constants
            .iter()
            .map(|(_, value)| match value {
                Some(value) => {
                    let start = record_batch.extra.len();
                    record_batch.extra.extend_from_slice(value.as_bytes());
                    Cell::of_extra(CellKind::Bare, start, record_batch.extra.len())
                }
                None => Cell::NULL,
            })
            .collect();
        record_batch.put_in_front(&constants);
        Ok(more)
    }

    fn text(&self) -> &[u8] {
        self.rows.text()
    }

    fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    fn declared(&self, column: usize) -> Option<&Declared> {
        self.rows.declared(column.checked_sub(self.constants.len())?)
    }

    fn summary(&self) -> FileSummary {
        self.rows.summary()
    }
}
