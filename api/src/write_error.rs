//! Why a file of rows was not written.

use std::error::Error;
use std::io;

use elt_shared::disk::is_full;
use elt_shared::target::TargetError;
use rust_xlsxwriter::XlsxError;

/// Why a file of rows was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A value does not fit into a cell, and cut it would be another one.
    #[error("the column {column} has a value of {characters} characters, and a cell of Excel holds {most}")]
    CellTooLong {
        /// Its name.
        column: String,
        /// Units of UTF-16.
        characters: usize,
        /// Units of UTF-16 that a cell holds.
        most: usize,
    },
    /// Reading the rows failed, or they have more bytes than an export may have.
    #[error(transparent)]
    Rows(#[from] TargetError),
    /// A workbook could not be written.
    #[error("could not write the workbook")]
    Workbook(#[from] XlsxError),
    /// A Parquet file could not be written.
    #[error("could not write the Parquet file: {reason}")]
    Parquet {
        /// What the writer says.
        reason: String,
    },
    /// A value of a column is not what its type and the measured range of its values allow.
    #[error("a value of the column {column} is not a {sql_type}")]
    Value {
        /// Its name.
        column: String,
        /// Its type.
        sql_type: String,
    },
    /// The file could not be made or read.
    #[error("could not write the file")]
    Disk(#[from] io::Error),
    /// The client has gone away.
    #[error("the client has gone away")]
    Stopped,
}

impl WriteError {
    /// Whether there is too little room on the disk.
    pub fn is_about_room(&self) -> bool {
        match self {
            Self::Disk(error) | Self::Workbook(XlsxError::IoError(error)) => is_full(error),
            Self::Workbook(XlsxError::ZipError(error)) => {
                error.source().and_then(|error| error.downcast_ref()).is_some_and(is_full)
            }
            _ => false,
        }
    }
}
