//! Where the staged rows belong. Statements that look for them in the table are kept within the partitions that can have them,
//! so that a load of one month reads nothing of the other months, whatever the planner estimates.

use elt_shared::config::ColumnType;
use elt_shared::target::quote_ident;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{RangeKey, rows};
use crate::load::session::ROW_HASH;
use crate::load::staging::STAGING;

/// Most ranges of neighbouring partitions that a condition names. With more of them, it names one range from the first to the
/// last value.
const MOST_RANGES: usize = 100;

/// The values of the partition column among the staged rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The column, quoted.
    column: String,
    /// Ranges of its values, from and to (excluded), as literals.
    ranges: Vec<(String, String)>,
    /// Conditions for the values outside the years that have partitions, with `{}` for the column. `None`: the type has no such values.
    outside: Option<String>,
    /// Whether rows have no value.
    has_null: bool,
}

impl RangeKey {
    /// An expression for a value of the column as a timestamp in UTC.
    pub(super) fn in_utc(&self, value: &str) -> String {
        match self.column_type {
            ColumnType::TimestampTz => format!("({value} at time zone 'UTC')"),
            _ => format!("({value}::timestamp)"),
        }
    }

    /// An expression for the text of a bound, from an expression for a timestamp in UTC within the years 1 to 10000.
    pub(super) fn bound_text(&self, at: &str) -> String {
        match self.column_type {
            ColumnType::Date => format!("({at})::date::text"),
            ColumnType::TimestampTz => format!("({at})::text || '+00'"),
            _ => format!("({at})::text"),
        }
    }

    /// A literal of the column's type.
    pub(super) fn literal(&self, text: &str) -> String {
        format!("{} '{text}'", self.column_type)
    }

    /// The column of the staging table `s`, quoted.
    pub(super) fn staged(&self) -> String {
        format!("s.{}", quote_ident(&self.name))
    }

    /// The first value that has a partition, and the first one after the last. Years with fewer or more than four digits, values
    /// before our era and infinite ones go to the default partition.
    pub(super) fn limits(&self) -> (String, String) {
        let zone = if self.column_type == ColumnType::TimestampTz { " 00:00:00+00" } else { "" };
        (self.literal(&format!("0001-01-01{zone}")), self.literal(&format!("10000-01-01{zone}")))
    }

    /// Keeps the beginnings of the ranges of time that staged rows need, because the staged rows are read once then. Rows of the
    /// default partition have NULL there.
    async fn keep_steps(&self, tx: &mut PgConnection) -> sqlx::Result<()> {
        let (column, (first, end)) = (self.staged(), self.limits());
        let statement = format!(
            "create temporary table _elt_steps on commit drop as
             select distinct {column} is null as is_null,
                    case when {column} >= {first} and {column} < {end} then date_trunc('{}', {}) end as start
             from {STAGING} s",
            self.every.word(),
            self.in_utc(&column)
        );
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(tx).await?;
        Ok(())
    }
}

/// A query for the beginnings of the ranges of time that staged rows need, as `start`.
pub(super) const STEPS: &str = "select start from pg_temp._elt_steps where start is not null";

impl Delivered {
    /// Reads the values of the staged rows.
    pub async fn read(tx: &mut PgConnection, key: &RangeKey) -> sqlx::Result<Self> {
        key.keep_steps(&mut *tx).await?;
        let interval = key.every.interval();
        let (has_null, is_outside): (bool, bool) = sqlx::query_as(
            "select coalesce(bool_or(is_null), false), coalesce(bool_or(start is null and not is_null), false)
             from pg_temp._elt_steps",
        )
        .fetch_one(&mut *tx)
        .await?;
        // Neighbouring ranges are joined: a row begins a new range unless the one before ends where it starts.
        let mut ranges: Vec<(String, String)> = rows(
            &mut *tx,
            format!(
                "with step as ({STEPS}),
                      place as (select start, (lag(start) over (order by start) + interval '{interval}' is distinct from start)::int as is_first
                                from step),
                      part as (select start, sum(is_first) over (order by start) as number from place)
                 select {from}, {to} from part group by number order by min(start) limit {most}",
                from = key.bound_text("min(start)"),
                to = key.bound_text(&format!("max(start) + interval '{interval}'")),
                most = MOST_RANGES + 1,
            ),
        )
        .await?;
        if ranges.len() > MOST_RANGES {
            ranges = rows(
                &mut *tx,
                format!(
                    "select {}, {} from ({STEPS}) step",
                    key.bound_text("min(start)"),
                    key.bound_text(&format!("max(start) + interval '{interval}'"))
                ),
            )
            .await?;
        }
        let ranges = ranges.into_iter().map(|(from, to)| (key.literal(&from), key.literal(&to))).collect();
        let (first, end) = key.limits();
        let outside = is_outside.then(|| format!("{{}} < {first} or {{}} >= {end}"));
        Ok(Self { column: quote_ident(&key.name), ranges, outside, has_null })
    }

    /// The condition that a row of the table `t` has a value that staged rows can have.
    pub fn within(&self) -> String {
        let column = format!("t.{}", self.column);
        let mut all: Vec<String> =
            self.ranges.iter().map(|(from, to)| format!("{column} >= {from} and {column} < {to}")).collect();
        all.extend(self.outside.iter().map(|outside| outside.replace("{}", &column)));
        if all.is_empty() { "false".to_owned() } else { format!("({})", all.join(" or ")) }
    }

    /// The condition that no row of `table` is equal to the staged row `s`. The column is compared beside the hash, because the
    /// unique index begins with it.
    pub fn is_unknown(&self, table: &str) -> String {
        let (column, within) = (&self.column, self.within());
        let equal = format!("t.{ROW_HASH} = s.{ROW_HASH}");
        let mut unknown =
            format!("not exists (select from {table} t where t.{column} = s.{column} and {equal} and {within})");
        if self.has_null {
            unknown.push_str(&format!(
                " and not exists (select from {table} t where t.{column} is null and s.{column} is null and {equal})"
            ));
        }
        unknown
    }

    /// The condition that a row of the table `t` and the staged row `s` have the same value in the column, after others.
    pub fn has_same_time(&self) -> String {
        format!(" and s.{0} is not distinct from t.{0}", self.column)
    }

    /// The column of the staging table by which rows are inserted first, so that each partition and its index are filled page by
    /// page.
    pub fn order(&self) -> String {
        format!("s.{}", self.column)
    }
}
