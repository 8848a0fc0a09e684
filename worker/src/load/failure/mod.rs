//! PostgreSQL's errors as sentences with a code and a next step.
//!
//! # Layout
//! - [`rights`]: the right that a login lacks, and the statement that grants it
//! - [`sqlstate`]: the meaning of each error code

pub mod rights;
pub mod sqlstate;

use elt_shared::explained::{Code, Explained};
use elt_shared::network::NetworkError;
use elt_shared::target::{TableRef, TargetError, guard};
use sqlx::PgConnection;
use sqlx::postgres::PgDatabaseError;

use crate::error::outage::Outage;
use crate::error::{PipelineError, is_race};
use sqlstate::{About, Explanation};

/// The step that was in progress when the database failed, and its table.
#[derive(Debug, Clone, Copy)]
pub struct Failing<'a> {
    table: &'a TableRef,
    doing: &'static str,
}

/// The code of an error that PL/pgSQL raises without a code.
const RAISED: &str = "P0001";

/// Whether a procedural language raised the error: PL/pgSQL's `raise`, or the like in another language. Such code fills
/// the fields of the error as it likes, also with a value of the row, so elt does not show them.
pub(in crate::load) fn is_raised_by_code(error: &PgDatabaseError) -> bool {
    // The server names the source file that reported the error: pl_exec.c, plpy_elog.c, plperl.c, pltcl.c, plv8.cc.
    let languages = ["pl_", "plpy", "plperl", "pltcl", "plv8"];
    error.file().is_some_and(|file| languages.iter().any(|language| file.starts_with(language)))
}

impl<'a> Failing<'a> {
    /// `doing`: "make elt's own tables".
    pub fn at(table: &'a TableRef, doing: &'static str) -> Self {
        Self { table, doing }
    }

    /// The failure as a sentence. It holds no value of a row: the server's message is left out, because it can quote one.
    pub fn because(self, error: sqlx::Error) -> PipelineError {
        if let Some(reason) = guard::silence(&error) {
            return PipelineError::lost(&format!("could not {} for {}", self.doing, self.table), &reason);
        }
        let Some(database) = database(&error) else { return self.without_code(&error) };
        let Explanation { code, what, next_step } = self.explain(database);
        let message =
            format!("could not {} for {}: {what} (PostgreSQL error {})", self.doing, self.table, database.code());
        let problem = Explained { code, message, next_step };
        match Outage::of_sqlstate(database.code()) {
            Some(outage) => PipelineError::away(outage, problem),
            None if is_race(database.code()) => PipelineError::Load(problem),
            None => PipelineError::Target(problem),
        }
    }

    /// Like [`Failing::because`], but reads from the catalog which right is missing when the server refused a
    /// statement.
    pub async fn asking(self, connection: &mut PgConnection, error: sqlx::Error) -> PipelineError {
        if database(&error).is_some_and(|error| error.code() == "42501")
            && let Some(explained) = rights::explain(connection, self.table, self.doing).await
        {
            return explained;
        }
        self.because(error)
    }

    /// A sentence about the meaning of an error code, without the step that was in progress.
    pub fn sentence(self, error: &PgDatabaseError) -> String {
        format!("{} (PostgreSQL error {})", self.explain(error).what, error.code())
    }

    fn explain(self, error: &PgDatabaseError) -> Explanation {
        let is_raised = is_raised_by_code(error);
        let (constraint, column) = if is_raised { (None, None) } else { (error.constraint(), error.column()) };
        // The code is the trigger's own choice, too, unless it says that the failure may pass.
        let passes = ["08", "40", "53", "55", "57", "58"].iter().any(|class| error.code().starts_with(class));
        let state = if is_raised && !passes { RAISED } else { error.code() };
        let mut explained = sqlstate::explain(state, About { table: self.table, constraint, column });
        if error.code() == "42501"
            && !is_raised
            && let Some((what, statement)) = rights::from_message(self.table, error.message())
        {
            explained.what = what;
            explained.next_step = format!("Ask the owner or a superuser to execute: {statement}");
        }
        explained
    }

    /// An error that has no code: the connection was lost, or its other end does not speak as PostgreSQL does.
    fn without_code(self, error: &sqlx::Error) -> PipelineError {
        let doing = format!("could not {} for {}", self.doing, self.table);
        if Outage::of_session(error).is_some() {
            // The driver's own errors name no value of a row.
            return PipelineError::lost(&doing, &error.to_string());
        }
        PipelineError::Target(Explained {
            code: Code::TargetProtocol,
            message: format!("{doing}: the target answered in a way elt does not understand{}", because_of(error)),
            next_step: "Check that the target is PostgreSQL, or a pooler in session mode.".into(),
        })
    }
}

/// The database's part of an error.
fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

/// The driver's message, with a colon before it, if it cannot hold a value of a row; else empty.
fn because_of(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => format!(": {error}"),
        _ => String::new(),
    }
}

impl From<TargetError> for PipelineError {
    fn from(error: TargetError) -> Self {
        let outage = match &error {
            TargetError::Unreachable { source, .. } => Outage::of_connecting(source),
            // A name may be unknown because the servers that know it are away.
            TargetError::Host(NetworkError::NotFound { .. } | NetworkError::TimedOut { .. }) => {
                Some(Outage::TargetAway)
            }
            TargetError::Database(source) => Outage::of_session(source),
            TargetError::TempFolder { source, .. } => Outage::of_worker(source),
            _ => None,
        };
        let message = match &error {
            TargetError::Database(source) => format!("could not look at the target{}", because_of(source)),
            error => error.to_string(),
        };
        let problem = Explained { code: error.code(), message, next_step: error.next_step().to_owned() };
        match outage {
            Some(outage) => Self::away(outage, problem),
            None => Self::Target(problem),
        }
    }
}

/// The error about a table that elt cannot load into.
pub fn unusable(table: &TableRef, what: &str, next_step: impl Into<String>) -> PipelineError {
    PipelineError::Target(Explained {
        code: Code::TargetUnusable,
        message: format!("{table} is {what}; elt loads into ordinary and partitioned tables"),
        next_step: next_step.into(),
    })
}

/// The error about a work folder that cannot be written to or read. It is about the worker's disk, and not the target.
pub fn spool(source: std::io::Error) -> PipelineError {
    PipelineError::Io { doing: "write to the run's work folder".into(), source }
}
