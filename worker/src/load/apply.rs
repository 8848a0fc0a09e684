//! Staged rows meet a table: staged before any lock, then shape, rows and bookkeeping in one short transaction.

use elt_shared::config::{Dedupe as ConfigDedupe, LoadMode};
use elt_shared::explained::{Code, Explained};
use elt_shared::target::TableRef;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::conclude::{self, Outcome};
use super::feed::{Dedupe, Fed, Tail, Tally};
use super::merge::Updated;
use super::refusal::concerns_a_row;
use super::search::Search;
use super::seen::HashSet;
use super::session::{self, Session};
use super::table::{self, Shaping};
use super::{Halt, Work, adopt, conversion, merge, pump, replace, replica_identity, staging, triggers};
use crate::error::PipelineError;
use crate::frame::combined::CombinedCsv;
use crate::report::RunReport;

/// Stages the rows and brings them into the table.
pub async fn staged_rows(session: &mut Session, mut work: Work<'_>) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let (table, attempt) = (session.table.clone(), session.attempt);
    let dedupe = dedupe(&mut work);
    let feed = conclude::feed(&mut work, &table, attempt, Tail::Staged, dedupe)?;
    session.login.require_temporary(&table)?;
    let copy = staging::create(&mut session.connection, &work.layout).await?;
    let (staged, mut fed) = pump::run(&mut session.connection, &copy, feed).await?;
    if staged > 0 {
        staging::analyze(&mut session.connection).await?;
        conversion::check(&mut session.connection, &work.layout, &work.stop).await?;
    }

    let mut tx = work.begin(session).await?;
    let mut shaping = match &work.before {
        Some(before) => Shaping::altering(&table, before.facts.altered(&table)),
        None => Shaping::of(&table),
    };
    shape(&mut tx, &mut shaping, &work).await?;
    if fed.resolve_doubt().await? > 0 {
        staging::drop_repeated(&mut tx).await?;
    }
    let writing = Writing { table: &table, work: &work, run: attempt.run_id, staged };
    let written = writing.write_or_search(&mut tx, &mut fed.tallies).await?;
    let Written { inserted, updated: Updated { rows: updated, kept }, deleted } = written;
    refuse_lost_rows(&table, inserted, &fed)?;
    let written = inserted + updated.iter().map(|(_, count)| count).sum::<u64>();
    triggers::refuse_moved_rows(&mut tx, &table, attempt.run_id, written).await?;
    if kept > 0 {
        work.report.warnings.push(format!(
            "a trigger or rule of {table} kept {kept} rows as they were: they are counted as rows that were there already"
        ));
    }
    let known = work.before.as_ref();
    let fresh = known.is_none_or(|before| !before.is_adopted());
    let made_by_elt = known.is_none_or(|before| before.known.made_by_elt);
    table::keep_history(&mut tx, &table, &work.layout, fresh, made_by_elt).await?;
    let outcome = Outcome { inserted, updated, deleted, statements: shaping.statements, fed };
    conclude::commit(tx, &table, attempt, work, outcome).await
}

/// Writes staged rows into the table.
struct Writing<'a> {
    table: &'a TableRef,
    work: &'a Work<'a>,
    run: Uuid,
    /// Number of staged rows.
    staged: u64,
}

/// The rows that were written.
struct Written {
    inserted: u64,
    updated: Updated,
    deleted: u64,
}

