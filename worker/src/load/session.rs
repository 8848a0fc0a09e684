//! A run's session with its target: one connection, one table, and the state of that table.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use elt_shared::runs::RunKind;
use elt_shared::runs::lifecycle::{self, Claim, Turn};
use elt_shared::store::installation;
use elt_shared::target::{self, AnswerLimits, Existing, TableRef, TargetPlace};
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::sleep;
use uuid::Uuid;

use super::elt_tables::{self, COLUMNS};
use super::failure::Failing;
use super::login::{self, Login};
use super::marker::{self, Attempt, Begun};
use super::table::column_types;
use super::table::relation::{self, Facts};
use super::table::schema;
use crate::contract::existing_columns::{ExistingColumn, ExistingTable};
use crate::contract::{SqlType, Typing};
use crate::error::{PipelineError, Result};
use crate::run_context::RunContext;

/// elt's own column with the hash of a row, by which equal rows are recognised.
pub const ROW_HASH: &str = "_elt_row_hash";
/// elt's own column with the id of the run that wrote a row last.
pub const RUN_ID: &str = "_elt_run_id";
/// elt's own column with the time at which that run wrote the row.
pub const LOADED_AT: &str = "_elt_loaded_at";

/// Time within which a connection must answer a ping; after it the connection counts as lost.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// Longest wait of a window that was fetched for other runs that have its table.
const LONGEST_WAIT_FOR_TURN: Duration = Duration::from_secs(600);
/// Time between two tries to claim the table for a window.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// Tries for which a window lets runs pass that wait for its table. It is bounded, because these may be waiting for the very
/// slot of the worker that the window has.
const MOST_PASSED: u32 = 20;

/// A session with the target of a run.
pub struct Session {
    /// The connection. Everything a run does in its target goes through it.
    pub connection: PgConnection,
    /// The table to load into. It need not exist yet.
    pub table: TableRef,
    /// The attempt at the run.
    pub attempt: Attempt,
    /// The account that the connection works as.
    pub login: Login,
    /// The statement that creates the table's schema. `None`: the schema existed when the session was opened.
    pub makes_schema: Option<String>,
    /// Id of the installation that the run belongs to.
    pub installation: Uuid,
    /// Identity of the table: system identifier, database and table. Two spellings of one table have the same identity.
    target_key: String,
    /// Whether the run loads rows, which are staged when the table exists already. False for an undo, and for an attempt
    /// that only asks the target what an earlier attempt did.
    brings_rows: bool,
}

/// The table as it is before a load.
#[derive(Debug, Clone)]
pub struct TableState {
    /// The table and its columns, as the catalog describes them.
    pub existing: Existing,
    /// Its columns as far as they bind a load: their types, and which types they had.
    pub known: ExistingTable,
    /// Further facts from the catalog.
    pub facts: Facts,
}

impl TableState {
    /// Whether the table has elt's own columns, so that elt has loaded into it before.
    pub fn has_elt_columns(&self) -> bool {
        [ROW_HASH, RUN_ID, LOADED_AT].iter().all(|own| self.existing.columns.iter().any(|column| column.name == **own))
    }
}

impl TableState {
    /// Whether a later state is that of the same table with the same columns.
    pub fn is_same(&self, other: &Self) -> bool {
        let shape = |before: &Self| -> Vec<_> {
            before
                .existing
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.sql_type.clone(), column.not_null))
                .collect()
        };
        self.existing.oid == other.existing.oid && shape(self) == shape(other)
    }
}

