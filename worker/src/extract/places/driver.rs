//! Listing and fetching the files of a place, whatever its protocol is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use elt_shared::config::{AfterLoad, PlaceOptions, SourceConfig};
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use super::attempts::Attempts;
use super::error::{Result, StoreError};
use super::limits::{MAX_SETTLE, StoreLimits};
use super::spool_file::{Budget, SpoolFile};
use super::{FileStore, Listing, RemoteFile, open};
use crate::error::{PipelineError, Result as PipelineResult};
use crate::extract::listed_sample::ListedSample;
use crate::extract::probe::Sample;
use crate::extract::{ExtractContext, Extracted, LeftOut, LeftOutKind, WantedFiles, workbooks};
use crate::input::{Compression, Format, InputFile, RemoteTask, Stamp, Version, format_of, other_suffix};
use crate::progress::Progress;

/// Longest time for a test of the connection.
const PROBE_TIMEOUT: Duration = Duration::from_mins(2);

/// Fetches every file of a source.
///
/// # Errors
/// When the place cannot be reached, does not let elt in, or a file that must be had cannot be fetched.
pub async fn extract(index: usize, source: &SourceConfig, context: &ExtractContext) -> PipelineResult<Extracted> {
    extract_within(index, source, context, &limits_of(source)).await
}

/// [`extract`] with other limits.
///
/// # Errors
/// As [`extract`].
pub async fn extract_within(
    index: usize,
    source: &SourceConfig,
    context: &ExtractContext,
    limits: &StoreLimits,
) -> PipelineResult<Extracted> {
    let (store, options) = (open(source, context, limits)?, options(source)?);
    let (folder, progress, wanted) = (&*context.spool, &*context.progress, &context.files);
    let fetching = Fetching { index, store: &*store, options, limits, folder, progress, wanted };
    guarded(&*store, &context.stop, limits, fetching.all()).await
}

/// What a look at a place saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// A value that changes when the source's rows may have changed.
    pub fingerprint: u128,
    /// Whether only a run finds out if there is anything new, because the place tells nothing about a file.
    pub needs_run: bool,
}

/// Looks at the names and versions of the files in the place. A file that may still be being written does not count until it
/// has not changed for `settle_seconds`.
///
/// # Errors
/// As [`extract`].
pub async fn look(source: &SourceConfig, context: &ExtractContext) -> PipelineResult<Seen> {
    let limits = limits_of(source);
    let store = open(source, context, &limits)?;
    guarded(&*store, &context.stop, &limits, async {
        let listing = list(&*store, &limits).await?;
        let mut hash = Xxh3::new();
        let mut needs_run = false;
        for file in listing.files.iter().filter(|file| file.version.rests_in(limits.settle).is_none()) {
            hash.update(format!("{}\0{}\0", file.path, file.version).as_bytes());
            needs_run |= file.version == Version::default();
        }
        Ok(Seen { fingerprint: hash.digest128(), needs_run })
    })
    .await
}

/// Lists the files and reads the beginning of the first one, in one attempt.
///
/// # Errors
/// As [`extract`].
pub(in crate::extract) async fn probe(
    index: usize,
    source: &SourceConfig,
    context: &ExtractContext,
) -> PipelineResult<Sample> {
    let limits = StoreLimits { attempts: 1, total: PROBE_TIMEOUT, ..StoreLimits::default() };
    let (store, options) = (open(source, context, &limits)?, options(source)?);
    let (folder, progress, wanted) = (&*context.spool, &*context.progress, &context.files);
    let fetching = Fetching { index, store: &*store, options, limits: &limits, folder, progress, wanted };
    guarded(&*store, &context.stop, &limits, fetching.sample()).await
}

fn options(source: &SourceConfig) -> Result<&PlaceOptions> {
    source.place().ok_or_else(|| StoreError::unknown(source.kind()))
}

fn limits_of(source: &SourceConfig) -> StoreLimits {
    source.place().map(StoreLimits::of).unwrap_or_default()
}

/// Runs the work until the total deadline, or until the run is stopped.
async fn guarded<T>(
    store: &dyn FileStore,
    stop: &CancellationToken,
    limits: &StoreLimits,
    work: impl Future<Output = Result<T>>,
) -> PipelineResult<T> {
    let late = |_| StoreError::Deadline { place: store.place(), after: limits.total };
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(PipelineError::Stopped),
        done = tokio::time::timeout(limits.total, work) => Ok(done.map_err(late)??),
    }
}

/// The listing of a place in the order of the paths, in as many attempts as it takes.
async fn list(store: &dyn FileStore, limits: &StoreLimits) -> Result<Listing> {
    let mut attempts = Attempts::new(limits);
    loop {
        match store.list().await {
            Ok(mut listing) => {
                if !listing.named {
                    listing.files.sort_by(|one, other| one.path.cmp(&other.path));
                    // A file that is listed twice is one file, whose rows would be read twice.
                    listing.files.dedup_by(|one, other| one.path == other.path);
                }
                listing.left_out.sort_by(|one, other| one.0.cmp(&other.0));
                return Ok(listing);
            }
            Err(error) => attempts.after(error).await?,
        }
    }
}

