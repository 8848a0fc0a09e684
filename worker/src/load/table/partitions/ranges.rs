//! The partitions of ranges of time are created, in the loading transaction.
//!
//! A partition is created as a table of its own and attached, because `create table … partition of` would lock the whole table
//! against readers until the load commits. Attaching locks the default partition only.

use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident, quote_literal};
use sqlx::{AssertSqlSafe, PgConnection};

use super::delivered::STEPS;
use super::{RangeKey, names, rows};
use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::table::shape::TableDdl;

/// The constraint of the default partition that rules out the ranges of partitions while these are attached.
const RULED_OUT: &str = "_elt_ruled_out";
/// Most partitions that one load creates.
const MOST_NEW: usize = 1_000;

/// Creates the default partition if it is missing. Returns its name.
pub async fn ensure_default(tx: &mut PgConnection, ddl: &mut TableDdl<'_>) -> sqlx::Result<TableRef> {
    let table = ddl.table();
    let found: Option<(String, String)> = sqlx::query_as(
        "select n.nspname::text, c.relname::text
         from pg_partitioned_table k join pg_class c on c.oid = k.partdefid join pg_namespace n on n.oid = c.relnamespace
         where k.partrelid = to_regclass($1)",
    )
    .bind(table.sql())
    .fetch_optional(&mut *tx)
    .await?;
    if let Some((schema, table)) = found {
        return Ok(TableRef { schema, table });
    }
    let name = names::free(tx, table, "_default").await?;
    create_table(tx, ddl, &name).await?;
    ddl.execute(tx, format!("alter table {} attach partition {} default", table.sql(), name.sql())).await?;
    Ok(name)
}

/// A range of time without a partition.
#[derive(sqlx::FromRow)]
struct Missing {
    /// Its beginning, as a bound of the partition.
    low: String,
    /// Its end, which does not belong to it.
    high: String,
    /// Whether a partition of another length has a part of it, so that it cannot be created.
    overlaps: bool,
    /// Whether a later partition is there.
    is_between: bool,
}

/// Creates the partitions that the staged rows need, and the one after them. Returns a sentence about ranges that could not
/// get a partition.
///
/// # Errors
/// More than [`MOST_NEW`] new partitions; database failures.
pub async fn create_missing(
    tx: &mut PgConnection,
    ddl: &mut TableDdl<'_>,
    key: &RangeKey,
    default: &TableRef,
) -> Result<Option<String>, Halt> {
    let missing: Vec<Missing> = rows(&mut *tx, missing_query(ddl.table(), key, STEPS)).await?;
    if missing.len() > MOST_NEW {
        return Err(too_many(ddl.table(), key).into());
    }
    let next = format!(
        "select max(start) + interval '{}' as start from ({STEPS}) step having max(start) < timestamp '9990-01-01'",
        key.every.interval()
    );
    let ahead: Vec<Missing> = rows(&mut *tx, missing_query(ddl.table(), key, &next)).await?;
    let (overlapping, missing): (Vec<_>, Vec<_>) = missing.into_iter().partition(|missing| missing.overlaps);
    // Late rows need no partition ahead, because there is one already after the newest rows.
    let ahead = ahead.iter().filter(|range| !range.overlaps && !range.is_between);
    let wanted: Vec<_> = missing.iter().chain(ahead).collect();
    if !wanted.is_empty() {
        // Attaching takes this lock as well. Taken now, no other session adds a row of a range while its partition is made.
        let lock = format!("lock table {} in access exclusive mode", default.sql());
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *tx).await?;
    }
    let (mut made, mut kept) = (Vec::new(), Vec::new());
    for range in wanted {
        match create(tx, ddl, key, range, default).await? {
            Some(name) => made.push((range, name)),
            None => kept.push(range),
        }
    }
    attach(tx, ddl, key, &made, default).await?;
    let stays = kept.first().map(|first| {
        format!(
            "{} of the table's ranges of a {} got no partition, because rows of them are in the default partition {default}, and \
             moving them would be a deletion to its triggers, foreign keys or subscribers (the first: from {} to {})",
            kept.len(),
            key.every.word(),
            first.low,
            first.high
        )
    });
    let overlap = overlapping.first().map(|first| {
        format!(
            "{} of the table's ranges of a {} got no partition, because partitions of another length have a part of them (the \
             first: from {} to {}): rows that no partition has a place for are in the default partition {default}",
            overlapping.len(),
            key.every.word(),
            first.low,
            first.high
        )
    });
    let all: Vec<String> = stays.into_iter().chain(overlap).collect();
    Ok((!all.is_empty()).then(|| all.join(". ")))
}