impl Session {
    /// Connects to the run's target and finds the table.
    ///
    /// # Errors
    /// A target that cannot be used or reached; a missing schema that may not be made.
    pub async fn open(context: &RunContext) -> Result<Self> {
        if context.config.target.has_tables() {
            return Err(PipelineError::Internal(format!(
                "the pattern {} was taken for a table",
                context.config.target.table
            )));
        }
        let attempt = Attempt::of(&context.run);
        let mut connection = connect(context, attempt).await?;
        let table = TableRef::find(&mut connection, &context.config.target.table).await?;
        let login = login::prepare(&mut connection, &table).await?;
        let brings_rows = context.run.kind != RunKind::Undo && context.run.verdict.is_none();
        let database = database_key(&mut connection)
            .await
            .map_err(|error| Failing::at(&table, "identify the target").because(error))?;
        let makes_schema = schema::missing(&mut connection, &table, &context.config.target).await?;
        let installation = installation::id(&context.control)
            .await
            .map_err(|source| PipelineError::Control { doing: "read the id of the installation", source })?;
        if let Some(server) = &context.run.waits_on {
            note_answer(context, server).await;
        }
        Ok(Self {
            connection,
            target_key: format!("{database}/{table}"),
            table,
            attempt,
            login,
            makes_schema,
            installation,
            brings_rows,
        })
    }

    /// Connects again if the connection was lost while the sources were read: that may take hours.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn revive(&mut self, context: &RunContext) -> Result<()> {
        // A connection that a firewall dropped answers nothing at all, so the ping has a time limit of its own.
        let alive = tokio::time::timeout(ALIVE_WITHIN, self.connection.ping()).await;
        if !matches!(alive, Ok(Ok(()))) {
            tracing::warn!("the connection to the target was lost: connecting again");
            self.connection = connect(context, self.attempt).await?;
            self.login = login::prepare(&mut self.connection, &self.table).await?;
        }
        Ok(())
    }

    /// Identity of the table, the same for every spelling of its name in configs.
    pub fn target_key(&self) -> &str {
        &self.target_key
    }

    /// Claims the table for this run, among all runs of this control database.
    ///
    /// # Errors
    /// [`PipelineError::TargetBusy`] while another run has it; [`PipelineError::Fenced`].
    pub async fn claim(&self, context: &RunContext) -> Result<()> {
        let claim = lifecycle::claim_target(&context.control, context.run.id, context.run.epoch, &self.target_key)
            .await
            .map_err(|source| PipelineError::Control { doing: "claim the target table", source })?;
        match claim {
            Claim::Taken => Ok(()),
            Claim::Busy { run } => {
                Err(PipelineError::TargetBusy { table: self.table.to_string(), run: run.to_string() })
            }
            Claim::Fenced => Err(PipelineError::Fenced),
        }
    }

    /// Claims the table for the run of a window as soon as no other run has it. Runs that are not of a backfill and wait
    /// for the table pass it.
    ///
    /// # Errors
    /// [`PipelineError::TargetBusy`] when other runs have the table for long, [`PipelineError::Stopped`] when asked to stop,
    /// [`PipelineError::Fenced`].
    pub async fn wait_for_turn(&self, context: &RunContext) -> Result<()> {
        let place = TargetPlace::of(&context.config.target, context.default_target.as_ref());
        let name = place.as_ref().map(|place| place.table.as_str());
        let (attempt, began) = ((context.run.id, context.run.epoch), Instant::now());
        let mut passed = 0;
        loop {
            let lets_pass = passed < MOST_PASSED;
            let turn = lifecycle::claim_turn(&context.control, attempt, &self.target_key, name, lets_pass).await;
            match turn.map_err(|source| PipelineError::Control { doing: "claim the target table", source })? {
                Turn::Taken => return Ok(()),
                Turn::Fenced => return Err(PipelineError::Fenced),
                // The rows are fetched again at the next attempt, so that the worker can do something else meanwhile.
                Turn::Busy { run } if began.elapsed() > LONGEST_WAIT_FOR_TURN => {
                    return Err(PipelineError::TargetBusy { table: self.table.to_string(), run: run.to_string() });
                }
                Turn::Busy { .. } => {}
                Turn::AfterWaiting => passed += 1,
            }
            tokio::select! {
                () = sleep(BETWEEN_TRIES) => {}
                () = context.stop.cancelled() => return Err(PipelineError::Stopped),
            }
        }
    }

    /// Ends the sessions of older attempts and commits this attempt's epoch. Returns what an earlier attempt loaded, if one
    /// did.
    ///
    /// # Errors
    /// [`PipelineError::Fenced`] when a newer attempt began; a relation that cannot be loaded into; a login that lacks a
    /// right, with the statement that grants it.
    pub async fn begin(&mut self) -> Result<Begun> {
        // A worker that lost its lease may still be loading. Its session holds locks on the table and the marker, for which
        // this attempt would wait.
        let fail = Failing::at(&self.table, "end the sessions of older attempts");
        let ended = marker::end_older_sessions(&mut self.connection, self.attempt)
            .await
            .map_err(|error| fail.because(error))?;
        if ended > 0 {
            tracing::info!(sessions = ended, "ended what an older attempt of this run left running");
        }
        elt_tables::ensure(&mut self.connection, &self.table).await?;
        let begun = marker::begin(&mut self.connection, &self.table, self.attempt, self.installation).await?;
        // A table that cannot be loaded into is refused before the sources are read, which may take hours.
        if matches!(begun, Begun::MayLoad) && self.brings_rows && self.table_state().await?.is_some() {
            self.login.require_temporary(&self.table)?;
        }
        Ok(begun)
    }

    /// The table as it is now. `None`: it does not exist.
    ///
    /// # Errors
    /// A view, a foreign table, rows hidden by row level security; database failures.
    pub async fn table_state(&mut self) -> Result<Option<TableState>> {
        table_state(&mut self.connection, &self.table).await
    }

    /// Says goodbye to the server and closes the connection.
    pub async fn close(self) {
        // A failure is ignored, because the server also ends the session when the socket closes.
        let _ = self.connection.close().await;
    }
}

