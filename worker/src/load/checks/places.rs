//! The files and lines of sample rows. The table does not have them, so the files are read once more when a check fails, up
//! to the last of the rows that are looked for. This happens after the loading transaction, so that it holds no lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use elt_shared::runs::CheckResult;
use tokio_util::sync::CancellationToken;

use crate::contract::cells::Cells;
use crate::contract::{Converter, Layout};
use crate::frame::Piece;
use crate::input::InputFile;
use crate::load::LoadTask;
use crate::load::dedupe::row_hash::{Reading, RowHasher};
use crate::shape;

/// The files of a load, to find rows in.
pub struct Finder {
    /// The files with their indexes among the run's files.
    files: Vec<(usize, InputFile)>,
    layout: Arc<Layout>,
}

/// Name of a file, and line in it.
type Place = (String, u64);

impl Finder {
    /// The files of a load. It has none when the config has no checks.
    pub fn of(task: &LoadTask<'_>) -> Self {
        let readable = task.readable.iter();
        let files = match task.context.config.checks.is_empty() {
            true => Vec::new(),
            false => readable.map(|&index| (index, task.files[index].clone())).collect(),
        };
        Self { files, layout: task.layout.clone() }
    }

    /// Adds the places of sample rows that lack them. A file that cannot be read any more, and a stop, leave them unknown.
    pub async fn add_to(self, results: &mut [CheckResult], stop: &CancellationToken) {
        let samples = || results.iter().flat_map(|result| &result.samples);
        let wanted: HashSet<u128> =
            samples().filter(|sample| sample.file.is_none()).filter_map(|sample| sample.row_hash).collect();
        if wanted.is_empty() {
            return;
        }
        let stop = stop.clone();
        let found = tokio::task::spawn_blocking(move || self.find(wanted, &stop)).await.unwrap_or_default();
        for sample in results.iter_mut().flat_map(|result| &mut result.samples) {
            let place = sample.row_hash.and_then(|hash| found.get(&hash));
            if let Some((file, line)) = place.filter(|_| sample.file.is_none()) {
                (sample.file, sample.line) = (Some(file.clone()), Some(*line));
            }
        }
    }

    /// The first place of each row, by its hash.
    fn find(&self, mut wanted: HashSet<u128>, stop: &CancellationToken) -> HashMap<u128, Place> {
        let mut found = HashMap::new();
        let (mut converter, mut hasher) = (Converter::new(self.layout.clone()), RowHasher::new(&self.layout));
        for (index, file) in &self.files {
            let Ok(mut reader) = shape::open(*index, file) else { continue };
            while let Ok(Some(piece)) = reader.next() {
                if wanted.is_empty() || stop.is_cancelled() {
                    return found;
                }
                let Piece::Rows(batch) = piece else { continue };
                let Ok(typed) = converter.convert(batch) else { return found };
                let cells: Vec<_> = typed.frame.columns().iter().map_while(Cells::of).collect();
                for row in 0..typed.raw.rows() {
                    // A rejected row is not loaded, and its values are not those that its hash would say.
                    if typed.violations.binary_search_by_key(&row, |violation| violation.row).is_ok() {
                        continue;
                    }
                    let hash = hasher.typed(&cells, row, Reading::of(&typed));
                    if wanted.remove(&hash) {
                        found.insert(hash, (file.name.clone(), typed.raw.lines[row]));
                    }
                }
            }
        }
        found
    }
}
