//! Rows that were sent without knowing whether an equal one was sent before: there was no room to remember it.

use super::{Fed, spool_failed};
use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::overflow::Overflow;
use crate::load::seen::HashSet;

/// What it takes to find out which of them repeat another.
pub struct Doubt {
    memory: HashSet,
    overflow: Overflow,
    hash_budget: usize,
}

impl Doubt {
    /// `None`: there was room for all.
    pub fn new(memory: HashSet, overflow: Overflow, hash_budget: usize) -> Option<Self> {
        (!overflow.is_empty()).then_some(Self { memory, overflow, hash_budget })
    }
}

impl Fed {
    /// Counts the repeated rows among those in doubt, as duplicates of their files, and answers how many they are.
    pub async fn resolve_doubt(&mut self) -> Result<u64, Halt> {
        let Some(doubt) = self.doubt.take() else { return Ok(0) };
        let finding = tokio::task::spawn_blocking(move || {
            let Doubt { mut memory, overflow, hash_budget } = doubt;
            let mut repeated = Vec::new();
            let again = |file: u32| {
                let file = file as usize;
                repeated.resize(repeated.len().max(file + 1), 0_u64);
                repeated[file] += 1;
            };
            overflow.find_repeated(&mut memory, hash_budget, again).map(|()| repeated)
        });
        let died = |_| PipelineError::Internal("the thread that looks for repeated rows died".into());
        let repeated = finding.await.map_err(died)?.map_err(spool_failed)?;
        for (tally, repeated) in self.tallies.iter_mut().zip(&repeated) {
            tally.sent -= repeated;
            tally.duplicate += repeated;
        }
        Ok(repeated.iter().sum())
    }
}
