//! What the places of files (buckets, HTTP and FTP servers) have in common.

use super::after_load::AfterLoad;
use super::files::FileOptions;

/// The keys of a place that say nothing about how it is reached.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlaceOptions {
    /// How the files are read.
    pub files: FileOptions,
    /// Seconds that a file must stay unchanged before it is loaded.
    pub settle_seconds: u64,
    /// What happens to a file after its load committed.
    pub after_load: AfterLoad,
}
