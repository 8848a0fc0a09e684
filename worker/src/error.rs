//! Why a run failed: a stable code, a sentence, a next step, and whether trying again can help.

use elt_shared::config::ConfigError;
use elt_shared::secret::OpenError;
use elt_shared::store;

/// Result of a pipeline step.
pub type Result<T, E = PipelineError> = std::result::Result<T, E>;

/// Why a run did not load. The message says what we were doing; the source says why.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The config cannot run.
    #[error("the config cannot run: {0}")]
    Config(#[from] ConfigError),
    /// What is stored sealed does not open: the config, or a secret that it refers to.
    #[error("the run's config, or a secret that it refers to, cannot be opened: {0}")]
    Sealed(#[from] OpenError),
    /// A source could not be read.
    #[error("{message}")]
    Extract {
        /// Stable: `source_missing`, `source_unreachable`, `http_status`, `host_key_changed`, …
        code: &'static str,
        /// Names the source and what went wrong.
        message: String,
        /// What the reader should do.
        next_step: String,
    },
    /// The data breaks the contract and the config says that fails the run.
    #[error("{message}")]
    Contract {
        /// Stable: `missing_column`, `bad_row`, `too_many_rejected`, …
        code: &'static str,
        /// Names the column, and file:line where there is one.
        message: String,
        /// What the reader should do.
        next_step: String,
    },
    /// The target refused for a reason trying again cannot cure.
    #[error("{message}")]
    Target {
        /// Stable: `target_login`, `target_not_owner`, `target_unusable`, …
        code: &'static str,
        /// Names the table and the reason.
        message: String,
        /// What the reader should do, the statement to run where there is one.
        next_step: String,
    },
    /// The target failed in a way a later attempt can get past: the connection was lost, a lock was not granted in
    /// time, the server restarts. Whether a COMMIT that was on its way took effect is unknown.
    #[error("{message}")]
    Load {
        /// Stable: `target_lost`, `target_locked`, `target_race`, …
        code: &'static str,
        /// Names the table and the reason.
        message: String,
        /// Advice for the case that it happens again.
        next_step: String,
    },
    /// The control database failed.
    #[error("could not {doing}")]
    Control {
        /// What we were doing: "note the run's progress".
        doing: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// Reading or writing a file of ours failed.
    #[error("could not {doing}")]
    Io {
        /// What we were doing: "write the combined CSV /data/out.csv".
        doing: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another run loads into the same table: this one goes back to the queue and waits.
    #[error("the table {table} is busy with run {run}")]
    TargetBusy {
        /// The target table.
        table: String,
        /// Who holds it.
        run: String,
    },
    /// A newer attempt of this run took over: nothing of this one may be written.
    #[error("a newer attempt took over")]
    Fenced,
    /// The target of an unknown run was asked, and the run had not loaded.
    #[error("nothing was loaded")]
    NotLoaded,
    /// Someone asked the run to stop.
    #[error("stopped on request")]
    Stopped,
    /// A bug of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl PipelineError {
    /// The connection to a target was lost, or the target does not answer. `doing`: "could not load rows for public.t";
    /// `why`: the driver's message.
    pub fn lost(doing: &str, why: &str) -> Self {
        Self::Load {
            code: "target_lost",
            message: format!("{doing}: the connection to the target was lost: {why}"),
            next_step: "Check that the target's server is up and in reach of the worker, then retry the run.".into(),
        }
    }

    /// Stable code people can search for.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(ConfigError::Secret { refusal, .. }) => refusal.code(),
            Self::Config(_) => "config",
            Self::Sealed(error) => error.code(),
            Self::Extract { code, .. }
            | Self::Contract { code, .. }
            | Self::Target { code, .. }
            | Self::Load { code, .. } => code,
            Self::Control { .. } => "control_database",
            Self::Io { .. } => "io",
            Self::TargetBusy { .. } => "target_busy",
            Self::Fenced => "fenced",
            Self::NotLoaded => "not_loaded",
            Self::Stopped => "stopped",
            Self::Internal(_) => "internal",
        }
    }

    /// Whether a later attempt can succeed: the loss of a database or of a connection to it, never bad input.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Load { .. } => true,
            Self::Control { source, .. } => is_connection_loss(source) || store::is_over_limit(source),
            _ => false,
        }
    }

    /// What the reader should do next.
    pub fn next_step(&self) -> String {
        match self {
            Self::Extract { next_step, .. }
            | Self::Contract { next_step, .. }
            | Self::Target { next_step, .. }
            | Self::Load { next_step, .. } => next_step.clone(),
            Self::Sealed(error) => error.next_step().into(),
            Self::Config(ConfigError::Secret { refusal, .. }) => refusal.next_step().into(),
            Self::Config(_) => "Correct the config at the place named and upload it again.".into(),
            Self::Control { .. } => "Check that the control database is reachable, then retry the run.".into(),
            Self::Io { .. } => {
                "Check the folder's permissions and free space on the worker, then retry the run.".into()
            }
            Self::TargetBusy { .. } => "Nothing: the run starts when the other one has finished.".into(),
            Self::Fenced => "Nothing: the newer attempt goes on.".into(),
            Self::NotLoaded => "Retry the run.".into(),
            Self::Stopped => "Retry the run when it should load after all.".into(),
            Self::Internal(_) => "This is a bug in elt; please report it with the run's log.".into(),
        }
    }
}

