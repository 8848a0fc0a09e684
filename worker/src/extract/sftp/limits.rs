//! How long and how much an SFTP source may take. Everything that comes from outside ends somewhere.

use std::time::Duration;

use elt_shared::config::SftpSource;

/// The bounds of one SFTP source. Tests use smaller ones; a worker uses the default.
#[derive(Debug, Clone)]
pub struct SftpLimits {
    /// Looking the name up and connecting.
    pub connect: Duration,
    /// The server's banner and the key exchange; and again the login.
    pub handshake: Duration,
    /// Silence while an answer is due.
    pub idle: Duration,
    /// Everything: listing and reading all files with all attempts.
    pub total: Duration,
    /// Connections that break one after the other, without a byte in between, before the source counts as failed.
    pub attempts: u32,
    /// The first pause between two attempts; each further one is twice as long.
    pub backoff: Duration,
    /// A file changed more recently than this is looked at again after it has passed; one that would take longer than
    /// [`MAX_SETTLE`] to rest is left for the next run.
    pub settle: Duration,
    /// How often a file that changes while it is read is read anew before it is left for the next tick.
    pub rereads: u32,
    /// Entries of a listing.
    pub entries: usize,
    /// Bytes of all files, as they are on the server.
    pub total_bytes: u64,
    /// Bytes of one read request.
    pub chunk: u32,
    /// Read requests on their way at once.
    pub in_flight: usize,
}

/// The longest a run waits for a file to rest.
pub(super) const MAX_SETTLE: Duration = Duration::from_secs(30);

impl SftpLimits {
    /// The bounds of a source, with its own time to settle.
    pub(super) fn of(source: &SftpSource) -> Self {
        Self { settle: Duration::from_secs(source.settle_seconds), ..Self::default() }
    }
}

impl Default for SftpLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            total: Duration::from_hours(6),
            attempts: 3,
            backoff: Duration::from_secs(1),
            settle: Duration::from_secs(5),
            rereads: 3,
            entries: 100_000,
            total_bytes: 1 << 40,
            // OpenSSH answers at most 256 KiB less its header; more than this is answered in pieces.
            chunk: 255_000,
            in_flight: 32,
        }
    }
}
