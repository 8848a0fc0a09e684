//! The cursors of incremental sources, in the table `_elt_state` beside the target table. A run moves its cursors in its
//! loading transaction, so that cursor and rows are committed together.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use super::TableRef;
use crate::cursor::{CursorKind, CursorValue};

/// Name of the table.
pub const STATE: &str = "_elt_state";

/// Earlier states of a cursor that are kept, for undo.
const MAX_EARLIER: usize = 50;

/// The state of one source.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct SourceState {
    /// Kind and place of the source, without secrets.
    pub source: String,
    /// Column or path of the cursor in a row.
    pub cursor_path: String,
    /// The greatest value that was loaded, as the API wrote it.
    pub value: String,
    /// `number`, `time` or `text`.
    pub kind: String,
    /// Hash of the request's parameters that the value belongs to. `None`: it was set by hand and belongs to any.
    pub request: Option<String>,
    /// Most rows that a page had.
    pub page_rows: i64,
    /// Hash of the rows that a look finds again when nothing is new.
    pub edge: Option<String>,
    /// The run that moved it. `None`: it was set by hand.
    pub run_id: Option<Uuid>,
    /// The person who set it.
    pub set_by: Option<String>,
    /// When it was moved or set. It also serves as the version of the state.
    pub moved_at: DateTime<Utc>,
}

/// A state that was replaced, as it is kept for undo.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Earlier {
    cursor_path: String,
    value: String,
    kind: String,
    request: Option<String>,
    page_rows: i64,
    run_id: Option<Uuid>,
    set_by: Option<String>,
}

/// The move of a cursor by a run, or by a person.
#[derive(Debug, Clone)]
pub struct Move<'a> {
    /// The pipeline.
    pub pipeline: &'a str,
    /// Kind and place of the source.
    pub source: &'a str,
    /// Column or path of the cursor in a row.
    pub cursor_path: &'a str,
    /// The new value.
    pub value: &'a CursorValue,
    /// Hash of the request's parameters.
    pub request: Option<&'a str>,
    /// Most rows that a page had.
    pub page_rows: i64,
    /// Hash of the rows that a look finds again when nothing is new.
    pub edge: Option<&'a str>,
    /// Who moves it.
    pub by: MovedBy<'a>,
}

/// Who moves a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovedBy<'a> {
    /// A run moved it, after its load.
    Run(Uuid),
    /// A person set it by hand; their username.
    Person(&'a str),
}

/// What an undo did with a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Kind and place of the source.
    pub source: String,
    /// The cursor that the next run reads from. `None`: it reads as the first run did.
    pub value: Option<String>,
    /// Whether it is the cursor from before the run. False: a later run moved it, so that it was left.
    pub is_restored: bool,
    /// The cursor from before the run, where it is known.
    pub before: Option<String>,
}

impl SourceState {
    /// The value with its kind. `None`: another program changed the row.
    pub fn cursor(&self) -> Option<CursorValue> {
        CursorValue::of_kind(&self.value, CursorKind::from_word(&self.kind)?)
    }
}

/// Creates the table where it is missing.
///
/// # Errors
/// Database failures, such as a login that may not create tables in the schema.
pub async fn ensure(connection: &mut PgConnection, table: &TableRef) -> sqlx::Result<()> {
    if exists(connection, table).await? {
        return Ok(());
    }
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create table if not exists {} (
             table_name  text        not null,
             pipeline    text        not null,
             source      text        not null,
             cursor_path text        not null,
             value       text        not null,
             kind        text        not null,
             request     text,
             page_rows   bigint      not null default 0,
             edge        text,
             run_id      uuid,
             set_by      text,
             moved_at    timestamptz not null default clock_timestamp(),
             earlier     jsonb       not null default '[]',
             moves       bigint      not null default 0,
             primary key (table_name, pipeline, source)
         )",
        table.sibling(STATE).sql()
    )))
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the table is there.
///
/// # Errors
/// Database failures.
pub async fn exists(connection: &mut PgConnection, table: &TableRef) -> sqlx::Result<bool> {
    sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(table.sibling(STATE).sql())
        .fetch_one(connection)
        .await
}

