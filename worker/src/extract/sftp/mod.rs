//! SFTP sources: every file of a path, folder or glob on a server becomes a file in the run's spool.
//!
//! # Layout
//! - [`server`]: the server's name, and its errors in words
//! - [`route`]: the server and the jump host before it
//! - [`connection`]: one SSH connection; [`session`]: SFTP over it; [`remote`]: a new one when it breaks
//! - [`host_key`]: whether it is the same server as before; [`host_certificate`]: whether an authority vouches for it
//! - [`credentials`]: keys, certificates and passwords, before any connection
//! - [`login`]: with a key, a password, or both; [`agent`]: with the keys of an SSH agent, [`dialogue`]: with a password
//!   that the server asks for in its own words; [`signer`]: signatures for certificates
//! - [`names`]: names that are not UTF-8
//! - [`listing`]: the files on the server
//! - [`download`]: one file, pipelined, resumed, and checked against change
//! - [`mod@after_load`]: moving and deleting what was loaded
//! - [`limits`]: limits in time and size
//! - [`error`]: the errors of a source, as sentences

mod after_load;
mod agent;
mod connection;
mod credentials;
mod dialogue;
mod download;
mod error;
mod host_certificate;
mod host_key;
mod limits;
mod listing;
mod login;
mod names;
mod remote;
mod route;
mod server;
mod session;
mod signer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use elt_shared::config::{AfterLoad, SftpSource, SourceConfig};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use self::error::{Result, SftpError};
use self::limits::MAX_SETTLE;
pub use self::limits::SftpLimits;
use self::listing::{Listing, RemoteFile, Version};
use self::remote::Remote;
use super::listed_sample::ListedSample;
use super::probe::Sample;
use super::{ExtractContext, Extracted, LeftOut, LeftOutKind, workbooks};
use crate::error::{PipelineError, Result as PipelineResult};
use crate::input::{InputFile, RemoteTask, Stamp};

/// Longest time for a test of the connection.
const PROBE_TIMEOUT: Duration = Duration::from_mins(2);
/// Longest time for moving or deleting the files of one source, because the run occupies its worker meanwhile.
const AFTER_LOAD_TIMEOUT: Duration = Duration::from_mins(10);

/// Fetches every file of a source.
///
/// # Errors
/// When the server cannot be reached or trusted, refuses the login, or a file cannot be fetched. The source then fails.
pub async fn extract(index: usize, source: &SftpSource, context: &ExtractContext) -> PipelineResult<Extracted> {
    extract_within(index, source, context, &SftpLimits::of(source)).await
}

/// [`extract`] with other limits.
///
/// # Errors
/// As [`extract`].
pub async fn extract_within(
    index: usize,
    source: &SftpSource,
    context: &ExtractContext,
    limits: &SftpLimits,
) -> PipelineResult<Extracted> {
    guarded(source, &context.stop, limits, fetch(index, source, context, limits)).await
}

/// A value that changes when the source's rows may have changed, from the names, sizes and times of the files on the server. A
/// file that may still be being written does not count until it has not changed for `settle_seconds`.
///
/// # Errors
/// As [`extract`].
pub async fn fingerprint(source: &SftpSource, context: &ExtractContext) -> PipelineResult<u128> {
    let limits = SftpLimits::of(source);
    guarded(source, &context.stop, &limits, async {
        let mut remote = Remote::new(source, context, &limits)?;
        let listing = list(&mut remote, source).await?;
        let mut hash = Xxh3::new();
        let rests = |file: &&RemoteFile| file.version.rests_in(limits.settle).is_none();
        for RemoteFile { path, version: Version { size, mtime }, .. } in listing.files.iter().filter(rests) {
            hash.update(format!("{path}\0{size}\0{mtime}\0").as_bytes());
        }
        Ok(hash.digest128())
    })
    .await
}

