//! One listing of a local source: which of its files are input, and why the others are left out.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use elt_shared::config::{FileOptions, LocalSource};
use elt_shared::explained::{Code, Explained};
use globset::{GlobBuilder, GlobMatcher};
use tokio_util::sync::CancellationToken;

use super::record_end;
use super::walk::{self, Found, Kind};
use crate::error::{PipelineError, Result};
use crate::extract::{ExtractContext, Extracted, LeftOut, LeftOutKind, YoungFiles, byte_names};
use crate::humanize;
use crate::input::{Compression, Format, InputFile, Stamp, format_of, nameable, other_suffix};
use crate::roots::{OpenError, Opened, Roots};

/// The folders and files that a listing may touch.
pub(super) struct Scope<'a> {
    pub(super) base: &'a Path,
    pub(super) roots: &'a Roots,
    pub(super) never: &'a [PathBuf],
    pub(super) stop: &'a CancellationToken,
    pub(super) young: YoungFiles,
}

impl<'a> Scope<'a> {
    pub(super) fn of(context: &'a ExtractContext) -> Self {
        let ExtractContext { base, roots, never, stop, young, .. } = context;
        Self { base, roots, never, stop, young: *young }
    }
}

/// One listing of one source.
pub(super) struct Listing<'a> {
    index: usize,
    source: &'a LocalSource,
    scope: Scope<'a>,
    options: Arc<FileOptions>,
    /// The files that are never input, without links as far as they exist.
    never: Vec<PathBuf>,
}

/// The result of a listing.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) extracted: Extracted,
    /// Time until the last of the files that were left out because they may still be being written can be read; `None`:
    /// no file was left out for that reason.
    pub(super) rests_in: Option<Duration>,
    /// The name of such a file that the config names itself.
    pub(super) young_required: Option<String>,
}

impl Listed {
    fn leave_out(&mut self, name: String, because: NotInput) {
        self.rests_in = self.rests_in.max(because.rests_in);
        self.extracted.left_out.push(LeftOut { name, kind: because.kind, reason: because.reason });
    }
}

/// The reason why a file is not input.
#[derive(Debug)]
struct NotInput {
    kind: LeftOutKind,
    reason: String,
    /// Time after which it will be input, if it does not change again; `None`: it will not.
    rests_in: Option<Duration>,
}

impl NotInput {
    fn skipped(reason: impl Into<String>) -> Self {
        Self { kind: LeftOutKind::Skipped, reason: reason.into(), rests_in: None }
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self { kind: LeftOutKind::Failed, reason: reason.into(), rests_in: None }
    }
}

impl<'a> Listing<'a> {
    pub(super) fn new(index: usize, source: &'a LocalSource, scope: Scope<'a>) -> Self {
        let never = scope.never.iter().map(|never| never.canonicalize().unwrap_or_else(|_| never.clone())).collect();
        Self { index, source, scope, options: Arc::new(source.files.clone()), never }
    }

    /// Every file of the source, and those that are left out.
    pub(super) fn list(&self) -> Result<Listed> {
        let place = self.place()?;
        self.allowed(&place.start)?;
        let opened = self.scope.roots.open(&place.start).map_err(|error| self.not_opened(&place.start, error))?;
        let meta = opened.file.metadata().map_err(|error| self.missing(&place.start, &error))?;
        if meta.is_dir() {
            return self.folder(&place, opened);
        }
        self.single(&place.start, opened)
    }

    /// Refuses a path outside the roots before anything is checked there, because the answer would show whether it exists.
    fn allowed(&self, path: &Path) -> Result<()> {
        let known = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
        self.scope.roots.inside(known).map_err(|reason| self.outside(path, &reason))
    }

    fn outside(&self, path: &Path, reason: &str) -> PipelineError {
        PipelineError::Extract(Explained {
            code: Code::OutsideRoots,
            message: format!("source {}: {} {reason}", self.index + 1, path.display()),
            next_step:
                "Move the files into a folder the worker may read, or add their folder to ELT_FS_ROOTS. Files that elt \
                keeps for itself are never read."
                    .into(),
        })
    }

    fn not_opened(&self, path: &Path, error: OpenError) -> PipelineError {
        match error {
            OpenError::Unresolved(error) | OpenError::Unreadable(error) => self.missing(path, &error),
            refused => self.outside(path, &refused.to_string()),
        }
    }

