//! HTTP API sources: every page of an answer becomes a JSON file in the run's spool.
//!
//! # Layout
//! - [`request`], [`url`], [`body`]: method, URL, headers and body, and which of them stay with one host
//! - [`fetch`]: one request: redirects, status, and the answer streamed into a file under a cap
//! - [`client`]: connections, certificates, and how often is asked
//! - [`cookies`]: what servers set, for one extraction
//! - [`retry`]: attempts, pauses, `Retry-After` and rate limits
//! - [`answer`], [`walk`], [`python_json`], [`envelope`]: what is in a body, without holding it
//! - [`next_page`], [`link_header`]: which page comes next, and guards against going in circles
//! - [`mod@include`]: rows that are copied out of the answers, with added columns
//! - [`files`]: the requests for files on web servers, with the login of an API
//! - [`fetching`]: one page after the other, each in a file
//! - [`inspect`]: what is looked for in an answer, and the error for what is wrong with it
//! - [`for_each`]: the requests once for each value of another source or of the target
//! - [`incremental`]: the cursors of rows, and what a source is asked for
//! - [`look`]: whether there may be something new, in one request
//! - [`missing_rows`]: warnings of the report because rows may be missing
//! - [`propose`]: a config that fits an answer, with the reasons
//! - [`limits`]: how long and how much
//! - [`error`]: why it failed, as a sentence

mod answer;
mod auth;
mod body;
pub(super) mod client;
mod cookies;
mod envelope;
mod error;
mod fetch;
mod fetching;
pub(super) mod files;
mod for_each;
mod include;
pub mod incremental;
mod inspect;
mod limits;
mod link_header;
pub mod look;
mod missing_rows;
mod next_page;
pub mod propose;
mod python_json;
mod request;
mod retry;
mod url;
mod walk;

use std::path::Path;
use std::time::Duration;

use elt_shared::config::template::Values;
use elt_shared::config::{ApiSource, ForEach};
use elt_shared::json_path::JsonPath;
use elt_shared::runs::FoundFile;
use tokio_util::sync::CancellationToken;

pub use self::auth::SourceTokens;
pub(super) use self::error::HttpError;
use self::error::Result;
pub(super) use self::fetch::innermost;
use self::fetching::{Fetching, Page};
use self::include::RowPlan;
pub use self::limits::HttpLimits;
use self::missing_rows::Members;
use self::request::Outgoing;
pub(super) use self::retry::{http_date, retry_after};
use self::url::shown;
use super::parents::Parents;
use super::probe::Sample;
use super::{ExtractContext, Extracted};
use crate::error::{PipelineError, Result as PipelineResult};
use crate::frame::json::gather::{Gathered, RowsFile};
use crate::input::InputFile;

/// Longest time for a test of the connection.
const PROBE_TIMEOUT: Duration = Duration::from_mins(2);

/// Fetches every page of a source.
///
/// # Errors
/// When one page cannot be fetched. The source then fails, because a load without some of its pages would not be noticed.
pub async fn extract(index: usize, source: &ApiSource, context: &ExtractContext) -> PipelineResult<Extracted> {
    extract_within(index, source, context, &HttpLimits::default()).await
}

/// [`extract`] with other limits.
///
/// # Errors
/// As [`extract`].
pub async fn extract_within(
    index: usize,
    source: &ApiSource,
    context: &ExtractContext,
    limits: &HttpLimits,
) -> PipelineResult<Extracted> {
    let limits = &limits.with(source.timeouts);
    let work = async {
        let mut fetched = fetch_pages(index, source, context, limits).await?;
        // A source that sends its newest rows first is read until its rows are old, and not to its end.
        if !context.old_below.iter().any(|(of, _)| *of == index) {
            fetched.warnings.extend(missing_rows::about_total(source, &fetched.pages).await?);
        }
        copy_rows_of(fetched, source, limits).await
    };
    let fetched = guarded(source, &context.stop, limits, work).await?;
    let mut files = Vec::new();
    for page in fetched.pages.into_iter().filter(|page| page.contents.readable) {
        files.push(page.into_input(index, source)?);
    }
    Ok(Extracted { files, warnings: fetched.warnings, ..Extracted::default() })
}

/// Fetches every page of a source for each value of its `for_each`. All rows are in one file.
///
/// # Errors
/// As [`extract`], and when the requests for one value fail, unless the config says that such a value is skipped.
pub(super) async fn extract_for_each(
    index: usize,
    source: &ApiSource,
    each: &ForEach,
    parents: &Parents,
    context: &ExtractContext,
) -> PipelineResult<Extracted> {
    let limits = &HttpLimits::default().with(source.timeouts);
    let work = for_each::fetch(index, source, each, parents, context, limits);
    let fetched = guarded(source, &context.stop, limits, work).await?;
    Ok(Extracted { files: vec![fetched.file], left_out: fetched.left_out, warnings: fetched.warnings })
}

