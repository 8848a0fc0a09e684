//! The test of a connection: whether a source can be reached and read, and what a run would find there. Nothing is loaded
//! or changed.

use std::time::Instant;

use elt_shared::config::SourceConfig;
use serde::{Deserialize, Serialize};

use super::{ExtractContext, http, local, sftp};
use crate::error::{PipelineError, Reached};
use crate::frame::read;
use crate::input::InputFile;

/// The result of the test of a source or the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The thing that was tested: `source 1 (sftp)` or `target`.
    pub what: String,
    /// Whether it answered.
    pub reachable: bool,
    /// Whether it accepted the login, or needs none.
    pub authenticated: bool,
    /// Whether the source can be read, or the target be written to.
    pub usable: bool,
    /// A sentence about what was found.
    pub found: String,
    /// The first [`FILES_SHOWN`] files that a run would read.
    pub files: Vec<FoundFile>,
    /// Number of all files that a run would read.
    pub files_total: u64,
    /// Size of all these files in bytes. `None`: it is unknown, as for an API with pages.
    pub bytes_total: Option<u64>,
    /// Names of the columns of the first file or answer.
    pub columns: Vec<String>,
    /// Duration of the test in seconds.
    pub seconds: f64,
    /// The reason why it is not usable. `None`: it is.
    pub problem: Option<ProbeProblem>,
}

/// A file a run would read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Name of the file for people.
    pub name: String,
    /// Size of the file on the server or disk, in bytes.
    pub bytes: u64,
}

/// The reason why a source or the target is not usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeProblem {
    /// Stable code of the error.
    pub code: String,
    /// What happened, as a sentence.
    pub message: String,
    /// What to do about it, as a sentence.
    pub next_step: String,
}

impl From<&PipelineError> for ProbeProblem {
    fn from(error: &PipelineError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string(), next_step: error.next_step() }
    }
}

/// Number of files that are shown of a source with many files.
pub const FILES_SHOWN: usize = 20;

/// The findings of one kind of source.
pub(super) struct Sample {
    /// Every file a run would read.
    pub(super) files: Vec<FoundFile>,
    /// Whether a run would find more files than these.
    pub(super) more: bool,
    /// The first file or its beginning, from which the columns are read.
    pub(super) head: Option<InputFile>,
}

/// Tests one source without loading it.
pub async fn probe(index: usize, source: &SourceConfig, context: &ExtractContext) -> ProbeReport {
    let started = Instant::now();
    let (kind, sample) = match source {
        SourceConfig::Local(source) => ("local", local::extract(index, source, context).await.map(Sample::of_local)),
        SourceConfig::Api(source) => ("api", http::probe(index, source, context).await),
        SourceConfig::Sftp(source) => ("sftp", sftp::probe(index, source, context).await),
    };
    let what = format!("source {} ({kind})", index + 1);
    let seconds = |started: Instant| started.elapsed().as_secs_f64();
    match sample {
        Ok(sample) => {
            let columns = columns(sample.head.clone()).await;
            ProbeReport { what, columns, seconds: seconds(started), ..ProbeReport::found(sample) }
        }
        Err(error) => {
            ProbeReport { what, seconds: seconds(started), ..ProbeReport::failed(ProbeProblem::from(&error)) }
        }
    }
}

impl Sample {
    fn of_local(extracted: super::Extracted) -> Self {
        let files =
            extracted.files.iter().map(|file| FoundFile { name: file.name.clone(), bytes: file.stamp.size }).collect();
        Self { files, more: false, head: extracted.files.into_iter().next() }
    }
}

impl ProbeReport {
    /// The result for a source or target that is not usable. The code of the problem says how far the test got.
    pub fn failed(problem: ProbeProblem) -> Self {
        let reached = Reached::by(&problem.code);
        Self {
            reachable: reached >= Reached::Answered,
            authenticated: reached == Reached::LetIn,
            problem: Some(problem),
            ..Self::nothing()
        }
    }

    /// The result for a source or target that is usable, before its files are added.
    pub fn usable(what: &str, found: String, seconds: f64) -> Self {
        let what = what.to_owned();
        Self { what, found, seconds, reachable: true, authenticated: true, usable: true, ..Self::nothing() }
    }

    fn found(sample: Sample) -> Self {
        let bytes: u64 = sample.files.iter().map(|file| file.bytes).sum();
        let total = sample.files.len() as u64;
        let found = match (total, sample.more) {
            (0, _) => "nothing to read".to_owned(),
            (_, true) => format!("a first page of {}", crate::humanize::size(bytes)),
            (1, false) => format!("1 file, {}", crate::humanize::size(bytes)),
            (_, false) => format!("{total} files, {}", crate::humanize::size(bytes)),
        };
        Self {
            files: sample.files.into_iter().take(FILES_SHOWN).collect(),
            files_total: total,
            bytes_total: (!sample.more).then_some(bytes),
            ..Self::usable("", found, 0.0)
        }
    }

    fn nothing() -> Self {
        Self {
            what: String::new(),
            reachable: false,
            authenticated: false,
            usable: false,
            found: String::new(),
            files: Vec::new(),
            files_total: 0,
            bytes_total: None,
            columns: Vec::new(),
            seconds: 0.0,
            problem: None,
        }
    }
}

/// The columns at the beginning of a file. Errors further on are not found by a test.
async fn columns(head: Option<InputFile>) -> Vec<String> {
    let Some(head) = head else { return Vec::new() };
    let reading = tokio::task::spawn_blocking(move || {
        let Ok(mut reader) = read::open(0, &head) else { return Vec::new() };
        let _ = reader.next();
        reader.names().to_vec()
    });
    reading.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use elt_shared::config::PipelineConfig;

    use super::*;
    use crate::extract::{extract, sftp};

    /// Compiles only as long as the future of a test may move between threads.
    #[expect(dead_code, reason = "it is checked by being compiled")]
    fn reading_sources_may_move_between_threads(
        source: &SourceConfig,
        config: &PipelineConfig,
        context: &ExtractContext,
    ) {
        fn may_move(_: impl Send) {}
        may_move(probe(0, source, context));
        may_move(extract(config, context));
        may_move(sftp::after_load(&[], &[], context));
    }
}
