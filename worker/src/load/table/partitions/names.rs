//! Names of partitions: the name of the table and what the partition holds, at most 63 bytes, and never a name that is taken.

use elt_shared::config::Every;
use elt_shared::target::TableRef;
use sqlx::PgConnection;

/// Most bytes of a name in PostgreSQL.
const MAX_NAME_BYTES: usize = 63;

/// What the name of a partition ends with: `_2026_11` for a month. `from`: the beginning of its range, such as
/// `2026-11-01 00:00:00`.
pub fn suffix(every: Every, from: &str) -> String {
    let date = from.split(' ').next().unwrap_or_default();
    let mut parts = date.split('-');
    let year = parts.next().unwrap_or_default();
    let month = parts.next().unwrap_or_default();
    let day = parts.next().unwrap_or_default();
    match every {
        Every::Day | Every::Week => format!("_{year}_{month}_{day}"),
        Every::Month => format!("_{year}_{month}"),
        Every::Quarter => format!("_{year}_q{}", month.parse::<u32>().unwrap_or(1).div_ceil(3)),
        Every::Year => format!("_{year}"),
    }
}

/// The name of a partition of a table that nothing has yet. A table's name is shortened where the suffix would make it too
/// long, and a number follows where the name is taken.
pub async fn free(tx: &mut PgConnection, table: &TableRef, suffix: &str) -> sqlx::Result<TableRef> {
    let mut number: u32 = 0;
    loop {
        let name = table.sibling(&candidate(&table.table, suffix, number));
        let taken: bool = sqlx::query_scalar(
            "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                            where n.nspname = $1 and c.relname = $2)
                 or exists (select from pg_type t join pg_namespace n on n.oid = t.typnamespace
                            where n.nspname = $1 and t.typname = $2)",
        )
        .bind(&name.schema)
        .bind(&name.table)
        .fetch_one(&mut *tx)
        .await?;
        if !taken {
            return Ok(name);
        }
        number += 1;
    }
}

fn candidate(table: &str, suffix: &str, number: u32) -> String {
    let end = if number == 0 { suffix.to_owned() } else { format!("{suffix}_{number}") };
    format!("{}{end}", &table[..table.floor_char_boundary(MAX_NAME_BYTES - end.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_range_the_partition_holds() {
        let names = [Every::Day, Every::Week, Every::Month, Every::Quarter, Every::Year]
            .map(|every| suffix(every, "2026-10-05 00:00:00"));
        assert_eq!(names, ["_2026_10_05", "_2026_10_05", "_2026_10", "_2026_q4", "_2026"]);
        assert_eq!(suffix(Every::Quarter, "0001-03-01"), "_0001_q1");
    }

    #[test]
    fn a_long_name_keeps_what_tells_the_partitions_apart() {
        let long = "ä".repeat(40);
        for number in [0, 7, 1_000] {
            let name = candidate(&long, "_2026_11_30", number);
            assert!(name.len() <= MAX_NAME_BYTES && name.contains("_2026_11_30"), "{name}");
        }
        assert_eq!(candidate("t", "_2026", 2), "t_2026_2");
    }
}
