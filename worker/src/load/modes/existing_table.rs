//! A table that exists, or that needs staged rows for another reason: rows are staged before any lock is taken, then the
//! table's shape, its rows and what is stored beside them change in one short transaction.

use elt_shared::config::{Dedupe as ConfigDedupe, LoadMode};
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::{Drift, RunReport};
use elt_shared::target::TableRef;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::merge::Updated;
use super::{merge, replace};
use crate::contract::decide::Change;
use crate::error::PipelineError;
use crate::load::checks::changed;
use crate::load::combined_csv::CombinedCsv;
use crate::load::copy::{Dedupe, RowCounts, RowSuffix, SecondPassResult, writer};
use crate::load::dedupe::hash_set::RowHashSet;
use crate::load::dedupe::table_hashes::KnownHashes;
use crate::load::dedupe::{backfill, sql};
use crate::load::finish::{self, WrittenRows};
use crate::load::first_pass::FirstPass;
use crate::load::quarantine::refusal::concerns_a_row;
use crate::load::quarantine::refused_search::Search;
use crate::load::session::{self, ROW_HASH, Session};
use crate::load::table::partitions::{self, OldRows, Partitioning, Room};
use crate::load::table::shape::{self, TableDdl};
use crate::load::table::{replica_identity, triggers};
use crate::load::{Halt, LoadTask, conversion_check, staging};

/// Stages the rows and brings them into the table.
pub async fn load(
    session: &mut Session,
    mut task: LoadTask<'_>,
    first_pass: FirstPass,
) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let (table, attempt) = (session.table.clone(), session.attempt);
    let partitioning = Partitioning::of(task.context.config.target.partition.as_ref(), &task.layout)?;
    let dedupe = dedupe(&mut task);
    let second_pass = finish::second_pass(&mut task, &table, attempt, RowSuffix::Staging, dedupe, &first_pass)?;
    // The second pass runs outside the loading transaction, because it may take hours and the table would be locked.
    session.login.require_temporary(&table)?;
    let copy = staging::create(&mut session.connection, &task.layout).await?;
    let (staged, mut second_pass) = writer::run(&mut session.connection, &copy, second_pass).await?;
    let mut decided = first_pass.ended(&second_pass.contents).await?;
    if staged > 0 {
        staging::analyze(&mut session.connection).await?;
        // Values are converted once before the lock, because a value that does not convert would fail the whole statement
        // that inserts all rows.
        conversion_check::check(&mut session.connection, &task.layout, &task.context.stop).await?;
    }

    let mut tx = task.begin(session).await?;
    let mut ddl = match &task.before {
        Some(before) => TableDdl::altering(&table, before.facts.altered(&table)),
        None => TableDdl::of(&table),
    };
    prepare_table(&mut tx, &mut ddl, &task, &decided.changes, partitioning.as_ref()).await?;
    // Rows whose hashes found no room in memory were staged without knowing whether they repeat another row.
    if second_pass.count_repeated().await? > 0 {
        sql::drop_repeated_staged(&mut tx).await?;
    }
    let old = leave_out_old(&mut tx, &table, partitioning.as_ref(), &mut second_pass).await?;
    decided.report.warnings.extend(old.warning);
    let staged = staged - old.rows;
    let room = make_room(&mut tx, &mut ddl, &task, partitioning.as_ref(), staged).await?;
    prepare_indexes(&mut tx, &mut ddl, &task, partitioning.as_ref(), &room).await?;
    decided.report.warnings.extend(room.warning.iter().cloned());
    let drift = &decided.drift;
    let writer = StagedWriter { table: &table, task: &task, drift, run: attempt.run_id, staged, room: &room };
    let written = writer.write_or_search(&mut tx, &mut second_pass.row_counts).await?;
    let Written { inserted, updated: Updated { rows: updated, kept }, deleted } = written;
    refuse_lost_rows(&table, inserted, &second_pass)?;
    let written = inserted + updated.iter().map(|(_, count)| count).sum::<u64>();
    triggers::refuse_moved_rows(&mut tx, &table, attempt.run_id, written).await?;
    if kept > 0 {
        decided.report.warnings.push(format!(
            "a trigger or rule of {table} kept {kept} rows as they were: they are counted as rows that were there already"
        ));
    }
    let before = task.before.as_ref();
    let fresh = before.is_none_or(|before| !before.has_elt_columns());
    let made_by_elt = before.is_none_or(|before| before.known.made_by_elt);
    shape::store_type_history(&mut tx, &table, &task.layout, fresh, made_by_elt).await?;
    let written = WrittenRows { inserted, updated, deleted, statements: ddl.statements, second_pass };
    finish::commit(tx, &table, attempt, &task, decided, written).await
}

