//! The replica identity of a published table: without one PostgreSQL refuses every update and deletion (55000).

use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use crate::error::PipelineError;
use crate::load::Halt;

/// A table, partition or child table that is published with its updates or deletions and has no replica identity.
#[derive(FromRow)]
struct Unidentified {
    schema: String,
    name: String,
    /// Whether the login may alter it.
    owned: bool,
    /// Whether its owner chose `replica identity nothing`.
    nothing: bool,
    /// Whether a publication publishes only some of its columns.
    column_list: bool,
    /// The name of a unique index over columns that are never NULL.
    index: Option<String>,
}

/// Gives a table the replica identity that updates and deletions need, where it is published and has none. Where the
/// login does not own the table, or its owner chose to have none, the statement is in the error.
///
/// A table elt made has no primary key, because a file may bring rows without a value in any column.
pub async fn ensure(tx: &mut PgConnection, table: &TableRef, statements: &mut Vec<String>) -> Result<(), Halt> {
    let found: Vec<Unidentified> =
        sqlx::query_as(UNIDENTIFIED).bind(&table.schema).bind(&table.table).fetch_all(&mut *tx).await?;
    for part in found {
        let name = TableRef { schema: part.schema.clone(), table: part.name.clone() };
        let statement = statement(&name, part.index.as_deref());
        if !part.owned || part.nothing || (part.column_list && part.index.is_none()) {
            return Err(refused(&name, &part, &statement).into());
        }
        sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *tx).await?;
        tracing::info!("{name} is published: it got a replica identity, which updates and deletions need");
        statements.push(statement);
    }
    Ok(())
}

fn statement(table: &TableRef, index: Option<&str>) -> String {
    match index {
        Some(index) => format!("alter table {} replica identity using index {}", table.sql(), quote_ident(index)),
        None => format!("alter table {} replica identity full", table.sql()),
    }
}

fn refused(table: &TableRef, part: &Unidentified, statement: &str) -> PipelineError {
    let (why, next_step) = if part.column_list && part.index.is_none() {
        let next_step = format!(
            "Publish all columns, or give the table a unique index over columns that are never NULL and published, \
             then: alter table {} replica identity using index …",
            table.sql()
        );
        ("a publication publishes only some of its columns, and no unique index can identify a row", next_step)
    } else {
        let why = if part.owned { "its owner chose `replica identity nothing`" } else { "the login does not own it" };
        (why, format!("Ask its owner to execute: {statement}"))
    };
    PipelineError::Target {
        code: "target_replica_identity",
        message: format!(
            "rows of {table} cannot be updated or deleted: it is published and has no replica identity ({why})"
        ),
        next_step,
    }
}

/// `$1` schema, `$2` table. The table and what is below it: partitions and child tables. A publication may name the
/// partitioned table above a partition instead.
const UNIDENTIFIED: &str = "
    with recursive below as (
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1 and c.relname = $2
        union
        select i.inhrelid from pg_inherits i join below b on b.oid = i.inhparent
    ),
    leaf as (
        select c.oid, c.relname::text as name, n.nspname::text as schema, c.relowner, c.relreplident
        from below b join pg_class c on c.oid = b.oid join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and c.relpersistence = 'p'
    ),
    published as (
        select leaf.oid, bool_or(coalesce(to_jsonb(r) -> 'prattrs', 'null'::jsonb) <> 'null'::jsonb) as column_list
        from leaf
             cross join lateral (select leaf.oid as oid union select relid::oid from pg_partition_ancestors(leaf.oid) as up (relid)) up
             join pg_class c on c.oid = up.oid
             join pg_namespace n on n.oid = c.relnamespace
             join pg_publication_tables t on t.schemaname = n.nspname and t.tablename = c.relname
             join pg_publication p on p.pubname = t.pubname and (p.pubupdate or p.pubdelete)
             left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
        group by leaf.oid
    )
    select leaf.schema, leaf.name, pg_has_role(leaf.relowner, 'usage') as owned, leaf.relreplident = 'n' as nothing,
           published.column_list,
           (select x.relname::text
            from pg_index i join pg_class x on x.oid = i.indexrelid
            where i.indrelid = leaf.oid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
              and i.indexprs is null
              and not exists (select from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) as k (attnum)
                              join pg_attribute a on a.attrelid = leaf.oid and a.attnum = k.attnum
                              where not a.attnotnull)
            order by i.indisprimary desc, x.relname limit 1) as index
    from leaf join published on published.oid = leaf.oid
    where leaf.relreplident <> 'f'
      and not exists (select from pg_index i
                      where i.indrelid = leaf.oid and i.indisvalid and i.indimmediate
                        and (leaf.relreplident = 'd' and i.indisprimary or leaf.relreplident = 'i' and i.indisreplident))
    order by leaf.schema, leaf.name";