/// The states of a pipeline's sources, in the order of their names. States of a table that was dropped since are still
/// among them.
///
/// # Errors
/// Database failures.
pub async fn list(connection: &mut PgConnection, table: &TableRef, pipeline: &str) -> sqlx::Result<Vec<SourceState>> {
    if !exists(connection, table).await? {
        return Ok(Vec::new());
    }
    sqlx::query_as(AssertSqlSafe(format!(
        "select source, cursor_path, value, kind, request, page_rows, edge, run_id, set_by, moved_at
         from {} where table_name = $1 and pipeline = $2 order by source",
        table.sibling(STATE).sql()
    )))
    .bind(&table.table)
    .bind(pipeline)
    .fetch_all(connection)
    .await
}

/// Moves a cursor, if it is still in the state in which it was read (`None`: without one). Returns false when a person or
/// another run moved or cleared it meanwhile; it is left then.
///
/// # Errors
/// Database failures.
pub async fn advance(
    tx: &mut PgConnection,
    table: &TableRef,
    to: &Move<'_>,
    read: Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    lock(tx, table).await?;
    let now: Option<DateTime<Utc>> = sqlx::query_scalar(AssertSqlSafe(format!(
        "select moved_at from {} where table_name = $1 and pipeline = $2 and source = $3 for update",
        table.sibling(STATE).sql()
    )))
    .bind(&table.table)
    .bind(to.pipeline)
    .bind(to.source)
    .fetch_optional(&mut *tx)
    .await?;
    if now != read {
        return Ok(false);
    }
    write(tx, table, to).await?;
    Ok(true)
}

