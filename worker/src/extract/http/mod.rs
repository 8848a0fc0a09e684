//! HTTP API sources: every page of an answer becomes a JSON file in the run's spool.
//!
//! # Layout
//! - [`request`], [`body`]: method, URL, headers and body, and which of them stay with one host
//! - [`fetch`]: one request: redirects, status, and the answer streamed into a file under a cap
//! - [`client`]: connections, certificates, and how often is asked
//! - [`cookies`]: what servers set, for one extraction
//! - [`retry`]: attempts, pauses, `Retry-After` and rate limits
//! - [`answer`], [`walk`], [`tolerant`], [`envelope`]: what is in a body, without holding it
//! - [`next_page`], [`link_header`]: which page comes next, and guards against going in circles
//! - [`mod@include`]: rows that are copied out of the answers, with added columns
//! - [`for_each`]: the requests once for each value of another source or of the target
//! - [`incremental`]: the cursors of rows, and what a source is asked for
//! - [`look`]: whether there may be something new, in one request
//! - [`doubts`]: what is told in the report because rows may be missing
//! - [`propose`]: a config that fits an answer, with the reasons
//! - [`limits`]: how long and how much
//! - [`error`]: why it failed, as a sentence

mod answer;
mod auth;
mod body;
mod client;
mod cookies;
mod doubts;
mod envelope;
mod error;
mod fetch;
mod for_each;
mod include;
pub mod incremental;
mod limits;
mod link_header;
pub mod look;
mod next_page;
pub mod propose;
mod request;
mod retry;
mod tolerant;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use elt_shared::config::template::{PAGE_CURSOR, PAGE_NUMBER, PAGE_OFFSET, Value, Values};
use elt_shared::config::{self, ApiSource, ForEach, Pagination};
use elt_shared::cursor::CursorValue;
use elt_shared::json_path::{JsonPath, Step};
use elt_shared::runs::FoundFile;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use tokio_util::sync::CancellationToken;

use self::answer::{Contents, Flaw, Wanted};
pub use self::auth::SourceTokens;
use self::doubts::Members;
use self::error::{HttpError, Result};
use self::fetch::{Body, Fetcher};
use self::include::RowPlan;
use self::incremental::Cursors;
pub use self::limits::HttpLimits;
use self::link_header::next_link;
use self::next_page::{Ask, Next, Pages, Turn};
use self::request::{Outgoing, Request, shown};
use super::parents::Parents;
use super::probe::Sample;
use super::{ExtractContext, Extracted};
use crate::error::{PipelineError, Result as PipelineResult};
use crate::frame::json::gather::{self, Gathered, RowsFile};
use crate::input::{Compression, Format, InputFile};

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
            fetched.warnings.extend(doubts::about_total(source, &fetched.pages).await?);
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
        return Ok(Sample { files: Vec::new(), more: false, head: None, notes: Vec::new() });
    };
    let more = source.pagination.is_some() && page.contents.rows > 0;
    let files = vec![FoundFile { name: page.name.clone(), bytes: page.body.bytes }];
    Ok(Sample { files, more, head: Some(page.into_input(index, source)?), notes })
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

/// A page that is stored in the spool folder.
struct Page {
    name: String,
    path: PathBuf,
    body: Body,
    contents: Contents,
    next_link: Option<Url>,
    /// The URL that answered, after redirects.
    answered: Url,
    /// The answer's headers, kept only when a proposal is made from them.
    headers: Option<HeaderMap>,
    /// Whether its rows are those of the page before it.
    repeated: bool,
    /// What is copied out of it; `None`: its rows are read from the page itself.
    wanted: Option<gather::Wanted>,
}

impl Page {
    fn into_input(self, index: usize, source: &ApiSource) -> PipelineResult<InputFile> {
        let file = InputFile::at(self.name.clone(), self.path, Format::Json, Compression::None)
            .map_err(|source| PipelineError::Io { doing: format!("look at the answer of {}", self.name), source })?;
        // The rows that were copied are the elements of an array.
        let records = if source.copies_rows() { Some("$".to_owned()) } else { source.records.clone() };
        Ok(InputFile { source: index, records, required: true, ..file })
    }
}

/// Fetches one page after the other.
struct Fetching<'a> {
    source: &'a ApiSource,
    spool: &'a Path,
    /// The value of `for_each` that the requests are made for.
    parent: Option<Parenthood>,
    /// The beginning of the names of its files.
    prefix: String,
    plan: Option<RowPlan>,
    fetcher: Fetcher<'a>,
    wanted: Wanted,
    pages: Pages<'a>,
    next: Option<Ask>,
    /// Whether an answer had the member that names the next page.
    names_next: bool,
    /// Whether an answer had the member that says whether there is a next page.
    says_more: bool,
    /// Number of bytes that the source may still send.
    room: Arc<AtomicU64>,
    /// Path of the cursor in a row, and the value below which rows are old, for a source that sends its newest rows first.
    old_below: Option<(JsonPath, CursorValue)>,
    /// Whether pages keep the headers of their answers.
    keep_headers: bool,
}