/// How a file is read, by the suffixes of its name. The error is a reason.
fn judge(file: &RemoteFile, options: &PlaceOptions) -> Result<(Format, Compression), String> {
    format_of(&file.name, &options.files).ok_or_else(|| other_suffix(&file.name))
}

/// The version of a file that was read, and the compression that the server says it has.
type Read = (Version, Option<Compression>);

/// The server's word about the compression counts when the name says nothing about it.
fn with_encoding((format, named): (Format, Compression), encoding: Option<Compression>) -> (Format, Compression) {
    match (named, encoding) {
        (Compression::None, Some(encoding)) => (format, encoding),
        _ => (format, named),
    }
}

/// One source whose files are fetched.
struct Fetching<'a> {
    index: usize,
    store: &'a dyn FileStore,
    options: &'a PlaceOptions,
    limits: &'a StoreLimits,
    folder: &'a Path,
    progress: &'a Progress,
    wanted: &'a WantedFiles,
}

/// What became of a file.
enum Outcome {
    Read(Box<InputFile>),
    LeftOut(LeftOut),
    /// It is of another table.
    NotWanted,
}

impl Fetching<'_> {
    async fn all(&self) -> Result<Extracted> {
        let listing = list(self.store, self.limits).await?;
        let sizes = listing.files.iter().filter_map(|file| file.version.size);
        let bytes = sizes.fold(0, u64::saturating_add);
        if bytes > self.limits.total_bytes {
            return Err(StoreError::too_large(&self.store.place(), bytes, self.limits.total_bytes));
        }
        make_folder(self.folder).await?;
        let mut extracted = Extracted::default();
        for (path, kind, reason) in listing.left_out {
            extracted.left_out.push(LeftOut { name: self.store.shown(&path), kind, reason });
        }
        let budget = &Budget::new(self.store.place(), self.limits.total_bytes, self.progress);
        let named = listing.named;
        let each = listing.files.iter().enumerate().map(|(number, file)| self.one(number, file, named, budget));
        let mut outcomes = stream::iter(each).buffered(self.store.parallel());
        while let Some(outcome) = outcomes.next().await {
            let outcome = outcome?;
            self.progress.file_done();
            match outcome {
                Outcome::Read(file) => extracted.files.push(*file),
                Outcome::LeftOut(left_out) => extracted.left_out.push(left_out),
                Outcome::NotWanted => {}
            }
        }
        Ok(extracted)
    }

    async fn one(&self, number: usize, file: &RemoteFile, named: bool, budget: &Budget<'_>) -> Result<Outcome> {
        let name = self.store.shown(&file.path);
        let left_out = |kind, reason| Ok(Outcome::LeftOut(LeftOut { name: name.clone(), kind, reason }));
        let format = match judge(file, self.options) {
            Ok(format) => format,
            Err(reason) if named => return Err(StoreError::Unreadable { name, reason }),
            Err(reason) => return left_out(LeftOutKind::Skipped, reason),
        };
        if !self.wanted.is_wanted(&name, format.0, &self.options.files) {
            return Ok(Outcome::NotWanted);
        }
        let settle = self.limits.settle;
        if !named && file.version.rests_in(settle).is_some_and(|rests_in| rests_in > MAX_SETTLE) {
            let seconds = settle.as_secs();
            let reason =
                format!("it changed less than {seconds} s ago and may still be written; the next look or run reads it");
            return left_out(LeftOutKind::Skipped, reason);
        }
        // The copy gets a name of elt's own, because a name from the server could lead out of the spool folder.
        let to = self.folder.join(format!("store-{}-{number}", self.index));
        if !self.wanted.is_fetched(format.0) {
            let doing = || format!("make an empty file for {name}");
            tokio::fs::write(&to, b"").await.map_err(|source| StoreError::Spool { doing: doing(), source })?;
            return Ok(Outcome::Read(Box::new(self.input(file, format, file.version.clone(), to)?)));
        }
        match self.download(file, &to, budget).await {
            Ok(Some((version, encoding))) => {
                let input = self.input(file, with_encoding(format, encoding), version, to)?;
                Ok(Outcome::Read(Box::new(InputFile { required: named, ..input })))
            }
            Ok(None) if named => Err(StoreError::Changed { name }),
            Ok(None) => left_out(
                LeftOutKind::Skipped,
                "it changed each time it was read, so it is still being written".to_owned(),
            ),
            Err(error) if error.is_of_one_file() && !named => left_out(LeftOutKind::Failed, error.reason()),
            Err(error) => Err(error),
        }
    }

    /// Reads a file as it is now. `None`: it changed every time it was read, so it is still being written.
    async fn download(&self, file: &RemoteFile, to: &Path, budget: &Budget<'_>) -> Result<Option<Read>> {
        let mut file = file.clone();
        for _ in 0..=self.limits.rereads {
            match self.download_version(&file, to, budget).await {
                Err(StoreError::Changed { name }) => {
                    tracing::info!(file = name, "{name} changed while it was read; reading it anew");
                    file.version = self.look(&file.path).await?;
                }
                done => return done.map(|encoding| Some((file.version, encoding))),
            }
        }
        Ok(None)
    }

    /// Reads exactly this version of a file, in as many attempts as it takes.
    async fn download_version(&self, file: &RemoteFile, to: &Path, budget: &Budget<'_>) -> Result<Option<Compression>> {
        let name = self.store.shown(&file.path);
        let mut spool = SpoolFile::create(to, &name, None, budget).await?;
        self.read(file, &mut spool).await?;
        if self.store.sizes_hold() && file.version.size.is_some_and(|size| size != spool.length()) {
            return Err(StoreError::Changed { name });
        }
        let rests_in = file.version.rests_in(self.limits.settle);
        if let Some(rests_in) = rests_in {
            tokio::time::sleep(rests_in.min(MAX_SETTLE)).await;
        }
        // The file may still be written, and a change in the same second would not show in its time.
        if rests_in.is_some() || !self.store.sees_changes() {
            let now = self.look(&file.path).await?;
            if now != file.version {
                return Err(StoreError::Changed { name });
            }
        }
        spool.finish().await?;
        Ok(spool.encoding())
    }

    /// Reads on until the spool has all that is wanted. An attempt that brought bytes is not counted as one that failed.
    async fn read(&self, file: &RemoteFile, spool: &mut SpoolFile<'_>) -> Result<()> {
        let mut attempts = Attempts::new(self.limits);
        loop {
            let before = spool.length();
            let Err(error) = self.store.read(file, spool).await else { return Ok(()) };
            if spool.length() > before {
                attempts.got_on();
            }
            attempts.after(error).await?;
            if spool.length() > 0 {
                let name = self.store.shown(&file.path);
                tracing::info!(file = name, offset = spool.length(), "reading on in {name} at byte {}", spool.length());
            }
        }
    }

    async fn look(&self, path: &str) -> Result<Version> {
        let mut attempts = Attempts::new(self.limits);
        loop {
            match self.store.look(path).await {
                Err(error) => attempts.after(error).await?,
                version => return version,
            }
        }
    }

    async fn sample(&self) -> Result<Sample> {
        let listing = list(self.store, self.limits).await?;
        let mut sample = ListedSample::default();
        for (number, file) in listing.files.iter().enumerate() {
            let (name, bytes) = (self.store.shown(&file.path), file.version.size);
            let format = match judge(file, self.options) {
                Ok(format) => format,
                Err(reason) if listing.named => return Err(StoreError::Unreadable { name, reason }),
                Err(_) => continue,
            };
            if !sample.wants(name.clone(), format.0, bytes) {
                continue;
            }
            match self.head(number, file, format).await {
                Ok(head) => sample.add(head, bytes),
                Err(error) if error.is_of_one_file() && !listing.named => sample.fail(&name, &error.reason()),
                Err(error) => return Err(error),
            }
        }
        Ok(sample.finish())
    }

    /// The beginning of a file: enough to see its columns, or the files in it.
    async fn head(&self, number: usize, file: &RemoteFile, format: (Format, Compression)) -> Result<InputFile> {
        make_folder(self.folder).await?;
        let to = self.folder.join(format!("store-{}-{number}-head", self.index));
        let budget = Budget::new(self.store.place(), self.limits.total_bytes, self.progress);
        let enough = if format.0.needs_its_end() { workbooks::LARGEST_SHOWN } else { self.limits.head };
        let mut spool = SpoolFile::create(&to, &self.store.shown(&file.path), Some(enough), &budget).await?;
        self.read(file, &mut spool).await?;
        spool.finish().await?;
        self.input(file, with_encoding(format, spool.encoding()), file.version.clone(), to)
    }

    fn input(
        &self,
        file: &RemoteFile,
        (format, compression): (Format, Compression),
        version: Version,
        spooled: PathBuf,
    ) -> Result<InputFile> {
        let name = self.store.shown(&file.path);
        let doing = || format!("look at the copy of {name} in {}", spooled.display());
        let stamp = Stamp::of(&spooled).map_err(|source| StoreError::Spool { doing: doing(), source })?;
        let action = &self.options.after_load;
        let modified = version.modified.and_then(|millis| millis.checked_mul(1_000));
        let after_load = (*action != AfterLoad::Keep).then(|| RemoteTask {
            path: file.path.clone(),
            action: action.clone(),
            version,
        });
        Ok(InputFile {
            source: self.index,
            name,
            path: spooled,
            below: None,
            format,
            compression,
            options: Arc::new(self.options.files.clone()),
            sheet: None,
            records: self.options.files.records.clone(),
            required: false,
            stamp,
            modified,
            constants: Vec::new(),
            after_load,
        })
    }
}

async fn make_folder(folder: &Path) -> Result<()> {
    let doing = || format!("make the folder {}", folder.display());
    tokio::fs::create_dir_all(folder).await.map_err(|source| StoreError::Spool { doing: doing(), source })
}
