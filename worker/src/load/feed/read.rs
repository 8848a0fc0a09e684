//! The reading thread: bytes become batches. A file that is not what it was at the first pass ends everything.

use std::sync::mpsc::{Receiver, SyncSender};

use tokio_util::sync::CancellationToken;

use super::FeedError;
use crate::error::PipelineError;
use crate::extract::InputFile;
use crate::frame::read::{self, FileSummary};
use crate::frame::{Piece, RawBatch};
use crate::progress::Progress;

/// Reads the files, one after the other.
pub fn read_files(
    files: &[(usize, InputFile, FileSummary)],
    send: &SyncSender<Piece>,
    spares: &Receiver<RawBatch>,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), FeedError> {
    for (place, file, expected) in files {
        progress.file(&file.name);
        let changed = || FeedError::Changed { file: *place };
        let mut reader = read::open(*place, file).map_err(|_| changed())?;
        loop {
            if stop.is_cancelled() {
                return Err(PipelineError::Stopped.into());
            }
            if let Ok(batch) = spares.try_recv() {
                reader.recycle(batch);
            }
            let Some(piece) = reader.next().map_err(|_| changed())? else { break };
            send.send(piece).map_err(|_| FeedError::Closed)?;
        }
        let seen = reader.summary();
        if (seen.bytes, seen.content_hash) != (expected.bytes, expected.content_hash) {
            return Err(changed());
        }
        progress.file_done();
    }
    Ok(())
}