/// Lists the files and reads the beginning of the first one, in one attempt.
///
/// # Errors
/// As [`extract`].
pub(super) async fn probe(index: usize, source: &SftpSource, context: &ExtractContext) -> PipelineResult<Sample> {
    let limits = SftpLimits { attempts: 1, total: PROBE_TIMEOUT, ..SftpLimits::default() };
    guarded(source, &context.stop, &limits, async {
        let mut remote = Remote::new(source, context, &limits)?;
        let listing = list(&mut remote, source).await?;
        let mut sample = ListedSample::default();
        for (number, file) in listing.files.iter().enumerate() {
            let (name, bytes) = (remote.server.path(&file.path), Some(file.version.size));
            if !sample.wants(name.clone(), file.format, bytes) {
                continue;
            }
            match head((index, number), source, &mut remote, file, &context.spool).await {
                Ok(head) => sample.add(head, bytes),
                Err(error) if error.is_of_one_file() && !listing.single => sample.fail(&name, &error.reason()),
                Err(error) => return Err(error),
            }
        }
        Ok(sample.finish())
    })
    .await
}

/// The beginning of a file, or all of it. `index`, `number`: its source, and its place in the listing.
async fn head(
    (index, number): (usize, usize),
    source: &SftpSource,
    remote: &mut Remote<'_>,
    file: &RemoteFile,
    spool: &Path,
) -> Result<InputFile> {
    make_folder(spool).await?;
    let to = spool.join(format!("sftp-{index}-{number}-head"));
    if file.format.needs_its_end() && file.version.size <= workbooks::LARGEST_SHOWN {
        download::download(remote, file, &to).await?;
    } else {
        download::head(remote, file, &to).await?;
    }
    input(index, source, remote, file, file.version, &to)
}

/// Moves or deletes the files that were loaded, as their sources say. It is called after the load has committed, so failures are
/// returned as sentences for the report.
pub async fn after_load(sources: &[SourceConfig], files: &[InputFile], context: &ExtractContext) -> Vec<String> {
    let limits = SftpLimits { total: AFTER_LOAD_TIMEOUT, ..SftpLimits::default() };
    after_load_within(sources, files, context, &limits).await
}

/// [`after_load()`] with other limits, for tests.
pub async fn after_load_within(
    sources: &[SourceConfig],
    files: &[InputFile],
    context: &ExtractContext,
    limits: &SftpLimits,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let SourceConfig::Sftp(source) = source else { continue };
        let tasks: Vec<&RemoteTask> =
            files.iter().filter(|file| file.source == index).filter_map(|file| file.after_load.as_ref()).collect();
        if tasks.is_empty() {
            continue;
        }
        match Remote::new(source, context, limits) {
            Ok(mut remote) => warnings.extend(carry_out_all(&mut remote, &tasks, context).await),
            Err(error) => warnings.push(error.to_string()),
        }
    }
    warnings
}

/// Carries out the tasks of one source until its time is up or the run should stop. The files that are left stay where
/// they are; their rows are duplicates when they are read again.
async fn carry_out_all(remote: &mut Remote<'_>, tasks: &[&RemoteTask], context: &ExtractContext) -> Vec<String> {
    let limits = remote.server.limits.clone();
    let deadline = tokio::time::Instant::now() + limits.total;
    let mut warnings = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        let name = remote.server.path(&task.path);
        let carried_out = tokio::select! {
            biased;
            () = context.stop.cancelled() => Err("the run was asked to stop".to_owned()),
            done = tokio::time::timeout_at(deadline, after_load::carry_out(remote, task)) => {
                done.map_err(|_| format!("moving and deleting took longer than {} s", limits.total.as_secs_f32()))
            }
        };
        match carried_out {
            Ok(Ok(done)) => tracing::info!("{done}"),
            Ok(Err(SftpError::Changed { .. })) => {
                warnings.push(format!("{name} was loaded and stays where it is: it has changed since"));
            }
            Ok(Err(error)) => warnings.push(format!("{name} was loaded and stays where it is: {error}")),
            Err(why) => {
                let more = match tasks.len() - number - 1 {
                    0 => String::new(),
                    1 => " and 1 more file".to_owned(),
                    more => format!(" and {more} more files"),
                };
                warnings.push(format!("{name}{more} were loaded and may still be where they were: {why}"));
                break;
            }
        }
    }
    warnings
}

/// Runs the work until the total deadline, or until the run is stopped.
async fn guarded<T>(
    source: &SftpSource,
    stop: &CancellationToken,
    limits: &SftpLimits,
    work: impl Future<Output = Result<T>>,
) -> PipelineResult<T> {
    let late = |_| SftpError::Deadline { server: format!("sftp://{}", source.server.host), after: limits.total };
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(PipelineError::Stopped),
        done = tokio::time::timeout(limits.total, work) => Ok(done.map_err(late)??),
    }
}

