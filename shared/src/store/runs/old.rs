//! Old runs: deleting them, and shortening their reports.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgExecutor, PgPool};
use uuid::Uuid;

/// A place in the walk over the finished runs, which goes from the newest to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkPlace {
    /// When the run there finished.
    pub finished_at: DateTime<Utc>,
    /// Id of the run.
    pub id: Uuid,
}

/// One step of the walk.
#[derive(Debug, Clone, Copy)]
pub struct WalkStep {
    /// Number of runs that were deleted.
    pub removed: i64,
    /// Number of runs that stay only because runs which come from them are there. The same step may delete them now.
    pub blocked: i64,
    /// The oldest run that was looked at. `None`: there was no run left to look at.
    pub last: Option<WalkPlace>,
}

/// The runs that stay although they are old, as they were when a turn began. A run that is not over is never deleted, so
/// whatever happens later only makes more runs needless.
#[derive(Debug, Clone, Default)]
pub struct NeededRuns {
    /// The names of pipelines with more runs than the newest ones that stay…
    names: Vec<String>,
    /// …and for each the newest run that is not one of those.
    bounds: Vec<Uuid>,
    /// Runs that stay for another reason.
    ids: Vec<Uuid>,
}

/// Finds the runs that stay although they are old:
/// - the newest `newest` runs of each pipeline;
/// - the last run of a pipeline into a table that succeeded, which an undo or the dashboard may be about, and the last one
///   that rejected rows, which a replay may be about;
/// - the last run of a live schedule, and the last one of its config in each target, by which the schedule is found when
///   that target changes;
/// - the last run of a version that decides about shares only because it has run.
pub async fn needed(db: &PgPool, newest: u32) -> sqlx::Result<NeededRuns> {
    let bounds: Vec<(String, Uuid)> = sqlx::query_as(
        "select name, id from (select name, id, row_number() over (partition by name order by id desc) as place from runs) placed
         where place = $1 + 1",
    )
    .bind(i64::from(newest))
    .fetch_all(db)
    .await?;
    let ids = sqlx::query_scalar(
        "(select distinct on (name, target_table) id from runs
          where kind in ('run', 'replay') and state = 'succeeded' order by name, target_table, id desc)
         union all
         (select distinct on (name) id from runs
          where kind in ('run', 'replay') and rows_quarantined > 0 order by name, id desc)
         union all
         (select distinct on (schedule_id) id from runs
          where schedule_id in (select id from schedules where state in ('waiting', 'active', 'stopping'))
          order by schedule_id, id desc)
         union all
         (select distinct on (config_id, target_key) id from runs
          where target_key is not null
            and config_id in (select config_id from schedules where state in ('waiting', 'active', 'stopping'))
          order by config_id, target_key, id desc)
         union all
         (select distinct on (config_id) id from runs
          where kind = 'run' and config_id in (select id from config_history where only_tried = 'draft')
          order by config_id, id desc)",
    )
    .fetch_all(db)
    .await?;
    let (names, bounds) = bounds.into_iter().unzip();
    Ok(NeededRuns { names, bounds, ids })
}

/// Looks at the next `limit` runs that finished more than `days` ago, before `before`, and deletes those that nothing
/// needs, with their attempts. Runs that others were made from stay as long as these are there, because a retry reads the
/// markers of the runs that it repeats.
///
/// # Errors
/// When the database fails, or a run was made from one of these meanwhile: then nothing was deleted.
pub async fn remove_old(
    db: impl PgExecutor<'_>,
    days: u16,
    needed: &NeededRuns,
    before: Option<WalkPlace>,
    limit: i64,
) -> sqlx::Result<WalkStep> {
    let (removed, blocked, finished_at, id): (i64, i64, Option<DateTime<Utc>>, Option<Uuid>) = sqlx::query_as(
        "with passed as materialized (
             select id, name, finished_at from runs
             where finished_at < now() - make_interval(days => $1)
               and (finished_at, id) < (coalesce($2, 'infinity'::timestamptz), $3)
             order by finished_at desc, id desc limit $4
         ), unneeded as materialized (
             select p.id,
                    exists (select from runs c where c.parent_id = p.id)
                        or exists (select from runs c where c.retry_of = p.id)
                        or exists (select from runs c where c.subject_id = p.id)
                        or exists (select from runs c where c.part_of = p.id) as has_children
             from passed p join unnest($5::text[], $6::uuid[]) as bounds (name, id) on bounds.name = p.name and p.id <= bounds.id
             where p.id <> all($7)
         ), removed as (
             delete from runs where id = any(array(select id from unneeded where not has_children)) returning id
         )
         select (select count(*) from removed), (select count(*) from unneeded where has_children), last.finished_at, last.id
         from (select 1) one left join (select finished_at, id from passed order by finished_at, id limit 1) last on true",
    )
    .bind(i32::from(days))
    .bind(before.map(|place| place.finished_at))
    .bind(before.map_or(Uuid::max(), |place| place.id))
    .bind(limit)
    .bind(&needed.names)
    .bind(&needed.bounds)
    .bind(&needed.ids)
    .fetch_one(db)
    .await?;
    let last = finished_at.zip(id).map(|(finished_at, id)| WalkPlace { finished_at, id });
    Ok(WalkStep { removed, blocked, last })
}

