//! Which rows are looked at for the commonest values of columns with many different ones.

use super::hash;

/// Rows of a load that are all looked at.
const ALL_ROWS: u64 = 20_000;
/// Rows that one row stands for afterwards.
pub const SAMPLED: u8 = 64;

/// The number of rows that a row stands for, by its number in the load. Zero: it is not looked at.
///
/// Rows are chosen by a hash of their number, because values that come in turns would be missed or counted too often by
/// equal steps. The same rows are chosen in every load.
#[inline]
pub fn weight(row: u64) -> u8 {
    if row < ALL_ROWS {
        return 1;
    }
    let is_chosen = hash::of_number(row as i64).is_multiple_of(u64::from(SAMPLED));
    if is_chosen { SAMPLED } else { 0 }
}
