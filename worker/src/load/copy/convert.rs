//! The converting thread: batches of cells become batches of typed values, and rows of the combined CSV.

use std::sync::mpsc::{Receiver, SyncSender};

use super::SecondPassError;
use crate::contract::{Converter, TypedBatch};
use crate::frame::{BadRecord, Piece};
use crate::load::combined_csv::CombinedCsv;
use crate::load::combined_csv::rows::CombinedRows;
use crate::load::quarantine::refused::RefusedFilter;

/// What the encoding thread gets.
pub enum Typed {
    /// Rows with the columns of the layout.
    Rows(Box<TypedBatch>),
    /// A record that is not a row.
    Bad(BadRecord),
}

/// Converts the pieces of the reading thread until it ends. Returns the combined CSV, synced to disk.
pub fn convert(
    mut converter: Converter,
    mut csv_rows: Option<CombinedRows>,
    mut refused: Option<RefusedFilter>,
    pieces: &Receiver<Piece>,
    send: &SyncSender<Typed>,
) -> Result<Option<CombinedCsv>, SecondPassError> {
    for piece in pieces {
        let typed = match piece {
            Piece::Rows(batch) => {
                let mut typed = converter.convert(batch)?;
                if let Some(refused) = &mut refused {
                    refused.batch(&mut typed);
                }
                Typed::Rows(Box::new(typed))
            }
            Piece::Bad(bad) => Typed::Bad(bad),
        };
        if let (Typed::Rows(rows), Some(csv_rows)) = (&typed, &mut csv_rows) {
            csv_rows.batch(rows)?;
        }
        send.send(typed).map_err(|_| SecondPassError::Closed)?;
    }
    csv_rows.map(CombinedRows::finish).transpose()
}
