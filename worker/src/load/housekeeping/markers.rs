//! Markers of old runs: their reports are shortened first, and later they are deleted with the receipts of the run.
//!
//! A marker stays as long as the control database has its run, because an unknown run, a retry and an undo ask for it. Markers
//! of other installations that load into the same schema stay, and so do those of older releases, which do not say whose
//! they are: without its marker, a run could load its rows twice.

use elt_shared::store::installation;
use elt_shared::store::retention_turns::{self as turns, Subject};
use elt_shared::store::runs::old;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{BATCH, Batch, Housekeeping, Walk, days_ago, least_id, made_at};
use crate::load::elt_tables::{FILES, LOADS};

/// Shortens the reports of the next markers, then deletes the next old markers.
pub(super) async fn batch(house: &mut Housekeeping<'_>, walk: &mut Walk, subject: Subject<'_>) -> sqlx::Result<Batch> {
    if walk.first_done { delete(house, walk).await } else { shorten(house, walk, subject).await }
}

async fn shorten(house: &mut Housekeeping<'_>, walk: &mut Walk, subject: Subject<'_>) -> sqlx::Result<Batch> {
    if walk.since.is_none() {
        walk.since = turns::done_until(house.control, subject).await?;
        walk.run = walk.since.map(least_id);
    }
    let (looked_at, last): (i64, Option<Uuid>) = sqlx::query_as(AssertSqlSafe(format!(
        "with old as materialized (
             select run_id, report from {loads}
             where run_id < $2 and run_id > $1 order by run_id limit $3
         ), shortened as (
             update {loads} marker set report = {shortened} from old
             where marker.run_id = old.run_id and marker.loaded_at is not null and {listed} > $4
               and coalesce(marker.installation_id, $5) = $5
         )
         select count(*), (select run_id from old order by run_id desc limit 1) from old",
        loads = house.own(LOADS),
        shortened = old::without_lists("old.report"),
        listed = old::files_listed("old.report"),
    )))
    .bind(walk.run.unwrap_or_default())
    .bind(least_id(days_ago(house.keep.reports)))
    .bind(BATCH)
    .bind(old::SHORT_LIST)
    .bind(installation::id(house.control).await?)
    .fetch_one(&mut *house.target)
    .await?;
    walk.run = last.or(walk.run);
    if let Some(until) = last.and_then(made_at) {
        turns::note_done_until(house.control, subject, until).await?;
    }
    if looked_at < BATCH {
        *walk = Walk { first_done: true, ..Walk::default() };
    }
    // Shortened reports are not counted: the markers are still there.
    Ok(Batch { more: true, ..Batch::default() })
}

async fn delete(house: &mut Housekeeping<'_>, walk: &mut Walk) -> sqlx::Result<Batch> {
    let (files, loads) = (house.own(FILES), house.own(LOADS));
    let passed: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(format!(
        "select run_id from {loads} where run_id < $2 and run_id > $1 and installation_id = $4 order by run_id limit $3"
    )))
    .bind(walk.run.unwrap_or_default())
    .bind(least_id(days_ago(house.keep.loads)))
    .bind(BATCH)
    .bind(installation::id(house.control).await?)
    .fetch_all(&mut *house.target)
    .await?;
    let Some(last) = passed.last() else { return Ok(Batch::default()) };
    walk.run = Some(*last);
    let there = old::which_exist(house.control, &passed).await?;
    let gone: Vec<_> = passed.iter().copied().filter(|run| !there.contains(run)).collect();
    let removed: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
        "with receipts as (delete from {files} where run_id = any($1)),
              markers as (delete from {loads} where run_id = any($1) returning 1)
         select count(*) from markers"
    )))
    .bind(gone)
    .fetch_one(&mut *house.target)
    .await?;
    Ok(Batch { removed: removed.unsigned_abs(), more: passed.len() as i64 == BATCH, skipped: false })
}
