//! One page of a source after the other, each in a file of the run's spool.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use elt_shared::config::template::{PAGE_CURSOR, PAGE_NUMBER, PAGE_OFFSET, Value};
use elt_shared::config::{ApiSource, FileOptions, Pagination};
use elt_shared::cursor::CursorValue;
use elt_shared::json_path::JsonPath;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use super::super::ExtractContext;
use super::answer::{Contents, Wanted};
use super::error::{HttpError, Result};
use super::fetch::{Body, Fetcher};
use super::include::RowPlan;
use super::incremental::Cursors;
use super::inspect::{inspect, wanted};
use super::limits::HttpLimits;
use super::link_header::next_link;
use super::next_page::{Ask, Next, Pages, Turn};
use super::request::{Outgoing, Request};
use super::url::shown;
use super::{for_each, retry, spool_failed};
use crate::error::{PipelineError, Result as PipelineResult};
use crate::frame::json::gather;
use crate::input::{Compression, Format, InputFile};
use crate::progress::Progress;

/// A page that is stored in the spool folder.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) body: Body,
    pub(super) contents: Contents,
    pub(super) next_link: Option<Url>,
    /// The URL that answered, after redirects.
    pub(super) answered: Url,
    /// The answer's headers, kept only when a proposal is made from them.
    pub(super) headers: Option<HeaderMap>,
    /// Whether its rows are those of the page before it.
    pub(super) repeated: bool,
    /// What is copied out of it; `None`: its rows are read from the page itself.
    pub(super) wanted: Option<gather::Wanted>,
}

impl Page {
    pub(super) fn into_input(self, index: usize, source: &ApiSource) -> PipelineResult<InputFile> {
        let file = InputFile::at(self.name.clone(), self.path, Format::Json, Compression::None)
            .map_err(|source| PipelineError::Io { doing: format!("look at the answer of {}", self.name), source })?;
        // The rows that were copied are the elements of an array.
        let records = if source.copies_rows() { Some("$".to_owned()) } else { source.records.clone() };
        Ok(InputFile { source: index, records, options: shaped_by(source), required: true, ..file })
    }
}

/// How the rows of an API are read: its columns are shaped like those of files.
pub(super) fn shaped_by(source: &ApiSource) -> Arc<FileOptions> {
    Arc::new(FileOptions { shape: source.shape.clone(), ..FileOptions::default() })
}

/// Fetches one page after the other.
pub(super) struct Fetching<'a> {
    pub(super) source: &'a ApiSource,
    pub(super) spool: &'a Path,
    /// The value of `for_each` that the requests are made for.
    pub(super) parent: Option<Parenthood>,
    /// The beginning of the names of its files.
    pub(super) prefix: String,
    pub(super) plan: Option<RowPlan>,
    pub(super) fetcher: Fetcher<'a>,
    pub(super) wanted: Wanted,
    pub(super) pages: Pages<'a>,
    pub(super) next: Option<Ask>,
    /// Whether an answer had the member that names the next page.
    pub(super) names_next: bool,
    /// Whether an answer had the member that says whether there is a next page.
    pub(super) says_more: bool,
    /// Number of bytes that the source may still send.
    pub(super) room: Arc<AtomicU64>,
    /// Path of the cursor in a row, and the value below which rows are old, for a source that sends its newest rows first.
    pub(super) old_below: Option<(JsonPath, CursorValue)>,
    /// Whether pages keep the headers of their answers.
    pub(super) keep_headers: bool,
    progress: &'a Progress,
}

/// The value of `for_each` that requests are made for.
pub(super) struct Parenthood {
    pub(super) value: Value,
    /// The source's address with the placeholder. It stands for all URLs that people see, because they have the value.
    pub(super) address: String,
    /// Number of bytes that the answers for all values may still have.
    pub(super) room: Arc<AtomicU64>,
    /// The beginning of the names of files.
    pub(super) prefix: String,
}

impl<'a> Fetching<'a> {
    pub(super) async fn start(
        index: usize,
        source: &'a ApiSource,
        context: &'a ExtractContext,
        limits: &'a HttpLimits,
    ) -> Result<Self> {
        let outgoing = Outgoing::of(source, &context.values_of(index))?;
        let fetcher = Fetcher::new(outgoing, context, limits)?;
        Self::with(fetcher, index, source, context, None).await
    }

    pub(super) async fn with(
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
            progress: &context.progress,
        })
    }

    /// A URL as people see it.
    pub(super) fn seen(&self, url: &Url) -> String {
        self.parent.as_ref().map_or_else(|| shown(url), |parent| parent.address.clone())
    }

    pub(super) fn path_of(&self, number: u64) -> PathBuf {
        self.spool.join(format!("{}-{number}.json", self.prefix))
    }

    /// Deletes the files of the pages so far.
    pub(super) async fn delete_pages(&self) {
        for number in 1..=self.pages.number {
            // A failure is ignored, because the folder is deleted with the run.
            let _ = tokio::fs::remove_file(self.path_of(number)).await;
        }
    }

    /// All pages from the next one to the last that has rows.
    pub(super) async fn all(&mut self) -> Result<Vec<Page>> {
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
    pub(super) async fn page(&mut self) -> Result<Option<Page>> {
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
        self.progress.file(&name);
        let mut page = match self.fetch(&request, name, path).await {
            Ok(page) => page,
            Err(error) => return self.after_failure(error),
        };
        self.progress.read(page.contents.rows, page.body.bytes);
        self.progress.file_done();
        for_each::take_room(&self.room, page.body.bytes);
        let turn = turn(&page.contents, &page.body, page.next_link.clone(), &page.answered);
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
    pub(super) async fn go_on_after(&mut self, first: &Page) -> Result<()> {
        let contents = inspect(&first.path, &self.wanted, &first.name, first.body.bytes, self.source).await?;
        let headers = first.headers.as_ref().filter(|_| self.by_header());
        let next_link = headers.map(|headers| next_link(headers, &first.answered)).transpose()?.flatten();
        let turn = turn(&contents, &first.body, next_link, &first.answered);
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
    pub(super) fn by_header(&self) -> bool {
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

/// The parts of an answer that decide which page comes next.
fn turn<'t>(contents: &'t Contents, body: &Body, next_link: Option<Url>, answered: &'t Url) -> Turn<'t> {
    Turn {
        rows: contents.entries,
        hash: contents.rows_hash.unwrap_or(body.hash),
        cursor: contents.cursor.as_deref(),
        cursor_is_json: contents.cursor_is_json,
        has_more: contents.has_more,
        next_link,
        answered,
    }
}
