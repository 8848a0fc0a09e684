//! The check of rows that were sent although an equal row may have been sent before, because their hashes found no room in
//! memory.

use super::hash_set::RowHashSet;
use super::spill::Spill;
use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::copy::{SecondPassResult, spool_failed};

/// The hashes of these rows, and memory to compare them in.
pub struct CollisionCheck {
    memory: RowHashSet,
    spill: Spill,
}

impl CollisionCheck {
    /// A check in the memory of the set that had no room. `None`: there was room for all hashes.
    pub fn new(memory: RowHashSet, spill: Spill) -> Option<Self> {
        (!spill.is_empty()).then_some(Self { memory, spill })
    }
}

impl SecondPassResult {
    /// Finds the repeated rows among those whose hashes were spilled, and counts them as duplicates of their files.
    /// Returns how many they are. They are in the target's staging or new table, and the caller deletes them there.
    ///
    /// # Errors
    /// [`PipelineError::Io`] when the spill file cannot be read back.
    pub async fn count_repeated(&mut self) -> Result<u64, Halt> {
        let Some(check) = self.collision_check.take() else { return Ok(0) };
        let finding = tokio::task::spawn_blocking(move || {
            let CollisionCheck { mut memory, spill } = check;
            let mut repeated = Vec::new();
            let count = |file: u32| {
                let file = file as usize;
                repeated.resize(repeated.len().max(file + 1), 0_u64);
                repeated[file] += 1;
            };
            spill.find_repeated(&mut memory, count).map(|()| repeated)
        });
        let died = |_| PipelineError::Internal("the thread that looks for repeated rows died".into());
        let repeated = finding.await.map_err(died)?.map_err(spool_failed)?;
        for (counts, repeated) in self.row_counts.iter_mut().zip(&repeated) {
            counts.sent -= repeated;
            counts.duplicate += repeated;
        }
        Ok(repeated.iter().sum())
    }
}
