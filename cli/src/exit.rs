//! How a command ended, as scripts see it.

use std::process::ExitCode;

use elt_api::SetupError;
use elt_cluster::LocalError;
use elt_shared::pooler;
use elt_shared::store;
use elt_shared::store::secret_keys::DroppedKey;
use elt_shared::telemetry::TelemetryError;

use crate::out;

/// The table that `elt --help` ends with.
pub const HELP: &str = "\
Exit codes:
    0  done; also a run that was stopped as asked, or that succeeded with warnings
    1  failed: what happened and what to do is on stderr; `elt status`: something needs attention
    2  `elt plan`: a run would change something
    3  the config cannot run
    4  the run ended, but none of its data could be loaded
    5  `elt migrate --check`: migrations are missing
    6  `elt migrate --check`: the control database is newer than this elt, which works with it
    7  the control database is too new for this elt, or another build of elt made it
   64  the command line is wrong
   69  the control database cannot be reached, or not be written to; `elt put`: the server cannot be reached
   78  a setting is missing or invalid
  130  forced to end by a second Ctrl-C (143: by a second SIGTERM)

Settings are flags or environment variables; a flag wins. Each command's --help names both.
A secret NAME may be in a file: NAME_FILE is the path of that file. Flags show in the process list.";

/// What to do about a control database that cannot be written to.
pub const WRITABLE: &str = "Name the primary server in DATABASE_URL, promote the standby, or turn \
                            default_transaction_read_only off, and start it again.";

/// What to do about a pooler that gives sessions of the control database's server to several connections in turns.
pub const WITHOUT_POOLER: &str = "\
Name the address of the PostgreSQL server itself in DATABASE_URL: elt keeps few connections and uses them again, and waits \
for notifications (LISTEN), which such a pooler does not pass on. If a pooler has to be in between, let it give each \
connection a session of its own (PgBouncer: pool_mode = session for this database or user).";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it should, or stopped as asked.
    Done = 0,
    /// The command failed, for a reason that has no exit code of its own.
    Failed = 1,
    /// `elt plan`: a run would change something.
    WouldChange = 2,
    /// The config cannot run.
    Config = 3,
    /// The run ended, but none of its data could be loaded.
    NothingLoaded = 4,
    /// `elt migrate --check`: migrations are missing.
    MigrationsMissing = 5,
    /// `elt migrate --check`: the control database is newer than this program, which works with it.
    SchemaNewer = 6,
    /// The control database is too new for this program, or another build made it.
    SchemaTooNew = 7,
    /// The command line is wrong.
    Usage = 64,
    /// The control database cannot be reached, or not be written to.
    Unavailable = 69,
    /// A setting is missing or invalid.
    Settings = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows how the command ends and what the reader should do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Refusal {
    exit: Exit,
    /// What is wrong, as a sentence.
    message: String,
    /// What to do about it.
    next_step: String,
    /// What a server waits for because it can come by itself, for example a database that starts. `None`: waiting does not
    /// help.
    awaited: Option<&'static str>,
}

/// A [`Refusal`] for `?` and `ok_or_else`.
pub fn refuse(exit: Exit, message: impl Into<String>, next_step: impl Into<String>) -> anyhow::Error {
    Refusal { exit, message: message.into(), next_step: next_step.into(), awaited: None }.into()
}

/// The same for something that can come by itself. `awaited` says what in words for a readiness probe.
pub fn refuse_for_now(
    exit: Exit,
    awaited: &'static str,
    message: impl Into<String>,
    next_step: impl Into<String>,
) -> anyhow::Error {
    Refusal { exit, message: message.into(), next_step: next_step.into(), awaited: Some(awaited) }.into()
}

/// What a server can wait for after this error, in words for a readiness probe. `None`: waiting does not help.
pub fn awaited(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return refusal.awaited;
    }
    let is_away = error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(store::is_away);
    is_away.then_some("the control database cannot be reached")
}

/// A refusal that outlasted the wait for it: the same, with the exit code of something that is away, because starting again
/// can help.
pub fn outlasted(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Refusal>() {
        Ok(refusal) => Refusal { exit: Exit::Unavailable, ..refusal }.into(),
        Err(error) => error,
    }
}

