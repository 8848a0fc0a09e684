//! Old rows of elt's own tables in a target are deleted in small batches, on a connection of its own, after something was
//! loaded there.
//!
//! # Layout
//! - [`markers`]: markers of runs, with their reports
//! - [`receipts`]: receipts of files
//! - [`quarantine`]: rejected rows

mod markers;
mod quarantine;
mod receipts;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use elt_shared::queue::retention::{Cleaned, Keep, Kind, Midway, begin_turn, finish_turn, turn_end};
use elt_shared::store::retention_turns::{self as turns, Left, Subject};
use elt_shared::target::{self, AnswerLimits, TableRef};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::time::sleep;
use uuid::Uuid;

use super::elt_tables::{self, FILES, LOADS, QUARANTINE};
use super::failure::Failing;
use super::login;
use super::session::database_key;
use crate::error::Result;
use crate::run_context::RunContext;

/// The `application_name` of the sessions.
const APPLICATION_NAME: &str = "elt:housekeeping";

/// A turn that another run ended within this time is not taken again.
const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(3000);
/// Longest time that a turn spends on one kind.
const TURN: Duration = Duration::from_secs(120);
/// Time between two renewals of a turn.
const RENEW: Duration = Duration::from_secs(30);
/// Longest pause between two batches.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Rows that a batch looks at.
const BATCH: i64 = 2_000;

/// The reason why a turn failed.
#[derive(Debug, thiserror::Error)]
#[error("a database failed")]
pub struct HousekeepingError(#[from] sqlx::Error);

/// Deletes old rows in the target of a run that loaded, as far as it is their turn.
///
/// # Errors
/// When the target cannot be used, or tables of an older release cannot be brought up to date.
pub async fn after_load(context: &RunContext, keep: Keep) -> Result<()> {
    let (database, default) = (&context.config.target.database, context.default_target.as_ref());
    let mut connection =
        target::connect_watched(database, default, &context.network, APPLICATION_NAME, AnswerLimits::LOAD).await?;
    let table = TableRef::find(&mut connection, &context.config.target.table).await?;
    login::prepare(&mut connection, &table).await?;
    let fail = Failing::at(&table, "set up the session");
    login::lift_limits(&mut connection).await.map_err(|error| fail.because(error))?;
    // Loads never wait behind this session for long, and it does not wait behind them.
    let patience = sqlx::query("set lock_timeout = '5s'").execute(&mut connection).await;
    patience.map_err(|error| fail.because(error))?;
    Housekeeping { target: &mut connection, control: &context.control, table: &table, keep }.take_turns().await?;
    // A failure is ignored, because the server also ends the session when the socket closes.
    let _ = connection.close().await;
    Ok(())
}

/// Old rows in the schema of a table, and what they are judged by.
pub struct Housekeeping<'a> {
    /// Connection to the target.
    pub target: &'a mut PgConnection,
    /// The control database, which says which runs are still there.
    pub control: &'a PgPool,
    /// The table that was loaded into. All tables of its schema share elt's own.
    pub table: &'a TableRef,
    /// Days and numbers that the settings say stay.
    pub keep: Keep,
}

/// The result of a batch.
#[derive(Debug, Clone, Copy, Default)]
struct Batch {
    removed: u64,
    more: bool,
    /// Whether old rows are left that could not be looked at, because a load was at work.
    skipped: bool,
}

