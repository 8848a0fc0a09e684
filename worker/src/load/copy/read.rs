//! The reading thread: bytes become batches. A file that changed since the first pass ends the second pass.

use std::sync::mpsc::{Receiver, SyncSender};

use tokio_util::sync::CancellationToken;

use super::SecondPassError;
use crate::error::PipelineError;
use crate::frame::read::{FileError, FileSummary};
use crate::frame::{Piece, RawBatch};
use crate::input::InputFile;
use crate::progress::Progress;
use crate::shape;

/// Reads the files, one after the other. `spares` are batches whose memory is used again.
pub fn read_files(
    files: &[(usize, InputFile, FileSummary)],
    send: &SyncSender<Piece>,
    spares: &Receiver<RawBatch>,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), SecondPassError> {
    for (place, file, expected) in files {
        progress.file(&file.name);
        let changed = || SecondPassError::Changed { file: *place };
        // A disk without room is the worker's problem: the run waits, and the file has not changed.
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
        // The types of the columns were decided from other bytes, so the rows that were sent must not be loaded.
        if (read.bytes, read.content_hash) != (expected.bytes, expected.content_hash) {
            return Err(changed());
        }
        progress.file_done();
    }
    Ok(())
}