/// Writes staged rows into the table.
struct StagedWriter<'a> {
    table: &'a TableRef,
    task: &'a LoadTask<'a>,
    /// Differences between the files and the table.
    drift: &'a [Drift],
    run: Uuid,
    /// Number of staged rows.
    staged: u64,
    /// The partitions of these rows.
    room: &'a Room,
}

/// Numbers of rows that were written.
struct Written {
    inserted: u64,
    updated: Updated,
    deleted: u64,
}

impl StagedWriter<'_> {
    /// Writes all rows at once. When the table refuses one, finds all rows that it refuses and returns them as
    /// [`Halt::Refused`].
    async fn write_or_search(&self, tx: &mut PgConnection, row_counts: &mut [RowCounts]) -> Result<Written, Halt> {
        // One statement over all rows is tried first, because tables seldom refuse a row. The savepoint keeps the locks and
        // the marker when it fails.
        let mut savepoint = tx.begin().await?;
        let failed = match self.write(&mut savepoint, row_counts).await {
            Ok(written) => {
                savepoint.commit().await?;
                return Ok(written);
            }
            Err(Halt::Database(error)) if self.staged > 0 && concerns_a_row(&error) => error,
            Err(halt) => return Err(halt),
        };
        savepoint.rollback().await?;
        let mut search = Search::new(self.table, &self.task.layout, &self.task.context.stop);
        // The search works on a copy of the counts, because the load is tried again without the rows that it finds.
        self.search(tx, &mut row_counts.to_vec(), &mut search).await?;
        if search.refused.is_empty() { Err(failed.into()) } else { Err(Halt::Refused(Box::new(search.refused))) }
    }

    async fn write(&self, tx: &mut PgConnection, row_counts: &mut [RowCounts]) -> Result<Written, Halt> {
        let (table, layout, delivered) = (self.table, &self.task.layout, self.room.delivered.as_ref());
        let deleted = self.prepare(tx, row_counts).await?;
        changed::keep(tx, self.task).await?;
        let updated = match self.task.config().mode {
            LoadMode::Merge => merge::update(tx, table, layout, delivered, self.run, row_counts).await?,
            LoadMode::Append | LoadMode::Replace => Updated { rows: Vec::new(), kept: 0 },
        };
        let inserted =
            if self.staged == 0 { 0 } else { staging::insert(tx, table, layout, self.run, delivered).await? };
        // A constraint that is deferred to the commit would fail there, and no row could be named then.
        sqlx::raw_sql("set constraints all immediate").execute(tx).await?;
        Ok(Written { inserted, updated, deleted })
    }

    async fn search(
        &self,
        tx: &mut PgConnection,
        row_counts: &mut [RowCounts],
        search: &mut Search<'_>,
    ) -> Result<(), Halt> {
        let (table, layout, delivered) = (self.table, &self.task.layout, self.room.delivered.as_ref());
        sqlx::raw_sql("set constraints all immediate").execute(&mut *tx).await?;
        self.prepare(tx, row_counts).await?;
        if self.task.config().mode == LoadMode::Merge {
            let statement = |condition: &str| merge::update_statement(table, layout, delivered, self.run, condition);
            search.apply(tx, &statement).await?;
            merge::forget_known(tx, table, layout, delivered).await?;
        }
        search.apply(tx, &|condition| staging::insertion(table, layout, self.run, condition)).await
    }

    /// Deletes the table's rows that are replaced, and the staged rows that are not to be written. Returns the number
    /// of the table's rows that it deleted.
    async fn prepare(&self, tx: &mut PgConnection, row_counts: &mut [RowCounts]) -> Result<u64, Halt> {
        let (table, task, delivered) = (self.table, self.task, self.room.delivered.as_ref());
        let hashed = task.config().dedupe == ConfigDedupe::RowHash;
        let mut deleted = 0;
        match task.config().mode {
            LoadMode::Merge => merge::drop_superseded(tx, table, &task.layout, delivered, row_counts).await?,
            LoadMode::Replace => deleted = replace::delete_others(tx, table, hashed, self.drift, delivered).await?,
            LoadMode::Append => {}
        }
        // A merge has dropped equal rows by their keys already.
        if hashed && self.staged > 0 && task.config().mode != LoadMode::Merge {
            sql::keep_unknown_staged(tx, table, delivered, row_counts).await?;
        }
        Ok(deleted)
    }
}