/// Keeps others from changing the states of a table until the transaction ends.
async fn lock(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt state ' || $1, 0))")
        .bind(table.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// Sets a cursor by hand, whatever it was, in a transaction of the caller.
///
/// # Errors
/// Database failures.
pub async fn set(tx: &mut PgConnection, table: &TableRef, to: &Move<'_>) -> sqlx::Result<()> {
    lock(tx, table).await?;
    write(tx, table, to).await
}

/// Writes a cursor, whatever it was.
async fn write(tx: &mut PgConnection, table: &TableRef, to: &Move<'_>) -> sqlx::Result<()> {
    let (run_id, set_by) = match to.by {
        MovedBy::Run(run) => (Some(run), None),
        MovedBy::Person(name) => (None, Some(name)),
    };
    // A value that stays where it was does not count as a move: an undo of the run has nothing to restore then. It only notes what the
    // run saw.
    sqlx::query(AssertSqlSafe(format!(
        "insert into {state} as state (table_name, pipeline, source, cursor_path, value, kind, request, page_rows, edge, run_id,
                                       set_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (table_name, pipeline, source) do update set
             cursor_path = excluded.cursor_path, value = excluded.value, kind = excluded.kind, request = excluded.request,
             page_rows = greatest(excluded.page_rows, state.page_rows), edge = excluded.edge, moved_at = clock_timestamp(),
             run_id = case when {stays} then state.run_id else excluded.run_id end,
             set_by = case when {stays} then state.set_by else excluded.set_by end,
             moves = state.moves + case when {stays} then 0 else 1 end,
             earlier = case when {stays} then state.earlier
                 else jsonb_path_query_array(
                          jsonb_build_array(jsonb_build_object(
                              'cursor_path', state.cursor_path, 'value', state.value, 'kind', state.kind,
                              'request', state.request, 'page_rows', state.page_rows, 'run_id', state.run_id,
                              'set_by', state.set_by)) || state.earlier,
                          '$[0 to {last}]')
                 end",
        state = table.sibling(STATE).sql(),
        stays = "(state.value = excluded.value and state.kind = excluded.kind and excluded.set_by is null)",
        last = MAX_EARLIER - 1,
    )))
    .bind(&table.table)
    .bind(to.pipeline)
    .bind(to.source)
    .bind(to.cursor_path)
    .bind(to.value.text())
    .bind(to.value.kind().as_str())
    .bind(to.request)
    .bind(to.page_rows)
    .bind(to.edge)
    .bind(run_id)
    .bind(set_by)
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes the states of a table that was made anew: its rows are to be read again. Those that a person set are kept, because
/// they may be set before the first run.
///
/// # Errors
/// Database failures.
pub async fn forget_runs(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<()> {
    lock(tx, table).await?;
    sqlx::query(AssertSqlSafe(format!(
        "delete from {} where table_name = $1 and run_id is not null",
        table.sibling(STATE).sql()
    )))
    .bind(&table.table)
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes the state of one source of a pipeline, or of all, in a transaction of the caller. Returns the number of states
/// that were there.
///
/// # Errors
/// Database failures.
pub async fn clear(tx: &mut PgConnection, table: &TableRef, pipeline: &str, source: Option<&str>) -> sqlx::Result<u64> {
    if !exists(tx, table).await? {
        return Ok(0);
    }
    // A load locks the states of its sources one by one, and would wait for this in a circle.
    lock(tx, table).await?;
    let deleted = sqlx::query(AssertSqlSafe(format!(
        "delete from {} where table_name = $1 and pipeline = $2 and ($3::text is null or source = $3)",
        table.sibling(STATE).sql()
    )))
    .bind(&table.table)
    .bind(pipeline)
    .bind(source)
    .execute(tx)
    .await?;
    Ok(deleted.rows_affected())
}

/// Pipeline, source, value, run that moved it, earlier states, and number of moves.
type Kept = (String, String, String, Option<Uuid>, Json<Vec<Earlier>>, i64);

/// Gives back the cursors from before a run, as part of its undo. A cursor that a later run or a person moved is left.
///
/// # Errors
/// Database failures.
pub async fn restore(tx: &mut PgConnection, table: &TableRef, run: Uuid) -> sqlx::Result<Vec<Restored>> {
    if !exists(tx, table).await? {
        return Ok(Vec::new());
    }
    lock(tx, table).await?;
    let state = table.sibling(STATE).sql();
    let rows: Vec<Kept> = sqlx::query_as(AssertSqlSafe(format!(
        "select pipeline, source, value, run_id, earlier, moves from {state}
         where table_name = $1 and (run_id = $2 or earlier @> jsonb_build_array(jsonb_build_object('run_id', $2)))
         for update"
    )))
    .bind(&table.table)
    .bind(run)
    .fetch_all(&mut *tx)
    .await?;
    let mut restored = Vec::new();
    for (pipeline, source, value, moved_by, Json(earlier), moves) in rows {
        if moved_by != Some(run) {
            let before = earlier.iter().position(|state| state.run_id == Some(run)).and_then(|at| earlier.get(at + 1));
            let before = before.map(|state| state.value.clone());
            restored.push(Restored { source, value: Some(value), is_restored: false, before });
            continue;
        }
        let Some(before) = earlier.first() else {
            // Only a state without any move is known to be the first one: older ones are not kept for ever.
            let is_first = moves == 0;
            if is_first {
                delete(tx, table, &pipeline, &source).await?;
            }
            let value = (!is_first).then_some(value);
            restored.push(Restored { source, value, is_restored: is_first, before: None });
            continue;
        };
        put_back(tx, table, (&pipeline, &source), before, &earlier[1..], moves - 1).await?;
        let value = before.value.clone();
        restored.push(Restored { source, value: Some(value.clone()), is_restored: true, before: Some(value) });
    }
    Ok(restored)
}

async fn delete(tx: &mut PgConnection, table: &TableRef, pipeline: &str, source: &str) -> sqlx::Result<()> {
    clear(tx, table, pipeline, Some(source)).await.map(drop)
}

async fn put_back(
    tx: &mut PgConnection,
    table: &TableRef,
    (pipeline, source): (&str, &str),
    state: &Earlier,
    earlier: &[Earlier],
    moves: i64,
) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(format!(
        "update {} set cursor_path = $4, value = $5, kind = $6, request = $7, page_rows = $8, edge = null, run_id = $9,
                set_by = $10, moved_at = clock_timestamp(), earlier = $11, moves = $12
         where table_name = $1 and pipeline = $2 and source = $3",
        table.sibling(STATE).sql()
    )))
    .bind(&table.table)
    .bind(pipeline)
    .bind(source)
    .bind(&state.cursor_path)
    .bind(&state.value)
    .bind(&state.kind)
    .bind(&state.request)
    .bind(state.page_rows)
    .bind(state.run_id)
    .bind(&state.set_by)
    .bind(Json(earlier))
    .bind(moves)
    .execute(tx)
    .await?;
    Ok(())
}
