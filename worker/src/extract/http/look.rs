//! A look at an API: whether it may have something new, in at most one request.
//!
//! 1. `probe`: its answer is compared with that of the look before.
//! 2. `incremental`: the first page of what changed since the cursor. It is quiet when it has nothing but the rows that the
//!    last run saw at the cursor.
//! 3. An API without pages: a conditional request by `ETag` or `Last-Modified`, else the answer is compared.
//! 4. An API with pages and nothing of that, or with `for_each`: only a run finds out.

use std::cmp::Ordering;
use std::time::Duration;

use elt_shared::config::{ApiSource, CursorOrder, Incremental, Pagination};
use elt_shared::cursor::CursorValue;
use elt_shared::json_path::JsonPath;
use elt_shared::store::schedules::{LookBy, SourceLook};
use reqwest::StatusCode;
use reqwest::header::{
    CONTENT_LENGTH, DATE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use xxhash_rust::xxh3::xxh3_128;

use super::super::ExtractContext;
use super::error::{HttpError, Result};
use super::fetch::Fetcher;
use super::incremental::Cursors;
use super::limits::HttpLimits;
use super::next_page::Ask;
use super::request::{Outgoing, Request};
use super::{Fetching, address, guarded, retry, spool_failed};
use crate::error::{PipelineError, Result as PipelineResult};

/// Longest time for a look. It is shorter than the lease of the tick that looks.
const LOOK_WITHIN: Duration = Duration::from_secs(30);
/// Most bytes of an answer that is compared.
const MOST_COMPARED: u64 = 256 << 20;

/// What is known of a source before a look.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The look before. `None`: it is the first one.
    pub before: Option<SourceLook>,
    /// The cursor of an incremental source. `None`: no run has loaded one.
    pub cursor: Option<KnownCursor>,
    /// Path to the rows that an earlier run found.
    pub records: Option<String>,
}

/// The cursor of an incremental source, as the last run left it.
#[derive(Debug, Clone)]
pub struct KnownCursor {
    /// The greatest value that was loaded.
    pub value: CursorValue,
    /// Hash of the rows that a look finds again when nothing is new. `None`: it is unknown.
    pub edge: Option<String>,
    /// Most rows that a page had. 0: it is unknown.
    pub page_rows: u64,
    /// A number that changes whenever a run or a person writes the cursor.
    pub version: i64,
}

/// The result of a look at an API.
#[derive(Debug, Clone)]
pub struct Seen {
    /// A value that changes when the source may have changed. An incremental source and one that only a run can look at
    /// have a constant one.
    pub fingerprint: u128,
    /// Hash of what an incremental source has that is not loaded. `None`: nothing.
    pub news: Option<u128>,
    /// Whether only a run finds out if there is anything new.
    pub needs_run: bool,
    /// What is stored of the look and shown.
    pub look: SourceLook,
}

/// Looks at a source.
///
/// # Errors
/// When the API cannot be reached or refuses the request. A look that takes too long is no error: [`Seen`] then says that only a
/// run can look.
pub async fn look(index: usize, source: &ApiSource, context: &ExtractContext, known: &Known) -> PipelineResult<Seen> {
    look_within(index, source, context, known, &HttpLimits::default()).await
}

/// [`look`] with other limits.
///
/// # Errors
/// As [`look`].
pub async fn look_within(
    index: usize,
    source: &ApiSource,
    context: &ExtractContext,
    known: &Known,
    limits: &HttpLimits,
) -> PipelineResult<Seen> {
    let limits = &HttpLimits {
        attempts: 1,
        ready_within: Duration::ZERO,
        total: LOOK_WITHIN.min(limits.total),
        answer: LOOK_WITHIN.min(limits.answer),
        answer_bytes: limits.answer_bytes.min(MOST_COMPARED),
        ..limits.with(source.timeouts)
    };
    let looker = Looker { index, source, context, known, limits };
    match looker.method() {
        Method::Run => {
            Ok(looker.only_a_run("the API is read in pages and no single request says whether they changed"))
        }
        Method::Probe => looker.guarded(looker.probe()).await,
        Method::Since(incremental) => Box::pin(looker.guarded(looker.since(incremental))).await,
        Method::Answer => Box::pin(looker.guarded(looker.answer())).await,
    }
}

