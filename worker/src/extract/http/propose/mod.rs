//! A config that fits the answers of an API, with the reason for each choice. One page is read, and a second one when the
//! first names it: it shows whether the paging was recognised rightly.
//!
//! # Layout
//! - [`document`]: an answer as a tree
//! - [`records`]: where the rows are
//! - [`paging`]: how the next page is named: a table of styles
//! - [`second_page`]: whether the next page is another one
//! - [`columns`]: a cursor for what is new, and a key
//! - [`rate_limit`], [`login`]: what else the answer says
//! - [`config_text`], [`written_source`], [`yaml`]: the choices as a config, without a secret
//! - [`words`]: words that reasons are built from

mod columns;
mod config_text;
mod document;
mod login;
mod paging;
mod rate_limit;
mod records;
mod second_page;
mod words;
mod written_source;
mod yaml;

use std::time::Duration;

use elt_shared::config::ApiSource;
use elt_shared::json_path::{JsonPath, Step};
use elt_shared::runs::{Choice, Confidence, PreviewColumn};
use reqwest::Url;
use reqwest::header::HeaderMap;

pub use self::config_text::Wish;
use self::document::Document;
use self::paging::{Answer, Paging};
use self::records::Records;
use self::second_page::Second;
pub use self::written_source::References;
pub use self::yaml::quoted;
use super::error::{HttpError, Result};
use super::fetching::shaped_by;
use super::url::shown;
use super::{ExtractContext, Fetching, HttpLimits, Page, guarded, spool_failed};
use crate::error::Result as PipelineResult;
use crate::extract::sample::{FirstRows, first_rows};

/// Most bytes of a page that is looked at, because it is held in memory.
const PAGE_BYTES: u64 = 16 << 20;
/// Longest time for a look.
const TIME: Duration = Duration::from_mins(2);

/// What was found about an API.
#[derive(Debug, Default)]
pub struct Proposal {
    /// The address without its query and secrets.
    pub address: String,
    /// Number of requests that were made.
    pub requests: u32,
    /// `records`, `pagination`, `incremental`, `load` and `rate_limit`, as far as there is something to say.
    pub choices: Vec<Choice>,
    /// The columns of the first page, with the types that elt would decide from it.
    pub columns: Vec<PreviewColumn>,
    /// The first rows as texts.
    pub rows: Vec<Vec<Option<String>>>,
    /// Number of rows of the first page.
    pub rows_total: Option<u64>,
}

impl Proposal {
    /// The choice about a key.
    pub fn choice(&self, key: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.key == key)
    }
}

/// Looks at the first page of an API, and at the second one when the first page names it in a way that the config does not
/// know. Keys that the source has already are taken as they are.
///
/// # Errors
/// When the first page cannot be fetched or is not JSON with rows.
pub async fn propose(
    index: usize,
    source: &ApiSource,
    table: &str,
    context: &ExtractContext,
) -> PipelineResult<Proposal> {
    let limits = HttpLimits {
        attempts: 1,
        ready_within: Duration::ZERO,
        total: TIME,
        answer: TIME,
        answer_bytes: PAGE_BYTES,
        ..HttpLimits::default()
    };
    let looked = async { Ok(Box::pin(look(index, source, table, context, &limits)).await) };
    guarded(source, &context.stop, &limits, looked).await?.map_err(|error| login::explain(error, source))
}

async fn look(
    index: usize,
    source: &ApiSource,
    table: &str,
    context: &ExtractContext,
    limits: &HttpLimits,
) -> Result<Proposal> {
    let mut fetching = Fetching::start(index, source, context, limits).await?;
    fetching.keep_headers = true;
    let asked = fetching.fetcher.outgoing.url.clone();
    let Some(page) = fetching.page().await? else { return Ok(Proposal::default()) };
    let url = shown(&asked);
    let document = read(&page, &url).await?;
    let records = match &source.records {
        Some(_) => None,
        None => Some(records::decide(&document, &asked)),
    };
    refuse_error(&document, records.as_ref(), &url)?;
    let path = path_to_rows(source, records.as_ref());
    let rows = document.rows(path.as_ref());
    let headers = page.headers.clone().unwrap_or_default();
    let mut choices: Vec<Choice> = records.map(|records| records.choice).into_iter().collect();
    let mut second = None;
    if source.pagination.is_none() && !page_is_empty(&page) {
        let answer = Answer::new(&asked, &headers, document.root(), &rows, path.as_ref());
        let paging = paging::recognise(&answer);
        let proposed = paging.as_ref().and_then(Paging::value);
        if let Some(value) = &proposed {
            let source = second_page::with_paging(source, path.as_ref(), value);
            second = Some(Box::pin(second_page::fetch(index, source.as_ref(), &page, context, limits)).await);
        }
        choices.push(second_page::judge(paging, second.as_ref(), rows.len()));
    }
    let FirstRows { columns, rows: first, total, profiles, .. } = sample(&page, source, path.as_ref(), &url).await?;
    let next = second.as_ref().and_then(Second::document);
    let pages = [Some(&document), next].into_iter().flatten().map(|page| page.rows(path.as_ref())).collect::<Vec<_>>();
    choices.extend(columns::incremental(&profiles, rows.len()));
    choices.extend(columns::key(&profiles, &pages, table));
    choices.extend(rate_limit::choice(&headers));
    let requests = 1 + u32::from(second.as_ref().is_some_and(|second| second.was_fetched()));
    Ok(Proposal { address: url, requests, choices, columns, rows: first, rows_total: total })
}

