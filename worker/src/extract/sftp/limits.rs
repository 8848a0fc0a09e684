//! The limits of an SFTP source in time and size. Everything that a server sends is bounded.

use std::time::Duration;

use elt_shared::config::SftpSource;

/// The limits of one SFTP source. A worker uses the default, and tests use smaller ones.
#[derive(Debug, Clone)]
pub struct SftpLimits {
    /// Longest time for resolving the name and connecting.
    pub connect: Duration,
    /// Longest time for the server's banner and the key exchange, and as long again for the login.
    pub handshake: Duration,
    /// Longest silence while an answer is due.
    pub idle: Duration,
    /// Longest time for listing and reading all files with all attempts.
    pub total: Duration,
    /// Number of connections that break one after the other, without a byte in between, after which the source fails.
    pub attempts: u32,
    /// First pause between two attempts. Each further one is twice as long.
    pub backoff: Duration,
    /// Time for which a file must not have changed before it is read. One that would have to be waited for longer than
    /// [`MAX_SETTLE`] is left for the next run.
    pub settle: Duration,
    /// Number of times that a file which changes while it is read is read again before it is left for the next run.
    pub rereads: u32,
    /// Most entries of a listing.
    pub entries: usize,
    /// Most bytes of all files on the server.
    pub total_bytes: u64,
    /// Most bytes of one read request.
    pub chunk: u32,
    /// Number of read requests that are sent before an answer arrives.
    pub in_flight: usize,
}

/// Longest time that a run waits for a file that may still be being written.
pub(super) const MAX_SETTLE: Duration = Duration::from_secs(30);

impl SftpLimits {
    /// The limits of a source, with the `settle_seconds` of its config.
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
