//! How much a target's server may send.

/// Limits for one session. The login and everything but rows have fixed limits of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Bytes of one row. Limits how much memory the driver reserves at once.
    pub row: u32,
    /// Bytes of all rows that answer one request, because the driver's caller may collect them. The rows of a `COPY` do
    /// not count: they are read as a stream.
    pub rows: u64,
    /// Bytes of an error or a notice. An error of a load can quote the whole value that the server refuses.
    pub error: u32,
}

impl AnswerLimits {
    /// For a page or an export of the data view.
    pub const VIEW: Self = Self { row: 16 << 20, rows: 64 << 20, error: 1 << 20 };
    /// Limits for the connection of a run, whose answers are larger than those of the API.
    pub const LOAD: Self = Self { row: 64 << 20, rows: 256 << 20, error: 64 << 20 };
}

/// Bytes of one message during the login.
pub(super) const LOGIN_MESSAGE: u32 = 64 << 10;
/// Bytes of the whole login.
pub(super) const LOGIN: u64 = 1 << 20;
/// Bytes that the driver needs for each row besides those of its message.
pub(super) const ROW_OVERHEAD: u64 = 128;
/// Bytes of a message without values, such as the description of a table's columns.
pub(super) const OTHER_MESSAGE: u32 = 1 << 20;
/// Bytes of all settings that a server announces during a session. The driver keeps them.
pub(super) const SETTINGS: u64 = 1 << 20;
/// Bytes of one message of an authentication, and of the one that names the server's process. The guard keeps them until
/// they are whole.
pub(super) const AUTHENTICATION: u32 = 8 << 10;
/// Rounds of hashing that a server may ask for to check a password. PostgreSQL asks for 4096.
pub(super) const SCRAM_ROUNDS: u32 = 1_000_000;
