//! The test of a connection: whether a source can be reached and read, and what a run would find there. Nothing is loaded
//! or changed.

use std::time::Instant;

use elt_shared::config::SourceConfig;
use elt_shared::explained::Explained;
use elt_shared::explained::catalog::Reached;
use elt_shared::runs::{FoundFile, ProbeReport};

use super::listed_sample::ListedSample;
use super::{ExtractContext, Extracted, containers, http, inbox, local, places, sftp, workbooks};
use crate::error::Result;
use crate::input::InputFile;
use crate::shape;

/// Number of files that are shown of a source with many files.
pub const FILES_SHOWN: usize = 20;

/// The findings of one kind of source.
#[derive(Default)]
pub(super) struct Sample {
    /// Every file a run would read.
    pub(super) files: Vec<FoundFile>,
    /// Whether a run would find more files than these.
    pub(super) more: bool,
    /// A file or its beginning, from which the columns are read. `None`: it is in one of the containers, or nowhere.
    pub(super) head: Option<InputFile>,
    /// Archives and encrypted files among `files` that were fetched as a whole, in their order.
    pub(super) containers: Vec<InputFile>,
    /// Sentences about the answer of an API.
    pub(super) notes: Vec<String>,
}

/// Tests one source without loading it.
pub async fn probe(index: usize, source: &SourceConfig, context: &ExtractContext) -> ProbeReport {
    let started = Instant::now();
    if let SourceConfig::Api(api) = source
        && let Some(each) = &api.for_each
    {
        let found = format!("not asked now, because each of its requests needs a value for {{{{{}}}}}", each.name);
        return ProbeReport::usable(&format!("source {} (api)", index + 1), found, 0.0);
    }
    let sample = sample(index, source, context).await;
    let what = format!("source {} ({})", index + 1, source.kind());
    let seconds = |started: Instant| started.elapsed().as_secs_f64();
    match sample {
        Ok(sample) => {
            let columns = columns(sample.head.clone()).await;
            ProbeReport { what, columns, seconds: seconds(started), ..found(sample) }
        }
        Err(error) => ProbeReport { what, seconds: seconds(started), ..failed(error.explained()) },
    }
}

/// What a run would find first in a source.
///
/// # Errors
/// When the source cannot be reached or read.
pub(super) async fn sample(index: usize, source: &SourceConfig, context: &ExtractContext) -> Result<Sample> {
    let sample = match source {
        SourceConfig::Local(source) => {
            let extracted = local::extract(index, source, context).await?;
            containers::show(extracted, context).await.map(Sample::of_local)
        }
        SourceConfig::Inbox(source) => {
            let extracted = inbox::extract(index, source, context).await?;
            containers::show(extracted, context).await.map(Sample::of_local)
        }
        SourceConfig::Api(source) => http::probe(index, source, context).await,
        SourceConfig::Sftp(source) => sftp::probe(index, source, context).await,
        place => places::probe(index, place, context).await,
    }?;
    Ok(sample.opened(context).await?.with_sheet(context).await)
}

impl Sample {
    /// The sample with the first sheet that is read in place of a workbook.
    async fn with_sheet(mut self, context: &ExtractContext) -> Self {
        let Some(head) = self.head.take() else { return self };
        let (context, files) = (context.clone(), vec![head]);
        let expand = move || workbooks::expand(Extracted { files, ..Extracted::default() }, &context);
        let expanded = tokio::task::spawn_blocking(expand).await.unwrap_or_default();
        let notes = [self.notes, expanded.warnings].concat();
        Self { head: expanded.files.into_iter().next(), notes, ..self }
    }

    /// The sample with what is in each container in place of it.
    async fn opened(mut self, context: &ExtractContext) -> Result<Self> {
        let containers = std::mem::take(&mut self.containers);
        let names: Vec<String> = containers.iter().map(|container| container.name.clone()).collect();
        let found = Extracted { files: containers, ..Extracted::default() };
        let opened = containers::show(found, context).await?;
        self.notes.extend(opened.left_out.into_iter().map(|file| format!("{}: {}", file.name, file.reason)));
        for name in names {
            let within = format!("{name}!");
            let is_of_it = |file: &&InputFile| file.name == name || file.name.starts_with(&within);
            let inside = opened.files.iter().filter(is_of_it).map(found_file);
            if let Some(place) = self.files.iter().position(|file| file.name == name) {
                self.files.splice(place..=place, inside);
            }
        }
        self.head = self.head.or(opened.files.into_iter().next());
        Ok(self)
    }

    /// The sample of files on this machine, in which the containers that are not large are opened already.
    fn of_local(extracted: Extracted) -> Self {
        let mut sample = ListedSample::default();
        for file in extracted.files {
            let bytes = Some(file.stamp.size);
            if sample.wants(file.name.clone(), file.format, bytes) {
                sample.add(file, bytes);
            }
        }
        sample.finish()
    }
}

fn found_file(file: &InputFile) -> FoundFile {
    FoundFile { name: file.name.clone(), bytes: file.stamp.size }
}

/// The report about a connection that is not usable. The code of the problem tells how far the test got.
pub fn failed(problem: Explained) -> ProbeReport {
    let reached = problem.code.reached();
    ProbeReport {
        reachable: reached >= Reached::Answered,
        authenticated: reached == Reached::LetIn,
        problem: Some(problem.into()),
        ..ProbeReport::default()
    }
}

fn found(sample: Sample) -> ProbeReport {
    let bytes = sample.files.iter().fold(0_u64, |bytes, file| bytes.saturating_add(file.bytes));
    let total = sample.files.len() as u64;
    let found = match (total, sample.more) {
        (0, _) => "nothing to read".to_owned(),
        (_, true) => format!("a first page of {}", crate::humanize::size(bytes)),
        (1, false) => format!("1 file, {}", crate::humanize::size(bytes)),
        (_, false) => format!("{total} files, {}", crate::humanize::size(bytes)),
    };
    ProbeReport {
        files: sample.files.into_iter().take(FILES_SHOWN).collect(),
        files_total: total,
        notes: sample.notes,
        bytes_total: (!sample.more).then_some(bytes),
        ..ProbeReport::usable("", found, 0.0)
    }
}

/// The columns at the beginning of a file. Errors further on are not found by a test.
async fn columns(head: Option<InputFile>) -> Vec<String> {
    let Some(head) = head else { return Vec::new() };
    let reading = tokio::task::spawn_blocking(move || {
        let Ok(mut reader) = shape::open(0, &head) else { return Vec::new() };
        let _ = reader.next();
        reader.names().to_vec()
    });
    reading.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use elt_shared::config::PipelineConfig;

    use super::*;
    use crate::extract::{after_load, extract};

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
        may_move(after_load(&[], &[], context));
    }
}
