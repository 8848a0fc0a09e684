//! Input: the files that a run reads, on this machine, whatever source they came from.
//!
//! # Layout
//! - [`format`](mod@format): the formats and compressions, by the config and the suffixes of a name
//! - [`decompress`]: the bytes of a compressed file, as they are read
//! - [`stamp`]: the state of a file by which a change between two reads is noticed
//! - [`version`]: what a server says about the content of a file

mod decompress;
mod format;
mod stamp;
mod version;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::{AfterLoad, FileOptions};

pub use decompress::decompressed;
pub use elt_shared::config::FileContainer as Container;
pub use format::{Compression, Format, decrypted_name, format_of, nameable, other_suffix, stem};
pub use stamp::Stamp;
pub use version::Version;

use crate::roots::Beneath;

/// One file to read, on this machine. It is read twice: once to decide types, once to load.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// Index into the config's sources.
    pub source: usize,
    /// Name of the file for people: the path, the URL without its query, or `sftp://host/path`.
    pub name: String,
    /// Path of the file on this machine.
    pub path: PathBuf,
    /// The way to open it again inside the folders that may be read. `None`: it is in the run's own spool folder.
    pub(crate) below: Option<Beneath>,
    /// Format of its contents.
    pub format: Format,
    /// Compression of its bytes.
    pub compression: Compression,
    /// How its source says that files are read.
    pub options: Arc<FileOptions>,
    /// The sheet of a workbook that it is. `None`: it is not a workbook, or the reader chooses the sheet.
    pub sheet: Option<Arc<SheetPlace>>,
    /// JSON path to the rows. `None`: it is not known yet.
    pub records: Option<String>,
    /// Whether the run fails when it cannot be read. True for an answer of an API and a file that the config names. False for
    /// the files of a folder or glob: one that cannot be read is reported, and the others are loaded.
    pub required: bool,
    /// Its state when it was listed. The extraction starts over when it is different at the second read.
    pub stamp: Stamp,
    /// The time at which the file was changed last, in microseconds since 1970. `None`: it is not known, as for an answer of an
    /// API.
    pub modified: Option<i64>,
    /// Columns beside those of the file, which have the same value in each of its rows. A value of `None` is NULL.
    pub constants: Vec<(String, Option<String>)>,
    /// The action on the server after the load has committed.
    pub after_load: Option<RemoteTask>,
}

impl InputFile {
    /// A file of the first source with the default options, which is not required.
    ///
    /// # Errors
    /// When the file's metadata cannot be read.
    pub fn at(name: String, path: PathBuf, format: Format, compression: Compression) -> std::io::Result<Self> {
        Ok(Self {
            source: 0,
            name,
            stamp: Stamp::of(&path)?,
            path,
            below: None,
            format,
            compression,
            options: Arc::default(),
            sheet: None,
            records: None,
            required: false,
            modified: None,
            constants: Vec::new(),
            after_load: None,
        })
    }

    /// Opens it from its start.
    ///
    /// # Errors
    /// When it cannot be opened, or is not a regular file any more.
    pub fn open(&self) -> std::io::Result<File> {
        let file = match &self.below {
            Some(below) => below.open()?,
            None => File::open(&self.path)?,
        };
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no longer a file"))
        }
    }
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetPlace {
    /// Its place among the sheets, counted from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Where texts are written that do not fit into memory while it is read.
    pub spool: SpoolFolder,
}

/// A folder for what does not fit into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolFolder {
    /// Its path.
    pub folder: PathBuf,
    /// Bytes that its disk keeps free.
    pub keep_free: u64,
}

/// The action on a remote file after its load has committed, if it is still the file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTask {
    /// Its path on the server.
    pub path: String,
    /// Whether it is moved, deleted or tagged.
    pub action: AfterLoad,
    /// Its version when it was read.
    pub version: Version,
}
