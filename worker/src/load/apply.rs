//! Staged rows meet a table: staged before any lock, then shape, rows and bookkeeping in one short transaction.

use elt_shared::config::{Dedupe as ConfigDedupe, LoadMode};
use elt_shared::target::TableRef;
use sqlx::PgConnection;

use super::conclude::{self, Outcome};
use super::feed::{Dedupe, Fed, Tail};
use super::seen::HashSet;
use super::session::{self, Session};
use super::table::{self, Shaping};
use super::{Halt, Work, adopt, merge, pump, replace, replica_identity, staging, triggers};
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
    }

    let mut tx = work.begin(session).await?;
    let mut shaping = match &work.before {
        Some(before) => Shaping::altering(&table, before.facts.altered(&table)),
        None => Shaping::of(&table),
    };
    shape(&mut tx, &mut shaping, &work).await?;
    let mut updated = Vec::new();
    let mut deleted = 0;
    if fed.resolve_doubt().await? > 0 {
        staging::drop_repeated(&mut tx).await?;
    }
    let tallies = &mut fed.tallies;
    let hashed = work.load.dedupe == ConfigDedupe::RowHash;
    match work.load.mode {
        LoadMode::Merge => updated = merge::update(&mut tx, &table, &work.layout, attempt.run_id, tallies).await?,
        LoadMode::Replace => deleted = replace::delete_others(&mut tx, &table, hashed, &work.drift).await?,
        LoadMode::Append => {}
    }
    if hashed && staged > 0 && work.load.mode != LoadMode::Merge {
        staging::keep_unknown(&mut tx, &table, tallies).await?;
    }
    let inserted = match staged {
        0 => 0,
        _ => staging::insert(&mut tx, &table, &work.layout, attempt.run_id).await?,
    };
    refuse_lost_rows(&table, inserted, &fed)?;
    let written = inserted + updated.iter().map(|(_, count)| count).sum::<u64>();
    triggers::refuse_moved_rows(&mut tx, &table, attempt.run_id, written).await?;
    let known = work.before.as_ref();
    let fresh = known.is_none_or(|before| !before.is_adopted());
    let made_by_elt = known.is_none_or(|before| before.known.made_by_elt);
    table::keep_history(&mut tx, &table, &work.layout, fresh, made_by_elt).await?;
    let outcome = Outcome { inserted, updated, deleted, statements: shaping.statements, fed };
    conclude::commit(tx, &table, attempt, work, outcome).await
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
        let keys: Vec<_> =
            work.layout.columns.iter().filter(|column| column.key).map(|column| column.name.as_str()).collect();
        shaping.index(tx, &keys).await?;
    }
    if work.load.mode != LoadMode::Append {
        replica_identity::ensure(tx, table, &mut shaping.statements).await?;
    }
    Ok(())
}

/// Every row that was to be inserted is there: a trigger of the table may have thought otherwise.
fn refuse_lost_rows(table: &TableRef, inserted: u64, fed: &Fed) -> Result<(), Halt> {
    let meant: u64 = fed.tallies.iter().map(|tally| tally.sent).sum();
    if inserted == meant {
        return Ok(());
    }
    Err(PipelineError::Target {
        code: "target_trigger",
        message: format!("{table} took {inserted} of {meant} new rows: a trigger or rule of the table drops rows"),
        next_step: "Change the trigger or rule, or load into a table of its own.".into(),
    }
    .into())
}