/// Sentences about the answer of a source that is tested: its paging against that of the config, and its rate limit.
pub(super) async fn notes(source: &ApiSource, page: &Page) -> Vec<String> {
    let Some(headers) = page.headers.as_ref().filter(|_| page.body.bytes <= PAGE_BYTES) else { return Vec::new() };
    let paging = match (&source.pagination, read(page, &page.name).await) {
        (None, Ok(document)) => unread_pages(source, &page.answered, headers, &document),
        _ => None,
    };
    let limit = rate_limit::sentence(headers).map(|limit| format!("rate limit: {limit}"));
    paging.into_iter().chain(limit).collect()
}

/// A sentence about pages that a config without `pagination` does not read.
fn unread_pages(source: &ApiSource, url: &Url, headers: &HeaderMap, document: &Document) -> Option<String> {
    let records = source.records.is_none().then(|| records::decide(document, url));
    let path = path_to_rows(source, records.as_ref());
    let rows = document.rows(path.as_ref());
    let paging = paging::recognise(&Answer::new(url, headers, document.root(), &rows, path.as_ref()))?;
    if !paging.more {
        return None;
    }
    let write = paging.value().map(|value| format!(", and write `pagination: {value}` if there are more"));
    Some(format!(
        "paging: {}, but the config has no `pagination`, so only the first page is read. Try `elt init` on its URL{}",
        paging.reason,
        write.unwrap_or_default()
    ))
}

/// The path to the rows that the config or the decision names.
fn path_to_rows(source: &ApiSource, records: Option<&Records>) -> Option<JsonPath> {
    match &source.records {
        Some(written) => written.parse().ok(),
        None => records.and_then(|records| records.path.clone()),
    }
}

/// Refuses an answer that reports an error in place of rows.
fn refuse_error(document: &Document, records: Option<&Records>, url: &str) -> Result<()> {
    let is_one_row = records.and_then(|records| records.path.as_ref()).is_some_and(|path| path.steps().is_empty());
    let (true, Some(root)) = (is_one_row, document.root()) else { return Ok(()) };
    let envelope: super::envelope::Envelope = serde::de::Deserialize::deserialize(root).unwrap_or_default();
    match envelope.error(None) {
        Some(member) => Err(HttpError::SaysError { url: url.to_owned(), member: member.to_owned() }),
        None => Ok(()),
    }
}

/// Whether the page has nothing that could be read as rows, such as an answer with status 204.
fn page_is_empty(page: &Page) -> bool {
    !page.contents.readable
}

async fn read(page: &Page, url: &str) -> Result<Document> {
    let path = page.path.clone();
    let reading = tokio::task::spawn_blocking(move || Document::read(&path)).await;
    let read = reading.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let doing = format!("look into the answer of {url}");
    let document = read.map_err(|source| HttpError::Spool { doing, source })?;
    document.map_err(|reason| HttpError::NotJson { url: url.to_owned(), reason })
}

async fn sample(page: &Page, source: &ApiSource, path: Option<&JsonPath>, url: &str) -> Result<FirstRows> {
    let records = source.records.clone().or_else(|| path.map(ToString::to_string));
    let file = crate::input::InputFile::at(
        page.name.clone(),
        page.path.clone(),
        crate::input::Format::Json,
        crate::input::Compression::None,
    )
    .map_err(|source| spool_failed(&page.path, source))?;
    let file = crate::input::InputFile { records, options: shaped_by(source), ..file };
    let sample = tokio::task::spawn_blocking(move || first_rows(&file)).await.unwrap_or_default();
    match sample.error {
        Some(error) => Err(HttpError::NoRows { url: url.to_owned(), reason: error.reason }),
        None => Ok(sample),
    }
}

/// The name of a step that leads into an object.
fn name_of(step: &Step) -> Option<String> {
    match step {
        Step::Member(name) => Some(name.clone()),
        Step::Element(_) | Step::Last | Step::Every => None,
    }
}

/// Whether a choice is written as it is and not as a comment.
fn is_active(choice: &Choice) -> bool {
    match choice.key.as_str() {
        // A config whose rows are ambiguous would not run at all.
        "records" => true,
        "pagination" => choice.confidence != Confidence::Unsure,
        _ => false,
    }
}
