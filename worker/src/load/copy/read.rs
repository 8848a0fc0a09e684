//! The reading thread: bytes become batches. A file that changed since the first pass ends the second pass.

use std::sync::mpsc::{Receiver, SyncSender};

use tokio_util::sync::CancellationToken;

use super::{FileContent, SecondPassError};
use crate::error::PipelineError;
use crate::frame::profile::Profile;
use crate::frame::read::FileError;
use crate::frame::{Piece, RawBatch};
use crate::input::InputFile;
use crate::progress::Progress;
use crate::shape;

/// Reads the files, one after the other. `expected`: what the first pass found, if it has ended. `spares` are batches whose memory is
/// used again. Returns what was read of each file.
pub fn read_files(
    files: &[(usize, InputFile)],
    expected: Option<&Profile>,
    send: &SyncSender<Piece>,
    spares: &Receiver<RawBatch>,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<Vec<FileContent>, SecondPassError> {
    let mut contents = Vec::with_capacity(files.len());
    for (place, file) in files {
        progress.file(&file.name);
        // A disk without room is the worker's problem: the run waits, and the file has not changed.
        let changed = || SecondPassError::Changed { file: *place };
        let failed = |error: FileError| error.of_worker().map_or_else(changed, SecondPassError::from);
        let mut reader = shape::open(*place, file).map_err(failed)?;
        loop {
            if stop.is_cancelled() {
                return Err(PipelineError::Stopped.into());
            }
            if let Ok(batch) = spares.try_recv() {
                reader.recycle(batch);
            }
            let Some(piece) = reader.next().map_err(failed)? else { break };
            send.send(piece).map_err(|_| SecondPassError::Closed)?;
        }
        let read = reader.summary();
        let content = FileContent { file: *place, bytes: read.bytes, hash: read.content_hash };
        // The rules for rejected rows must not judge rows of other bytes than those that the columns were decided from.
        if expected.is_some_and(|profile| !content.is_as_profiled(profile)) {
            return Err(changed());
        }
        contents.push(content);
        progress.file_done();
    }
    Ok(contents)
}
