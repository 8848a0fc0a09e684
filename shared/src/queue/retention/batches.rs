//! Deleting one kind of things in small batches, so that no statement holds locks for long.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;

use super::{Keep, Kind};
use crate::secret::KeyRing;
use crate::store::retention_turns::{self as turns, Subject};
use crate::store::runs::old::{self, NeededRuns, WalkPlace};
use crate::store::{
    api_tokens, audit, backfills, config_limits, coverage, idempotency, login_failures, logs, notifications, schedules,
    sessions, tickets, workers,
};

/// Rows that a batch deletes at most.
const BATCH: i64 = 5_000;
/// Runs that a batch looks at: fewer, because each is looked up in several indexes, and its attempts go with it.
const RUNS: i64 = 1_000;
/// Reports that a batch looks at: few, because each that is shortened is written anew.
const REPORTS: i64 = 500;
/// Times that one run is tried when runs are made from old ones at the same moment.
const TRIES: u32 = 5;

/// Deletes one kind of the control database.
pub struct Batches<'a> {
    db: &'a PgPool,
    kind: Kind,
    keep: &'a Keep,
    /// Sign what is left of the audit.
    keys: Option<&'a KeyRing>,
    /// `None`: not known yet.
    needed: Option<NeededRuns>,
    walk: Option<WalkPlace>,
}

/// The result of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch {
    /// Number of things that it deleted.
    pub removed: u64,
    /// Whether there may be more to delete.
    pub more: bool,
}

impl Batch {
    /// A batch that is the last one unless it is full.
    fn of(removed: u64) -> Self {
        Self { removed, more: removed >= BATCH.unsigned_abs() }
    }
}

impl<'a> Batches<'a> {
    /// Batches of a kind.
    pub fn new(db: &'a PgPool, kind: Kind, keep: &'a Keep, keys: Option<&'a KeyRing>) -> Self {
        Self { db, kind, keep, keys, needed: None, walk: None }
    }

    /// Deletes the next batch.
    ///
    /// # Errors
    /// When the database fails. What earlier batches deleted stays deleted.
    pub async fn next(&mut self) -> sqlx::Result<Batch> {
        let (db, keep) = (self.db, self.keep);
        let removed = match self.kind {
            Kind::Tickets => return self.tickets().await,
            Kind::LogLines => return self.log_lines().await,
            Kind::Reports => return self.reports().await,
            Kind::Runs => return self.runs().await,
            Kind::Audit => return self.audit().await,
            Kind::Schedules => schedules::remove_ended(db, keep.schedules, BATCH).await?,
            Kind::Configs => config_limits::remove_never_run(db, keep.unused_configs, BATCH).await?,
            Kind::CoverageReports => coverage::remove_beyond(db, keep.coverage_reports, BATCH).await?,
            Kind::LoginFailures => login_failures::remove_old(db, BATCH).await?,
            Kind::ApiTokens => api_tokens::remove_old(db, days(keep.ended_tokens), BATCH).await?,
            Kind::IdempotencyKeys => idempotency::remove_old(db, BATCH).await?,
            Kind::Notifications => notifications::remove_old(db, days(keep.notifications), BATCH).await?,
            Kind::Sessions => sessions::remove_old(db, BATCH).await?,
            // Workers delete these where they are.
            Kind::Receipts
            | Kind::Markers
            | Kind::Quarantine
            | Kind::WorkFolders
            | Kind::CombinedCsvs
            | Kind::Uploads => 0,
        };
        Ok(Batch::of(removed))
    }

    async fn tickets(&self) -> sqlx::Result<Batch> {
        let batch = Batch::of(tickets::remove_old(self.db, self.keep.tickets, BATCH).await?);
        if !batch.more {
            tickets::remove_lost_workers(self.db, self.keep.tickets).await?;
            workers::remove_lost(self.db, self.keep.tickets).await?;
        }
        Ok(batch)
    }

    async fn log_lines(&self) -> sqlx::Result<Batch> {
        let old = Batch::of(logs::remove_old(self.db, days(self.keep.log_lines), BATCH).await?);
        if old.more {
            return Ok(old);
        }
        let beyond = Batch::of(logs::remove_beyond(self.db, self.keep.most_log_lines, BATCH).await?);
        Ok(Batch { removed: old.removed + beyond.removed, more: beyond.more })
    }

    async fn audit(&self) -> sqlx::Result<Batch> {
        let Some(keys) = self.keys else { return Ok(Batch::default()) };
        let before = Utc::now() - TimeDelta::days(self.keep.audit.into());
        let removed = audit::remove_old(self.db, keys, before, BATCH as i32).await?;
        // A batch counts rows in the chain and older ones together, so only an empty one is the last.
        Ok(Batch { removed, more: removed > 0 })
    }

    async fn runs(&mut self) -> sqlx::Result<Batch> {
        let days = self.keep.runs;
        let needed = match &mut self.needed {
            Some(needed) => needed,
            None if !old::any(self.db, days).await? => return self.backfills().await,
            unknown => unknown.insert(old::needed(self.db, self.keep.newest_runs).await?),
        };
        let mut removed = 0;
        let (mut limit, mut failures) = (RUNS, 0);
        loop {
            let step = match old::remove_old(self.db, days, needed, self.walk, limit).await {
                Ok(step) => step,
                // Somebody repeats, replays or undoes one of these runs at this moment. The next try sees it and keeps
                // that run. It looks at fewer runs, because others among them may be repeated meanwhile.
                Err(error) if is_foreign_key(&error) && limit > 1 => {
                    limit /= 2;
                    continue;
                }
                Err(error) if is_foreign_key(&error) && failures < TRIES => {
                    failures += 1;
                    continue;
                }
                // What was deleted before counts. The next batch fails in the same way if the failure lasts.
                Err(_) if removed > 0 => return Ok(Batch { removed, more: true }),
                Err(error) => return Err(error),
            };
            failures = 0;
            removed += step.removed.unsigned_abs();
            // A run whose last child was deleted just now can be deleted as well.
            if step.removed > 0 && step.blocked > 0 {
                continue;
            }
            self.walk = step.last.or(self.walk);
            if step.last.is_none() {
                let backfills = self.backfills().await?;
                return Ok(Batch { removed: removed + backfills.removed, more: backfills.more });
            }
            return Ok(Batch { removed, more: true });
        }
    }

    /// Backfills go after the last of their runs.
    async fn backfills(&self) -> sqlx::Result<Batch> {
        Ok(Batch::of(backfills::remove_without_runs(self.db, self.keep.runs, BATCH).await?))
    }

    async fn reports(&self) -> sqlx::Result<Batch> {
        let subject = Subject { kind: Kind::Reports.name(), place: "" };
        let after = turns::done_until(self.db, subject).await?;
        let step = old::thin_reports(self.db, self.keep.reports, after, REPORTS).await?;
        if let Some(until) = step.until {
            turns::note_done_until(self.db, subject, until).await?;
        }
        Ok(Batch { removed: step.thinned.unsigned_abs(), more: step.passed >= REPORTS })
    }
}

fn days(days: u16) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

fn is_foreign_key(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_foreign_key_violation())
}
