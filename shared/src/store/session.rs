//! Sessions with the control database, and how long they may take for one thing.

mod relay;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection, PgExecutor, PgPool};

use self::relay::Relay;

/// Time after the limit of a statement within which the server must have answered that it ended the statement.
const ANSWER_AFTER_LIMIT: Duration = Duration::from_secs(15);

/// Limits of a session. PostgreSQL enforces them, so they hold even when this process no longer waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest time for one statement.
    statement: Duration,
    /// Longest wait for one lock.
    lock: Duration,
    /// Longest pause inside a transaction, which keeps its locks meanwhile.
    idle_in_transaction: Duration,
    /// Longest wait for a connection.
    connection: Duration,
    /// Whether sessions end when the server does not answer in time. Requests and commands have limits of time of their
    /// own, and a person who waits.
    relayed: bool,
}

impl Limits {
    /// For the API. Shorter than the 60 s after which a handler is cut off, so that the client gets the reason. `LISTEN`
    /// of the event streams is not affected, because a session that only waits executes no statement. The API answers 503
    /// with `Retry-After` to a client that gets no connection soon, instead of keeping it waiting.
    pub const REQUESTS: Self = Self { connection: Duration::from_secs(2), ..Self::seconds(30, 10, 30) };
    /// For workers. Retention deletes in batches, and one batch on a slow disk is the longest statement they have.
    pub const WORK: Self = Self { relayed: true, ..Self::seconds(120, 30, 60) };
    /// For the connection that stores log lines: a line that cannot be stored soon is dropped.
    pub const LOG_LINES: Self = Self { relayed: true, ..Self::seconds(10, 5, 10) };
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
            connection: Duration::from_secs(10),
            relayed: false,
        }
    }

    /// Settings of a session: these limits, zero for none, and the schema in which names resolve.
    fn settings(self) -> [(&'static str, String); 4] {
        let milliseconds = |limit: Duration| limit.as_millis().to_string();
        [
            ("search_path", "elt,public".to_owned()),
            ("statement_timeout", milliseconds(self.statement)),
            ("lock_timeout", milliseconds(self.lock)),
            ("idle_in_transaction_session_timeout", milliseconds(self.idle_in_transaction)),
        ]
    }

    /// The same as statements, because poolers leave out the settings of a login.
    fn statements(self) -> String {
        let settings = self.settings().map(|(name, value)| format!("set {name} = {value}"));
        settings.join("; ")
    }
}

/// Connects a pool of `connections` to the control database. Names resolve in the schema `elt` first.
///
/// # Errors
/// When the database cannot be reached in time.
pub async fn connect(options: PgConnectOptions, connections: u32, limits: Limits) -> sqlx::Result<PgPool> {
    let options = options.options(limits.settings());
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(limits.connection);
    let pool = pool.after_connect(move |connection, _| Box::pin(limit(connection, limits)));
    let relay = limits.relayed.then(|| Relay::before(&options, limits.statement + ANSWER_AFTER_LIMIT));
    let relay = relay.transpose().unwrap_or_else(|error| {
        // A process without a folder for temporary files works all the same.
        tracing::warn!(
            %error,
            "could not make a socket in the temporary folder {}, so a lost connection to the control database may be noticed \
             late. TMPDIR names another folder, whose path may have at most 70 characters",
            tempfile::env::temp_dir().display()
        );
        None
    });
    let Some((relay, through)) = relay.flatten() else { return pool.connect_with(options).await };
    let db = pool.connect_lazy_with(through);
    tokio::spawn(relay.serve(db.close_event()));
    // The first connection shows whether the database can be reached.
    drop(db.acquire().await?);
    Ok(db)
}

/// Opens a connection outside a pool, with the settings of a pool's.
///
/// # Errors
/// When the database cannot be reached.
pub async fn connect_alone(options: &PgConnectOptions, limits: Limits) -> sqlx::Result<PgConnection> {
    let mut connection = PgConnection::connect_with(options).await?;
    limit(&mut connection, limits).await?;
    Ok(connection)
}

async fn limit(connection: &mut PgConnection, limits: Limits) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(limits.statements())).execute(connection).await.map(drop)
}

/// Whether a database can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// It can be written to.
    Yes,
    /// The server is a standby, which follows another one.
    Standby,
    /// Transactions of this login are read-only.
    ReadOnly,
}

impl Writable {
    /// What keeps everybody from writing, as a sentence. `None`: nothing.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Yes => None,
            Self::Standby => Some("the control database is a standby, which cannot be written to"),
            Self::ReadOnly => Some("the control database is read-only (default_transaction_read_only)"),
        }
    }
}

/// Asks the database whether it can be written to.
pub async fn writable(db: impl PgExecutor<'_>) -> sqlx::Result<Writable> {
    #[derive(FromRow)]
    struct Facts {
        standby: bool,
        read_only: bool,
    }
    let facts: Facts = sqlx::query_as(
        "select pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only",
    )
    .fetch_one(db)
    .await?;
    Ok(match facts {
        Facts { standby: true, .. } => Writable::Standby,
        Facts { read_only: true, .. } => Writable::ReadOnly,
        Facts { .. } => Writable::Yes,
    })
}

/// Whether the database refused a statement because it cannot be written to.
pub fn is_read_only(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|database| database.code()).is_some_and(|code| code == "25006")
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
