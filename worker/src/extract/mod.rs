//! Extract: every source becomes files on this machine. The `match` here lists the kinds of source.

pub mod http;
pub mod local;
pub mod probe;
pub mod sftp;
pub(crate) mod words;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use elt_shared::config::{AfterLoad, CsvOptions, PipelineConfig, SourceConfig};
pub use elt_shared::runs::report::{LeftOut, LeftOutKind};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{PipelineError, Result};
use crate::roots::{Beneath, Roots};

/// What an extraction may touch.
#[derive(Clone)]
pub struct ExtractContext {
    /// Relative paths start here: the worker's working folder, or the caller's for `elt run`.
    pub base: PathBuf,
    /// The run's own folder for spooled files; removed when the run ends.
    pub spool: PathBuf,
    /// Which files may be read.
    pub roots: Roots,
    /// Files that are never input: the combined CSV of this pipeline.
    pub never: Vec<PathBuf>,
    /// Which hosts may be called.
    pub network: Arc<elt_shared::settings::NetworkSettings>,
    /// The control database, for known host keys.
    pub control: sqlx::PgPool,
    /// Cancelled when the run should stop.
    pub stop: CancellationToken,
    /// The treatment of files that may still be being written.
    pub young: YoungFiles,
}

/// The treatment of a local file that changed less than its source's `settle_seconds` ago and may still be being
/// written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YoungFiles {
    /// It is left out, and found by the next look.
    LeaveOut,
    /// It is taken, because only its name and its beginning are wanted.
    Take,
    /// It is taken when it ends where a record ends; otherwise the extraction waits until it rests.
    WaitForRecord,
    /// The extraction waits until it rests.
    Wait,
}

/// How a file's bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated unless the options say otherwise.
    Csv,
    /// Pipe, tab, `;` or `,`, found by looking.
    Txt,
    /// An array of objects, one object, or NDJSON under the same suffix.
    Json,
    /// One JSON value a line.
    Ndjson,
}

/// How a file's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip
    Gzip,
    /// Zstandard
    Zstd,
}

/// How a file is read, by its suffixes in any case; `None` when it is not for us.
pub fn format_of(name: &str) -> Option<(Format, Compression)> {
    let name = name.to_ascii_lowercase();
    let (name, compression) = match name.rsplit_once('.') {
        Some((rest, "gz")) => (rest, Compression::Gzip),
        Some((rest, "zst")) => (rest, Compression::Zstd),
        _ => (name.as_str(), Compression::None),
    };
    let format = match name.rsplit_once('.')?.1 {
        "csv" => Format::Csv,
        "txt" => Format::Txt,
        "json" => Format::Json,
        "ndjson" | "jsonl" => Format::Ndjson,
        _ => return None,
    };
    Some((format, compression))
}

/// One file to read, on this machine. It is read twice: once to decide types, once to load.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// Index into the config's sources.
    pub source: usize,
    /// What people see: the path, the URL without its query, `sftp://host/path`.
    pub name: String,
    /// Where its bytes are.
    pub path: PathBuf,
    /// The way to open it again inside the folders that may be read. `None`: it is in the run's own spool folder.
    pub(crate) below: Option<Beneath>,
    /// How to read them.
    pub format: Format,
    /// How they are packed.
    pub compression: Compression,
    /// Options for CSV and TXT.
    pub csv: CsvOptions,
    /// JSON path to the rows.
    pub records: Option<String>,
    /// Whether its source fails when it cannot be read: an answer of an API, a file the config names. The files of a
    /// folder or glob are not: a bad one is reported and the others go on.
    pub required: bool,
    /// Size, mtime and inode when it was listed: another value at the second read restarts the extraction.
    pub stamp: Stamp,
    /// What to do on the server once the load committed.
    pub after_load: Option<RemoteTask>,
}

