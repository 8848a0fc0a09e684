//! Containers of every kind, whole and damaged, honest and hostile. Those in `tests/fixtures/archives` were made by other
//! programs.

mod damaged_archives;
mod encrypted;
mod hostile;
mod tar_archives;
mod zip_archives;

use std::fs;
use std::io::Read;
use std::path::Path;

use elt_shared::config::{ArchiveOptions, FileOptions};
use globset::{Glob, GlobMatcher};
use tokio_util::sync::CancellationToken;

use super::meter::{Meter, UnpackLimits};
use super::opening::{Because, Contents, Opening};
use super::pgp::Keys;
use super::problem::{Halt, Problem};
use crate::input::{Format, decompressed, format_of};

/// The rows of most fixtures.
const ROWS: &str = "id,name\n1,Ann\n2,Bob\n";

/// A fixture's bytes.
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/archives");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// How containers are opened.
#[derive(Default)]
struct Case {
    include: Option<GlobMatcher>,
    options: FileOptions,
    keys: Option<Keys>,
    limits: UnpackLimits,
}

/// What came of a container.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Names and texts.
    files: Vec<(String, String)>,
    /// Names, and a word for each reason: `skipped`, or its code.
    left_out: Vec<(String, &'static str)>,
    /// Everything that is said about files that are left out.
    said: String,
}

impl Case {
    fn including(pattern: &str) -> Self {
        Self { include: Some(Glob::new(pattern).expect("a glob").compile_matcher()), ..Self::default() }
    }

    fn with_password(password: &str) -> Self {
        let archive = ArchiveOptions { password: Some(password.into()), ..ArchiveOptions::default() };
        Self { options: FileOptions { archive, ..FileOptions::default() }, ..Self::default() }
    }

    /// Opens a container of this name.
    fn open(&self, name: &str, bytes: &[u8]) -> Result<Outcome, Problem> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("container");
        fs::write(&path, bytes).expect("a container");
        let spool = folder.path().join("spool");
        fs::create_dir(&spool).expect("a spool");
        let Some((Format::Container(container), compression)) = format_of(name, &self.options) else {
            panic!("{name}")
        };
        let mut opening = Opening {
            meter: Meter::new(self.limits, bytes.len() as u64, 0),
            folder: &spool,
            stop: &CancellationToken::new(),
            include: self.include.as_ref(),
            options: &self.options,
            keys: self.keys.as_ref(),
            contents: Contents::default(),
            spooled: 0,
        };
        let opened = opening.outermost(fs::File::open(&path).expect("a container"), name, container, compression);
        match opened {
            Ok(()) => Ok(outcome(&opening.contents, &spool)),
            Err(Halt::Broken(problem) | Halt::Refused(problem)) => Err(problem),
            Err(other) => panic!("{name}: {other:?}"),
        }
    }

    /// The code with which a container is refused.
    fn code(&self, name: &str, bytes: &[u8]) -> &'static str {
        match self.open(name, bytes) {
            Err(problem) => problem.code.as_str(),
            Ok(outcome) => panic!("{name} was opened: {outcome:?}"),
        }
    }
}

fn outcome(contents: &Contents, spool: &Path) -> Outcome {
    let mut paths: Vec<_> = contents.files.iter().map(|file| file.path.clone()).collect();
    let mut there: Vec<_> = fs::read_dir(spool).expect("listed").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    there.sort();
    assert_eq!(paths, there, "the spool holds what is read and nothing else");
    let files = contents.files.iter().map(|file| {
        let bytes = fs::File::open(&file.path).expect("a spooled file");
        let mode = std::os::unix::fs::PermissionsExt::mode(&bytes.metadata().expect("metadata").permissions());
        assert_eq!(mode & 0o777, 0o600, "only this account may read it");
        let mut text = Vec::new();
        let read = decompressed(bytes, file.compression).and_then(|mut bytes| bytes.read_to_end(&mut text));
        if read.is_err() {
            text = b"not readable".to_vec();
        }
        (file.name.clone(), String::from_utf8_lossy(&text).into_owned())
    });
    let left_out = contents.left_out.iter().map(|(name, because)| {
        let word = match because {
            Because::Skipped(_) | Because::Unopened(_) => "skipped",
            Because::Failed(problem) => problem.code.as_str(),
        };
        (name.clone(), word)
    });
    let said = contents.left_out.iter().map(|(name, because)| match because {
        Because::Skipped(reason) | Because::Unopened(reason) => format!("{name}: {reason}\n"),
        Because::Failed(problem) => format!("{name}: {}. {}\n", problem.reason, problem.next_step),
    });
    Outcome { files: files.collect(), left_out: left_out.collect(), said: said.collect() }
}

/// Names and texts, for a comparison.
fn texts(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}
