//! Why a target cannot be used, as sentences with a next step.

use std::path::PathBuf;

use super::address::AddressProblem;
use super::guard;
use crate::explained::Code;
use crate::network::NetworkError;

/// Why a target's database or table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The config names no server and this process has no default target.
    #[error("the target names no server and no default target is set")]
    NoDefault,
    /// The default target is another database than the config names.
    #[error("the config names the database {named}, but the default target is the database {default}")]
    OtherDatabase {
        /// Name of the database in the config.
        named: String,
        /// What the default target is.
        default: String,
    },
    /// The connection URL or the host cannot be used.
    #[error("the target's address cannot be used: {0}")]
    Address(#[from] AddressProblem),
    /// The host may not be called, or has no address.
    #[error(transparent)]
    Host(#[from] NetworkError),
    /// The server refused the account.
    #[error("the target {server} refused the login of {user}: {reason}")]
    Login {
        /// The target as `host:port/database`.
        server: String,
        /// Name of the PostgreSQL role that logs in.
        user: String,
        /// The server's message.
        reason: String,
    },
    /// The database does not exist.
    #[error("the target {server} has no such database")]
    NoDatabase {
        /// The target as `host:port/database`.
        server: String,
    },
    /// The account may log in, but not connect to this database.
    #[error("the login may not connect to the target {server}; this statement grants the right: {grant}")]
    NoConnect {
        /// The target as `host:port/database`.
        server: String,
        /// The statement that grants it the right to connect.
        grant: String,
    },
    /// The server, or a pooler before it, does not accept the connection, and will not accept it later either.
    #[error("the target {server} refused the connection: {reason}")]
    Refused {
        /// The target as `host:port/database`.
        server: String,
        /// The server's message.
        reason: String,
    },
    /// A pooler gives the statements of one connection to different sessions of the server.
    #[error(
        "a pooler in transaction mode is before the target {server}: it gives the transactions of one connection to \
         different sessions of the server"
    )]
    Pooler {
        /// The target as `host:port/database`.
        server: String,
    },
    /// The server cannot be reached.
    #[error("the target {server} cannot be reached: {source}")]
    Unreachable {
        /// The target as `host:port/database`.
        server: String,
        /// PostgreSQL's error.
        source: sqlx::Error,
    },
    /// This machine could not make the private socket over which the driver talks. It is not about the server.
    #[error("could not make a socket in the temporary folder {}: {source}", folder.display())]
    TempFolder {
        /// The temporary folder of this process.
        folder: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The server has no TLS and the address requires it.
    #[error("the target {server} offers no TLS, and the connection must be encrypted")]
    NoTls {
        /// The target as `host:port/database`.
        server: String,
    },
    /// The server's certificate, or a certificate of this machine, cannot be used.
    #[error("the target {server} is not trusted: {reason}")]
    Certificate {
        /// The target as `host:port/database`.
        server: String,
        /// What is wrong with which certificate.
        reason: String,
    },
    /// The server sent more than is accepted, and the connection was ended.
    #[error("the connection to the target was ended: {0}")]
    TooMuch(String),
    /// The table does not exist.
    #[error("the table {table} does not exist")]
    NoTable {
        /// As the config names it.
        table: String,
    },
    /// The connection leads to a control database of elt.
    #[error("the target is the control database of elt, which holds configs, users and runs")]
    ControlDatabase,
    /// A schema of PostgreSQL itself.
    #[error("the schema {schema} is reserved")]
    Reserved {
        /// Name of the schema.
        schema: String,
    },
    /// A page was asked for by a column the table does not have.
    #[error("the table has no column {column}")]
    NoColumn {
        /// Name of the column.
        column: String,
    },
    /// No page of the table gave out this cursor.
    #[error("the cursor is not one this table gave out")]
    Cursor,
    /// A filter's value does not fit its column.
    #[error("a filter's value does not fit its column: {reason}")]
    Filter {
        /// The server's message.
        reason: String,
    },
    /// An export was ended because its reader was too slow, or because its time was over.
    #[error("the export was ended before all rows were read")]
    ExportEnded,
    /// The rows have more bytes than an export may have.
    #[error("the rows have more than {mib} MiB, the most that an export may have")]
    ExportTooLarge {
        /// The limit that was set, in MiB.
        mib: u64,
    },
    /// The database failed.
    #[error("could not read the target")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for TargetError {
    fn from(error: sqlx::Error) -> Self {
        if guard::is_violation(&error) { Self::TooMuch(guard::reason(&error)) } else { Self::Database(error) }
    }
}

