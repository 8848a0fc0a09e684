//! A run's session with its target: one connection, one table, and what is known about it.

use std::collections::HashMap;
use std::time::Duration;

use elt_shared::runs::RunKind;
use elt_shared::runs::lifecycle::{self, Claim};
use elt_shared::target::{self, AnswerLimits, Existing, TableRef};
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Connection};

use super::bookkeeping::{self, COLUMNS};
use super::column_types;
use super::failure::Failing;
use super::login::{self, Login};
use super::marker::{self, Attempt, Begun};
use super::relation::{self, Facts};
use super::schema;
use crate::contract::known::{Known, KnownColumn};
use crate::contract::{SqlType, Typing};
use crate::error::{PipelineError, Result};
use crate::pipeline::RunContext;

/// The column that recognises a row.
pub const ROW_HASH: &str = "_elt_row_hash";
/// The column that says which run wrote a row.
pub const RUN_ID: &str = "_elt_run_id";
/// The column that says when.
pub const LOADED_AT: &str = "_elt_loaded_at";

/// A connection that does not answer within this time is lost.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// A session with the target.
pub struct Session {
    /// The connection. Everything a run does in its target goes through it.
    pub connection: PgConnection,
    /// Where the table is, or will be.
    pub table: TableRef,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// The account it works as.
    pub login: Login,
    /// The statement that makes the table's schema, when it was missing at the beginning.
    pub makes_schema: Option<String>,
    /// System identifier, database and table: two spellings of one table are one target.
    target_key: String,
    /// Whether the run loads rows, which are staged when the table exists already. An undo loads none, and neither does
    /// an attempt that only asks what an earlier one did.
    brings_rows: bool,
}

/// The table as it is before a load.
#[derive(Debug, Clone)]
pub struct Before {
    /// What the catalog says.
    pub existing: Existing,
    /// What binds the load.
    pub known: Known,
    /// Further facts from the catalog.
    pub facts: Facts,
}

impl Before {
    /// Whether the table has elt's columns already.
    pub fn is_adopted(&self) -> bool {
        [ROW_HASH, RUN_ID, LOADED_AT].iter().all(|own| self.existing.columns.iter().any(|column| column.name == **own))
    }
}

impl Before {
    /// Whether another look found the same table with the same columns.
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
        let attempt = Attempt::of(&context.run);
        let mut connection = connect(context, attempt).await?;
        let table = TableRef::find(&mut connection, &context.config.target.table).await?;
        let login = login::prepare(&mut connection, &table).await?;
        let brings_rows = context.run.kind != RunKind::Undo && context.run.verdict.is_none();
        let database = database_key(&mut connection)
            .await
            .map_err(|error| Failing::at(&table, "identify the target").because(error))?;
        let makes_schema = schema::missing(&mut connection, &table, &context.config.target).await?;
        Ok(Self {
            connection,
            target_key: format!("{database}/{table}"),
            table,
            attempt,
            login,
            makes_schema,
            brings_rows,
        })
    }

    /// Connects again if the connection was lost while the sources were read: that may take hours.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn revive(&mut self, context: &RunContext) -> Result<()> {
        let alive = tokio::time::timeout(ALIVE_WITHIN, self.connection.ping()).await;
        if !matches!(alive, Ok(Ok(()))) {
            tracing::warn!("the connection to the target was lost: connecting again");
            self.connection = connect(context, self.attempt).await?;
            self.login = login::prepare(&mut self.connection, &self.table).await?;
        }
        Ok(())
    }

    /// The table's identity, whatever configs call it.
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

    /// Ends what older attempts left running and commits this attempt's epoch; tells when there is nothing left to do.
    ///
    /// # Errors
    /// [`PipelineError::Fenced`] when a newer attempt began; a relation that cannot be loaded into; a login that lacks a
    /// right, with the statement that grants it.
    pub async fn begin(&mut self) -> Result<Begun> {
        let fail = Failing::at(&self.table, "end the sessions of older attempts");
        let ended = marker::end_older_sessions(&mut self.connection, self.attempt)
            .await
            .map_err(|error| fail.because(error))?;
        if ended > 0 {
            tracing::info!(sessions = ended, "ended what an older attempt of this run left running");
        }
        bookkeeping::ensure(&mut self.connection, &self.table).await?;
        let begun = marker::begin(&mut self.connection, &self.table, self.attempt).await?;
        // A table that cannot be loaded into is refused before the sources are read, which may take hours.
        if matches!(begun, Begun::Mine) && self.brings_rows && self.look().await?.is_some() {
            self.login.require_temporary(&self.table)?;
        }
        Ok(begun)
    }

    /// The table as it is now. `None`: there is none.
    ///
    /// # Errors
    /// A view, a foreign table, rows hidden by row level security; database failures.
    pub async fn look(&mut self) -> Result<Option<Before>> {
        look(&mut self.connection, &self.table).await
    }

    /// Ends the session politely.
    pub async fn close(self) {
        // A session that does not end politely ends with its socket.
        let _ = self.connection.close().await;
    }
}

