//! Markers of old runs: their reports are shortened first, and later they are deleted with the receipts of the run.
//!
//! A marker stays as long as the control database has its run, because an unknown run, a retry and an undo ask for it.

use elt_shared::store::retention::{self, Subject};
use elt_shared::store::runs;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{BATCH, Batch, Housekeeping, Walk, days_ago, least_id, made_at};
use crate::load::elt_tables::{FILES, LOADS};

/// Files that a report may list to stay as it is.
const SHORT_LIST: i32 = 20;

/// Shortens the reports of the next markers, then deletes the next old markers.
pub(super) async fn batch(house: &mut Housekeeping<'_>, walk: &mut Walk, subject: Subject<'_>) -> sqlx::Result<Batch> {
    if walk.first_done { delete(house, walk).await } else { shorten(house, walk, subject).await }
}

async fn shorten(house: &mut Housekeeping<'_>, walk: &mut Walk, subject: Subject<'_>) -> sqlx::Result<Batch> {
    if walk.since.is_none() {
        walk.since = retention::done_until(house.control, subject).await?;
        walk.run = walk.since.map(least_id);
    }
    let (looked_at, last): (i64, Option<Uuid>) = sqlx::query_as(AssertSqlSafe(format!(
        "with old as materialized (
             select run_id, report from {loads}
             where run_id < $2 and run_id > $1 order by run_id limit $3
         ), shortened as (
             update {loads} marker set report = (old.report - 'samples') || '{{\"files\": [], \"left_out\": [], \"lists_removed\": true}}'
             from old
             where marker.run_id = old.run_id and marker.loaded_at is not null
               and case when jsonb_typeof(old.report -> 'files') = 'array' then jsonb_array_length(old.report -> 'files')
                        else 0 end > $4
         )
         select count(*), (select run_id from old order by run_id desc limit 1) from old",
        loads = house.own(LOADS)
    )))
    .bind(walk.run.unwrap_or_default())
    .bind(least_id(days_ago(house.keep.reports)))
    .bind(BATCH)
    .bind(SHORT_LIST)
    .fetch_one(&mut *house.target)
    .await?;
    walk.run = last.or(walk.run);
    if let Some(until) = last.and_then(made_at) {
        retention::note_done_until(house.control, subject, until).await?;
    }
    if looked_at < BATCH {
        *walk = Walk { first_done: true, ..Walk::default() };
    }
    // Shortened reports are not counted: the markers are still there.
    Ok(Batch { removed: 0, more: true })
}

async fn delete(house: &mut Housekeeping<'_>, walk: &mut Walk) -> sqlx::Result<Batch> {
    let (files, loads) = (house.own(FILES), house.own(LOADS));
    // Receipts may be there without a marker, because somebody else deleted it.
    let old: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(format!(
        "select run_id from (
             (select run_id from {loads} where run_id < $2 and run_id > $1 order by run_id limit $3)
             union
             (select distinct run_id from {files} where run_id < $2 and run_id > $1 order by run_id limit $3)
         ) old order by run_id limit $3"
    )))
    .bind(walk.run.unwrap_or_default())
    .bind(least_id(days_ago(house.keep.loads)))
    .bind(BATCH)
    .fetch_all(&mut *house.target)
    .await?;
    let Some(last) = old.last() else { return Ok(Batch::default()) };
    walk.run = Some(*last);
    let there = runs::old::which_exist(house.control, &old).await?;
    let gone: Vec<_> = old.iter().copied().filter(|run| !there.contains(run)).collect();
    let removed: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
        "with receipts as (delete from {files} where run_id = any($1)),
              markers as (delete from {loads} where run_id = any($1) returning 1)
         select count(*) from markers"
    )))
    .bind(gone)
    .fetch_one(&mut *house.target)
    .await?;
    Ok(Batch { removed: removed.unsigned_abs(), more: old.len() as i64 == BATCH })
}