impl TargetError {
    /// Stable code people can search for.
    pub fn code(&self) -> Code {
        match self {
            Self::NoDefault => Code::TargetNoDefault,
            Self::OtherDatabase { .. } => Code::TargetOtherDatabase,
            Self::Address(AddressProblem::Socket) => Code::TargetSocket,
            Self::Address(_) => Code::TargetUrl,
            Self::Host(_) => Code::TargetHost,
            Self::Login { .. } => Code::TargetLogin,
            Self::NoDatabase { .. } => Code::TargetNoDatabase,
            Self::NoConnect { .. } => Code::TargetLogin,
            Self::Refused { .. } => Code::TargetProtocol,
            Self::Pooler { .. } => Code::TargetPooler,
            Self::Unreachable { .. } => Code::TargetUnreachable,
            Self::TempFolder { .. } => Code::Io,
            Self::NoTls { .. } => Code::TargetNoTls,
            Self::Certificate { .. } => Code::TargetCertificate,
            Self::TooMuch(_) => Code::TargetTooMuch,
            Self::NoTable { .. } => Code::TargetNoTable,
            Self::ControlDatabase => Code::TargetControlDatabase,
            Self::Reserved { .. } => Code::TargetReserved,
            Self::NoColumn { .. } => Code::TargetNoColumn,
            Self::Cursor => Code::InvalidCursor,
            Self::Filter { .. } => Code::InvalidFilter,
            Self::ExportEnded => Code::ExportEnded,
            Self::ExportTooLarge { .. } => Code::ExportTooLarge,
            Self::Database(_) => Code::TargetDatabase,
        }
    }

    /// What the reader should do next.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::NoDefault => {
                "Name host, database, user and password under `target:`, or start the process with ELT_TARGET_URL."
            }
            Self::OtherDatabase { .. } => {
                "Leave `database` out, name the default target's database, or name host, user and password as well."
            }
            Self::Address(AddressProblem::Socket) => "Name a host, such as 127.0.0.1.",
            Self::Address(_) => "Write `target.url` as postgres://user:password@host:port/database.",
            Self::Host(_) => {
                "Correct `host` under `target:`, or ask the operator to allow it with the setting that the message names."
            }
            Self::Login { .. } => "Correct `user` and `password` under `target:`, or the server's pg_hba.conf.",
            Self::NoDatabase { .. } => "Create the database, or correct `database` under `target:`.",
            Self::NoConnect { .. } => {
                "Ask the owner of the database or a superuser to execute the statement in the message."
            }
            Self::Refused { .. } => {
                "Name the PostgreSQL server itself in the config, or a pooler in session mode that accepts the startup \
                 parameters in the message (PgBouncer: ignore_startup_parameters)."
            }
            Self::Pooler { .. } => {
                "Name the address of the PostgreSQL server itself under `target:`, or let the pooler give each connection a \
                 session of its own (PgBouncer: pool_mode = session for this database or user)."
            }
            Self::Unreachable { .. } => "Check host and port under `target:` and that the server accepts connections.",
            Self::TempFolder { .. } => {
                "Check that the account of elt may write to this folder, that it has free space, and that its path has at \
                 most 70 characters. TMPDIR names another one."
            }
            Self::NoTls { .. } => {
                "Turn TLS on in the server, or write `sslmode: disable` or `prefer` under `target:` if password and rows \
                 may travel unencrypted."
            }
            Self::Certificate { .. } => {
                "Correct the server's certificate, name its authority in ELT_TARGET_CA_FILE, or choose another `sslmode`."
            }
            Self::TooMuch(_) => {
                "Check that the target is the server you mean. Rows this large can be read with another client only."
            }
            Self::NoTable { .. } => "Run the pipeline first, or correct `table` under `target:`.",
            Self::ControlDatabase => "Name another database under `target:`; it may be on the same server.",
            Self::Reserved { .. } => "Use a table in another schema.",
            Self::NoColumn { .. } => "Use one of the columns the page lists.",
            Self::Cursor => "Start again from the first page.",
            Self::Filter { .. } => "Use a value of the column's type.",
            Self::ExportEnded => "Export fewer rows or columns with a filter, or read the file faster.",
            Self::ExportTooLarge { .. } => "Export fewer rows or columns with a filter.",
            Self::Database(_) => "Check the target server's log, then try again.",
        }
    }
}