    /// The folder or file where the listing starts, and the pattern for files below it. A path that exists as it is written is
    /// not read as a pattern.
    pub(super) fn place(&self) -> Result<Place> {
        let path = self.scope.base.join(&self.source.path);
        let pattern = match &self.source.glob {
            Some(glob) if path.exists() => return self.matching(path, glob).map_err(|error| self.bad_glob(&error)),
            Some(glob) => format!("{}/{glob}", self.source.path.trim_end_matches('/')),
            None => self.source.path.clone(),
        };
        match pattern.find(['*', '?', '[', '{']) {
            Some(special) if !path.exists() => {
                let folder = pattern[..special].rfind('/').map_or(0, |slash| slash + 1);
                let start = self.scope.base.join(&pattern[..folder]);
                self.matching(start, &pattern[folder..]).map_err(|error| self.bad_glob(&error))
            }
            _ => Ok(Place { start: path, wanted: None, deep: self.source.recursive }),
        }
    }

    /// All files below a folder that a pattern matches. In a recursive source, a pattern without `/` matches names at any depth.
    fn matching(&self, start: PathBuf, pattern: &str) -> Result<Place, globset::Error> {
        let nested = pattern.contains('/') || pattern.contains("**");
        let pattern = if self.source.recursive && !nested { format!("**/{pattern}") } else { pattern.to_owned() };
        let glob = GlobBuilder::new(&pattern).literal_separator(true).empty_alternates(true).build()?;
        Ok(Place { start, wanted: Some(glob.compile_matcher()), deep: self.source.recursive || nested })
    }

    fn bad_glob(&self, error: &globset::Error) -> PipelineError {
        PipelineError::Extract(Explained {
            code: Code::BadGlob,
            message: format!("source {}: its path is not a valid glob pattern: {error}", self.index + 1),
            next_step: "Correct the pattern: *, ?, [a-z], {a,b} and **/ for folders at any depth.".into(),
        })
    }

    /// A file that the config names. It must be of a format that elt reads.
    fn single(&self, path: &Path, opened: Opened) -> Result<Listed> {
        let mut listed = Listed::default();
        let special = opened.special().map_err(|error| self.missing(path, &error))?;
        let kind = special.map_or(Kind::File(opened.real.clone()), Kind::Special);
        let found = Found { path: path.to_owned(), kind };
        match self.judge(&found, Some(opened)) {
            Ok(file) => listed.extracted.files.push(InputFile { required: true, ..file }),
            Err(because)
                if because.kind == LeftOutKind::Skipped
                    && matches!(found.kind, Kind::File(_))
                    && format_of(&self.shown(path), &self.options).is_some() =>
            {
                listed.young_required = because.rests_in.map(|_| self.shown(path));
                listed.leave_out(self.shown(path), because);
            }
            Err(NotInput { reason, .. }) => {
                return Err(PipelineError::Extract(Explained {
                    code: Code::SourceUnreadable,
                    message: format!("source {}: {}: {reason}", self.index + 1, self.shown(path)),
                    next_step: format!(
                        "Name a {}, which the worker may read, or write in `format:` what the file holds.",
                        nameable()
                    ),
                }));
            }
        }
        Ok(listed)
    }

    /// Every file of a folder that is input. Other files are left out, with the reason for each.
    fn folder(&self, place: &Place, opened: Opened) -> Result<Listed> {
        let found = walk::files(&place.start, opened, place.deep, self.scope.roots, self.scope.stop)
            .map_err(|error| self.missing(&place.start, &error))?
            .ok_or(PipelineError::Stopped)?;
        let mut listed = Listed::default();
        let wanted = |found: &&Found| matches!(found.kind, Kind::Closed(_)) || place.wants(&found.path);
        for found in found.iter().filter(wanted) {
            match self.judge(found, None) {
                Ok(file) => listed.extracted.files.push(file),
                Err(because) => listed.leave_out(self.shown(&found.path), because),
            }
        }
        Ok(listed)
    }