/// Notes that the target's server, which was away, has let this run in, and so lets the runs go on that wait for it.
async fn note_answer(context: &RunContext, server: &str) {
    match lifecycle::server_answers(&context.control, server).await {
        Ok(Some(away)) => {
            tracing::info!("the target answers again after {} s: the runs that wait for it go on", away.as_secs());
        }
        Ok(None) => {}
        // The runs go on all the same: the next of them finds that no run tries to reach the server, and does so.
        Err(error) => tracing::warn!(%error, "could not note that the target answers again"),
    }
}

async fn connect(context: &RunContext, attempt: Attempt) -> Result<PgConnection> {
    let (database, default) = (&context.config.target.database, context.default_target.as_ref());
    let application_name = attempt.application_name();
    let mut connection =
        target::connect_watched(database, default, &context.network, &application_name, AnswerLimits::LOAD).await?;
    let name = &context.config.target.table;
    let table = TableRef { schema: name.schema.clone().unwrap_or_else(|| "public".into()), table: name.table.clone() };
    let lifted = login::lift_limits(&mut connection).await;
    lifted.map_err(|error| Failing::at(&table, "set up the session").because(error))?;
    Ok(connection)
}

/// Identity of the database: the system identifier of the cluster and the id of the database. Where the login may not read
/// the system identifier, the address of the server takes its place.
pub(super) async fn database_key(connection: &mut PgConnection) -> sqlx::Result<String> {
    let may_ask: bool = sqlx::query_scalar("select has_function_privilege('pg_control_system()', 'execute')")
        .fetch_one(&mut *connection)
        .await?;
    let system = if may_ask {
        "select system_identifier::text from pg_control_system()"
    } else {
        "select concat_ws(':', host(inet_server_addr()), inet_server_port())"
    };
    let system: String = sqlx::query_scalar(system).fetch_one(&mut *connection).await?;
    let database: i64 = sqlx::query_scalar("select oid::bigint from pg_database where datname = current_database()")
        .fetch_one(connection)
        .await?;
    Ok(format!("{system}/{database}"))
}

