//! The turns of retention: which kind of things a worker is deleting or has deleted, one row a kind and place.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};

/// How long a turn is reserved for a worker unless it is renewed. When the worker dies, another one may take it after this
/// time.
const HELD_FOR: Duration = Duration::from_secs(120);

/// A kind of things, at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The kind's name.
    pub kind: &'a str,
    /// Empty for the control database; else the identity of a target's schema, or a data folder in words.
    pub place: &'a str,
}

/// The end of a turn.
#[derive(Debug, Clone, Default)]
pub struct TurnEnd {
    /// Number of things that it deleted.
    pub removed: u64,
    /// Whether old things are left.
    pub behind: bool,
    /// Why it failed. `None`: it did not.
    pub failure: Option<String>,
}

/// What is left at a place that only workers see. `None`: not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left {
    /// Number of things, as PostgreSQL estimates it, or counted.
    pub rows: Option<i64>,
    /// Bytes on disk.
    pub bytes: Option<i64>,
    /// When the oldest of them was made.
    pub oldest: Option<DateTime<Utc>>,
}

/// Takes the turn, unless another worker has it, or the last one ended less than `every` ago with nothing old left.
pub async fn take(
    db: impl PgExecutor<'_>,
    subject: Subject<'_>,
    every: Duration,
    settings: &Value,
) -> sqlx::Result<bool> {
    let taken = sqlx::query(
        "insert into retention (kind, place, held_until, settings) values ($1, $2, now() + make_interval(secs => $3), $5)
         on conflict (kind, place) do update set
             started_at = now(), held_until = excluded.held_until, settings = excluded.settings
         where coalesce(retention.held_until, '-infinity') < now()
           and (retention.behind or retention.finished_at is null
                or retention.finished_at < now() - make_interval(secs => $4))",
    )
    .bind(subject.kind)
    .bind(subject.place)
    .bind(HELD_FOR.as_secs_f64())
    .bind(every.as_secs_f64())
    .bind(settings)
    .execute(db)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Notes a place in words, for people.
pub async fn show(db: impl PgExecutor<'_>, place: &str, shown: &str) -> sqlx::Result<()> {
    sqlx::query("update retention set shown = $2 where place = $1 and shown is distinct from $2")
        .bind(place)
        .bind(shown)
        .execute(db)
        .await?;
    Ok(())
}

/// Keeps a turn for another while.
pub async fn renew(db: impl PgExecutor<'_>, subject: Subject<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "update retention set held_until = now() + make_interval(secs => $3)
         where kind = $1 and place = $2 and held_until is not null",
    )
    .bind(subject.kind)
    .bind(subject.place)
    .bind(HELD_FOR.as_secs_f64())
    .execute(db)
    .await?;
    Ok(())
}

/// Ends a turn.
pub async fn finish(
    db: impl PgExecutor<'_>,
    subject: Subject<'_>,
    end: &TurnEnd,
    left: Option<Left>,
) -> sqlx::Result<()> {
    let left = left.unwrap_or_default();
    sqlx::query(
        "update retention set held_until = null, finished_at = now(), removed = $3, removed_in_all = removed_in_all + $3,
                behind = $4, failure = $5, rows_left = $6, bytes_left = $7, oldest_left = $8
         where kind = $1 and place = $2",
    )
    .bind(subject.kind)
    .bind(subject.place)
    .bind(end.removed as i64)
    .bind(end.behind)
    .bind(&end.failure)
    .bind(left.rows)
    .bind(left.bytes)
    .bind(left.oldest)
    .execute(db)
    .await?;
    Ok(())
}

/// Up to when everything that finished was looked at. `None`: nothing was.
pub async fn done_until(db: impl PgExecutor<'_>, subject: Subject<'_>) -> sqlx::Result<Option<DateTime<Utc>>> {
    let until = sqlx::query_scalar("select done_until from retention where kind = $1 and place = $2");
    Ok(until.bind(subject.kind).bind(subject.place).fetch_optional(db).await?.flatten())
}

/// Notes up to when everything that finished was looked at.
pub async fn note_done_until(db: impl PgExecutor<'_>, subject: Subject<'_>, until: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into retention (kind, place, done_until) values ($1, $2, $3)
         on conflict (kind, place) do update set done_until = excluded.done_until",
    )
    .bind(subject.kind)
    .bind(subject.place)
    .bind(until)
    .execute(db)
    .await?;
    Ok(())
}

