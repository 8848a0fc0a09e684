//! The converting thread: batches of cells become batches of typed values, and rows of the combined CSV.

use std::sync::mpsc::{Receiver, SyncSender};

use super::FeedError;
use super::combine::Combining;
use crate::contract::{Converter, TypedBatch};
use crate::frame::combined::CombinedCsv;
use crate::frame::{BadRecord, Piece};
use crate::load::refused::Refusing;

/// What the writing thread gets.
pub enum Typed {
    /// Rows with the columns of the layout.
    Rows(Box<TypedBatch>),
    /// A record that is no row.
    Bad(BadRecord),
}

/// Converts what the reading thread hands over, until it ends. Answers the combined CSV, safe on disk.
pub fn convert(
    mut converter: Converter,
    mut combining: Option<Combining>,
    mut refusing: Option<Refusing>,
    pieces: &Receiver<Piece>,
    send: &SyncSender<Typed>,
) -> Result<Option<CombinedCsv>, FeedError> {
    for piece in pieces {
        let typed = match piece {
            Piece::Rows(batch) => {
                let mut typed = converter.convert(batch)?;
                if let Some(refusing) = &mut refusing {
                    refusing.batch(&mut typed);
                }
                Typed::Rows(Box::new(typed))
            }
            Piece::Bad(bad) => Typed::Bad(bad),
        };
        if let (Typed::Rows(rows), Some(combining)) = (&typed, &mut combining) {
            combining.batch(rows)?;
        }
        send.send(typed).map_err(|_| FeedError::Closed)?;
    }
    combining.map(Combining::finish).transpose()
}
