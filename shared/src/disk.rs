//! The free room of disks, and whether a write failed because there was too little.

use std::io;
use std::path::Path;

/// Bytes that the disk of a folder has free for this account. `None`: it does not tell.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether a write failed because the disk, a quota or the largest size of a file is used up.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