async fn fetch(index: usize, source: &SftpSource, context: &ExtractContext, limits: &SftpLimits) -> Result<Extracted> {
    let mut remote = Remote::new(source, context, limits)?;
    let listing = list(&mut remote, source).await?;
    let bytes = listing.files.iter().map(|file| file.version.size).fold(0, u64::saturating_add);
    if bytes > limits.total_bytes {
        return Err(SftpError::too_large(&remote.server.path(&source.path), bytes, limits.total_bytes));
    }
    let folder = &context.spool;
    make_folder(folder).await?;
    let mut extracted = Extracted::default();
    for (path, kind, reason) in listing.left_out {
        extracted.left_out.push(LeftOut { name: remote.server.path(&path), kind, reason });
    }
    for (number, file) in listing.files.iter().enumerate() {
        if !listing.single && file.version.rests_in(limits.settle).is_some_and(|rests_in| rests_in > MAX_SETTLE) {
            let seconds = limits.settle.as_secs();
            extracted.left_out.push(LeftOut {
                name: remote.server.path(&file.path),
                kind: LeftOutKind::Skipped,
                reason: format!(
                    "it changed less than {seconds} s ago and may still be written; the next look or run reads it"
                ),
            });
            continue;
        }
        if !context.files.is_wanted(&remote.server.path(&file.path), file.format, &source.files) {
            continue;
        }
        // The copy gets a name of elt's own, because a name from the server could lead out of the spool folder.
        let to = folder.join(format!("sftp-{index}-{number}"));
        if !context.files.is_fetched(file.format) {
            let doing = || format!("make an empty file for {}", remote.server.path(&file.path));
            tokio::fs::write(&to, b"").await.map_err(|source| SftpError::Spool { doing: doing(), source })?;
            extracted.files.push(input(index, source, &remote, file, file.version, &to)?);
            continue;
        }
        match download::download(&mut remote, file, &to).await {
            Ok(Some(version)) => {
                let input = input(index, source, &remote, file, version, &to)?;
                extracted.files.push(InputFile { required: listing.single, ..input });
            }
            Ok(None) if listing.single => {
                return Err(SftpError::Changed { name: remote.server.path(&file.path) });
            }
            Ok(None) => {
                let reason = "it changed each time it was read, so it is still being written".into();
                extracted.left_out.push(LeftOut {
                    name: remote.server.path(&file.path),
                    kind: LeftOutKind::Skipped,
                    reason,
                });
            }
            Err(error) if error.is_of_one_file() && !listing.single => {
                let (name, reason) = (remote.server.path(&file.path), error.reason());
                extracted.left_out.push(LeftOut { name, kind: LeftOutKind::Failed, reason });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(extracted)
}

async fn list(remote: &mut Remote<'_>, source: &SftpSource) -> Result<Listing> {
    remote.with(|session| async move { listing::list(&session, &source.path, &source.files).await }).await
}

fn input(
    index: usize,
    source: &SftpSource,
    remote: &Remote<'_>,
    file: &RemoteFile,
    version: Version,
    spooled: &Path,
) -> Result<InputFile> {
    let name = remote.server.path(&file.path);
    let doing = || format!("look at the copy of {name} in {}", spooled.display());
    let stamp = Stamp::of(spooled).map_err(|source| SftpError::Spool { doing: doing(), source })?;
    let after_load = (source.after_load != AfterLoad::Keep).then(|| RemoteTask {
        path: file.path.clone(),
        action: source.after_load.clone(),
        version: version.into(),
    });
    Ok(InputFile {
        source: index,
        name,
        path: spooled.to_owned(),
        below: None,
        format: file.format,
        compression: file.compression,
        options: Arc::new(source.files.clone()),
        sheet: None,
        records: source.files.records.clone(),
        required: false,
        stamp,
        modified: i64::try_from(version.mtime).ok().and_then(|seconds| seconds.checked_mul(1_000_000)),
        constants: Vec::new(),
        after_load,
    })
}

async fn make_folder(folder: &Path) -> Result<()> {
    let doing = || format!("make the folder {}", folder.display());
    tokio::fs::create_dir_all(folder).await.map_err(|source| SftpError::Spool { doing: doing(), source })
}
