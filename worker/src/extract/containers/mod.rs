//! Containers: archives and encrypted files of a source are unpacked into the run's spool, and the files in them take their
//! places.
//!
//! # Layout
//! - [`opening`]: one container with those inside it, and the files that go into the spool
//! - [`zip`], [`tar`], [`pgp`]: the kinds of container
//! - [`names`]: names inside archives, which are shown but never used as paths
//! - [`meter`]: limits, checked against what is really unpacked
//! - [`problem`]: the reasons why a file is not read

mod meter;
mod names;
mod opening;
mod pgp;
mod problem;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use elt_shared::explained::{Code, Explained};
use elt_shared::private_folder;
use globset::{GlobBuilder, GlobMatcher};
use tokio_util::sync::CancellationToken;

use self::meter::Meter;
pub use self::meter::UnpackLimits;
use self::opening::{Because, Contents, Opening, Unpacked};
use self::pgp::Keys;
use self::problem::{Halt, Problem};
use super::{ExtractContext, Extracted, LeftOut, LeftOutKind, workbooks::LARGEST_SHOWN};
use crate::error::outage::Outage;
use crate::error::{PipelineError, Result};
use crate::humanize::size;
use crate::input::{Format, InputFile, Stamp};

/// Number of times that a container which changes while it is read is read, before it is left for the next run.
const READS: usize = 3;

/// Puts the files inside containers into the places of the containers, for the files of one source. `unpacked`: bytes that
/// the run has unpacked so far, to which those of this source are added.
///
/// # Errors
/// When a container that the config names cannot be read completely, when the keys of the source cannot be used, when the
/// spool cannot be written to; [`PipelineError::Stopped`] when asked to stop.
pub(super) async fn unpack(extracted: Extracted, unpacked: &mut u64, context: &ExtractContext) -> Result<Extracted> {
    let first = extracted.files.iter().find(|file| matches!(file.format, Format::Container(_)));
    let Some(first) = first else { return Ok(extracted) };
    let job = Job::new(first, context)?;
    let mut all = Extracted { files: Vec::new(), ..extracted };
    for (number, file) in extracted.files.into_iter().enumerate() {
        if !matches!(file.format, Format::Container(_)) {
            all.files.push(file);
            continue;
        }
        let folder = context.spool.join(format!("unpacked-{}-{number}", file.source));
        let opened = job.open(file.clone(), &folder, *unpacked).await;
        match opened {
            Ok((contents, bytes)) => {
                *unpacked += bytes;
                tracing::info!("unpacked {} files from {}", contents.files.len(), file.name);
                replace(file, contents, &mut all)?;
            }
            Err(halt) => {
                // Nothing of a container that cannot be read stays in the spool.
                let _ = std::fs::remove_dir_all(&folder);
                leave_out(file, halt, &folder, context, &mut all)?;
            }
        }
    }
    Ok(all)
}

/// The same for a test or preview, which opens only what is opened quickly. Larger containers stay as they are.
///
/// # Errors
/// As [`unpack`].
pub(super) async fn show(extracted: Extracted, context: &ExtractContext) -> Result<Extracted> {
    let unpack_limits = UnpackLimits { bytes: context.unpack.bytes.min(16 * LARGEST_SHOWN), ..context.unpack };
    let context = ExtractContext { unpack: unpack_limits, ..context.clone() };
    let (mut files, mut unpacked) = (Vec::new(), 0);
    let Extracted { files: found, mut left_out, mut warnings } = extracted;
    for file in found {
        if file.stamp.size > LARGEST_SHOWN {
            files.push(file);
            continue;
        }
        let one = Extracted { files: vec![file], ..Extracted::default() };
        let one = unpack(one, &mut unpacked, &context).await?;
        files.extend(one.files);
        left_out.extend(one.left_out);
        warnings.extend(one.warnings);
    }
    Ok(Extracted { files, left_out, warnings })
}

/// Opens the containers of one source.
struct Job {
    include: Option<GlobMatcher>,
    keys: Option<Arc<Keys>>,
    limits: UnpackLimits,
    stop: CancellationToken,
}

impl Job {
    /// `file`: one file of the source, by whose options all of them are read.
    fn new(file: &InputFile, context: &ExtractContext) -> Result<Self> {
        let options = &file.options;
        let include = options.archive.include.as_deref().map(|pattern| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).empty_alternates(true).build();
            glob.map(|glob| glob.compile_matcher()).map_err(|error| bad_glob(file.source, &error))
        });
        let keys = options.pgp.as_ref().map(|options| Keys::load(options, &context.base, &context.roots)).transpose();
        let keys = keys.map_err(|problem| problem.fails(&format!("source {}", file.source + 1)))?;
        Ok(Self {
            include: include.transpose()?,
            keys: keys.map(Arc::new),
            limits: context.unpack,
            stop: context.stop.clone(),
        })
    }

    /// Unpacks a container, on a thread of its own. Returns its contents and the number of bytes that were written.
    async fn open(&self, mut file: InputFile, folder: &Path, before: u64) -> Result<(Contents, u64), Halt> {
        for _ in 0..READS {
            let read = self.read(&file, folder.to_owned(), before).await;
            let now = file.open().and_then(|opened| opened.metadata()).map(|meta| Stamp::from(&meta));
            match now {
                // What was read while it changed says nothing, whether it looks damaged or not.
                Ok(now) if now != file.stamp => file.stamp = now,
                _ => return read,
            }
            tracing::warn!("{} changed while it was unpacked: starting over", file.name);
        }
        Err(Halt::Broken(Problem::new(
            Code::SourceChanged,
            format!("it changed each of the {READS} times it was read"),
            "Wait until the file is written completely; the next run reads it again.",
        )))
    }

    async fn read(&self, file: &InputFile, folder: PathBuf, before: u64) -> Result<(Contents, u64), Halt> {
        let (file, include, keys) = (file.clone(), self.include.clone(), self.keys.clone());
        let (limits, stop) = (self.limits, self.stop.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut opening = Opening {
                meter: Meter::new(limits, file.stamp.size, before),
                folder: &folder,
                stop: &stop,
                include: include.as_ref(),
                options: &file.options,
                keys: keys.as_deref(),
                contents: Contents::default(),
                spooled: 0,
            };
            opening.file(&file)?;
            Ok((opening.contents, opening.meter.written()))
        });
        // A reader of damaged data may panic, which concerns this file alone.
        reading.await.unwrap_or_else(|_| Err(Problem::broken("it is damaged").into()))
    }
}