/// Returns both values. When both failed, one error carries both messages, so that a reader learns at once everything
/// that is wrong.
pub fn both<A, B>(one: anyhow::Result<A>, other: anyhow::Result<B>) -> anyhow::Result<(A, B)> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(one), Err(other)) => match (one.downcast::<Refusal>(), other.downcast::<Refusal>()) {
            (Ok(one), Ok(other)) => Err(refuse(
                one.exit,
                format!("{}; {}", one.message, other.message),
                format!("{} {}", one.next_step, other.next_step),
            )),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        },
    }
}

/// An error of the database driver in words for people. The driver's own additions are left out, because the "line" it
/// names is one of PostgreSQL's source code.
pub fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<sqlx::Error>() {
        Some(read_only) if store::is_read_only(read_only) => {
            "the control database cannot be written to: it is a standby, or read-only (default_transaction_read_only)"
                .into()
        }
        Some(mixed_up) if pooler::mixed_up(mixed_up) => {
            "statements of one connection reached different sessions of the server: a connection pooler in transaction mode is \
             before the control database"
                .into()
        }
        Some(sqlx::Error::Database(database)) => database.message().to_owned(),
        _ => error.to_string(),
    }
}

/// Writes an error, why, and what to do, and says how the command ends.
pub fn explain(error: &anyhow::Error) -> ExitCode {
    let mut said = error.to_string();
    out::problem(&format!("error: {said}"));
    let is_of_database = |error: &(dyn std::error::Error + 'static)| {
        matches!(error.downcast_ref::<sqlx::Error>(), Some(sqlx::Error::Database(_)))
    };
    for (outer, error) in error.chain().zip(error.chain().skip(1)) {
        // The driver's own error repeats the server's message, with a line of PostgreSQL's source code.
        if is_of_database(outer) {
            continue;
        }
        let cause = cause(error);
        // Libraries repeat the text of a source in their own.
        if !said.contains(&cause) {
            out::problem(&format!("  because: {cause}"));
            said.push_str(&cause);
        }
    }
    let (exit, next_step) = remedy(error);
    if let Some(next_step) = next_step {
        out::problem(&format!("  what to do: {next_step}"));
    }
    exit.into()
}

/// Whether the control database refused something because it cannot be written to.
pub fn is_read_only(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref()).any(store::is_read_only)
}

fn remedy(error: &anyhow::Error) -> (Exit, Option<String>) {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return (refusal.exit, Some(refusal.next_step.clone()));
    }
    if let Some(local) = error.downcast_ref::<LocalError>() {
        let exit = if local.is_setting() { Exit::Settings } else { Exit::Unavailable };
        return (exit, Some(local.next_step()));
    }
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(|error| DroppedKey::of(error).is_some()) {
        return (Exit::Settings, Some(DroppedKey::NEXT_STEP.into()));
    }
    if error.downcast_ref::<SetupError>().is_some() {
        return (Exit::Settings, None);
    }
    if let Some(TelemetryError::File { .. }) = error.downcast_ref::<TelemetryError>() {
        return (Exit::Settings, Some("Name a folder you may write to with --data-dir or ELT_DATA_DIR.".into()));
    }
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(pooler::mixed_up) {
        return (Exit::Settings, Some(WITHOUT_POOLER.into()));
    }
    if is_read_only(error) {
        return (Exit::Unavailable, Some(WRITABLE.into()));
    }
    if awaited(error).is_some() {
        let next_step = "Check that the server of the control database runs and can be reached, then run it again.";
        return (Exit::Unavailable, Some(next_step.into()));
    }
    (Exit::Failed, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_goes_away_in_the_middle_ends_with_69_and_a_next_step() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for away in [sqlx::Error::Io(reset), sqlx::Error::PoolTimedOut] {
            let error = anyhow::Error::new(away).context("could not list the queues");
            let (exit, next_step) = remedy(&error);
            assert_eq!(exit, Exit::Unavailable, "{error:?}");
            assert!(next_step.is_some_and(|step| step.starts_with("Check that the server")), "{error:?}");
        }
        for other in [anyhow::Error::new(sqlx::Error::RowNotFound), anyhow::anyhow!("something else")] {
            assert_eq!(remedy(&other), (Exit::Failed, None));
        }
        let refused = refuse(Exit::Config, "the config cannot run", "Mend it.");
        assert_eq!(remedy(&refused), (Exit::Config, Some("Mend it.".into())));
    }
}
