//! The first rows of some files, profiled as the first pass profiles all rows.

use tokio_util::sync::CancellationToken;

use super::{Expectation, Merger, Profile, profile_file};
use crate::error::{PipelineError, Result};
use crate::frame::read::Open;
use crate::input::InputFile;

/// Most files that are looked at. They are spread evenly over all files, because neighbours are often alike.
const FILES: usize = 4;
/// Number of bytes that are looked at in each file. A file is read in windows of a megabyte.
const BYTES_PER_FILE: u64 = 2 << 20;
/// Most batches that are looked at in each file, because rows that a shape leaves out, and records that are not rows, have no bytes.
const BATCHES_PER_FILE: usize = 16;

/// The first rows of some files.
pub struct Sample {
    /// Their profile. It has only the files that were looked at.
    pub profile: Profile,
    /// Number of bytes of these rows.
    pub bytes: u64,
}

/// Profiles the first rows of some files, each opened by `open`. It blocks its thread.
///
/// # Errors
/// [`PipelineError::Stopped`] when the run is stopped. A file that cannot be read is part of the profile.
pub fn first_rows(
    files: &[InputFile],
    expectations: &[Expectation],
    open: Open,
    stop: &CancellationToken,
) -> Result<Sample> {
    let count = files.len().min(FILES);
    let mut merger = Merger::default();
    let mut bytes = 0;
    for place in 0..count {
        let index = place * files.len() / count;
        let (mut of_file, mut batches) = (0, 0);
        let mut read = |_, bytes| {
            of_file += bytes;
            batches += 1;
            of_file < BYTES_PER_FILE && batches < BATCHES_PER_FILE
        };
        let profiled = profile_file(index, &files[index], expectations, open, stop, &mut read);
        merger.add(place, profiled.ok_or(PipelineError::Stopped)?);
        bytes += of_file;
    }
    Ok(Sample { profile: merger.finish(), bytes })
}
