//! Sessions with the control database, and how long they may take for one thing.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Limits of a session. PostgreSQL enforces them, so they hold even when this process no longer waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest statement.
    statement: Duration,
    /// Longest wait for one lock.
    lock: Duration,
    /// Longest pause inside a transaction, which keeps its locks meanwhile.
    idle_in_transaction: Duration,
}

impl Limits {
    /// For the API. Shorter than the 60 s after which a handler is cut off, so that the client gets the reason. `LISTEN`
    /// of the event streams is not affected, because a session that only waits executes no statement.
    pub const REQUESTS: Self = Self::seconds(30, 10, 30);
    /// For workers. Retention deletes in batches, and one batch on a slow disk is the longest statement they have.
    pub const WORK: Self = Self::seconds(120, 30, 60);
    /// For the connection that stores log lines: a line that cannot be stored soon is dropped.
    pub const LOG_LINES: Self = Self::seconds(10, 5, 10);
    /// For commands at the terminal, which a person can interrupt.
    pub const COMMANDS: Self = Self::seconds(300, 30, 60);
    /// For migrations. They have no limits, because an index of a large table takes as long as it takes, and because
    /// several processes that migrate wait for each other.
    pub const MIGRATIONS: Self = Self::seconds(0, 0, 0);

    const fn seconds(statement: u64, lock: u64, idle_in_transaction: u64) -> Self {
        Self {
            statement: Duration::from_secs(statement),
            lock: Duration::from_secs(lock),
            idle_in_transaction: Duration::from_secs(idle_in_transaction),
        }
    }

    /// As settings of a session. Zero stands for no limit.
    fn settings(self) -> [(&'static str, String); 3] {
        let milliseconds = |limit: Duration| limit.as_millis().to_string();
        [
            ("statement_timeout", milliseconds(self.statement)),
            ("lock_timeout", milliseconds(self.lock)),
            ("idle_in_transaction_session_timeout", milliseconds(self.idle_in_transaction)),
        ]
    }
}

/// Connects a pool of `connections` to the control database. Names resolve in the schema `elt` first.
///
/// # Errors
/// When the database cannot be reached within ten seconds.
pub async fn connect(options: PgConnectOptions, connections: u32, limits: Limits) -> sqlx::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.options([("search_path", "elt,public")]).options(limits.settings()))
        .await
}

/// Whether the control database cannot be reached at the moment, as opposed to refusing this login or what was asked.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // 08: connection; 53: resources; 57P0x: shutdown and restart.
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|code| code.starts_with("08") || code.starts_with("53") || code.starts_with("57P0")),
        error => crate::target::hung_up(error),
    }
}

/// Whether a session ended a statement or a transaction because of its own [`Limits`].
pub fn is_over_limit(error: &sqlx::Error) -> bool {
    // 57014: the statement took too long; 55P03: a lock was not released in time; 25P03: the transaction was idle.
    let code = error.as_database_error().and_then(|database| database.code());
    code.is_some_and(|code| ["57014", "55P03", "25P03"].contains(&code.as_ref()))
}