/// One kind at one place, as it is shown.
#[derive(Debug, Clone, FromRow)]
pub struct Turn {
    /// The kind's name.
    pub kind: String,
    /// Empty for the control database; else a target or a data folder, in words.
    pub place: String,
    /// When the last turn started.
    pub started_at: DateTime<Utc>,
    /// Whether a worker is deleting now.
    pub is_running: bool,
    /// The end of the last turn. `None`: none has ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Number of things that it deleted.
    pub removed: i64,
    /// Number of things that all turns deleted.
    pub removed_in_all: i64,
    /// Whether old things were left when it ended.
    pub behind: bool,
    /// Why it failed. `None`: it did not.
    pub failure: Option<String>,
    /// The settings that counted, by their names.
    pub settings: Value,
    /// Number of things left at a place that only workers see.
    pub rows_left: Option<i64>,
    /// Bytes of them.
    pub bytes_left: Option<i64>,
    /// When the oldest of them was made.
    pub oldest_left: Option<DateTime<Utc>>,
}

/// All turns. A kind that no worker has taken a turn for is missing.
///
/// `late_after`: a place is behind as well when no turn has ended for that long. Places other than the control database
/// have a turn only when something is loaded there, so they are never late, and one without a turn for two days is not
/// behind any more, because nothing may ever be loaded there again.
pub async fn list(db: impl PgExecutor<'_>, late_after: Duration) -> sqlx::Result<Vec<Turn>> {
    sqlx::query_as(
        "select kind, coalesce(shown, place) as place, started_at, coalesce(held_until > now(), false) as is_running,
                finished_at, removed, removed_in_all,
                ((behind or failure is not null)
                    and (place = '' or coalesce(finished_at, started_at) > now() - interval '2 days'))
                    or (place = '' and coalesce(finished_at, started_at) < now() - make_interval(secs => $1)) as behind,
                failure, settings, rows_left, bytes_left, oldest_left
         from retention order by 2, kind",
    )
    .bind(late_after.as_secs_f64())
    .fetch_all(db)
    .await
}

/// Forgets places where no worker has deleted anything for long: for `days` a target that is not loaded into any more, and
/// for a week the data folder of a host that is gone, because every new container is another host.
pub async fn forget_places(db: impl PgExecutor<'_>, days: u16) -> sqlx::Result<u64> {
    let forgotten = sqlx::query(
        "delete from retention where place <> ''
           and coalesce(finished_at, started_at) < now() - case when kind in ('work_folders', 'combined_csvs', 'uploads')
                                                                then interval '7 days' else make_interval(days => $1) end
           and coalesce(held_until, '-infinity') < now()",
    );
    Ok(forgotten.bind(i32::from(days)).execute(db).await?.rows_affected())
}

/// Size of a table of the control database.
#[derive(Debug, Clone, FromRow)]
pub struct TableSize {
    /// Name of the table, with its schema.
    pub name: String,
    /// Number of rows, as PostgreSQL estimates it. `None`: it was never analysed.
    pub rows: Option<i64>,
    /// Bytes on disk, with indexes.
    pub bytes: i64,
}

/// Sizes of tables of the control database, without counting their rows.
pub async fn table_sizes(db: impl PgExecutor<'_>, tables: &[&str]) -> sqlx::Result<Vec<TableSize>> {
    sqlx::query_as(
        "select name, case when c.reltuples >= 0 then c.reltuples::bigint end as rows, pg_total_relation_size(c.oid) as bytes
         from unnest($1::text[]) as name join pg_class c on c.oid = to_regclass(name)",
    )
    .bind(tables)
    .fetch_all(db)
    .await
}

/// When the oldest things of the control database were made, where an index finds them. `None`: nothing is kept.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Oldest {
    /// The oldest log line.
    pub log_lines: Option<DateTime<Utc>>,
    /// The run that finished first.
    pub runs: Option<DateTime<Utc>>,
    /// The oldest answer of an idempotency key.
    pub idempotency_keys: Option<DateTime<Utc>>,
}

/// Finds the oldest things of the control database.
pub async fn oldest(db: impl PgExecutor<'_>) -> sqlx::Result<Oldest> {
    sqlx::query_as(
        "select (select min(at) from log_lines) as log_lines, (select min(finished_at) from runs) as runs,
                (select min(created_at) from idempotency_keys) as idempotency_keys",
    )
    .fetch_one(db)
    .await
}
