//! The preview of a source: its first rows, and for an API the config that is proposed for it. Nothing is loaded or changed.

use elt_shared::config::{ApiSource, SourceConfig};
use elt_shared::runs::{Choice, Confidence, SourcePreview};
use tokio_util::sync::CancellationToken;

use super::http::propose::{self, References, Wish};
use super::sample::{FirstRows, LARGEST, first_rows};
use super::{ExtractContext, probe};
use crate::error::{PipelineError, Result};
use crate::frame::dialect_proposal::{self, Proposed};
use crate::input::InputFile;

/// Shows the beginning of a source. `with_config`: and writes a config for it, when it is an API.
pub async fn preview(
    index: usize,
    source: &SourceConfig,
    table: &str,
    with_config: bool,
    context: &ExtractContext,
) -> SourcePreview {
    let shown = match source {
        SourceConfig::Api(source) => of_api(index, source, table, with_config, context).await,
        files => of_files(index, files, context).await,
    };
    let what = format!("source {} ({})", index + 1, source.kind());
    match shown {
        Ok(shown) => SourcePreview { what, ..shown },
        Err(error) => SourcePreview { what, problem: Some(error.explained().into()), ..SourcePreview::default() },
    }
}

async fn of_api(
    index: usize,
    source: &ApiSource,
    table: &str,
    with_config: bool,
    context: &ExtractContext,
) -> Result<SourcePreview> {
    if let Some(each) = &source.for_each {
        let reason = format!("not asked now, because each of its requests needs a value for {{{{{}}}}}", each.name);
        let choice =
            Choice { key: "for_each".to_owned(), reason, confidence: Confidence::Certain, ..Choice::default() };
        return Ok(SourcePreview { choices: vec![choice], ..SourcePreview::default() });
    }
    let proposal = Box::pin(propose::propose(index, source, table, context)).await?;
    let wish =
        Wish { table: table.to_owned(), target: String::new(), references: References::Secrets, by: "the preview" };
    let yaml = with_config.then(|| proposal.config(source, &wish)).transpose();
    let yaml = yaml.map_err(|error| PipelineError::Internal(format!("the proposed config cannot run: {error}")))?;
    let propose::Proposal { requests, choices, columns, rows, rows_total, .. } = proposal;
    Ok(SourcePreview { requests, choices, columns, rows, rows_total, yaml, ..SourcePreview::default() })
}

/// The first file of a folder or server, or its beginning.
async fn of_files(index: usize, source: &SourceConfig, context: &ExtractContext) -> Result<SourcePreview> {
    let sample = probe::sample(index, source, context).await?;
    let Some(head) = sample.head else { return Ok(SourcePreview::default()) };
    // Of a large file on a server only the beginning was fetched, and its types would be those of a part.
    let whole = matches!(source, SourceConfig::Local(_) | SourceConfig::Inbox(_));
    let reading = move || (first_rows(&head), if whole { dialect_choices(&head) } else { Vec::new() });
    let (FirstRows { columns, rows, total, error, .. }, choices) =
        tokio::task::spawn_blocking(reading).await.unwrap_or_default();
    let problem = error.filter(|_| whole).map(|error| elt_shared::runs::ProbeProblem {
        code: error.code.into(),
        message: error.message,
        next_step: error.next_step.into_owned(),
    });
    let rows_total = total.filter(|_| whole);
    Ok(SourcePreview { columns, rows, rows_total, problem, choices, ..SourcePreview::default() })
}

/// The keys of `csv:` that a file needs beside those of the config. It blocks its thread.
fn dialect_choices(file: &InputFile) -> Vec<Choice> {
    if file.stamp.size > LARGEST {
        return Vec::new();
    }
    let proposal = dialect_proposal::propose(std::slice::from_ref(file), &CancellationToken::new());
    let choice = |proposed: Proposed| Choice {
        key: format!("csv.{}", proposed.key),
        value: Some(proposed.value),
        reason: proposed.reason,
        confidence: Confidence::Likely,
        ..Choice::default()
    };
    proposal.map_or_else(|_| Vec::new(), |proposal| proposal.keys.into_iter().map(choice).collect())
}