    /// Whether a file is input, and if not, why. It is opened unless it is open already, and all that is known of it
    /// afterwards is read from the open file.
    fn judge(&self, found: &Found, opened: Option<Opened>) -> Result<InputFile, NotInput> {
        let path = &found.path;
        let real = match &found.kind {
            Kind::File(real) => real,
            Kind::Hidden => return Err(NotInput::skipped("it is hidden: its name starts with a dot")),
            Kind::Special(what) => return Err(NotInput::skipped(format!("it is a {what}, not a file"))),
            Kind::Refused(reason) | Kind::Closed(reason) => return Err(NotInput::failed(reason)),
        };
        if self.scope.roots.own(real) {
            return Err(NotInput::skipped("it is one of elt's own files"));
        }
        if self.never.iter().any(|never| never == real || never == path) {
            return Err(NotInput::skipped("it is the combined CSV this pipeline writes"));
        }
        let shown = self.shown(path);
        let Some((format, compression)) = format_of(&shown, &self.options) else {
            return Err(NotInput::skipped(other_suffix(&shown)));
        };
        let unreadable = |error: std::io::Error| NotInput::failed(humanize::unreadable(&error));
        let opened = opened.map_or_else(|| self.scope.roots.open_real(real), Ok);
        let Opened { mut file, below, .. } = opened.map_err(|error| NotInput::failed(walk::reason(&error)))?;
        let meta = file.metadata().map_err(unreadable)?;
        if !meta.is_file() {
            return Err(NotInput::failed("it is no longer a file"));
        }
        let stamp = Stamp::from(&meta);
        if let Some(rests_in) = self.rests_in(&stamp)
            && !self.may_be_taken_young(&mut file, format, compression).map_err(unreadable)?
        {
            let reason = format!(
                "it changed less than {} s ago and may still be written; the next look or run reads it",
                self.source.settle_seconds
            );
            return Err(NotInput { rests_in: Some(rests_in), ..NotInput::skipped(reason) });
        }
        Ok(InputFile {
            source: self.index,
            name: shown,
            path: path.clone(),
            below: Some(below),
            format,
            compression,
            options: self.options.clone(),
            sheet: None,
            records: self.options.records.clone(),
            required: false,
            stamp,
            modified: i64::try_from(stamp.mtime_ns / 1_000).ok(),
            constants: Vec::new(),
            after_load: None,
        })
    }

    /// Time until a file will have been unchanged for `settle_seconds`; `None`: it has been already. A file whose time
    /// is further in the future than that is taken as unchanged, because its time says nothing about the last write.
    fn rests_in(&self, stamp: &Stamp) -> Option<Duration> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos() as i128;
        let age = now - stamp.mtime_ns;
        let settle = i128::from(self.source.settle_seconds) * 1_000_000_000;
        let missing = settle - age;
        (missing > 0 && age >= -settle).then(|| Duration::from_nanos(u64::try_from(missing).unwrap_or(u64::MAX)))
    }

    /// Whether a file that changed a moment ago is taken nevertheless.
    fn may_be_taken_young(&self, file: &mut File, format: Format, compression: Compression) -> std::io::Result<bool> {
        match self.scope.young {
            YoungFiles::Take => Ok(true),
            YoungFiles::WaitForRecord => record_end::ends_with_a_record(file, format, compression),
            YoungFiles::LeaveOut | YoungFiles::Wait => Ok(false),
        }
    }

    /// A path as people see it, relative to the base folder. Different paths stay different.
    fn shown(&self, path: &Path) -> String {
        let path = path.strip_prefix(self.scope.base).unwrap_or(path);
        byte_names::shown(&byte_names::to_text(path.as_os_str().as_bytes()))
    }

    fn missing(&self, path: &Path, error: &std::io::Error) -> PipelineError {
        PipelineError::Extract(Explained {
            code: if error.kind() == std::io::ErrorKind::NotFound {
                Code::SourceMissing
            } else {
                Code::SourceUnreadable
            },
            message: format!(
                "source {}: {} cannot be read: {}",
                self.index + 1,
                path.display(),
                humanize::unreadable(error)
            ),
            next_step: match error.kind() {
                std::io::ErrorKind::PermissionDenied => format!(
                    "Let the account `{}`, which the worker runs as, read it and enter its folders, or run the worker as \
                     another account.",
                    humanize::account()
                ),
                _ => "Check the path on the machine the worker runs on; relative paths start at its working folder."
                    .into(),
            },
        })
    }
}

/// The start of a listing, and the files that it lists.
pub(super) struct Place {
    pub(super) start: PathBuf,
    /// Pattern for the path below `start`. `None`: every file is listed.
    pub(super) wanted: Option<GlobMatcher>,
    /// Whether folders below `start` are listed, too.
    pub(super) deep: bool,
}

impl Place {
    /// Whether a file at this path is one of those to list.
    pub(super) fn wants(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.start).unwrap_or(path);
        self.wanted.as_ref().is_none_or(|glob| glob.is_match(below))
    }
}
