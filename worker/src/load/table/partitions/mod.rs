//! The partitions of a target table, as `target.partition` of a config asks for them.
//!
//! A table that is partitioned by a column has a partition for each range of time that rows need, and a default partition for
//! rows without a value, infinite values and years outside 1 to 9999. Ranges are in UTC, whatever the session's time zone.
//!
//! # Layout
//! - [`delivered`]: where the staged rows belong, and the conditions that keep a statement within these partitions
//! - [`ranges`]: the partitions of ranges of time are created
//! - [`names`]: names of partitions
//! - [`old_rows`]: rows that are older than what is kept are left out
//! - [`detach`]: partitions that are older are detached after a load

pub mod delivered;
pub mod detach;
mod names;
mod old_rows;
mod ranges;

use elt_shared::config::{ColumnType, Every, KeepConfig, PartitionConfig};
use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::contract::{Layout, SqlType};
use crate::error::{PipelineError, Result};
use crate::load::Halt;
use crate::load::copy::RowCounts;
use crate::load::failure::Failing;
use crate::load::session::ROW_HASH;
use crate::load::table::shape::TableDdl;
use delivered::Delivered;
pub use old_rows::OldRows;

/// How the table of a load is partitioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioning {
    /// By ranges of time of a column.
    Range(RangeKey),
    /// By the row hash, into this number of partitions.
    Hash(u16),
}

/// The column by which a table is partitioned, and the range of time of each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeKey {
    /// Name of the column in the table.
    pub name: String,
    /// Its type: a date, a timestamp or a timestamp with time zone.
    pub column_type: ColumnType,
    /// The range of time of each partition.
    pub every: Every,
    /// How long rows stay in the table. `None`: for ever.
    pub keep: Option<KeepConfig>,
}

impl Partitioning {
    /// What the config asks for, with the column of the layout.
    ///
    /// # Errors
    /// A column that is not loaded, or has neither dates nor timestamps.
    pub fn of(config: Option<&PartitionConfig>, layout: &Layout) -> Result<Option<Self>> {
        match config {
            None => Ok(None),
            Some(PartitionConfig::Hash { parts }) => Ok(Some(Self::Hash(*parts))),
            Some(PartitionConfig::Range { column, every, keep }) => {
                Ok(Some(Self::Range(range_key(column, (*every, *keep), layout)?)))
            }
        }
    }

    /// The columns of the unique index over row hashes. It holds the partition column, because PostgreSQL allows no other unique
    /// index; it finds the same equal rows, because the hash covers the column.
    pub fn unique_columns(partitioning: Option<&Self>) -> Vec<&str> {
        match partitioning {
            Some(Self::Range(key)) => vec![&key.name, ROW_HASH],
            Some(Self::Hash(_)) | None => vec![ROW_HASH],
        }
    }

    /// The end of the statement that creates the table.
    pub fn clause(&self) -> String {
        match self {
            Self::Range(key) => format!(" partition by range ({})", quote_ident(&key.name)),
            Self::Hash(_) => format!(" partition by hash ({ROW_HASH})"),
        }
    }

    /// Deletes staged rows that are older than the table keeps, and counts them as left out.
    pub(in crate::load) async fn leave_out_old(
        &self,
        tx: &mut PgConnection,
        table: &TableRef,
        row_counts: &mut [RowCounts],
    ) -> sqlx::Result<OldRows> {
        match self {
            Self::Range(key) => key.leave_out_old(tx, table, row_counts).await,
            Self::Hash(_) => Ok(OldRows::default()),
        }
    }

    /// Creates the partitions that are missing for the staged rows. Returns where these rows belong. `staged`: their number;
    /// `is_new`: whether this transaction created the table.
    ///
    /// # Errors
    /// More new partitions than one load may create; database failures.
    pub(in crate::load) async fn make_room(
        &self,
        tx: &mut PgConnection,
        ddl: &mut TableDdl<'_>,
        staged: u64,
        is_new: bool,
    ) -> Result<Room, Halt> {
        match self {
            Self::Hash(parts) => {
                if is_new {
                    create_hash_partitions(tx, ddl, *parts).await?;
                }
                Ok(Room::default())
            }
            Self::Range(key) => {
                let default = ranges::ensure_default(tx, ddl).await?;
                if staged == 0 {
                    return Ok(Room { delivered: None, default: Some(default), warning: None });
                }
                let delivered = Delivered::read(tx, key).await?;
                let warning = ranges::create_missing(tx, ddl, key, &default).await?;
                Ok(Room { delivered: Some(delivered), default: Some(default), warning })
            }
        }
    }
}

/// The partitions of a load.
#[derive(Debug, Default)]
pub struct Room {
    /// Where the staged rows belong. `None`: any row may be in any partition, or no row is staged.
    pub delivered: Option<Delivered>,
    /// The default partition of a table that is partitioned by a column.
    pub default: Option<TableRef>,
    /// A sentence for the report.
    pub warning: Option<String>,
}