/// The state of a table. `None`: it does not exist.
///
/// # Errors
/// As [`Session::table_state`].
pub async fn table_state(connection: &mut PgConnection, table: &TableRef) -> Result<Option<TableState>> {
    let fail = Failing::at(table, "look at the table");
    let Some(existing) = table.existing(connection).await.map_err(|error| fail.because(error))? else {
        relation::refuse_taken_name(connection, table).await?;
        return Ok(None);
    };
    let facts = relation::facts(connection, table, &existing).await?;
    let mut before = TableState { existing, known: ExistingTable::default(), facts };
    // The stored history of a table without elt's columns is ignored, because it is that of an older table of the same
    // name, which was dropped.
    let (histories, made_by_elt) = if before.has_elt_columns() {
        match histories(connection, table).await {
            Ok(histories) => histories,
            Err(error) => return Err(fail.asking(connection, error).await),
        }
    } else {
        Default::default()
    };
    let existing = &before.existing;
    let dependents = dependents(connection, existing.oid).await.map_err(|error| fail.because(error))?;
    let facts = column_types::facts(connection, existing.oid).await.map_err(|error| fail.because(error))?;
    let columns = existing
        .columns
        .iter()
        .filter(|column| !column.is_internal())
        .map(|column| {
            let now = SqlType::from(column.sql_type.clone());
            let mut history = histories.get(&column.name).cloned().unwrap_or_default();
            // The type may have been changed by another program since the last load.
            if history.last().is_none_or(|last| last.sql_type != now) {
                history.push(Typing::declared(now, None));
            }
            let fixed = before.facts.fixed.contains(&column.name);
            let fixed = fixed.then(|| "a partition key or a parent table".to_owned());
            let depended_on_by = dependents.get(&column.name).cloned().or(fixed);
            let facts = facts.get(&column.name).cloned().unwrap_or_default();
            let foreign = history.last().is_some_and(|last| last.sql_type.known().is_none()).then_some(facts.foreign);
            ExistingColumn { table: column.clone(), history, depended_on_by, foreign, collation: facts.collation }
        })
        .collect();
    before.known = ExistingTable { columns, made_by_elt, alterable: existing.owned };
    Ok(Some(before))
}

/// The types that each column had, by its name, and whether elt created the table.
async fn histories(
    connection: &mut PgConnection,
    table: &TableRef,
) -> sqlx::Result<(HashMap<String, Vec<Typing>>, bool)> {
    let columns = table.sibling(COLUMNS);
    let there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(columns.sql())
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok((HashMap::new(), false));
    }
    let rows: Vec<(String, Json<Vec<Typing>>, bool)> = sqlx::query_as(AssertSqlSafe(format!(
        "select column_name, history, made_by_elt from {} where table_name = $1",
        columns.sql()
    )))
    .bind(&table.table)
    .fetch_all(connection)
    .await?;
    let made_by_elt = rows.iter().any(|(_, _, made_by_elt)| *made_by_elt);
    Ok((rows.into_iter().map(|(name, Json(history), _)| (name, history)).collect(), made_by_elt))
}

/// The objects that keep a column from changing its type, by the column's name: views, rules, policies, generated columns,
/// constraints, and indexes that elt did not create.
async fn dependents(connection: &mut PgConnection, oid: i64) -> sqlx::Result<HashMap<String, String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select a.attname::text, min(pg_describe_object(d.classid, d.objid, d.objsubid))
         from pg_depend d
         join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
         where d.refclassid = 'pg_class'::regclass and d.refobjid = $1::bigint::oid and d.refobjsubid > 0
           and not (d.classid = 'pg_class'::regclass and d.objid = d.refobjid)
           and not (d.classid = 'pg_class'::regclass
                    and exists (select from pg_class i where i.oid = d.objid
                                  and (i.relkind = 'S' or obj_description(i.oid, 'pg_class') = 'elt')))
           and not (d.classid = 'pg_attrdef'::regclass
                    and exists (select from pg_attrdef f where f.oid = d.objid and f.adnum = d.refobjsubid))
         group by a.attname",
    )
    .bind(oid)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}