/// The way in which equal rows are found.
fn dedupe(task: &mut LoadTask<'_>) -> Dedupe {
    match (task.config().mode, task.config().dedupe, task.known.take()) {
        // A merge sends equal rows, too, because the last row of a key counts, and that is decided in staging.
        (LoadMode::Merge, ..) => Dedupe::Hash,
        (_, ConfigDedupe::None, _) => Dedupe::None,
        (_, ConfigDedupe::RowHash, Some(KnownHashes::InMemory(known))) => Dedupe::Known(known),
        (_, ConfigDedupe::RowHash, Some(KnownHashes::OnDisk(known))) => Dedupe::KnownOnDisk(known),
        // Without the table's hashes only repeated rows among the delivered ones are found here. Those that the table has
        // are found by the join in staging.
        (_, ConfigDedupe::RowHash, None) => Dedupe::Known(RowHashSet::with_room(task.rows, task.context.memory.own)),
    }
}

/// Creates the table, or changes it so that the layout's rows fit into it: elt's own columns, hashes of the rows that
/// are there, new and wider columns.
async fn prepare_table(
    tx: &mut PgConnection,
    ddl: &mut TableDdl<'_>,
    task: &LoadTask<'_>,
    changes: &[Change],
    partitioning: Option<&Partitioning>,
) -> Result<(), Halt> {
    let table = ddl.table();
    let now = session::table_state(tx, table).await?;
    match (&task.before, now) {
        (None, None) => ddl.create(tx, &task.layout, partitioning).await?,
        (Some(before), Some(now)) if before.is_same(&now) => {
            if !before.has_elt_columns() {
                ddl.add_internal_columns(tx, before).await?;
                if task.hashed() {
                    replica_identity::ensure(tx, table, &mut ddl.statements).await?;
                    let has_column = |name: &str| before.known.columns.iter().any(|known| known.table.name == name);
                    let present: Vec<_> = task.layout.columns.iter().map(|column| has_column(&column.name)).collect();
                    let rows = backfill::hash_rows(tx, table, &task.layout, &present, task.spool).await?;
                    tracing::info!(rows, "adopted {table}: the rows that were there are known now");
                }
            }
            ddl.add_origins(tx, &task.layout, before).await?;
            ddl.change(tx, &task.layout, changes).await?;
        }
        // The columns were decided from another state of the table, and the lock was not held since.
        _ => return Err(Halt::TableChanged),
    }
    Ok(())
}

/// Deletes staged rows that are older than a partitioned table keeps.
async fn leave_out_old(
    tx: &mut PgConnection,
    table: &TableRef,
    partitioning: Option<&Partitioning>,
    second_pass: &mut SecondPassResult,
) -> Result<OldRows, Halt> {
    match partitioning {
        Some(partitioning) => Ok(partitioning.leave_out_old(tx, table, &mut second_pass.row_counts).await?),
        None => Ok(OldRows::default()),
    }
}

/// Creates the partitions that the staged rows need, where the config partitions the table.
async fn make_room(
    tx: &mut PgConnection,
    ddl: &mut TableDdl<'_>,
    task: &LoadTask<'_>,
    partitioning: Option<&Partitioning>,
    staged: u64,
) -> Result<Room, Halt> {
    let Some(partitioning) = partitioning else { return Ok(Room::default()) };
    // Another program may have made the table anew since it was looked at.
    partitions::require(tx, ddl.table(), task.context.config.target.partition.as_ref()).await?;
    partitioning.make_room(tx, ddl, staged, task.before.is_none()).await
}

/// Creates the indexes that are missing, and gives a published table its replica identity.
async fn prepare_indexes(
    tx: &mut PgConnection,
    ddl: &mut TableDdl<'_>,
    task: &LoadTask<'_>,
    partitioning: Option<&Partitioning>,
    room: &Room,
) -> Result<(), Halt> {
    let table = ddl.table();
    if task.hashed() {
        ddl.index_row_hash(tx, partitioning).await?;
    }
    if task.hashed()
        && let Some(default) = &room.default
    {
        // The unique index of the table takes every NULL of the partition column for another value.
        let mut of_default = TableDdl::of(default);
        of_default.index(tx, &[ROW_HASH]).await?;
        ddl.statements.append(&mut of_default.statements);
    }
    if task.config().mode == LoadMode::Merge {
        merge::index_keys(tx, ddl, &task.layout).await?;
    }
    if task.config().mode != LoadMode::Append {
        replica_identity::ensure(tx, table, &mut ddl.statements).await?;
    }
    Ok(())
}

/// Refuses a load of which rows were not inserted, because a trigger of the table may drop rows.
fn refuse_lost_rows(table: &TableRef, inserted: u64, second_pass: &SecondPassResult) -> Result<(), Halt> {
    let meant: u64 = second_pass.row_counts.iter().map(|counts| counts.sent).sum();
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
