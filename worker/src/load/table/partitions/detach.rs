//! Partitions that are older than `target.partition.keep` are detached after a load has committed.
//!
//! Detaching locks the whole table, so it has short transactions of its own: the loading transaction would keep readers away until
//! it ends, and would fail where the lock is not granted. `detach partition … concurrently` cannot be used, because PostgreSQL
//! refuses it for a table with a default partition.

use elt_shared::config::{ColumnType, KeepConfig, PartitionConfig, Then};
use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{RangeKey, ranges, rows};
use crate::load::failure::Failing;
use crate::load::marker;
use crate::load::session::Session;

/// Most partitions that one run detaches, and that a plan names.
const MOST: usize = 100;
/// Longest wait for each lock: of the table, of its default partition, and of the partition. Queries that come meanwhile wait
/// behind all of them. It is longer than a second (`deadlock_timeout`), because autovacuum gives way after that time.
const LOCK_TIMEOUT: &str = "3s";

/// What became of the old partitions of a table.
#[derive(Debug, Default)]
pub struct Detached {
    /// A sentence about each detached partition.
    pub partitions: Vec<String>,
    /// The executed statements.
    pub statements: Vec<String>,
    /// Why old partitions are left, as a sentence for the report.
    pub hindrance: Option<String>,
}

/// A partition that lies wholly before what is kept.
#[derive(Debug, sqlx::FromRow)]
struct OldPartition {
    schema: String,
    name: String,
    /// Beginning of its range.
    low: String,
    /// End of its range, which does not belong to it.
    high: String,
}

/// What became of the next old partition.
enum Step {
    /// No old partition is left.
    Nothing,
    Detached {
        partition: OldPartition,
        statements: Vec<String>,
    },
    Failed {
        partition: OldPartition,
        error: sqlx::Error,
    },
}

/// Detaches the old partitions of the session's table, each in a transaction of its own. The next run tries again what cannot be
/// done now.
pub async fn detach(session: &mut Session, config: Option<&PartitionConfig>) -> Detached {
    let mut done = Detached::default();
    let Some(keep) = config.and_then(PartitionConfig::keep) else { return done };
    let table = session.table.clone();
    let (mut passed, mut failed) = (0, 0_usize);
    while done.partitions.len() + passed < MOST {
        let (partition, error) = match step(&mut session.connection, &table, config, passed).await {
            Ok(Step::Nothing) => break,
            Ok(Step::Detached { partition, statements }) => {
                done.partitions.push(partition.sentence("was", keep));
                done.statements.extend(statements);
                continue;
            }
            Ok(Step::Failed { partition, error }) => (Some(partition), error),
            Err(error) => (None, error),
        };
        // One partition may be held by a foreign key or a view. A lock that is not granted, and a lost connection, concern all.
        let ends = partition.is_none() || is_busy(&error) || error.as_database_error().is_none();
        failed += usize::from(partition.is_some());
        let what = match partition {
            Some(old) => {
                format!("{} is older than {keep} (`target.partition.keep`) and still a part of {table}", old.table())
            }
            None => format!("partitions of {table} that are older than {keep} (`target.partition.keep`) may be left"),
        };
        let because = because(&mut session.connection, &table, error).await;
        done.hindrance.get_or_insert_with(|| format!("{what}, because {because}. The next run tries again"));
        if ends {
            break;
        }
        passed += 1;
    }
    if failed > 1
        && let Some(hindrance) = &mut done.hindrance
    {
        let what = if failed == 2 { "old partition" } else { "old partitions" };
        hindrance.push_str(&format!(". At least {} more {what} could not be detached", failed - 1));
    }
    if done.partitions.len() == MOST && done.hindrance.is_none() {
        done.hindrance = left_for_the_next_run(&mut session.connection, &table, config).await;
    }
    done.log(&table);
    done
}

/// Sentences about the partitions that a run would detach now.
///
/// # Errors
/// Database failures.
pub async fn due(
    connection: &mut PgConnection,
    table: &TableRef,
    config: Option<&PartitionConfig>,
) -> sqlx::Result<Vec<String>> {
    let Some(keep) = config.and_then(PartitionConfig::keep) else { return Ok(Vec::new()) };
    let old = old_partitions(connection, table, config, (MOST, 0)).await?;
    Ok(old.iter().map(|partition| partition.sentence("would be", keep)).collect())
}