async fn connect(context: &RunContext, attempt: Attempt) -> Result<PgConnection> {
    let (database, default) = (&context.config.target.database, context.default_target.as_ref());
    let mut connection =
        target::connect(database, default, &context.network, &attempt.application_name(), AnswerLimits::LOAD).await?;
    let name = &context.config.target.table;
    let table = TableRef { schema: name.schema.clone().unwrap_or_else(|| "public".into()), table: name.table.clone() };
    let lifted = login::lift_limits(&mut connection).await;
    lifted.map_err(|error| Failing::at(&table, "set up the session").because(error))?;
    Ok(connection)
}

/// What tells one database from all others. A server that does not say who it is is told by its address.
async fn database_key(connection: &mut PgConnection) -> sqlx::Result<String> {
    let may_ask: bool = sqlx::query_scalar("select has_function_privilege('pg_control_system()', 'execute')")
        .fetch_one(&mut *connection)
        .await?;
    let system = match may_ask {
        true => "select system_identifier::text from pg_control_system()",
        false => "select concat_ws(':', host(inet_server_addr()), inet_server_port())",
    };
    let system: String = sqlx::query_scalar(system).fetch_one(&mut *connection).await?;
    let database: i64 = sqlx::query_scalar("select oid::bigint from pg_database where datname = current_database()")
        .fetch_one(connection)
        .await?;
    Ok(format!("{system}/{database}"))
}

/// What is in the target under a table's name.
///
/// # Errors
/// As [`Session::look`].
pub async fn look(connection: &mut PgConnection, table: &TableRef) -> Result<Option<Before>> {
    let fail = Failing::at(table, "look at the table");
    let Some(existing) = table.existing(connection).await.map_err(|error| fail.because(error))? else {
        relation::refuse_taken_name(connection, table).await?;
        return Ok(None);
    };
    let facts = relation::facts(connection, table, &existing).await?;
    let mut before = Before { existing, known: Known::default(), facts };
    // A table without our columns is somebody else's, whatever an older one of its name was.
    let (histories, made_by_elt) = match before.is_adopted() {
        true => match histories(connection, table).await {
            Ok(histories) => histories,
            Err(error) => return Err(fail.asking(connection, error).await),
        },
        false => Default::default(),
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
            // Somebody else may have changed the type since.
            if history.last().is_none_or(|last| last.sql_type != now) {
                history.push(Typing::declared(now, None));
            }
            let fixed = before.facts.fixed.contains(&column.name);
            let fixed = fixed.then(|| "a partition key or a parent table".to_owned());
            let depended_on_by = dependents.get(&column.name).cloned().or(fixed);
            let facts = facts.get(&column.name).cloned().unwrap_or_default();
            let foreign = history.last().is_some_and(|last| last.sql_type.known().is_none()).then_some(facts.foreign);
            KnownColumn { table: column.clone(), history, depended_on_by, foreign, collation: facts.collation }
        })
        .collect();
    before.known = Known { columns, made_by_elt, alterable: existing.owned };
    Ok(Some(before))
}

/// The types each column had, and whether elt made the table.
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

/// What would break if a column's type changed: views, rules, policies, generated columns, constraints, indexes of others.
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