/// Whether a run compares the source with the look before it. An incremental source is compared with its cursor, and one that
/// only a run can look at with nothing.
pub fn is_compared(source: &ApiSource) -> bool {
    matches!(method(source), Method::Probe | Method::Answer)
}

enum Method<'a> {
    Probe,
    Since(&'a Incremental),
    Answer,
    Run,
}

fn method(source: &ApiSource) -> Method<'_> {
    // The rows of a run have columns that those of one answer do not have, and there are the answers for many values.
    if source.for_each.is_some() || (source.probe.is_none() && source.incremental.is_some() && source.copies_rows()) {
        return Method::Run;
    }
    match (&source.probe, &source.incremental, &source.pagination) {
        (Some(_), ..) => Method::Probe,
        (None, Some(incremental), _) => Method::Since(incremental),
        (None, None, None) => Method::Answer,
        (None, None, Some(_)) => Method::Run,
    }
}

struct Looker<'a> {
    index: usize,
    source: &'a ApiSource,
    context: &'a ExtractContext,
    known: &'a Known,
    limits: &'a HttpLimits,
}

impl<'a> Looker<'a> {
    fn method(&self) -> Method<'a> {
        method(self.source)
    }

    /// Looks until the time is over. A source that takes longer, or prepares its answer first, is left to a run, which has
    /// more time.
    async fn guarded(&self, looking: impl Future<Output = Result<Seen>>) -> PipelineResult<Seen> {
        let looking = async { Ok::<_, HttpError>(looking.await) };
        let seen = match guarded(self.source, &self.context.stop, self.limits, looking).await {
            Ok(Ok(seen)) => return Ok(seen),
            Ok(Err(error)) => error,
            Err(PipelineError::Stopped) => return Err(PipelineError::Stopped),
            Err(_) => return Ok(self.only_a_run("a look took longer than a look may")),
        };
        let cause = match &seen {
            HttpError::GaveUp { error, .. } => error,
            error => error,
        };
        match cause {
            HttpError::TooSlow { .. } | HttpError::Silent { .. } => {
                Ok(self.only_a_run("the API takes longer to answer than a look may"))
            }
            HttpError::TooLarge { .. } => Ok(self.only_a_run("the API's answer is larger than what a look compares")),
            HttpError::NotReady { .. } => Ok(self.only_a_run("the API prepares its answer first (202)")),
            _ => Err(seen.into()),
        }
    }

    fn only_a_run(&self, because: &str) -> Seen {
        let says = format!("Only a run shows whether there is anything new, because {because}.");
        Seen { fingerprint: 0, news: None, needs_run: true, look: self.remember(LookBy::Run, says) }
    }

    fn remember(&self, by: LookBy, says: String) -> SourceLook {
        SourceLook { source: format!("api {}", address(self.source)), by, says, ..SourceLook::default() }
    }

    async fn fetcher(&self, request: impl FnOnce(&Outgoing<'_>) -> Result<Request>) -> Result<(Fetcher<'a>, Request)> {
        let outgoing = Outgoing::of(self.source, &self.context.values_of(self.index))?;
        let request = request(&outgoing)?;
        Ok((Fetcher::new(outgoing, self.context, self.limits)?, request))
    }

    /// The probe's answer, or the part of it that the config names, is compared.
    async fn probe(&self) -> Result<Seen> {
        let (fetcher, request) = self.fetcher(|outgoing| outgoing.probe()).await?;
        let says = "One small request, `probe`, shows whether something changed.".to_owned();
        let path = match self.source.probe.as_ref().and_then(|probe| probe.value.as_deref()) {
            Some(text) => Some(text.parse::<JsonPath>().map_err(|error| HttpError::BadPath {
                url: address(self.source),
                key: "probe.value",
                reason: error.to_string(),
            })?),
            None => None,
        };
        let folder = self.folder().await?;
        let file = folder.path().join("probe.json");
        let body = retry::with_attempts(self.limits, || async {
            fetcher.open(&request).await?.receive(&file, self.limits, self.limits.answer_bytes).await
        })
        .await?;
        let fingerprint = match path {
            None => body.hash,
            Some(path) => {
                let spool = |source| HttpError::Spool { doing: "look into the answer of the probe".into(), source };
                let found = super::incremental::values_at(&file, &path).map_err(spool)?;
                if found.is_empty() {
                    return Err(HttpError::NothingThere {
                        url: address(self.source),
                        path: path.to_string(),
                        after_rows: false,
                    });
                }
                xxh3_128(found.join("\n").as_bytes())
            }
        };
        Ok(Seen { fingerprint, news: None, needs_run: false, look: self.remember(LookBy::Probe, says) })
    }

    /// The only answer of an API without pages: by its version, else by its content.
    async fn answer(&self) -> Result<Seen> {
        let (fetcher, mut request) = self.fetcher(|outgoing| outgoing.request(&Ask::default())).await?;
        let before = self.known.before.as_ref();
        let is_get = request.method == reqwest::Method::GET;
        if let Some(before) = before.filter(|_| is_get) {
            let mut condition = |name, value: &Option<String>| {
                if let Some(value) = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok()) {
                    request.headers.insert(name, value);
                }
            };
            condition(IF_NONE_MATCH, &before.etag);
            condition(IF_MODIFIED_SINCE, &before.last_modified);
        }
        let opened = match retry::with_attempts(self.limits, || fetcher.open(&request)).await {
            Ok(opened) => opened,
            Err(HttpError::Status { status: StatusCode::NOT_MODIFIED, .. }) if before.is_some() => {
                return Ok(self.by_version(before.cloned().unwrap_or_default()));
            }
            Err(error) => return Err(error),
        };
        if let Some(version) = version(opened.headers()) {
            return Ok(self.by_version(version));
        }
        let folder = self.folder().await?;
        let body = opened.receive(&folder.path().join("answer.json"), self.limits, self.limits.answer_bytes).await?;
        let says =
            "The answer is read and compared, because it has neither a usable `ETag` nor `Last-Modified`.".to_owned();
        let fingerprint = xxh3_128(&body.hash.to_le_bytes());
        Ok(Seen { fingerprint, news: None, needs_run: false, look: self.remember(LookBy::Answer, says) })
    }

    fn by_version(&self, version: SourceLook) -> Seen {
        let (header, text) = match (&version.etag, &version.last_modified) {
            (Some(etag), _) => ("ETag", format!("etag {etag}")),
            (None, modified) => {
                let modified = modified.as_deref().unwrap_or_default();
                ("Last-Modified", format!("modified {modified} {}", version.length.as_deref().unwrap_or_default()))
            }
        };
        let says = format!("One conditional request by `{header}` shows whether something changed.");
        let look =
            SourceLook { by: LookBy::Condition, says, source: format!("api {}", address(self.source)), ..version };
        Seen { fingerprint: xxh3_128(text.as_bytes()), news: None, needs_run: false, look }
    }

    /// The first page of what changed since the cursor.
    async fn since(&self, incremental: &Incremental) -> Result<Seen> {
        let folder = self.folder().await?;
        let context = ExtractContext { spool: folder.path().to_owned(), ..self.context.clone() };
        let mut fetching = Fetching::start(self.index, self.source, &context, self.limits).await?;
        let Some(page) = fetching.page().await? else { return Ok(self.quiet()) };
        let parse = |text: &str| text.parse::<JsonPath>().ok();
        let records = self.source.records.as_deref().or(self.known.records.as_deref()).and_then(parse);
        let Some(cursor) = parse(&incremental.cursor) else { return Ok(self.quiet()) };
        let spool = |source| HttpError::Spool { doing: format!("look into the answer of {}", page.name), source };
        let rows = Cursors::read(&page.path, records.as_ref(), &cursor).map_err(spool)?;
        if rows.rows == 0 {
            return Ok(self.quiet());
        }
        let Some(known) = &self.known.cursor else {
            // What stands around the rows may change with every answer, and would be a reason for a run each time.
            let news = page.contents.rows_hash.unwrap_or(page.body.hash);
            let mut seen = Seen { news: Some(news), ..self.quiet() };
            seen.needs_run = rows.compared(None, None).greatest.is_none();
            return Ok(seen);
        };
        let compared = rows.compared(Some(&known.value), None);
        let greater = compared.greatest.as_ref().and_then(|greatest| greatest.compare(&known.value));
        let has_new = greater == Some(Ordering::Greater) || !self.knows(known, &rows, &compared.edge);
        if has_new {
            // The version is part of it, so that rows which a run has loaded and a look does not recognise count as new again.
            // As long as runs fail, the same rows are no reason for another one.
            let rows = page.contents.rows_hash.unwrap_or(page.body.hash);
            let news = [&rows.to_le_bytes()[..], &known.version.to_le_bytes()].concat();
            return Ok(Seen { news: Some(xxh3_128(&news)), ..self.quiet() });
        }
        if incremental.order == CursorOrder::Desc || self.is_last(known, fetching.next.is_some(), rows.rows) {
            return Ok(self.quiet());
        }
        Ok(self.only_a_run("the first page of what changed is full of rows that are loaded already"))
    }

    /// Whether a page has no rows at the cursor other than those that the last run saw there.
    fn knows(&self, known: &KnownCursor, rows: &Cursors, edge: &str) -> bool {
        rows.are_all_below(&known.value) || known.edge.as_deref() == Some(edge)
    }

    /// Whether no page comes after one with this number of rows. A numbered page that is shorter than others is the last.
    fn is_last(&self, known: &KnownCursor, has_next: bool, rows: u64) -> bool {
        let size = match &self.source.pagination {
            Some(Pagination::Page { size: Some((_, size)), .. }) => *size,
            Some(Pagination::Offset { limit, .. }) => *limit,
            Some(Pagination::Page { .. }) => known.page_rows,
            _ => 0,
        };
        // An API may send fewer rows than it was asked for on every page.
        let size = if known.page_rows > 0 { size.min(known.page_rows) } else { size };
        !has_next || rows < size
    }

    fn quiet(&self) -> Seen {
        let says = match self.known.cursor {
            Some(_) => {
                "One request for the first page of what changed since the cursor shows whether there is anything new."
            }
            None => "One request for the first page shows whether there is anything to load.",
        };
        Seen { fingerprint: 0, news: None, needs_run: false, look: self.remember(LookBy::Since, says.to_owned()) }
    }

    async fn folder(&self) -> Result<tempfile::TempDir> {
        let spool = &self.context.spool;
        tokio::fs::create_dir_all(spool).await.map_err(|source| spool_failed(spool, source))?;
        tempfile::tempdir_in(spool).map_err(|source| spool_failed(spool, source))
    }
}

/// The `ETag`, else the `Last-Modified`. The latter counts only when it is older than the answer by more than its precision of
/// a second, because the content could change again within that second.
fn version(headers: &HeaderMap) -> Option<SourceLook> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(etag) = text(ETAG) {
        return Some(SourceLook { etag: Some(etag), ..SourceLook::default() });
    }
    let date = |name| text(name).and_then(|date| chrono::DateTime::parse_from_rfc2822(&date).ok());
    let modified = date(LAST_MODIFIED)?;
    let settled = date(DATE).is_some_and(|now| now - modified > chrono::TimeDelta::seconds(2));
    let look = SourceLook { last_modified: text(LAST_MODIFIED), length: text(CONTENT_LENGTH), ..SourceLook::default() };
    settled.then_some(look)
}
