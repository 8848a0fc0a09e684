//! A table that the run creates: filled directly by COPY and indexed last, all in the loading transaction.

use elt_shared::config::Dedupe as ConfigDedupe;
use elt_shared::runs::report::RunReport;
use sqlx::{Connection, PgConnection};

use crate::load::combined_csv::CombinedCsv;
use crate::load::copy::{Dedupe, RowSuffix, writer};
use crate::load::dedupe::hash_set::RowHashSet;
use crate::load::dedupe::sql;
use crate::load::finish::{self, WrittenRows};
use crate::load::first_pass::FirstPass;
use crate::load::login::Login;
use crate::load::session::{LOADED_AT, ROW_HASH, RUN_ID, Session};
use crate::load::staging::{column_list, origins};
use crate::load::table::replica_identity;
use crate::load::table::shape::{self, TableDdl};
use crate::load::{Halt, LoadTask};

/// Creates the table and fills it.
pub async fn load(
    session: &mut Session,
    mut task: LoadTask<'_>,
    first_pass: FirstPass,
) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let (table, attempt) = (session.table.clone(), session.attempt);
    let warning = lacks_temporary_tables(&session.login);
    let dedupe = match task.config().dedupe {
        ConfigDedupe::RowHash => Dedupe::Known(RowHashSet::with_room(task.rows, task.context.memory.own)),
        ConfigDedupe::None => Dedupe::None,
    };
    let mut tx = task.begin(session).await?;
    // Another program may have created the table since the columns were decided.
    if table.existing(&mut tx).await?.is_some() {
        return Err(Halt::TableChanged);
    }
    let mut ddl = TableDdl::of(&table);
    ddl.create(&mut tx, &task.layout, None).await?;
    let loaded_at: i64 =
        sqlx::query_scalar("select (extract(epoch from now()) * 1000000)::bigint").fetch_one(&mut *tx).await?;
    let second_pass =
        finish::second_pass(&mut task, &table, attempt, RowSuffix::Table { loaded_at }, dedupe, &first_pass)?;
    // Other sessions cannot see the table before it commits, so its rows can be written frozen: no vacuum needs to visit
    // them, and the first reader needs to write no hint bits.
    let copy = format!(
        "copy {} ({}{ROW_HASH}, {RUN_ID}, {LOADED_AT}{}) from stdin (format binary, freeze)",
        table.sql(),
        column_list(&task.layout),
        origins(&task.layout, |origin| origin.column().to_owned())
    );
    let (copied, mut second_pass) = writer::run(&mut tx, &copy, second_pass).await?;
    let mut decided = first_pass.ended(&second_pass.contents).await?;
    decided.report.warnings.extend(warning);
    // The index is created after the rows are copied, because one build is faster than an update for each row.
    let mut repeated = 0;
    if task.hashed() && !index_unless_repeated(&mut tx, &mut ddl).await? {
        repeated = second_pass.count_repeated().await?;
        replica_identity::ensure(&mut tx, &table, &mut ddl.statements).await?;
        sql::drop_repeated(&mut tx, &table).await?;
        ddl.index_row_hash(&mut tx, None).await?;
    }
    shape::store_type_history(&mut tx, &table, &task.layout, true, true).await?;
    let written = WrittenRows {
        inserted: copied - repeated,
        updated: Vec::new(),
        deleted: 0,
        statements: ddl.statements,
        second_pass,
    };
    finish::commit(tx, &table, attempt, &task, decided, written).await
}

/// A warning that later loads need a right that the login lacks. `None`: it has the right.
fn lacks_temporary_tables(login: &Login) -> Option<String> {
    (!login.temporary).then(|| {
        format!(
            "the login may not make temporary tables: this load needed none, but the next one does. Ask the owner of \
             the database or a superuser to execute: {}",
            login.grant_temporary()
        )
    })
}

/// Creates the unique index over the row hashes, unless a row was copied twice because its hash found no room in memory.
/// Returns whether the index was created. Trying is the cheapest proof that no row is repeated, because the index is
/// needed anyway.
async fn index_unless_repeated(tx: &mut PgConnection, ddl: &mut TableDdl<'_>) -> sqlx::Result<bool> {
    let mut savepoint = tx.begin().await?;
    match ddl.index_row_hash(&mut savepoint, None).await {
        Ok(()) => savepoint.commit().await.map(|()| true),
        Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
            savepoint.rollback().await.map(|()| false)
        }
        Err(error) => Err(error),
    }
}