/// The value of `for_each` that requests are made for.
struct Parenthood {
    value: Value,
    /// The source's address with the placeholder. It stands for all URLs that people see, because they have the value.
    address: String,
    /// Number of bytes that the answers for all values may still have.
    room: Arc<AtomicU64>,
    /// The beginning of the names of files.
    prefix: String,
}

impl<'a> Fetching<'a> {
    async fn start(
        index: usize,
        source: &'a ApiSource,
        context: &'a ExtractContext,
        limits: &'a HttpLimits,
    ) -> Result<Self> {
        let outgoing = Outgoing::of(source, &context.values_of(index))?;
        let fetcher = Fetcher::new(outgoing, context, limits)?;
        Self::with(fetcher, index, source, context, None).await
    }

    async fn with(
        fetcher: Fetcher<'a>,
        index: usize,
        source: &'a ApiSource,
        context: &'a ExtractContext,
        parent: Option<Parenthood>,
    ) -> Result<Self> {
        let first = &fetcher.outgoing.url;
        let may_be_empty = context.read_before.contains(&index);
        let wanted = Wanted { may_be_empty, ..wanted(source, &shown(first))? };
        let plan = RowPlan::of(source, &shown(first))?;
        let pages = Pages::new(first.clone(), source.pagination.as_ref(), source.into());
        let spool = &context.spool;
        tokio::fs::create_dir_all(spool).await.map_err(|source| spool_failed(spool, source))?;
        let next = Some(pages.first());
        let (prefix, room) = match &parent {
            Some(parent) => (parent.prefix.clone(), Arc::clone(&parent.room)),
            None => (format!("api-{index}"), Arc::new(AtomicU64::new(fetcher.limits.total_bytes))),
        };
        let old_below = context.old_below.iter().find(|(of, _)| *of == index).map(|(_, value)| value.clone());
        let cursor = source.incremental.as_ref().and_then(|incremental| incremental.cursor.parse().ok());
        Ok(Self {
            source,
            spool,
            parent,
            prefix,
            plan,
            fetcher,
            wanted,
            pages,
            next,
            names_next: false,
            says_more: false,
            room,
            old_below: cursor.zip(old_below),
            keep_headers: false,
        })
    }

    /// A URL as people see it.
    fn seen(&self, url: &Url) -> String {
        self.parent.as_ref().map_or_else(|| shown(url), |parent| parent.address.clone())
    }

    fn path_of(&self, number: u64) -> PathBuf {
        self.spool.join(format!("{}-{number}.json", self.prefix))
    }

    /// Deletes the files of the pages so far.
    async fn delete_pages(&self) {
        for number in 1..=self.pages.number {
            // A failure is ignored, because the folder is deleted with the run.
            let _ = tokio::fs::remove_file(self.path_of(number)).await;
        }
    }

    /// All pages from the next one to the last that has rows.
    async fn all(&mut self) -> Result<Vec<Page>> {
        let mut fetched: Vec<Page> = Vec::new();
        while let Some(page) = self.page().await? {
            let repeated = page.repeated;
            // A page without rows mostly ends the pages. It is kept only when it is the first, because its columns are then
            // all that is known of the source.
            if !repeated && (page.contents.rows > 0 || fetched.is_empty()) {
                fetched.push(page);
                continue;
            }
            if self.parent.is_some() {
                // The last pages of all values would add up. A failure is ignored, because the folder is deleted with the run.
                let _ = tokio::fs::remove_file(&page.path).await;
            }
            if repeated {
                tracing::info!("{} repeats the page before it, which was the last one", page.name);
                break;
            }
        }
        Ok(fetched)
    }