/// Copies the rows out of the pages, when they are not read from the pages themselves.
async fn copy_rows_of(mut fetched: Fetched, source: &ApiSource, limits: &HttpLimits) -> Result<Fetched> {
    let mut found = Gathered::default();
    let url = address(source);
    for page in fetched.pages.iter_mut().filter(|page| page.contents.readable) {
        let Some(wanted) = page.wanted.take() else { continue };
        let path = page.path.with_extension("rows.json");
        let file = RowsFile::create(&path, limits.total_bytes).map_err(|error| spool_failed(&path, error))?;
        let answer = std::mem::replace(&mut page.path, path);
        let (file, copied) = include::copy_rows(answer, wanted, &page.name, file).await;
        found.join(&copied?);
        file.finish().map_err(|error| spool_failed(&page.path, error))?;
    }
    if let Some(plan) = RowPlan::of(source, &url)?.filter(|_| found != Gathered::default()) {
        fetched.warnings.extend(plan.warnings(&found, &url));
    }
    Ok(fetched)
}

/// The source's address without its query and secrets, which stays the same between runs.
pub fn address(source: &ApiSource) -> String {
    if let Some(each) = &source.for_each {
        return for_each::address(source, each);
    }
    Outgoing::of(source, &Values::default()).map(|outgoing| shown(&outgoing.url)).unwrap_or_default()
}

/// Fetches the first page, in one attempt.
///
/// # Errors
/// As [`extract`].
pub(super) async fn probe(index: usize, source: &ApiSource, context: &ExtractContext) -> PipelineResult<Sample> {
    let limits = HttpLimits {
        attempts: 1,
        ready_within: Duration::ZERO,
        total: PROBE_TIMEOUT,
        answer: PROBE_TIMEOUT,
        ..HttpLimits::default()
    };
    let (page, notes) = guarded(source, &context.stop, &limits, async {
        let mut fetching = Fetching::start(index, source, context, &limits).await?;
        fetching.keep_headers = true;
        let Some(page) = fetching.page().await? else { return Ok((None, Vec::new())) };
        let notes = if page.contents.readable { propose::notes(source, &page).await } else { Vec::new() };
        let fetched = Fetched { pages: vec![page], warnings: Vec::new() };
        Ok((copy_rows_of(fetched, source, &limits).await?.pages.pop(), notes))
    })
    .await?;
    let Some(page) = page.filter(|page| page.contents.readable) else {
        return Ok(Sample::default());
    };
    let more = source.pagination.is_some() && page.contents.rows > 0;
    let files = vec![FoundFile { name: page.name.clone(), bytes: page.body.bytes }];
    Ok(Sample { files, more, head: Some(page.into_input(index, source)?), notes, ..Sample::default() })
}

/// Runs the work until the total deadline, or until the run is stopped.
async fn guarded<T>(
    source: &ApiSource,
    stop: &CancellationToken,
    limits: &HttpLimits,
    work: impl Future<Output = Result<T>>,
) -> PipelineResult<T> {
    let late = |_| HttpError::Deadline { url: address(source), after: limits.total };
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(PipelineError::Stopped),
        done = tokio::time::timeout(limits.total, work) => Ok(done.map_err(late)??),
    }
}

/// The pages of a source.
struct Fetched {
    pages: Vec<Page>,
    /// Sentences for the report.
    warnings: Vec<String>,
}

async fn fetch_pages(
    index: usize,
    source: &ApiSource,
    context: &ExtractContext,
    limits: &HttpLimits,
) -> Result<Fetched> {
    let mut fetching = Fetching::start(index, source, context, limits).await?;
    let pages = fetching.all().await?;
    let mut warnings = missing_rows::about_pages(&fetching, &pages);
    warnings.extend(missing_rows::about_members(source, &fetching.wanted, Members::of(&fetching, &pages)));
    Ok(Fetched { pages, warnings })
}

/// Checks an answer that has no rows at `records`, the path to the rows that an earlier run found.
///
/// # Errors
/// When the answer reports an error.
pub fn refuse_error(answer: &InputFile, records: &str) -> PipelineResult<()> {
    let Ok(path) = records.parse::<JsonPath>() else { return Ok(()) };
    let doing = || format!("look into the answer of {}", answer.name);
    match answer::error_without_rows(&answer.path, path)
        .map_err(|source| PipelineError::Io { doing: doing(), source })?
    {
        Some(member) => Err(HttpError::SaysError { url: answer.name.clone(), member }.into()),
        None => Ok(()),
    }
}

fn spool_failed(folder: &Path, source: std::io::Error) -> HttpError {
    HttpError::Spool { doing: format!("keep the answers in {}", folder.display()), source }
}