/// Detaches the next old partition after `passed` others, and drops it where the config says so.
async fn step(
    connection: &mut PgConnection,
    table: &TableRef,
    config: Option<&PartitionConfig>,
    passed: usize,
) -> sqlx::Result<Step> {
    let mut tx = connection.begin().await?;
    // Under this lock no load is between its look at the limit and its commit, so that none brings rows for the partition.
    marker::lock(&mut tx, table).await?;
    sqlx::query("select set_config('lock_timeout', $1, true)").bind(LOCK_TIMEOUT).execute(&mut *tx).await?;
    let Some(partition) = old_partitions(&mut tx, table, config, (1, passed)).await?.pop() else {
        tx.rollback().await?;
        return Ok(Step::Nothing);
    };
    let name = partition.table().sql();
    let mut statements = vec![format!("alter table {} detach partition {name}", table.sql())];
    if config.and_then(PartitionConfig::keep).is_some_and(|keep| keep.then == Then::Drop) {
        statements.push(format!("drop table {name}"));
    }
    for statement in &statements {
        if let Err(error) = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *tx).await {
            // If the rollback fails, the connection is lost, and the next statement reports that.
            let _ = tx.rollback().await;
            return Ok(Step::Failed { partition, error });
        }
    }
    tx.commit().await?;
    Ok(Step::Detached { partition, statements })
}

/// The first partitions that lie wholly before what is kept, oldest first. `page`: their greatest number, and how many are passed
/// over before.
async fn old_partitions(
    connection: &mut PgConnection,
    table: &TableRef,
    config: Option<&PartitionConfig>,
    page: (usize, usize),
) -> sqlx::Result<Vec<OldPartition>> {
    let Some(key) = key_of(connection, table, config).await? else { return Ok(Vec::new()) };
    let Some(keep) = &key.keep else { return Ok(Vec::new()) };
    // A partition without a beginning has rows of times that have no range, and loads do not leave such rows out.
    let query = format!(
        "with part as ({parts})
         select n.nspname::text as schema, c.relname::text as name, {low} as low, {high} as high
         from part join pg_class c on c.oid = part.oid join pg_namespace n on n.oid = c.relnamespace
         where part.low >= timestamp '0001-01-01' and part.high <= {kept_from}
         order by part.high, part.low limit {limit} offset {offset}",
        parts = ranges::parts_query(table, &key),
        low = key.bound_text("part.low"),
        high = key.bound_text("part.high"),
        kept_from = key.kept_from(keep),
        limit = page.0,
        offset = page.1,
    );
    rows(connection, query).await
}

/// The partition column of the table as it is. `None`: the table is missing, or is not partitioned as the config says.
async fn key_of(
    connection: &mut PgConnection,
    table: &TableRef,
    config: Option<&PartitionConfig>,
) -> sqlx::Result<Option<RangeKey>> {
    let Some(PartitionConfig::Range { column, every, keep }) = config else { return Ok(None) };
    let found: Option<(String, i32)> = sqlx::query_as(
        "select a.attname::text, a.atttypid::integer
         from pg_partitioned_table k
         join pg_attribute a on a.attrelid = k.partrelid and a.attnum = (k.partattrs::int2[])[0]
         where k.partrelid = to_regclass($1) and k.partstrat = 'r' and k.partnatts = 1",
    )
    .bind(table.sql())
    .fetch_optional(connection)
    .await?;
    Ok(found.filter(|(name, _)| name.to_lowercase() == column.to_lowercase()).and_then(|(name, type_oid)| {
        // The numbers of PostgreSQL's own types are fixed.
        let column_type = match type_oid {
            1082 => ColumnType::Date,
            1114 => ColumnType::Timestamp,
            1184 => ColumnType::TimestampTz,
            _ => return None,
        };
        Some(RangeKey { name, column_type, every: *every, keep: *keep })
    }))
}

/// Whether another session kept a lock, so that the same may succeed later.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

async fn because(connection: &mut PgConnection, table: &TableRef, error: sqlx::Error) -> String {
    if is_busy(&error) {
        return "another session uses the table or one of its partitions".to_owned();
    }
    let error = Failing::at(table, "detach old partitions").asking(connection, error).await;
    format!("elt {error} ({})", error.next_step().trim_end_matches('.'))
}

/// A sentence about old partitions that are left after the most that one run detaches. `None`: none are left.
async fn left_for_the_next_run(
    connection: &mut PgConnection,
    table: &TableRef,
    config: Option<&PartitionConfig>,
) -> Option<String> {
    let left = old_partitions(connection, table, config, (1, 0)).await.is_ok_and(|left| !left.is_empty());
    left.then(|| {
        format!(
            "a run detaches {MOST} old partitions at most: the next run goes on with those of {table} that are left"
        )
    })
}

impl OldPartition {
    fn table(&self) -> TableRef {
        TableRef { schema: self.schema.clone(), table: self.name.clone() }
    }

    /// `verb`: "was" or "would be".
    fn sentence(&self, verb: &str, keep: &KeepConfig) -> String {
        let dropped = if keep.then == Then::Drop { " and dropped" } else { "" };
        format!("{} ({} to {}) {verb} detached{dropped}", self.table(), self.low, self.high)
    }
}

impl Detached {
    fn log(&self, table: &TableRef) {
        if !self.partitions.is_empty() {
            let (count, list) = (self.partitions.len(), self.partitions.join(", "));
            tracing::info!(partitions = count, "old partitions of {table}: {list}");
        }
        if let Some(hindrance) = &self.hindrance {
            tracing::warn!("{hindrance}");
        }
    }
}