impl Writing<'_> {
    /// Writes all rows at once. When the table refuses one, finds all rows that it refuses and returns them as
    /// [`Halt::Refused`].
    async fn write_or_search(&self, tx: &mut PgConnection, tallies: &mut [Tally]) -> Result<Written, Halt> {
        let mut savepoint = tx.begin().await?;
        let failed = match self.write(&mut savepoint, tallies).await {
            Ok(written) => {
                savepoint.commit().await?;
                return Ok(written);
            }
            Err(Halt::Database(error)) if self.staged > 0 && concerns_a_row(&error) => error,
            Err(halt) => return Err(halt),
        };
        savepoint.rollback().await?;
        let mut search = Search::new(self.table, &self.work.layout, &self.work.stop);
        // The search works on a copy of the counts, because the load is tried again without the rows that it finds.
        self.search(tx, &mut tallies.to_vec(), &mut search).await?;
        match search.refused {
            refused if refused.is_empty() => Err(failed.into()),
            refused => Err(Halt::Refused(Box::new(refused))),
        }
    }

    async fn write(&self, tx: &mut PgConnection, tallies: &mut [Tally]) -> Result<Written, Halt> {
        let (table, layout) = (self.table, &self.work.layout);
        let deleted = self.prepare(tx, tallies).await?;
        let updated = match self.work.load.mode {
            LoadMode::Merge => merge::update(tx, table, layout, self.run, tallies).await?,
            LoadMode::Append | LoadMode::Replace => Updated { rows: Vec::new(), kept: 0 },
        };
        let inserted = match self.staged {
            0 => 0,
            _ => staging::insert(tx, table, layout, self.run).await?,
        };
        // A constraint that is deferred to the commit would fail without a row to name.
        sqlx::raw_sql("set constraints all immediate").execute(tx).await?;
        Ok(Written { inserted, updated, deleted })
    }

    async fn search(&self, tx: &mut PgConnection, tallies: &mut [Tally], search: &mut Search<'_>) -> Result<(), Halt> {
        let (table, layout) = (self.table, &self.work.layout);
        sqlx::raw_sql("set constraints all immediate").execute(&mut *tx).await?;
        self.prepare(tx, tallies).await?;
        if self.work.load.mode == LoadMode::Merge {
            let statement = |condition: &str| merge::update_statement(table, layout, self.run, condition);
            search.apply(tx, &statement).await?;
            merge::forget_known(tx, table, layout).await?;
        }
        search.apply(tx, &|condition| staging::insertion(table, layout, self.run, condition)).await
    }

    /// Deletes the table's rows that are replaced, and the staged rows that are not to be written. Returns the number
    /// of the table's rows that it deleted.
    async fn prepare(&self, tx: &mut PgConnection, tallies: &mut [Tally]) -> Result<u64, Halt> {
        let (table, work) = (self.table, self.work);
        let hashed = work.load.dedupe == ConfigDedupe::RowHash;
        let mut deleted = 0;
        match work.load.mode {
            LoadMode::Merge => merge::drop_superseded(tx, table, &work.layout, tallies).await?,
            LoadMode::Replace => deleted = replace::delete_others(tx, table, hashed, &work.drift).await?,
            LoadMode::Append => {}
        }
        if hashed && self.staged > 0 && work.load.mode != LoadMode::Merge {
            staging::keep_unknown(tx, table, tallies).await?;
        }
        Ok(deleted)
    }
}

/// How equal rows are found: by the table's hashes and the run's own, or the run's own only.
fn dedupe(work: &mut Work<'_>) -> (Dedupe, usize) {
    match (work.load.mode, work.load.dedupe, work.known.take()) {
        (LoadMode::Merge, ..) => (Dedupe::Hash, work.memory.own),
        (_, ConfigDedupe::None, _) => (Dedupe::None, work.memory.own),
        (_, ConfigDedupe::RowHash, Some(known)) => (Dedupe::Known(known), work.memory.all),
        (_, ConfigDedupe::RowHash, None) => {
            (Dedupe::Known(HashSet::with_room(work.rows(), work.memory.own)), work.memory.own)
        }
    }
}

/// Makes the table what the layout needs: made, adopted, changed, indexed.
async fn shape(tx: &mut PgConnection, shaping: &mut Shaping<'_>, work: &Work<'_>) -> Result<(), Halt> {
    let table = shaping.table();
    let now = session::look(tx, table).await?;
    match (&work.before, now) {
        (None, None) => shaping.create(tx, &work.layout).await?,
        (Some(before), Some(now)) if before.is_same(&now) => {
            if !before.is_adopted() {
                shaping.add_internal_columns(tx, before).await?;
                if work.hashed() {
                    replica_identity::ensure(tx, table, &mut shaping.statements).await?;
                    let there: Vec<_> = work
                        .layout
                        .columns
                        .iter()
                        .map(|column| before.known.columns.iter().any(|known| known.table.name == column.name))
                        .collect();
                    let rows = adopt::hash_rows(tx, table, &work.layout, &there, work.spool).await?;
                    tracing::info!(rows, "adopted {table}: the rows that were there are known now");
                }
            }
            shaping.change(tx, &work.layout, &work.changes).await?;
        }
        _ => return Err(Halt::TableChanged),
    }
    if work.hashed() {
        shaping.index_row_hash(tx).await?;
    }
    if work.load.mode == LoadMode::Merge {
        merge::index_keys(tx, shaping, &work.layout).await?;
    }
    if work.load.mode != LoadMode::Append {
        replica_identity::ensure(tx, table, &mut shaping.statements).await?;
    }
    Ok(())
}

/// Checks that every new row was inserted, because a trigger of the table may drop rows.
fn refuse_lost_rows(table: &TableRef, inserted: u64, fed: &Fed) -> Result<(), Halt> {
    let meant: u64 = fed.tallies.iter().map(|tally| tally.sent).sum();
    if inserted == meant {
        return Ok(());
    }
    Err(PipelineError::Target(Explained {
        code: Code::TargetTrigger,
        message: format!("{table} took {inserted} of {meant} new rows: a trigger or rule of the table drops rows"),
        next_step: "Change the trigger or rule, or load into a table of its own.".into(),
    })
    .into())
}
