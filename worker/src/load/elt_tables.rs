//! elt's own tables in the target's schema: markers, receipts, types of columns, places of the rows in JSON documents,
//! quarantine. The cursors of incremental sources are in a table of their own, which only pipelines with such sources need
//! ([`cursors`](super::cursors)).

use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::failure::Failing;
use crate::error::Result;

/// The markers: one row for each run that loaded or is about to.
pub const LOADS: &str = "_elt_loads";
/// The receipts: one row for each file of a run, with the numbers of its rows.
pub const FILES: &str = "_elt_files";
/// The types that each column of a table had, by which equal rows keep equal hashes.
pub const COLUMNS: &str = "_elt_columns";
/// The place of the rows in each source's JSON documents.
pub const SOURCES: &str = "_elt_sources";
/// The quarantine: rejected rows and records.
pub const QUARANTINE: &str = "_elt_quarantine";

/// The names of all of these tables.
pub const ALL: [&str; 5] = [LOADS, FILES, COLUMNS, SOURCES, QUARANTINE];

/// The column that each of these tables got last. A table that lacks it is missing, or an older release made it.
const NEWEST_COLUMNS: [(&str, &str); 5] = [
    (LOADS, "installation_id"),
    (FILES, "table_name"),
    (COLUMNS, "made_by_elt"),
    (SOURCES, "found_at"),
    (QUARANTINE, "first_run_id"),
];

/// Creates the schema, and elt's own tables in it, where they are missing, and adds to tables of older releases what they
/// lack. Workers that do so at the same time wait for each other.
///
/// # Errors
/// When this login may not do so: the error has the statement that grants the right.
pub async fn ensure(connection: &mut PgConnection, table: &TableRef) -> Result<()> {
    let fail = Failing::at(table, "make elt's own tables");
    let (tables, columns): (Vec<_>, Vec<_>) = NEWEST_COLUMNS.into_iter().unzip();
    let complete: bool = sqlx::query_scalar(
        "select count(*) = cardinality($2)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         join unnest($2::text[], $3::text[]) as newest (table_name, column_name) on newest.table_name = c.relname
         join pg_attribute a on a.attrelid = c.oid and a.attname = newest.column_name and not a.attisdropped
         where n.nspname = $1",
    )
    .bind(&table.schema)
    .bind(tables)
    .bind(columns)
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| fail.because(error))?;
    if complete {
        return Ok(());
    }
    match create(connection, table).await {
        Ok(()) => Ok(()),
        Err(error) => Err(fail.asking(connection, error).await),
    }
}

async fn create(connection: &mut PgConnection, table: &TableRef) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt bookkeeping ' || $1, 0))")
        .bind(&table.schema)
        .execute(&mut *tx)
        .await?;
    create_schema(&mut tx, &table.schema).await?;
    sqlx::raw_sql(AssertSqlSafe(statements(table))).execute(&mut *tx).await?;
    tx.commit().await
}

/// Creates a schema that is missing. The catalog is asked first, because PostgreSQL requires the right to create a schema
/// even for `if not exists` and a schema that exists.
async fn create_schema(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    let missing: bool = sqlx::query_scalar("select not exists (select from pg_namespace where nspname = $1)")
        .bind(schema)
        .fetch_one(&mut *connection)
        .await?;
    if missing {
        let create = format!("create schema if not exists {}", quote_ident(schema));
        sqlx::raw_sql(AssertSqlSafe(create)).execute(connection).await?;
    }
    Ok(())
}

fn statements(table: &TableRef) -> String {
    let name = |own: &str| table.sibling(own).sql();
    let balance = "rows_read = rows_inserted + rows_updated + rows_duplicate + rows_quarantined + rows_filtered";
    format!(
        "create table if not exists {loads} (
             run_id           uuid        primary key,
             table_name       text        not null,
             config_id        bigint      not null,
             epoch            bigint      not null,
             begun_at         timestamptz not null default now(),
             loaded_at        timestamptz,
             undone_at        timestamptz,
             undone_by        uuid,
             rows_read        bigint      not null default 0,
             rows_inserted    bigint      not null default 0,
             rows_updated     bigint      not null default 0,
             rows_duplicate   bigint      not null default 0,
             rows_quarantined bigint      not null default 0,
             rows_filtered    bigint      not null default 0,
             report           jsonb,
             unfinished_csv   text,
             constraint _elt_loads_balance check ({balance})
         );
         create table if not exists {files} (
             run_id           uuid        not null,
             place            integer     not null,
             name             text        not null,
             bytes            bigint      not null,
             content_hash     uuid        not null,
             rows_read        bigint      not null,
             rows_inserted    bigint      not null,
             rows_updated     bigint      not null,
             rows_duplicate   bigint      not null,
             rows_quarantined bigint      not null,
             rows_filtered    bigint      not null,
             primary key (run_id, place),
             constraint _elt_files_balance check ({balance})
         );
         create table if not exists {columns} (
             table_name  text  not null,
             column_name text  not null,
             history     jsonb not null,
             made_by_elt boolean not null,
             primary key (table_name, column_name)
         );
         create table if not exists {sources} (
             table_name text        not null,
             source     text        not null,
             records    text        not null,
             found_at   timestamptz not null default now(),
             primary key (table_name, source)
         );
         create table if not exists {quarantine} (
             id          bigint      generated always as identity primary key,
             at          timestamptz not null default now(),
             run_id      uuid        not null,
             table_name  text        not null,
             config_id   bigint      not null,
             file        text        not null,
             line        bigint      not null,
             column_name text,
             code        text        not null,
             reason      text        not null,
             raw         text        not null,
             raw_bytes   bytea,
             cells       jsonb,
             replayed_by uuid
         );
         create index if not exists _elt_quarantine_by_run on {quarantine} (run_id, id);
         create index if not exists _elt_quarantine_by_table on {quarantine} (table_name, id);

         -- Null in markers that an older release wrote.
         alter table {loads} add column if not exists installation_id uuid;

         -- Null in receipts that an older release wrote. A name may be too long for an index, so its hash is in it.
         alter table {files} add column if not exists table_name text;
         create index if not exists _elt_files_by_name on {files} (table_name, md5(name)) where table_name is not null;

         -- A hash of file, line and text. Null in rows that an older release wrote.
         alter table {quarantine} add column if not exists place bytea;
         -- Number of runs that rejected the row. `run_id` and `at` are those of the last one.
         alter table {quarantine} add column if not exists seen bigint not null default 1;
         -- Null in rows that were there before the column.
         alter table {quarantine} add column if not exists first_seen timestamptz;
         alter table {quarantine} alter column first_seen set default now();
         alter table {quarantine} add column if not exists first_run_id uuid;
         create index if not exists _elt_quarantine_open on {quarantine} (table_name, place)
             where place is not null and replayed_by is null;
         create index if not exists _elt_quarantine_by_age on {quarantine} (at);",
        loads = name(LOADS),
        files = name(FILES),
        columns = name(COLUMNS),
        sources = name(SOURCES),
        quarantine = name(QUARANTINE),
    )
}
