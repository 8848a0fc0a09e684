//! The login of a session with the target: its rights, and the settings of its session.

use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::PgConnection;

use super::failure::Failing;
use crate::error::outage::Outage;
use crate::error::{PipelineError, Result};

/// The account that a session with the target works as.
#[derive(Debug, Clone)]
pub struct Login {
    /// Name of the account.
    pub name: String,
    /// The database it is connected to.
    pub database: String,
    /// Whether it may make temporary tables, which rows for an existing table are staged in.
    pub temporary: bool,
}

/// What the server says about a new session.
#[derive(sqlx::FromRow)]
struct SessionFacts {
    name: String,
    database: String,
    temporary: bool,
    standby: bool,
    read_only: bool,
    /// Whether the setting that makes it so is one of the role, in all databases or in this one.
    read_only_role: bool,
}

/// Reads which account a session works as.
///
/// # Errors
/// When the server is a standby, or the login's transactions are read-only; database failures. A login whose role is set so
/// is refused for good; otherwise the run waits.
pub async fn prepare(connection: &mut PgConnection, table: &TableRef) -> Result<Login> {
    let fail = Failing::at(table, "set up the session");
    let facts: SessionFacts = sqlx::query_as(
        "select current_user::text as name, current_database()::text as database,
                has_database_privilege(current_database(), 'temporary') as temporary,
                pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only,
                (select source in ('user', 'database user') from pg_settings
                 where name = 'default_transaction_read_only') as read_only_role",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| fail.because(error))?;
    let login = Login { name: facts.name, database: facts.database, temporary: facts.temporary };
    if facts.standby {
        let next_step = "Name the primary server under `target:`.".to_owned();
        return Err(wait_for(read_only(table, "the server is a standby", next_step)));
    }
    if facts.read_only {
        let next_step = format!(
            "Allow the login to write: alter role {} set default_transaction_read_only = off; or name a login and a \
             server that may be written to.",
            quote_ident(&login.name)
        );
        let explained = read_only(table, "default_transaction_read_only is on for this login", next_step);
        // A role is made read-only on purpose and not for a while, so the run fails at once instead of waiting.
        return Err(if facts.read_only_role { PipelineError::Target(explained) } else { wait_for(explained) });
    }
    Ok(login)
}

/// Lifts the time limits that a role, a database or a server sets for statements, because a load has limits of its own: 30
/// s for each lock, so that a session that another machine left behind is not waited for without end. Has the server ask
/// whether this machine still exists, so that it does not keep the session of a machine that is gone. Also sets the
/// isolation level to read committed, because the locks of a load rely on statements that see what other sessions
/// committed.
///
/// This is a statement and not part of the connection's startup, because poolers refuse startup settings that they do
/// not know. It asks which settings exist, because `transaction_timeout` came with PostgreSQL 17.
pub async fn lift_limits(connection: &mut PgConnection) -> sqlx::Result<()> {
    // This comes first and by itself, because the time limit can be too short for the query that asks which settings exist.
    sqlx::raw_sql("set statement_timeout = 0").execute(&mut *connection).await?;
    sqlx::query(
        "select set_config(known.name, wanted.value, false)
         from (values ('lock_timeout', '30s'), ('idle_in_transaction_session_timeout', '0'),
                      ('idle_session_timeout', '0'), ('transaction_timeout', '0'),
                      ('default_transaction_isolation', 'read committed'), ('tcp_keepalives_idle', '15'),
                      ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '4')) wanted (name, value)
         join pg_settings known on known.name = wanted.name",
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Login {
    /// Refuses to stage rows in a temporary table where the login may not make one.
    ///
    /// # Errors
    /// `target_not_allowed` with the statement to execute.
    pub fn require_temporary(&self, table: &TableRef) -> Result<()> {
        if self.temporary {
            return Ok(());
        }
        Err(PipelineError::Target(Explained {
            code: Code::TargetNotAllowed,
            message: format!(
                "could not stage rows for {table}: the login may not make temporary tables in the database {}",
                self.database
            ),
            next_step: format!("Ask the owner of the database or a superuser to execute: {}", self.grant_temporary()),
        }))
    }

    /// The statement that lets the login make temporary tables.
    pub fn grant_temporary(&self) -> String {
        format!("grant temporary on database {} to {}", quote_ident(&self.database), quote_ident(&self.name))
    }
}

fn read_only(table: &TableRef, why: &str, next_step: String) -> Explained {
    let message = format!("could not load into {table}: the target is read-only: {why}");
    Explained { code: Code::TargetReadOnly, message, next_step }
}

/// An outage: a failover makes a standby of the primary for a while, and operators and full disks make databases and
/// servers read-only for a while.
fn wait_for(explained: Explained) -> PipelineError {
    PipelineError::away(Outage::TargetReadOnly, explained)
}