/// The ranges of time that begin at `steps` and lie in no partition. Partitions of other lengths count as well, such as those of
/// months before a config says `day`.
fn missing_query(table: &TableRef, key: &RangeKey, steps: &str) -> String {
    let interval = key.every.interval();
    format!(
        "with step as ({steps}),
              range as (select start as low, start + interval '{interval}' as high from step where start is not null),
              part as ({parts})
         select {low_text} as low, {high_text} as high,
                exists (select from part where part.low < range.high and range.low < part.high) as overlaps,
                exists (select from part where part.low >= range.high) as is_between
         from range
         where not exists (select from part where part.low <= range.low and range.high <= part.high)
         order by range.low limit {most}",
        parts = parts_query(table, key),
        low_text = key.bound_text("range.low"),
        high_text = key.bound_text("range.high"),
        most = MOST_NEW + 1,
    )
}

/// A query for the partitions of a table that have a range of time: their `oid`, and the ends of the range as timestamps in UTC,
/// `low` and `high`.
pub(super) fn parts_query(table: &TableRef, key: &RangeKey) -> String {
    // The server writes the bounds of a partition as literals in the form of the session, which has ISO dates and UTC.
    let bound = |place: u8, unbounded: &str, infinite: &str| {
        let text = format!("bound[{place}]");
        let value = key.in_utc(&format!("trim(both '''' from {text})::{}", key.column_type));
        format!("case {text} when '{unbounded}' then timestamp '{infinite}' else {value} end")
    };
    format!(
        "select c.oid, {low} as low, {high} as high
         from pg_inherits i join pg_class c on c.oid = i.inhrelid
         cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \\((.*)\\) TO \\((.*)\\)$')
             as found (bound)
         where i.inhparent = to_regclass({table}) and bound is not null",
        low = bound(1, "MINVALUE", "-infinity"),
        high = bound(2, "MAXVALUE", "infinity"),
        table = quote_literal(&table.sql()),
    )
}

/// Creates the table that becomes the partition of a range. Rows of the range that the default partition has move into it, because
/// PostgreSQL refuses a partition that rows of the default one belong to. `None`: they cannot move, and the range has no partition.
async fn create(
    tx: &mut PgConnection,
    ddl: &mut TableDdl<'_>,
    key: &RangeKey,
    range: &Missing,
    default: &TableRef,
) -> Result<Option<TableRef>, Halt> {
    let table = ddl.table();
    let (column, low, high) = (quote_ident(&key.name), key.literal(&range.low), key.literal(&range.high));
    let which = format!("{column} >= {low} and {column} < {high}");
    let has_rows = format!("select exists (select from {} where {which})", default.sql());
    let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(has_rows)).fetch_one(&mut *tx).await?;
    if has_rows && notices_deletions(tx, default).await? {
        return Ok(None);
    }
    let name = names::free(tx, table, &names::suffix(key.every, &range.low)).await?;
    create_table(tx, ddl, &name).await?;
    if has_rows {
        move_rows(tx, ddl, &which, (default, &name)).await?;
    }
    Ok(Some(name))
}

