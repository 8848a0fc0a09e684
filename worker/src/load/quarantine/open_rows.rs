//! Open rows of the quarantine: one for each place, with the number of runs that rejected it.
//!
//! A bad row that stays in its file is rejected by every run that reads the file. It would fill the quarantine, so the row
//! that is there is counted up and belongs to the last of these runs; it keeps its id, by which people replay it.

use elt_shared::target::TableRef;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::load::elt_tables::QUARANTINE;
use crate::load::marker::Attempt;

/// Bytes of a place.
const PLACE_BYTES: usize = 16;

/// The place of a row: its file, its line, and its text, because another text in the same line is another row. The same
/// text may be more than once in a line of a JSON document; those rows have equal places and are told apart by their
/// order.
pub fn place(file: &str, line: u64, raw: &[u8]) -> [u8; PLACE_BYTES] {
    let mut hash = Sha256::new();
    hash.update(file.as_bytes());
    hash.update([0]);
    hash.update(line.to_string().as_bytes());
    hash.update([0]);
    hash.update(raw);
    let mut place = [0; PLACE_BYTES];
    place.copy_from_slice(&hash.finalize()[..PLACE_BYTES]);
    place
}

/// [`place`] in SQL, for rows that an older release wrote.
pub const PLACE: &str = r"substring(sha256(convert_to(file, 'UTF8') || '\x00' || convert_to(line::text, 'UTF8') || '\x00'
                                           || coalesce(raw_bytes, convert_to(raw, 'UTF8'))) from 1 for 16)";

/// Replaces the rows that an attempt just wrote by those that are open at their places already, which are counted up. Part
/// of the loading transaction.
pub async fn count_again(tx: &mut PgConnection, table: &TableRef, attempt: Attempt) -> sqlx::Result<u64> {
    let counted = sqlx::query(AssertSqlSafe(format!(
        "with written as (
             select id, place, row_number() over (partition by place order by id) as nth, column_name, code, reason, cells
             from {quarantine} where run_id = $1 and table_name = $2 and place is not null and replayed_by is null
         ), open as (
             select id, place, row_number() over (partition by place order by id) as nth
             from {quarantine}
             where table_name = $2 and run_id <> $1 and replayed_by is null and place is not null
               and place in (select place from written)
         ), again as (
             select open.id as open_id, written.* from written join open using (place, nth)
         ), removed as (
             delete from {quarantine} where id in (select id from again)
         )
         update {quarantine} row set run_id = $1, config_id = $3, at = now(), seen = seen + 1,
                column_name = again.column_name, code = again.code, reason = again.reason, cells = again.cells
         from again where row.id = again.open_id",
        quarantine = table.sibling(QUARANTINE).sql()
    )))
    .bind(attempt.run_id)
    .bind(&table.table)
    .bind(attempt.config_id)
    .execute(tx)
    .await?;
    Ok(counted.rows_affected())
}

/// Opens the rows again that an undone run had replayed. A row that a run rejected again meanwhile is open already, so the
/// two become one.
pub async fn reopen(tx: &mut PgConnection, table: &TableRef, undone: Uuid) -> sqlx::Result<()> {
    let quarantine = table.sibling(QUARANTINE).sql();
    sqlx::query(AssertSqlSafe(format!(
        "with replayed as materialized (
             select id, place, row_number() over (partition by place order by id) as nth,
                    seen, coalesce(first_seen, at) as first_seen, coalesce(first_run_id, run_id) as first_run_id
             from {quarantine} where replayed_by = $1 and table_name = $2 and place is not null
         ), open as materialized (
             select id, place, row_number() over (partition by place order by id) as nth
             from {quarantine}
             where table_name = $2 and replayed_by is null and place is not null
               and place in (select place from replayed)
         ), counted as (
             update {quarantine} row set seen = row.seen + replayed.seen, first_seen = replayed.first_seen,
                    first_run_id = replayed.first_run_id
             from replayed join open using (place, nth) where row.id = open.id
         )
         delete from {quarantine} where id in (select replayed.id from replayed join open using (place, nth))"
    )))
    .bind(undone)
    .bind(&table.table)
    .execute(&mut *tx)
    .await?;
    sqlx::query(AssertSqlSafe(format!("update {quarantine} set replayed_by = null where replayed_by = $1")))
        .bind(undone)
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_file_line_and_text() {
        let one = place("a.csv", 2, b"x,y");
        assert_eq!(one, place("a.csv", 2, b"x,y"));
        for other in [place("b.csv", 2, b"x,y"), place("a.csv", 3, b"x,y"), place("a.csv", 2, b"x,z")] {
            assert_ne!(one, other);
        }
        assert_ne!(place("a", 12, b"3"), place("a", 1, b"23"), "the parts do not run together");
    }
}
