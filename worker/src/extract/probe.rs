//! Is a source there, does it let us in, and what would a run find? Nothing is loaded and nothing is changed.

use std::time::Instant;

use elt_shared::config::SourceConfig;
use elt_shared::explained::catalog::Reached;
use elt_shared::explained::{Explained, StoredCode};
use serde::{Deserialize, Serialize};

use super::{ExtractContext, InputFile, http, local, sftp};
use crate::frame::read;

/// What one attempt to reach a source or the target showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// `source 1 (sftp)`, `target`.
    pub what: String,
    /// It answered.
    pub reachable: bool,
    /// It accepted the login, or wants none.
    pub authenticated: bool,
    /// A source can be read, a target written.
    pub usable: bool,
    /// A sentence: what was found.
    pub found: String,
    /// Files a run would read: their names, cut at [`FILES_SHOWN`].
    pub files: Vec<FoundFile>,
    /// How many they are altogether.
    pub files_total: u64,
    /// Their bytes; unknown for an API with pages.
    pub bytes_total: Option<u64>,
    /// Columns of the first file or answer.
    pub columns: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Why it is not usable.
    pub problem: Option<Explained<StoredCode>>,
}

/// A file a run would read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// What people see.
    pub name: String,
    /// As it is on the server or disk.
    pub bytes: u64,
}

/// Names shown of a source with many files.
pub const FILES_SHOWN: usize = 20;

/// What a kind of source found.
pub(super) struct Sample {
    /// Every file a run would read.
    pub(super) files: Vec<FoundFile>,
    /// Whether a run would find more than these.
    pub(super) more: bool,
    /// The first file or its beginning, to read its columns from.
    pub(super) head: Option<InputFile>,
}

/// Tries one source.
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
        Err(error) => ProbeReport { what, seconds: seconds(started), ..ProbeReport::failed(error.explained()) },
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
    /// Something that is not usable, and how far we got: what the code says about it.
    pub fn failed(problem: Explained) -> Self {
        let reached = problem.code.reached();
        Self {
            reachable: reached >= Reached::Answered,
            authenticated: reached == Reached::LetIn,
            problem: Some(problem.into()),
            ..Self::nothing()
        }
    }

    /// Something that is usable, with nothing found yet.
    pub fn usable(what: &str, found: String, seconds: f64) -> Self {
        let what = what.to_owned();
        Self { what, found, seconds, reachable: true, authenticated: true, usable: true, ..Self::nothing() }
    }

    fn found(sample: Sample) -> Self {
        let bytes: u64 = sample.files.iter().map(|file| file.bytes).sum();
        let total = sample.files.len() as u64;
        let found = match (total, sample.more) {
            (0, _) => "nothing to read".to_owned(),
            (_, true) => format!("a first page of {}", super::words::size(bytes)),
            (1, false) => format!("1 file, {}", super::words::size(bytes)),
            (_, false) => format!("{total} files, {}", super::words::size(bytes)),
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

/// The columns at the beginning of a file. What is wrong further on is a run's affair.
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

    /// Compiles only while whatever reads sources may move from thread to thread.
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