    /// The next page. `None`: the last one was returned before.
    async fn page(&mut self) -> Result<Option<Page>> {
        let Some(ask) = self.next.take() else { return Ok(None) };
        let request = self.fetcher.outgoing.request(&ask)?;
        let number = self.pages.number;
        let path = self.path_of(number);
        let has_page = |name: &str| self.source.url.names().any(|placed| placed == name);
        let name = match self.source.pagination {
            // A page's number or cursor in the address is not a part of its name, because the name has the number already.
            Some(_) if ask.link.is_none() && [PAGE_NUMBER, PAGE_OFFSET, PAGE_CURSOR].into_iter().any(has_page) => {
                format!("{} page {number}", self.seen(&self.fetcher.outgoing.url))
            }
            Some(_) => format!("{} page {number}", self.seen(&request.url)),
            None => self.seen(&request.url),
        };
        let mut page = match self.fetch(&request, name, path).await {
            Ok(page) => page,
            Err(error) => return self.after_failure(error),
        };
        for_each::take_room(&self.room, page.body.bytes);
        let turn = Turn {
            rows: page.contents.entries,
            hash: page.contents.rows_hash.unwrap_or(page.body.hash),
            cursor: page.contents.cursor.as_deref(),
            cursor_is_json: page.contents.cursor_is_json,
            has_more: page.contents.has_more,
            next_link: page.next_link.clone(),
            answered: &page.answered,
        };
        match self.pages.next(&turn)? {
            Next::Page(ask) => self.next = Some(ask),
            Next::End => {}
            Next::Repeated => page.repeated = true,
        }
        // It may be 1 MiB long, and all pages are kept.
        page.contents.cursor = None;
        if self.next.is_some() && self.is_old(&page).await? {
            tracing::info!("{} has only rows that are older than what was asked for: it is the last page", page.name);
            self.next = None;
        }
        self.names_next |= page.contents.names_next;
        self.says_more |= page.contents.has_more.is_some();
        self.wanted.in_arrays |= page.contents.in_arrays;
        if let Some(envelope) = page.contents.envelope.take().filter(|_| page.contents.rows > 0) {
            self.wanted.before.get_or_insert_default().join(envelope);
        }
        Ok(Some(page))
    }