impl Housekeeping<'_> {
    /// Takes the turn of each kind that is due, and notes what it did.
    ///
    /// # Errors
    /// When the tables of an older release cannot be brought up to date, or the target cannot be asked who it is.
    pub async fn take_turns(&mut self) -> Result<()> {
        elt_tables::ensure(self.target, self.table).await?;
        let fail = Failing::at(self.table, "delete old rows of elt's own tables");
        let place = place(self.target, self.table).await.map_err(|error| fail.because(error))?;
        let shown = shown_place(self.target, self.table).await.map_err(|error| fail.because(error))?;
        for kind in [Kind::Receipts, Kind::Quarantine, Kind::Markers] {
            let subject = Subject { kind: kind.name(), place: &place };
            if !begin_turn(self.control, subject, NOT_AGAIN_WITHIN, kind, &self.keep).await {
                continue;
            }
            if let Err(error) = turns::show(self.control, &place, &shown).await {
                tracing::warn!(%error, "could not note the address of a target");
            }
            let cleaned = self.clean(kind, subject).await;
            let left = left(self.target, self.table, kind).await.ok();
            let end = turn_end(kind, &shown, &cleaned);
            finish_turn(self.control, subject, kind, &end, left).await;
        }
        Ok(())
    }

    /// Deletes one kind, for some minutes at most.
    ///
    /// # Errors
    /// When a database fails. What was deleted before that stays deleted.
    pub async fn clean(&mut self, kind: Kind, subject: Subject<'_>) -> Result<Cleaned, Midway<HousekeepingError>> {
        let mut cleaned = Cleaned::default();
        match self.clean_into(&mut cleaned, kind, subject).await {
            Ok(()) => Ok(cleaned),
            Err(error) => Err(Midway { removed: cleaned.removed, source: error.into() }),
        }
    }

    async fn clean_into(&mut self, cleaned: &mut Cleaned, kind: Kind, subject: Subject<'_>) -> sqlx::Result<()> {
        let mut walk = Walk::default();
        let began = Instant::now();
        let mut renewed = began;
        loop {
            let batch_began = Instant::now();
            let batch = match kind {
                Kind::Receipts => receipts::batch(self, &mut walk).await?,
                Kind::Quarantine => quarantine::batch(self, &mut walk).await?,
                _ => markers::batch(self, &mut walk, subject).await?,
            };
            cleaned.removed += batch.removed;
            cleaned.behind |= batch.skipped;
            if !batch.more {
                return Ok(());
            }
            if began.elapsed() > TURN {
                cleaned.behind = true;
                return Ok(());
            }
            if renewed.elapsed() > RENEW {
                turns::renew(self.control, subject).await?;
                renewed = Instant::now();
            }
            // Deleting takes half of the time at most, so that loads do not wait long.
            sleep(batch_began.elapsed().min(LONGEST_PAUSE)).await;
        }
    }

    /// A table of elt, quoted.
    fn own(&self, name: &str) -> String {
        self.table.sibling(name).sql()
    }
}

/// How far a turn has come.
#[derive(Debug, Clone, Default)]
struct Walk {
    /// The last run that was looked at.
    run: Option<Uuid>,
    /// The table whose rows are looked at. `None`: the next one is to be found.
    table: Option<String>,
    /// The last table that was looked at.
    last_table: Option<String>,
    /// The last row of that run, or of the table.
    row: i64,
    /// Whether the first of two steps is done.
    first_done: bool,
    /// Up to when runs began whose markers were looked at before this turn.
    since: Option<DateTime<Utc>>,
}

/// The least id that a run made at that time can have: ids begin with the milliseconds since the epoch.
fn least_id(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::from(at.timestamp_millis().max(0).cast_unsigned());
    Uuid::from_u128((milliseconds & 0xFFFF_FFFF_FFFF) << 80)
}

/// The time that is in the id of a run.
fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(id.as_u128() >> 80).ok()?)
}

fn days_ago(days: u16) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days.into())
}

/// The schema of a target by its identity, whichever address and login lead to it: `<system identifier>/<database>.schema`.
async fn place(target: &mut PgConnection, table: &TableRef) -> sqlx::Result<String> {
    Ok(format!("{}.{}", database_key(target).await?, table.schema))
}

/// The schema of a target in words, without a login: `host:port/database.schema`.
async fn shown_place(target: &mut PgConnection, table: &TableRef) -> sqlx::Result<String> {
    sqlx::query_scalar(
        "select concat(coalesce(host(inet_server_addr()), 'local'), ':', current_setting('port'), '/', current_database(), '.', $1::text)",
    )
    .bind(&table.schema)
    .fetch_one(target)
    .await
}

/// What is left of a kind, as PostgreSQL estimates it.
async fn left(target: &mut PgConnection, table: &TableRef, kind: Kind) -> sqlx::Result<Left> {
    let (own, oldest) = match kind {
        Kind::Receipts => (FILES, None),
        Kind::Quarantine => (QUARANTINE, Some("select min(at) from ")),
        _ => (LOADS, None),
    };
    let own = table.sibling(own).sql();
    let (rows, bytes): (Option<i64>, i64) = sqlx::query_as(
        "select case when reltuples >= 0 then reltuples::bigint end, pg_total_relation_size(oid)
         from pg_class where oid = to_regclass($1)",
    )
    .bind(&own)
    .fetch_one(&mut *target)
    .await?;
    let oldest: Option<DateTime<Utc>> = match oldest {
        Some(oldest) => sqlx::query_scalar(AssertSqlSafe(format!("{oldest}{own}"))).fetch_one(target).await?,
        None => {
            let first = format!("select run_id from {own} order by run_id limit 1");
            let first: Option<Uuid> = sqlx::query_scalar(AssertSqlSafe(first)).fetch_optional(target).await?;
            first.and_then(made_at)
        }
    };
    Ok(Left { rows, bytes: Some(bytes), oldest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_made_at_a_time_is_not_less_than_the_least_one() {
        let id = Uuid::now_v7();
        let at = made_at(id).expect("a time");
        assert!(least_id(at) <= id && id < least_id(at + TimeDelta::milliseconds(1)));
        assert_eq!(least_id(DateTime::UNIX_EPOCH - TimeDelta::days(1)), Uuid::nil());
    }
}
