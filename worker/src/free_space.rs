//! The free space of a disk.

use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Bytes that the disk of a folder has free for this account. `None`: the file system does not tell.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    statvfs(folder).ok().map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size()))
}