impl Opening<'_> {
    fn file(&mut self, file: &InputFile) -> Result<(), Halt> {
        let Format::Container(container) = file.format else { return Ok(()) };
        let _ = std::fs::remove_dir_all(self.folder);
        private_folder::create(self.folder).map_err(Halt::Spool)?;
        let bytes = file.open().map_err(|error| Problem::of_reading(&error))?;
        self.outermost(bytes, &file.name, container, file.compression)
    }
}

fn bad_glob(source: usize, error: &globset::Error) -> PipelineError {
    PipelineError::Extract(Explained {
        code: Code::BadGlob,
        message: format!("source {}: its `archive.include` is not a valid glob pattern: {error}", source + 1),
        next_step: "Correct the pattern: *, ?, [a-z], {a,b} and **/ for folders at any depth.".into(),
    })
}

/// Puts what a container holds into its place.
fn replace(file: InputFile, contents: Contents, all: &mut Extracted) -> Result<()> {
    let name = |inside: &str| if inside.is_empty() { file.name.clone() } else { names::inside(&file.name, inside) };
    let is_empty = contents.files.is_empty();
    if is_empty && contents.left_out.is_empty() && !file.required {
        let reason = "it holds no file that is wanted".to_owned();
        all.left_out.push(LeftOut { name: file.name, kind: LeftOutKind::Skipped, reason });
        return Ok(());
    }
    let mut is_incomplete = false;
    let first = contents.left_out.first().map(|(name, _)| names::short(name).into_owned());
    for (inside, because) in contents.left_out {
        match because {
            Because::Skipped(reason) => {
                all.left_out.push(LeftOut { name: name(&inside), kind: LeftOutKind::Skipped, reason });
            }
            Because::Unopened(reason) => {
                is_incomplete = true;
                all.left_out.push(LeftOut { name: name(&inside), kind: LeftOutKind::Skipped, reason });
            }
            Because::Failed(problem) if file.required && problem.kind == LeftOutKind::Failed => {
                return Err(problem.fails(&name(&inside)));
            }
            Because::Failed(problem) => {
                is_incomplete |= problem.kind == LeftOutKind::Failed;
                all.left_out.push(problem.left_out(name(&inside)));
            }
        }
    }
    if is_empty && file.required {
        let reason = match first {
            None => "it holds no file that is wanted".to_owned(),
            Some(first) => format!("it holds no file that is loaded; the first one that is left out is {first}"),
        };
        let next_step = "Check `archive.include` of the source, and what was packed.";
        return Err(Problem::new(Code::ArchiveEmpty, reason, next_step).fails(&file.name));
    }
    for Unpacked { name: inside, path, format, compression, .. } in contents.files {
        let stamp = Stamp::of(&path).map_err(|error| PipelineError::Io {
            doing: format!("look at what was unpacked from {} in {}", file.name, path.display()),
            source: error,
        })?;
        // A container is moved or deleted only when nothing in it was lost.
        let after_load = file.after_load.clone().filter(|_| !is_incomplete);
        all.files.push(InputFile {
            name: name(&inside),
            path,
            below: None,
            format,
            compression,
            stamp,
            after_load,
            ..file.clone()
        });
    }
    Ok(())
}

/// Reports a container of which nothing is read, or fails its source.
fn leave_out(file: InputFile, halt: Halt, folder: &Path, context: &ExtractContext, all: &mut Extracted) -> Result<()> {
    match halt {
        Halt::Stopped => Err(PipelineError::Stopped),
        Halt::Spool(source) => {
            Err(PipelineError::Io { doing: format!("unpack {} into {}", file.name, folder.display()), source })
        }
        Halt::NoRoom(free) => Err(PipelineError::away(
            Outage::WorkerShort,
            Explained {
                code: Code::Io,
                message: format!(
                    "could not unpack {}: the data folder has {} free, and {} must stay free (ELT_MIN_FREE_MIB)",
                    file.name,
                    size(free),
                    size(context.unpack.keep_free)
                ),
                next_step: "Free space on the worker's disk; the run is tried again.".into(),
            },
        )),
        Halt::Broken(problem) | Halt::Refused(problem) if file.required => Err(problem.fails(&file.name)),
        Halt::Broken(problem) | Halt::Refused(problem) => {
            all.left_out.push(problem.left_out(file.name));
            Ok(())
        }
    }
}