impl InputFile {
    /// A file as it lies there, of the first source, with the default options. Nobody minds when it cannot be read.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn at(name: String, path: PathBuf, (format, compression): (Format, Compression)) -> std::io::Result<Self> {
        Ok(Self {
            source: 0,
            name,
            stamp: Stamp::of(&path)?,
            path,
            below: None,
            format,
            compression,
            csv: CsvOptions::default(),
            records: None,
            required: false,
            after_load: None,
        })
    }

    /// Opens it from its start.
    ///
    /// # Errors
    /// When it cannot be opened, or is no regular file any more.
    pub fn open(&self) -> std::io::Result<File> {
        let file = match &self.below {
            Some(below) => below.open()?,
            None => File::open(&self.path)?,
        };
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no longer a file")),
        }
    }
}

/// What happens to a remote file after its load committed, if it is still the file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTask {
    /// Its path on the server.
    pub path: String,
    /// Move or delete.
    pub action: AfterLoad,
    /// Bytes it had when it was read.
    pub size: u64,
    /// Its modification time then, in seconds since the epoch.
    pub mtime: u64,
}

/// What tells that a file was changed between two reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since the epoch.
    pub mtime_ns: i128,
    /// Inode.
    pub inode: u64,
}

impl Stamp {
    /// The stamp of a file now.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self::from(&meta))
    }
}

impl From<&std::fs::Metadata> for Stamp {
    fn from(meta: &std::fs::Metadata) -> Self {
        Self {
            size: meta.len(),
            mtime_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
            inode: meta.ino(),
        }
    }
}

/// All sources, as files.
#[derive(Debug, Clone, Default)]
pub struct Extracted {
    /// In source, then name order: the order rows are loaded in.
    pub files: Vec<InputFile>,
    /// Files that are not read.
    pub left_out: Vec<LeftOut>,
    /// Sentences for the report.
    pub warnings: Vec<String>,
}

/// Extracts every source of a pipeline, in order. One failed source fails them all.
///
/// # Errors
/// A source that is missing, unreachable or refused; [`PipelineError::Stopped`] when asked to stop.
pub async fn extract(config: &PipelineConfig, context: &ExtractContext) -> Result<Extracted> {
    let (config, context) = (config.clone(), context.clone());
    on_a_thread(async move || extract_each(&config, &context).await).await
}

/// Runs work on a blocking thread. The futures of the network sources borrow across their retries in ways that
/// bind them to one thread, and their files are written with blocking calls.
async fn on_a_thread<T: Send + 'static>(work: impl AsyncFnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (runtime, span) = (tokio::runtime::Handle::current(), tracing::Span::current());
    tokio::task::spawn_blocking(move || span.in_scope(|| runtime.block_on(work())))
        .await
        .map_err(|error| PipelineError::Internal(format!("a source's thread ended early: {error}")))?
}

async fn extract_each(config: &PipelineConfig, context: &ExtractContext) -> Result<Extracted> {
    let mut all = Extracted::default();
    for (index, source) in config.sources.iter().enumerate() {
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        let one = match source {
            SourceConfig::Local(local) => local::extract(index, local, context).await,
            SourceConfig::Api(api) => http::extract(index, api, context).await,
            SourceConfig::Sftp(sftp) => sftp::extract(index, sftp, context).await,
        }?;
        all.files.extend(one.files);
        all.left_out.extend(one.left_out);
        all.warnings.extend(one.warnings);
    }
    Ok(all)
}

/// A value that changes when the rows of a pipeline's sources may have: cheap enough to be asked for every few seconds.
///
/// # Errors
/// As [`extract`]: a source that cannot be looked at has not changed.
pub async fn fingerprint(config: &PipelineConfig, context: &ExtractContext) -> Result<[u8; 16]> {
    let mut all = Xxh3::new();
    for (index, source) in config.sources.iter().enumerate() {
        let one = match source {
            SourceConfig::Local(local) => local::fingerprint(index, local, context).await,
            SourceConfig::Api(api) => http::fingerprint(api, context).await,
            SourceConfig::Sftp(sftp) => sftp::fingerprint(sftp, context).await,
        }?;
        all.update(&one.to_le_bytes());
    }
    Ok(all.digest128().to_le_bytes())
}
