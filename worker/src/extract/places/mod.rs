//! Places of files: buckets, web servers, FTP servers. Each is a [`FileStore`], and everything that does not depend on its
//! protocol is done here, once for all of them.
//!
//! # A new place
//! 1. its keys: a file in `shared/src/config/source/`, and a variant of `SourceConfig` in `mod.rs` beside it
//! 2. its protocol: a file or folder here that implements [`FileStore`]
//! 3. its line in [`open`], below
//!
//! # Layout
//! - [`driver`]: listing and fetching, the test of a connection, monitoring
//! - [`mod@after_load`]: moving, deleting and tagging what was loaded
//! - [`attempts`]: repeated attempts, with pauses
//! - [`spool_file`]: the part of a file that has arrived
//! - [`wanted`]: the path of a config: a name, a folder or a glob
//! - [`limits`]: limits in time and size
//! - [`error`]: the errors of a place, as sentences
//! - [`web`]: HTTP for places; [`without_head`]: files whose web servers do not answer HEAD
//! - the places themselves: [`bucket`], [`ftp`], [`web_files`]

mod after_load;
mod attempts;
mod bucket;
mod driver;
mod error;
mod ftp;
mod limits;
mod spool_file;
mod wanted;
mod web;
mod web_files;
mod without_head;

use elt_shared::config::SourceConfig;
use futures::future::BoxFuture;

pub(super) use self::after_load::after_load;
pub use self::after_load::after_load_within;
use self::bucket::Bucket;
pub(super) use self::driver::probe;
pub use self::driver::{Seen, extract, extract_within, look};
pub(in crate::extract) use self::error::{Result, StoreError};
use self::ftp::FtpStore;
pub use self::limits::StoreLimits;
pub(in crate::extract) use self::spool_file::SpoolFile;
pub(in crate::extract) use self::wanted::{Wanted, is_pattern};
use self::web_files::WebFiles;
use super::{ExtractContext, LeftOutKind};
use crate::input::Version;

/// A place that has files, as one protocol reaches it. A call makes one attempt: the driver repeats it when its error
/// is [transient](StoreError::is_transient), and a store that keeps a connection opens a new one then.
pub(in crate::extract) trait FileStore: Send + Sync {
    /// The place as people see it, without a path: `s3://bucket` or `ftp://host:2121`.
    fn place(&self) -> String;

    /// A path in the place as people see it: `s3://bucket/key`.
    fn shown(&self, path: &str) -> String;

    /// The files that the config names, in any order.
    fn list(&self) -> BoxFuture<'_, Result<Listing>>;

    /// The version of the file that is at a path now.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the file does not exist.
    fn look<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Version>>;

    /// Appends the bytes of a file from the end of `spool` on: up to the end of the file, or until the spool
    /// [has enough](SpoolFile::is_full).
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it is seen that the file is not the version of `file` any more.
    fn read<'a>(&'a self, file: &'a RemoteFile, spool: &'a mut SpoolFile<'_>) -> BoxFuture<'a, Result<()>>;

    /// Whether [`read`](Self::read) always sees that a file is another version than the one that was listed. Otherwise the
    /// driver looks at the file once more after it was read.
    fn sees_changes(&self) -> bool {
        false
    }

    /// Whether a file has the size that it was listed with.
    fn sizes_hold(&self) -> bool {
        true
    }

    /// Number of files that may be read at the same time.
    fn parallel(&self) -> usize {
        1
    }

    /// Deletes a file, which has been looked at just before.
    fn delete<'a>(&'a self, path: &'a str, _version: &'a Version) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Err(StoreError::unsupported(self.shown(path), "deleted")) })
    }

    /// Moves a file to a free path. A folder that is missing is made. After a lost answer it is called again with the same
    /// paths, if the file is still at its old one.
    fn rename<'a>(&'a self, path: &'a str, _to: &'a str, _version: &'a Version) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Err(StoreError::unsupported(self.shown(path), "moved")) })
    }

    /// The path that a file gets when it is moved into a folder, which `after_load` names.
    fn moved_path(&self, folder: &str, file: &str) -> String {
        format!("{}/{file}", folder.trim_end_matches('/'))
    }

    /// Gives a file a tag beside those that it has.
    fn tag<'a>(&'a self, path: &'a str, _key: &'a str, _value: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Err(StoreError::unsupported(self.shown(path), "tagged")) })
    }
}

/// The store of a source.
///
/// # Errors
/// When the source cannot be used as it is written.
fn open<'a>(
    source: &'a SourceConfig,
    context: &'a ExtractContext,
    limits: &'a StoreLimits,
) -> Result<Box<dyn FileStore + 'a>> {
    match source {
        SourceConfig::S3(source) => Ok(Box::new(Bucket::new(source, context, limits)?)),
        SourceConfig::Http(source) => Ok(Box::new(WebFiles::new(source, context, limits)?)),
        SourceConfig::Ftp(source) => Ok(Box::new(FtpStore::open(source, context, limits)?)),
        SourceConfig::Local(_) | SourceConfig::Api(_) | SourceConfig::Sftp(_) | SourceConfig::Inbox(_) => {
            Err(StoreError::unknown(source.kind()))
        }
    }
}

/// A file in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::extract) struct RemoteFile {
    /// Path in the place: a key, a path on a server, or a URL.
    pub(in crate::extract) path: String,
    /// The name whose suffixes say how the file is read.
    pub(in crate::extract) name: String,
    /// What tells its content from the next one.
    pub(in crate::extract) version: Version,
}

/// The files of a source, and what else is there.
#[derive(Debug, Default)]
pub(in crate::extract) struct Listing {
    /// The files that the config names, whatever their format is.
    pub(in crate::extract) files: Vec<RemoteFile>,
    /// Whether the config names each of them, so that each must be had. Otherwise they are those of a folder or glob.
    pub(in crate::extract) named: bool,
    /// Path, severity and reason of each file that is left out.
    pub(in crate::extract) left_out: Vec<(String, LeftOutKind, String)>,
}
