//! Shape: what `shape:` of a config makes of the columns and rows of a file, before the types, the schema and the row hash see
//! them.
//!
//! A file is opened by [`open`] wherever its rows are loaded or shown, so that masked values are masked there. Only what an API
//! source reads for itself, its cursor and the values of `for_each`, is read before.
//!
//! # Layout
//! - [`mod@self`]: opening a file with its shape
//! - `plan`: the names of the config, found among the columns of a file
//! - `compile`, `kernels`, `number`, `json`: expressions as expressions of polars, and what polars does not have exactly
//! - `spelling`: whether a text writes numbers as its file does
//! - `mask`: what is shown in place of masked values
//! - `shaper`: batches of cells through all of it

mod compile;
mod json;
mod kernels;
mod mask;
mod number;
mod plan;
mod shaper;
mod spelling;
#[cfg(test)]
mod tests;

use crate::frame::read::{self, FileError, Reader};
use crate::input::InputFile;
use shaper::Shaper;

/// Opens a file, whose rows are shaped if its source says so. Rows of the quarantine that are loaded again are not, because they
/// were shaped before they were rejected.
///
/// # Errors
/// When it cannot be read, its header cannot be a table's, or it does not have the columns that the shape names.
pub fn open(file_index: usize, file: &InputFile) -> Result<Reader, FileError> {
    let reader = read::open(file_index, file)?;
    match &file.options.shape {
        Some(shaping) => {
            let numbers = reader.numbers();
            reader.shaped(Box::new(Shaper::new(shaping.clone(), file, numbers)))
        }
        None => Ok(reader),
    }
}
