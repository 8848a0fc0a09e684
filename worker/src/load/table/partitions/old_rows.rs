//! Staged rows that are older than `target.partition.keep` are left out, so that no load creates a partition again that was
//! detached, and no row of such a partition is loaded a second time.

use elt_shared::config::KeepConfig;
use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, PgConnection};

use super::RangeKey;
use crate::load::copy::RowCounts;
use crate::load::staging::{STAGING, counted};

/// Staged rows that were left out.
#[derive(Debug, Default)]
pub struct OldRows {
    /// Number of rows.
    pub rows: u64,
    /// A sentence for the report.
    pub warning: Option<String>,
}

impl RangeKey {
    /// An expression for the beginning of the oldest range that is kept, as a timestamp in UTC, by the clock of the target.
    pub(super) fn kept_from(&self, keep: &KeepConfig) -> String {
        // The time of the statement and not that of the transaction, because a transaction that waited for the lock of the
        // table may have begun before another one that has detached partitions by a later limit.
        format!(
            "date_trunc('{}', (clock_timestamp() at time zone 'UTC') - interval '{}')",
            self.every.word(),
            keep.interval()
        )
    }

    /// Deletes staged rows whose range lies wholly before what is kept, and counts them as left out. Rows that only the default
    /// partition has a place for stay, because they have no range. The caller holds the lock of the table.
    pub(super) async fn leave_out_old(
        &self,
        tx: &mut PgConnection,
        table: &TableRef,
        row_counts: &mut [RowCounts],
    ) -> sqlx::Result<OldRows> {
        let Some(keep) = &self.keep else { return Ok(OldRows::default()) };
        let limit = format!("select {}", self.bound_text(&self.kept_from(keep)));
        let limit: String = sqlx::query_scalar(AssertSqlSafe(limit)).fetch_one(&mut *tx).await?;
        let (column, first, end) = (self.staged(), self.limits().0, self.literal(&limit));
        let old = format!("{column} >= {first} and {column} < {end}");
        let gone = counted(&mut *tx, format!("delete from {STAGING} s where {old} returning s._elt_file")).await?;
        let mut total = 0;
        for (file, count) in gone {
            let count = count.unsigned_abs();
            if let Some(counts) = usize::try_from(file).ok().and_then(|file| row_counts.get_mut(file)) {
                counts.sent = counts.sent.saturating_sub(count);
                counts.too_old += count;
            }
            total += count;
        }
        let warning = (total > 0).then(|| {
            let rows = if total == 1 { "1 row is".to_owned() } else { format!("{total} rows are") };
            format!(
                "{rows} from before {limit}, and {table} keeps {keep} (`target.partition.keep`): left out, and counted as filtered"
            )
        });
        Ok(OldRows { rows: total, warning })
    }
}