    /// Whether a page of a source that sends its newest rows first has only old rows.
    async fn is_old(&self, page: &Page) -> Result<bool> {
        let Some((cursor, value)) = self.old_below.clone() else { return Ok(false) };
        let (path, records) = (page.path.clone(), self.wanted.records.clone());
        let further_records = self.wanted.further_records.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut cursors = Cursors::read(&path, records.as_ref(), &cursor)?;
            for records in &further_records {
                cursors.join(Cursors::read(&path, Some(records), &cursor)?);
            }
            Ok::<_, std::io::Error>(cursors.are_all_below(&value))
        });
        let doing = || format!("look for the cursors of {}", page.name);
        let read = reading.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        read.map_err(|source| HttpError::Spool { doing: doing(), source })
    }

    /// The result for a page that could not be fetched: the end of the pages, when the status means that the page is past the
    /// last one, else the error.
    fn after_failure(&self, error: HttpError) -> Result<Option<Page>> {
        let status = match &error {
            HttpError::Status { status, .. } => Some(*status),
            HttpError::GaveUp { error, .. } => match **error {
                HttpError::Status { status, .. } => Some(status),
                _ => None,
            },
            _ => None,
        };
        match status {
            Some(status) if self.pages.ends_with(status) => Ok(None),
            Some(status) if self.pages.may_end_with(status) => {
                Err(HttpError::PastLast { error: Box::new(error), status })
            }
            Some(status) if self.pages.was_named(status) => Err(HttpError::NamedPage { error: Box::new(error) }),
            _ => Err(error),
        }
    }

    /// Goes on after a first page that was fetched before, perhaps with other keys for `records` and `pagination`.
    ///
    /// # Errors
    /// When these keys do not fit the page.
    async fn go_on_after(&mut self, first: &Page) -> Result<()> {
        let contents = inspect(&first.path, &self.wanted, &first.name, first.body.bytes, self.source).await?;
        let headers = first.headers.as_ref().filter(|_| self.by_header());
        let next_link = headers.map(|headers| next_link(headers, &first.answered)).transpose()?.flatten();
        let turn = Turn {
            rows: contents.entries,
            hash: contents.rows_hash.unwrap_or(first.body.hash),
            cursor: contents.cursor.as_deref(),
            cursor_is_json: contents.cursor_is_json,
            has_more: contents.has_more,
            next_link,
            answered: &first.answered,
        };
        self.next = match self.pages.next(&turn)? {
            Next::Page(next) => Some(next),
            Next::End | Next::Repeated => None,
        };
        self.wanted.in_arrays |= contents.in_arrays;
        if let Some(envelope) = contents.envelope {
            self.wanted.before.get_or_insert_default().join(envelope);
        }
        Ok(())
    }

    /// Whether the `Link` header names the next page.
    fn by_header(&self) -> bool {
        matches!(self.source.pagination, Some(Pagination::LinkHeader { .. }))
    }

    /// Fetches one page, with all its attempts.
    async fn fetch(&self, request: &Request, name: String, path: PathBuf) -> Result<Page> {
        let (fetcher, seen) = (&self.fetcher, self.seen(&request.url));
        let at_most = fetcher.limits.answer_bytes.min(self.room.load(Ordering::Relaxed));
        let by_header = self.by_header();
        let once = async || {
            let opened = fetcher.open(request).await?;
            let answered = opened.url().clone();
            let next_link = if by_header { next_link(opened.headers(), &answered)? } else { None };
            let parent = self.parent.as_ref().map(|parent| &parent.value);
            let copied = self.plan.as_ref().map(|plan| plan.wanted(opened.headers(), parent));
            let headers = self.keep_headers.then(|| opened.headers().clone());
            let empty = matches!(opened.status(), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
            let body = opened.receive(&path, fetcher.limits, at_most).await?;
            let contents = if empty {
                Contents::default()
            } else {
                inspect(&path, &self.wanted, &seen, body.bytes, self.source).await?
            };
            tracing::debug!(url = seen, bytes = body.bytes, "fetched {name}");
            let (name, path) = (name.clone(), path.clone());
            let answer =
                Page { name, path, body, contents, next_link, answered, headers, repeated: false, wanted: copied };
            Ok(answer)
        };
        let hidden = |error: HttpError| if self.parent.is_some() { error.at(&seen) } else { error };
        retry::with_attempts(fetcher.limits, || async { once().await.map_err(hidden) }).await
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
    let mut warnings = doubts::about_pages(&fetching, &pages);
    warnings.extend(doubts::about_members(source, &fetching.wanted, Members::of(&fetching, &pages)));
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

/// Reads the facts about a page from its body.
async fn inspect(path: &Path, wanted: &Wanted, url: &str, received: u64, source: &ApiSource) -> Result<Contents> {
    let (path, wanted) = (path.to_owned(), wanted.clone());
    let after_rows = wanted.before.is_some();
    let inspecting = tokio::task::spawn_blocking(move || answer::inspect(&path, &wanted)).await;
    let doing = format!("look into the answer of {url}");
    let inspected = inspecting
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| HttpError::Spool { doing, source })?;
    let url = url.to_owned();
    inspected.map_err(|flaw| match flaw {
        Flaw::CutShort(reason) => HttpError::BrokeOff { url, received, reason },
        Flaw::NotJson(reason) => HttpError::NotJson { url, reason },
        Flaw::NoRows(reason) => HttpError::NoRows { url, reason },
        Flaw::NothingAt(path) => HttpError::NothingThere { url, path: path.to_string(), after_rows },
        Flaw::SaysError(member) => HttpError::SaysError { url, member },
        Flaw::SaysErrorInPart(member) => HttpError::SaysErrorInPart { url, member },
        Flaw::BadCursor(reason) => HttpError::BadCursor { url, reason },
        Flaw::GraphQl { message, is_transient, limited } => {
            HttpError::GraphQl { url, message: request::quoted(source, &message), is_transient, limited }
        }
    })
}

fn wanted(source: &ApiSource, url: &str) -> Result<Wanted> {
    let path = |key: &'static str, text: &str| {
        let refuse = |error: elt_shared::json_path::JsonPathError| HttpError::BadPath {
            url: url.to_owned(),
            key,
            reason: error.to_string(),
        };
        text.parse::<JsonPath>().map_err(refuse)
    };
    let mut wanted = Wanted {
        records: source.records.as_deref().map(|records| path("records", records)).transpose()?,
        cursor_is_placed: source.has_placeholder(PAGE_CURSOR),
        graphql: matches!(source.body, Some(config::Body::Json { graphql: true, .. })),
        further_records: source
            .further_records
            .iter()
            .map(|further| path("records", further))
            .collect::<Result<_>>()?,
        // Rows that are copied are looked at as those of pages are.
        paged: source.pagination.is_some() || source.copies_rows(),
        ..Wanted::default()
    };
    if let Some(Pagination::Cursor { path: cursor, end_value, has_more, .. }) = &source.pagination {
        wanted.cursor = Some(path("pagination.cursor_path", cursor)?);
        wanted.has_more = match has_more {
            Some(more) => Some(path("pagination.has_more_path", more)?),
            None => usual_has_more(wanted.cursor.as_ref()),
        };
        wanted.end_value.clone_from(end_value);
    }
    Ok(wanted)
}

/// Where a connection of GraphQL says whether there is a next page, because its last page has a cursor, too.
fn usual_has_more(cursor: Option<&JsonPath>) -> Option<JsonPath> {
    let cursor = cursor.filter(|cursor| cursor.steps().last() == Some(&Step::Member("endCursor".into())))?;
    cursor.sibling("hasNextPage")
}

fn spool_failed(folder: &Path, source: std::io::Error) -> HttpError {
    HttpError::Spool { doing: format!("keep the answers in {}", folder.display()), source }
}
