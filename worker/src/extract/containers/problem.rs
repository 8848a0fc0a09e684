//! The reasons why a container, or a file inside it, is not read.

use std::borrow::Cow;
use std::io;

use elt_shared::explained::{Code, Explained};

use crate::error::PipelineError;
use crate::extract::{LeftOut, LeftOutKind};
use crate::humanize::unreadable;

/// What is wrong with a container or a file inside it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) code: Code,
    /// A sentence about the file that begins with "it" or "its".
    pub(super) reason: String,
    /// What to do about it.
    pub(super) next_step: Cow<'static, str>,
    /// How much it matters that a file of a folder is not read.
    pub(super) kind: LeftOutKind,
}

impl Problem {
    pub(super) fn new(code: Code, reason: impl Into<String>, next_step: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), next_step: next_step.into(), kind: LeftOutKind::Failed }
    }

    /// The same of a file that is passed over when it lies in a folder with others.
    pub(super) fn skipped(self) -> Self {
        Self { kind: LeftOutKind::Skipped, ..self }
    }

    /// The container is damaged or something else than its suffix says.
    pub(super) fn broken(why: impl std::fmt::Display) -> Self {
        Self::new(
            Code::ArchiveBroken,
            format!("it cannot be unpacked: {why}"),
            "Copy the file again. If that does not help, ask its sender to pack it again.",
        )
    }

    /// The file is compressed by a method of few programs.
    pub(super) fn unknown_method() -> Self {
        Self::new(
            Code::ArchiveBroken,
            "it is compressed in a way that elt does not read",
            "Pack it again with Deflate, which every program has.",
        )
    }

    /// The bytes of a container, or of a file inside it, cannot be read.
    pub(super) fn of_reading(error: &io::Error) -> Self {
        // Errors of the operating system have a number; those of the decompressors do not.
        match (error.raw_os_error(), error.kind()) {
            (Some(_), _) => {
                Self::new(Code::Unreadable, unreadable(error), "Check the file's permissions and the disk.")
            }
            (None, io::ErrorKind::UnexpectedEof) => Self::broken("its data ends in the middle, as if it was cut off"),
            (None, io::ErrorKind::OutOfMemory) => {
                Self::broken("its dictionary is larger than elt keeps in memory (128 MiB)")
            }
            (None, io::ErrorKind::Unsupported) => Self::unknown_method(),
            (None, _) => Self::broken(error),
        }
    }

    /// The failure of a source whose file has this problem. `name`: that of the file.
    pub(super) fn fails(self, name: &str) -> PipelineError {
        PipelineError::Extract(Explained {
            code: self.code,
            message: format!("{name}: {}", self.reason),
            next_step: self.next_step.into_owned(),
        })
    }

    /// The line in the report about a file that is left out for it.
    pub(super) fn left_out(self, name: String) -> LeftOut {
        // The report has no place of its own for what to do, and the reason alone does not tell a reader.
        let reason = format!("{}. {}", self.reason, self.next_step);
        LeftOut { name, kind: self.kind, reason: reason.trim_end_matches('.').to_owned() }
    }
}

/// Why unpacking ended.
#[derive(Debug)]
pub(super) enum Halt {
    /// This container cannot be read. The container around it goes on.
    Broken(Problem),
    /// A limit is exceeded. Nothing of the outermost container is read.
    Refused(Problem),
    /// The spool folder cannot be written to.
    Spool(io::Error),
    /// The data folder has less room than it must keep. Its free bytes.
    NoRoom(u64),
    /// The run is stopped.
    Stopped,
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Broken(problem)
    }
}
