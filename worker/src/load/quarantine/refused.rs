//! Rows that the target's table refuses. An earlier try of the same load found them, and the next one rejects them.
//!
//! The server reports one refused row at a time, and only after the row was sent. So a load that meets one finds all of them
//! ([`refused_search`](super::refused_search)), rolls back and starts again. Its second pass over the files then rejects these
//! rows like rows that break the contract, with their lines, texts and cells.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use elt_shared::explained::Code;

use crate::contract::cells::Cells;
use crate::contract::{Layout, TypedBatch, Violation};
use crate::load::dedupe::row_hash::{Reading, RowHasher};

/// Number of refused rows after which the search ends, because the table then refuses a kind of row and not some rows.
pub const MOST_REFUSED: usize = 10_000;
/// Most refused rows that are kept in memory.
pub const MOST_KEPT: usize = 200_000;

/// The reason why the table refuses a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Column of the layout; `None`: the reason is about several columns, or about the whole row.
    pub column: Option<usize>,
    /// Stable code, as [`Violation::code`].
    pub code: Code,
    /// A sentence about the value or the row, without the column's name. It may show a value of the row.
    pub reason: String,
    /// The same sentence without values, for logs.
    pub rule: String,
}

/// Refused rows by their number: rows are counted from 0 in the order of the run's files.
#[derive(Debug, Clone, Default)]
pub struct Refused {
    rows: HashMap<i64, Arc<Refusal>>,
    /// By row hash, where rows have one: a row that is equal to a refused one is refused as well.
    hashes: HashMap<u128, Arc<Refusal>>,
    /// Whether the search ended early, so that more rows may be refused.
    pub exceeded: bool,
    /// Number of rows that checks of the config leave out, by the place of the check in the config.
    pub by_check: BTreeMap<usize, u64>,
}

impl Refused {
    /// Whether no row is refused.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.hashes.is_empty()
    }

    /// Number of rows. Rows that are equal count once where they are known by their hash alone.
    pub fn len(&self) -> usize {
        self.rows.len().max(self.hashes.len())
    }

    /// Adds a row, with its hash if rows are hashed. Rows beyond the limit of memory are left to the next try.
    pub fn add(&mut self, row: i64, hash: Option<u128>, refusal: &Arc<Refusal>) {
        if self.rows.len() >= MOST_KEPT {
            self.exceeded = true;
            return;
        }
        self.rows.insert(row, refusal.clone());
        if let Some(hash) = hash {
            self.hashes.insert(hash, refusal.clone());
        }
    }

    /// Adds rows that fail a check of the config, by their hashes.
    pub fn add_of_check(&mut self, check: usize, hashes: impl Iterator<Item = u128>, refusal: &Arc<Refusal>) {
        for hash in hashes {
            // A row that fails several checks is left out for the first of them.
            if let Entry::Vacant(entry) = self.hashes.entry(hash) {
                entry.insert(refusal.clone());
                *self.by_check.entry(check).or_default() += 1;
            }
        }
    }

    /// Adds the rows that a later try found.
    pub fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.hashes.extend(other.hashes);
        self.exceeded |= other.exceeded;
        for (check, rows) in other.by_check {
            *self.by_check.entry(check).or_default() += rows;
        }
    }
}

/// Finds refused rows on their way through the second pass.
pub struct RefusedFilter {
    refused: Arc<Refused>,
    hasher: Option<RowHasher>,
    /// Number of the next batch's first row.
    next: i64,
}

impl RefusedFilter {
    /// A filter for the batches of one load. `None`: no row is refused.
    pub fn new(refused: Arc<Refused>, layout: &Layout) -> Option<Self> {
        let hasher = (!refused.hashes.is_empty()).then(|| RowHasher::new(layout));
        (!refused.is_empty()).then_some(Self { refused, hasher, next: 0 })
    }

    /// Adds violations for the batch's refused rows.
    pub fn batch(&mut self, typed: &mut TypedBatch) {
        let first = self.next;
        let rows = typed.raw.rows();
        self.next += rows as i64;
        let mut found = Vec::new();
        let cells: Vec<_> = typed.frame.columns().iter().map_while(Cells::of).collect();
        for row in 0..rows {
            let known = self.refused.rows.get(&(first + row as i64));
            let refusal = known.or_else(|| {
                let hash = self.hasher.as_mut()?.typed(&cells, row, Reading::of(typed));
                self.refused.hashes.get(&hash)
            });
            if let Some(refusal) = refusal {
                found.push(violation(row, refusal));
            }
        }
        drop(cells);
        typed.violations.extend(found);
        // One violation is kept for each row. The sort is stable, so that the contract's comes before the table's.
        typed.violations.sort_by_key(|violation| violation.row);
        typed.violations.dedup_by_key(|violation| violation.row);
    }
}

fn violation(row: usize, refusal: &Refusal) -> Violation {
    Violation {
        row,
        column: refusal.column,
        code: refusal.code,
        reason: refusal.reason.clone(),
        rule: Some(refusal.rule.clone()),
        refused: true,
    }
}