/// Attaches the tables of ranges as partitions.
async fn attach(
    tx: &mut PgConnection,
    ddl: &mut TableDdl<'_>,
    key: &RangeKey,
    made: &[(&Missing, TableRef)],
    default: &TableRef,
) -> sqlx::Result<()> {
    // PostgreSQL reads the whole default partition for each partition that is attached, unless a constraint says that it has no
    // row of the range. The constraint costs one such pass, so it is worth it for several ranges.
    let is_ruled_out = made.len() > 1 && has_rows_and_owner(tx, default).await?;
    if is_ruled_out {
        let column = quote_ident(&key.name);
        let other = |(range, _): &(&Missing, TableRef)| {
            let (low, high) = (key.literal(&range.low), key.literal(&range.high));
            format!("({column} is null or {column} < {low} or {column} >= {high})")
        };
        let all: Vec<String> = made.iter().map(other).collect();
        let add = format!("alter table {} add constraint {RULED_OUT} check ({})", default.sql(), all.join(" and "));
        sqlx::raw_sql(AssertSqlSafe(add)).execute(&mut *tx).await?;
    }
    for (Missing { low, high, .. }, name) in made {
        let (table, name) = (ddl.table().sql(), name.sql());
        let statement = format!("alter table {table} attach partition {name} for values from ('{low}') to ('{high}')");
        ddl.execute(tx, statement).await?;
    }
    if is_ruled_out {
        let drop = format!("alter table {} drop constraint {RULED_OUT}", default.sql());
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(tx).await?;
    }
    Ok(())
}

/// Whether a default partition has rows, and the login may add a constraint to it.
async fn has_rows_and_owner(tx: &mut PgConnection, default: &TableRef) -> sqlx::Result<bool> {
    let name = default.sql();
    let query = format!(
        "select exists (select from {name}) and (select pg_has_role(current_user, relowner, 'usage') from pg_class
                                                  where oid = to_regclass({}))",
        quote_literal(&name)
    );
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(tx).await
}

/// Whether something besides the table changes when rows are deleted from its default partition: a trigger, a foreign key of
/// another table, a rule, or a subscriber of a publication.
async fn notices_deletions(tx: &mut PgConnection, default: &TableRef) -> sqlx::Result<bool> {
    // Bit 3 of `tgtype` stands for deletions. Foreign keys of other tables are triggers, too. A publication may name the
    // partitioned table instead.
    sqlx::query_scalar(
        "select exists (select from pg_trigger where tgrelid = to_regclass($1) and tgenabled <> 'D' and tgtype & 8 <> 0)
             or exists (select from pg_class where oid = to_regclass($1) and relhasrules)
             or exists (select from pg_publication_tables published
                        join pg_namespace n on n.nspname = published.schemaname
                        join pg_class c on c.relnamespace = n.oid and c.relname = published.tablename
                        where c.oid in (select relid from pg_partition_ancestors(to_regclass($1))))",
    )
    .bind(default.sql())
    .fetch_one(tx)
    .await
}

/// Creates a table like the partitioned one. Attaching adds indexes, triggers and foreign keys.
async fn create_table(tx: &mut PgConnection, ddl: &mut TableDdl<'_>, name: &TableRef) -> sqlx::Result<()> {
    let like = "including defaults including constraints including generated including storage";
    ddl.execute(tx, format!("create table {} (like {} {like})", name.sql(), ddl.table().sql())).await
}

/// Moves the rows that fit `which` from one partition to another table.
async fn move_rows(
    tx: &mut PgConnection,
    ddl: &mut TableDdl<'_>,
    which: &str,
    (from, to): (&TableRef, &TableRef),
) -> Result<(), Halt> {
    let columns: String = sqlx::query_scalar(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
         where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and attgenerated = ''",
    )
    .bind(to.sql())
    .fetch_one(&mut *tx)
    .await?;
    let statement = format!(
        "with moved as (delete from {} where {which} returning {columns})
         insert into {} ({columns}) overriding system value select {columns} from moved",
        from.sql(),
        to.sql()
    );
    Ok(ddl.execute(tx, statement).await?)
}

fn too_many(table: &TableRef, key: &RangeKey) -> PipelineError {
    let next_step = match key.every.word() {
        "year" => {
            "Look for wrong values in the column; rules under `schema:` (`min`, `max`) reject such rows.".to_owned()
        }
        word => format!(
            "Write a longer range than `{word}` under `target.partition.every`, or look for wrong values in the column; rules \
             under `schema:` (`min`, `max`) reject such rows."
        ),
    };
    PipelineError::Target(Explained {
        code: Code::TooManyPartitions,
        message: format!(
            "the rows for {table} need more than {MOST_NEW} new partitions, because the column {} has values of so many \
             different ranges of a {}",
            key.name,
            key.every.word()
        ),
        next_step,
    })
}
