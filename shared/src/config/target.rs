//! `target:`: the table rows go to.

use std::fmt;

use crate::secret::Secret;

/// A table in a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetConfig {
    /// Which database.
    pub database: TargetDatabase,
    /// Which table; default `raw_data`.
    pub table: TableName,
}

/// Which database a target is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetDatabase {
    /// The config names none of host, port, user, password, url: the server's own target (`ELT_TARGET_URL`).
    Default {
        /// `database`, when written: must be the default target's.
        database: Option<String>,
    },
    /// A connection URL.
    Url(Secret),
    /// Host by host. Inherits nothing.
    Server {
        /// Default `localhost`. Never a Unix socket.
        host: String,
        /// Default 5432.
        port: u16,
        /// Database name; default: the user's name.
        database: Option<String>,
        /// Account.
        user: String,
        /// May be absent for trust authentication.
        password: Option<Secret>,
        /// Default `prefer`.
        sslmode: SslMode,
    },
}

/// `sslmode`, as libpq names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server insists.
    Allow,
    /// TLS if the server has it.
    #[default]
    Prefer,
    /// TLS.
    Require,
    /// TLS with a certificate a known authority signed.
    VerifyCa,
    /// The same, for this host name.
    VerifyFull,
}

/// A table's name, with its schema when one was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    /// `analytics` of `analytics.customers`.
    pub schema: Option<String>,
    /// `customers`.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.table)
    }
}
