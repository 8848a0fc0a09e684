//! The free room of disks.

use std::path::Path;

/// Bytes that the disk of a folder has free for this account. `None`: it does not tell.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