fn range_key(column: &str, (every, keep): (Every, Option<KeepConfig>), layout: &Layout) -> Result<RangeKey> {
    let lower = column.to_lowercase();
    let columns = &layout.columns;
    let found = columns
        .iter()
        .find(|known| known.name == column)
        .or_else(|| columns.iter().find(|known| known.name.to_lowercase() == lower));
    let refuse = |message: String, next_step: &str| {
        Err(PipelineError::Contract(Explained { code: Code::PartitionColumn, message, next_step: next_step.into() }))
    };
    let Some(found) = found else {
        return refuse(
            format!("the column {column} of target.partition.by is not loaded"),
            "Name a column that the sources have under `target.partition.by`, or deliver the column.",
        );
    };
    let name = found.name.clone();
    match found.sql_type() {
        SqlType::Known(column_type @ (ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz)) => {
            Ok(RangeKey { name, column_type: *column_type, every, keep })
        }
        _ => refuse(
            format!(
                "the column {name} of target.partition.by has the type {}; partitions by time need a date or a timestamp",
                found.sql
            ),
            "Declare the column as `date`, `timestamp` or `timestamptz` under `schema:`, so that rows with other values are \
             rejected, or name another column under `target.partition.by`.",
        ),
    }
}

async fn create_hash_partitions(tx: &mut PgConnection, ddl: &mut TableDdl<'_>, parts: u16) -> sqlx::Result<()> {
    for part in 0..parts {
        let name = names::free(tx, ddl.table(), &format!("_p{part:03}")).await?;
        let statement = format!(
            "create table {} partition of {} for values with (modulus {parts}, remainder {part})",
            name.sql(),
            ddl.table().sql()
        );
        ddl.execute(tx, statement).await?;
    }
    Ok(())
}

/// How a table is partitioned: the strategy, the number of columns, the first of them, and the key as SQL.
type PartitionKey = (Option<String>, i32, Option<String>, Option<String>);

/// Refuses a table that exists and is not partitioned as the config says. A table that is missing passes.
///
/// # Errors
/// Such a table; database failures.
pub async fn require(connection: &mut PgConnection, table: &TableRef, config: Option<&PartitionConfig>) -> Result<()> {
    let Some(config) = config else { return Ok(()) };
    let found: Option<PartitionKey> = sqlx::query_as(
        "select k.partstrat::text, coalesce(k.partnatts, 0)::integer, a.attname::text,
                case when k.partrelid is not null then pg_get_partkeydef(c.oid) end
         from pg_class c
         left join pg_partitioned_table k on k.partrelid = c.oid
         left join pg_attribute a on a.attrelid = c.oid and a.attnum = (k.partattrs::int2[])[0]
         where c.oid = to_regclass($1) and c.relkind in ('r', 'p')",
    )
    .bind(table.sql())
    .fetch_optional(connection)
    .await
    .map_err(|error| Failing::at(table, "look at the partitions").because(error))?;
    let Some((strategy, columns, column, key)) = found else { return Ok(()) };
    let column = column.unwrap_or_default();
    let fits = columns == 1
        && match config {
            PartitionConfig::Range { column: wanted, .. } => {
                strategy.as_deref() == Some("r") && column.to_lowercase() == wanted.to_lowercase()
            }
            PartitionConfig::Hash { .. } => strategy.as_deref() == Some("h") && column == ROW_HASH,
        };
    if fits { Ok(()) } else { Err(otherwise(table, config, key)) }
}

/// The error about a table that is partitioned by `key` (`None`: not at all), and not as the config says.
fn otherwise(table: &TableRef, config: &PartitionConfig, key: Option<String>) -> PipelineError {
    let wanted = match config {
        PartitionConfig::Range { column, .. } => format!("by ranges of {column}"),
        PartitionConfig::Hash { .. } => "by row hash".to_owned(),
    };
    let (is, next_step) = match key {
        Some(key) => (
            format!("is partitioned by {key}"),
            "Write the column that the table is partitioned by under `target.partition`, leave `partition` out to load into \
             the table as it is, or name another table under `target.table`."
                .to_owned(),
        ),
        None => (
            "is not partitioned".to_owned(),
            format!(
                "Leave `partition` out to load into the table as it is. To partition it, rename it (alter table {} rename to \
                 …), let the next run create the table anew and load the sources again, or copy the old rows.",
                table.sql()
            ),
        ),
    };
    PipelineError::Target(Explained {
        code: Code::TargetPartitioning,
        message: format!("target.partition says that {table} is partitioned {wanted}, but the table is there and {is}"),
        next_step,
    })
}

/// Runs a statement that names only what elt made or quoted, and returns its rows.
async fn rows<T>(tx: &mut PgConnection, sql: String) -> sqlx::Result<Vec<T>>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(tx).await
}