/// Whether any run finished more than `days` ago.
pub async fn any(db: impl PgExecutor<'_>, days: u16) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from runs where finished_at < now() - make_interval(days => $1))")
        .bind(i32::from(days))
        .fetch_one(db)
        .await
}

/// Number of files up to which a report stays as it is: a short list costs less than the row it is in.
pub const SHORT_LIST: i32 = 20;

/// The number of files that a report lists, as an expression in SQL. `report`: an expression, too.
pub fn files_listed(report: &str) -> String {
    let listed = |list| {
        format!(
            "case when jsonb_typeof({report} -> '{list}') = 'array' then jsonb_array_length({report} -> '{list}') else 0 end"
        )
    };
    format!("({} + {})", listed("files"), listed("left_out"))
}

/// The report without its lists, as an expression in SQL. Its numbers stay, and it says that its lists were removed.
pub fn without_lists(report: &str) -> String {
    format!(r#"({report} - 'samples') || '{{"files": [], "left_out": [], "lists_removed": true}}'"#)
}

/// One step of the walk over reports, from the oldest to the newest.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct ThinStep {
    /// Number of reports that were shortened, and of profiles that were deleted.
    pub thinned: i64,
    /// Number of runs that were looked at.
    pub passed: i64,
    /// When the last of them finished. `None`: there was no run left to look at.
    pub until: Option<DateTime<Utc>>,
}

/// Looks at the reports of the next `limit` or more runs that finished after `after` and more than `days` ago, and removes
/// the lists of files from those that list many, and the profiles of all. Their numbers stay, and the report says that its
/// lists were removed.
pub async fn thin_reports(
    db: impl PgExecutor<'_>,
    days: u16,
    after: Option<DateTime<Utc>>,
    limit: i64,
) -> sqlx::Result<ThinStep> {
    // Runs that finished at the same moment are looked at together, because the next step begins after that moment.
    sqlx::query_as(AssertSqlSafe(format!(
        "with passed as materialized (
             select id, finished_at from runs
             where finished_at < now() - make_interval(days => $1) and finished_at > coalesce($2, '-infinity')
             order by finished_at fetch first $3 rows with ties
         ), thinned as (
             update runs set report = {shortened} from passed where runs.id = passed.id and {listed} > $4
             returning 1
         ), unprofiled as (
             delete from run_profiles using passed where run_profiles.run_id = passed.id returning 1
         )
         select (select count(*) from thinned) + (select count(*) from unprofiled) as thinned, count(*) as passed, max(finished_at) as until from passed",
        shortened = without_lists("report"),
        listed = files_listed("report"),
    )))
    .bind(i32::from(days))
    .bind(after)
    .bind(limit)
    .bind(SHORT_LIST)
    .fetch_one(db)
    .await
}

/// Of these attempts, each a run and its epoch, those that were over at least `minutes` ago, and those whose run is not in
/// the database.
pub async fn attempts_over(
    db: impl PgExecutor<'_>,
    attempts: &[(Uuid, i64)],
    minutes: u16,
) -> sqlx::Result<Vec<(Uuid, i64, AttemptIs)>> {
    let (runs, epochs): (Vec<_>, Vec<_>) = attempts.iter().copied().unzip();
    let rows: Vec<(Uuid, i64, bool)> = sqlx::query_as(
        "select asked.run_id, asked.epoch, r.id is null
         from unnest($1::uuid[], $2::bigint[]) as asked (run_id, epoch)
         left join runs r on r.id = asked.run_id
         where r.id is null
            or r.finished_at < now() - make_interval(mins => $3)
            or exists (select from run_attempts a where a.run_id = asked.run_id and a.epoch = asked.epoch
                                                    and a.finished_at < now() - make_interval(mins => $3))
            or exists (select from run_attempts a where a.run_id = asked.run_id and a.epoch > asked.epoch
                                                    and a.started_at < now() - make_interval(mins => $3))",
    )
    .bind(runs)
    .bind(epochs)
    .bind(i32::from(minutes))
    .fetch_all(db)
    .await?;
    let is = |unknown| if unknown { AttemptIs::Unknown } else { AttemptIs::Over };
    Ok(rows.into_iter().map(|(run, epoch, unknown)| (run, epoch, is(unknown))).collect())
}

/// What the database knows of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptIs {
    /// It ended, or a later attempt at the same run began.
    Over,
    /// The run is not there: it was deleted, or belongs to another control database.
    Unknown,
}

/// Those of these runs that are in the database.
pub async fn which_exist(db: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar("select id from runs where id = any($1)").bind(ids).fetch_all(db).await
}