/// Whether a database error means the connection or the server went away, or the transaction lost a race.
pub fn is_connection_loss(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| is_transient(&code)),
        error => elt_shared::target::hung_up(error),
    }
}

/// Whether a later attempt can succeed without any change by people: the server or the connection went away, the server
/// ran short of something, or the transaction lost a race.
pub fn is_transient(sqlstate: &str) -> bool {
    match sqlstate {
        // The database was dropped, or the login is refused.
        "57P04" | "08004" => false,
        "55P03" => true,
        code => ["08", "40", "53", "57P0"].iter().any(|class| code.starts_with(class)),
    }
}

/// The last step that an attempt to use a source or a target reached before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// Nothing answered, or it is not known whether anything did.
    Nothing,
    /// Something answered, but was not trusted or refused the login.
    Answered,
    /// The login was accepted, or none was asked for.
    LetIn,
}

impl Reached {
    /// The step that a failure's code proves. A code that is not listed proves none: a new kind of failure must be
    /// added here before a connection test may call its server reachable.
    pub fn by(code: &str) -> Self {
        match code {
            "source_missing"
            | "source_unreadable"
            | "source_unreadable_rows"
            | "source_too_large"
            | "source_changed"
            | "records_missing"
            | "http_status"
            | "http_not_ready"
            | "http_next_page"
            | "http_truncated"
            | "http_too_large"
            | "http_not_json"
            | "http_error_answer"
            | "http_redirect"
            | "http_endless" => Self::LetIn,
            // A server answers a statement only after it accepted the login.
            "target_no_database"
            | "target_no_table"
            | "target_no_column"
            | "target_no_schema"
            | "target_reserved"
            | "target_control_database"
            | "target_database"
            | "target_not_writable"
            | "target_not_allowed"
            | "target_read_only"
            | "target_unusable"
            | "target_row_security"
            | "target_replica_identity"
            | "target_locked"
            | "target_in_use"
            | "target_name_taken"
            | "target_constraint"
            | "target_unique"
            | "target_generated"
            | "target_trigger"
            | "target_type"
            | "target_value"
            | "target_encoding"
            | "target_limit"
            | "target_not_ready"
            | "target_statement"
            | "target_cancelled"
            | "target_session_timeout"
            | "target_disk_full"
            | "target_out_of_memory"
            | "target_data_corrupted" => Self::LetIn,
            "source_login"
            | "host_key_unknown"
            | "host_key_changed"
            | "sftp_protocol"
            | "target_login"
            | "target_no_tls"
            | "target_certificate"
            | "target_too_much"
            | "target_protocol"
            | "target_pooler"
            | "target_too_many_connections" => Self::Answered,
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_that_proves_it_counts_as_reached() {
        for code in ["io", "internal", "stopped", "config", "control_database", "target_url", "a_code_of_tomorrow", ""]
        {
            assert_eq!(Reached::by(code), Reached::Nothing, "{code}");
        }
        for error in [
            PipelineError::Stopped,
            PipelineError::Fenced,
            PipelineError::Internal("a bug".into()),
            PipelineError::Io { doing: "write a file".into(), source: std::io::Error::other("full") },
            PipelineError::Control { doing: "ask", source: sqlx::Error::PoolTimedOut },
            PipelineError::lost("could not load rows for public.t", "the server closed the connection"),
        ] {
            assert_eq!(Reached::by(error.code()), Reached::Nothing, "{error}");
        }
        assert_eq!(Reached::by("source_login"), Reached::Answered);
        assert_eq!(Reached::by("source_missing"), Reached::LetIn);
    }
}
