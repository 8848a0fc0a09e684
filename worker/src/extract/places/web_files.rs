//! `type: http`: files at addresses of web servers.

use bytes::Bytes;
use elt_shared::config::{FileOptions, HttpFilesSource};
use elt_shared::explained::Code;
use futures::future::BoxFuture;
use reqwest::{Method, StatusCode, Url};

use super::error::{Result, StoreError};
use super::limits::StoreLimits;
use super::spool_file::SpoolFile;
use super::without_head::{self, Head, Known};
use super::{FileStore, Listing, RemoteFile};
use crate::extract::ExtractContext;
use crate::extract::http::HttpError;
use crate::extract::http::files::{Answer, FileRequests, Part, address, last_part, shown_address};
use crate::input::{Version, format_of};

/// Bytes that decide whether a body is a web page.
const BEGINNING: usize = 256;

/// Files on web servers. The path of a file is its place in the config, because its address may hold a secret.
pub(super) struct WebFiles<'a> {
    requests: FileRequests<'a>,
    urls: Vec<Url>,
    options: &'a FileOptions,
}

impl<'a> WebFiles<'a> {
    pub(super) fn new(
        source: &'a HttpFilesSource,
        context: &'a ExtractContext,
        limits: &'a StoreLimits,
    ) -> Result<Self> {
        let urls = source.urls.iter().map(|url| address(url.expose())).collect::<Result<_, HttpError>>()?;
        let requests = FileRequests::new(&source.request, context, &limits.web)?;
        Ok(Self { requests, urls, options: &source.place.files })
    }

    fn url(&self, path: &str) -> Result<&Url> {
        let url = path.parse::<usize>().ok().and_then(|number| self.urls.get(number));
        url.ok_or_else(|| StoreError::Missing { name: path.to_owned() })
    }

    async fn files(&self) -> Result<Listing> {
        let mut files = Vec::with_capacity(self.urls.len());
        for (number, url) in self.urls.iter().enumerate() {
            let Head { name, version } = self.head(url).await?;
            files.push(RemoteFile { path: number.to_string(), name, version });
        }
        Ok(Listing { files, named: true, left_out: Vec::new() })
    }

    /// The head of a file. Some servers answer HEAD with an error, for example for a signed address, whose signature is for GET:
    /// they are asked for the first byte, and the next time only in case that the file has changed.
    async fn head(&self, url: &Url) -> Result<Head> {
        let key = without_head::key(url, self.options);
        let known = without_head::take(key);
        if known.is_none() {
            let answer = self.requests.ask(Method::HEAD, url, None).await?;
            if !matches!(answer.status().as_u16(), 400 | 401 | 403 | 405 | 501) {
                return Ok(self.head_of(checked(answer, url)?, url));
            }
        }
        let unless = known.as_ref().map(|known| known.unless.clone());
        let answer = match (self.requests.first_byte(url, unless).await?, known) {
            (answer, Some(known)) if answer.status() == StatusCode::NOT_MODIFIED => {
                let head = known.head.clone();
                without_head::keep(key, known);
                return Ok(head);
            }
            // A file without any byte has no first one.
            (answer, _) if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE => {
                self.requests.ask(Method::GET, url, None).await?
            }
            (answer, _) => answer,
        };
        let answer = checked(answer, url)?;
        let unless = answer.unless_same();
        let head = self.head_of(answer, url);
        if let Some(unless) = unless {
            without_head::keep(key, Known { unless, head: head.clone() });
        }
        Ok(head)
    }

    fn head_of(&self, answer: Answer, url: &Url) -> Head {
        Head { name: name(url, &answer, self.options), version: answer.version() }
    }

    async fn read_on(&self, file: &RemoteFile, spool: &mut SpoolFile<'_>) -> Result<()> {
        if spool.is_full() {
            return Ok(());
        }
        let url = self.url(&file.path)?;
        let (from, to) = (spool.length(), spool.enough());
        let validator = spool.validator().map(str::to_owned);
        let part = match (&validator, from, to) {
            // Without a validator the server cannot say whether the rest belongs to the same content.
            (None, 1.., _) => None,
            (_, 0, None) => None,
            (validator, from, to) => Some(Part { from, to, of: validator.as_deref() }),
        };
        let answer = self.requests.ask(Method::GET, url, part).await?;
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // Either the file has no bytes from there on, or the server knows no ranges of it.
            let now = answer.version();
            if now.size == Some(from) && spool.is_continued_by(&now) {
                return Ok(());
            }
            return Err(StoreError::Changed { name: shown_address(url) });
        }
        let mut answer = checked(answer, url)?;
        match answer.status() {
            // Not every server keeps to the condition under which it was asked for a part.
            StatusCode::PARTIAL_CONTENT
                if answer.starts_at() == Some(from) && spool.is_continued_by(&answer.version()) => {}
            StatusCode::PARTIAL_CONTENT => return Err(StoreError::Changed { name: shown_address(url) }),
            _ if from > 0 => spool.start_over().await?,
            _ => {}
        }
        if spool.length() == 0 {
            spool.begin(answer.validator(), answer.version());
        }
        if let Some(encoding) = answer.encoding()? {
            spool.note_encoding(encoding);
        }
        // The sizes of the head and of the answer may differ, because pages that are made on request have no fixed content.
        let expected = answer.version().size;
        let is_part = answer.status() == StatusCode::PARTIAL_CONTENT;
        while let Some(piece) = self.piece(&mut answer, url).await? {
            if spool.length() == 0 && is_web_page(&piece) {
                return Err(web_page(url));
            }
            spool.append(&piece).await?;
            if spool.is_full() {
                return Ok(());
            }
        }
        match expected {
            Some(size) if size != spool.length() => Err(StoreError::Changed { name: shown_address(url) }),
            // The server does not say how long the file is, so the part may not be the last one.
            None if is_part => Err(StoreError::Changed { name: shown_address(url) }),
            _ => Ok(()),
        }
    }

    async fn piece(&self, answer: &mut Answer, url: &Url) -> Result<Option<Bytes>> {
        match self.requests.piece(answer).await {
            Ok(piece) => Ok(piece),
            Err(HttpError::BrokeOff { reason, .. }) => Err(StoreError::Lost { place: origin(url), reason }),
            Err(error) => Err(error.into()),
        }
    }
}

impl FileStore for WebFiles<'_> {
    fn place(&self) -> String {
        self.urls.first().map(origin).unwrap_or_default()
    }

    fn shown(&self, path: &str) -> String {
        self.url(path).map(shown_address).unwrap_or_default()
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing>> {
        Box::pin(self.files())
    }

    fn look<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Version>> {
        Box::pin(async move { Ok(self.head(self.url(path)?).await?.version) })
    }

    fn read<'a>(&'a self, file: &'a RemoteFile, spool: &'a mut SpoolFile<'_>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.read_on(file, spool))
    }

    /// A file is one answer, or parts of which each names the same content.
    fn sees_changes(&self) -> bool {
        true
    }

    /// An answer that was made on request has another size each time.
    fn sizes_hold(&self) -> bool {
        false
    }
}

/// An answer that is a success, and not a web page in place of a file.
fn checked(answer: Answer, url: &Url) -> Result<Answer> {
    if !matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Err(answer.refusal().into());
    }
    if matches!(answer.content_type().as_str(), "text/html" | "application/xhtml+xml") {
        return Err(web_page(url));
    }
    Ok(answer)
}

fn web_page(url: &Url) -> StoreError {
    StoreError::Other {
        message: format!("{} answered with a web page, not with a file", shown_address(url)),
        code: Code::SourceUnreadable,
        next_step:
            "Open the address in a browser: it may show a login or a page with a link. Write the address of the file \
                    itself, and what identifies you (`auth`, `headers`)."
                .into(),
    }
}

fn is_web_page(beginning: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&beginning[..beginning.len().min(BEGINNING)]).trim_start().to_ascii_lowercase();
    text.starts_with("<!doctype html") || text.starts_with("<html")
}

/// The name whose suffixes say how a file is read: what the server calls it, or a part of an address, or what its type says.
fn name(url: &Url, answer: &Answer, options: &FileOptions) -> String {
    let named = [answer.disposition_name(), Some(last_part(url)), Some(answer.last_part())];
    let named: Vec<String> = named.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    if let Some(name) = named.iter().find(|name| format_of(name, options).is_some()) {
        return name.clone();
    }
    let suffix = match answer.content_type().as_str() {
        "text/csv" | "application/csv" | "text/comma-separated-values" => ".csv",
        "text/tab-separated-values" | "text/plain" => ".txt",
        "application/json" => ".json",
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => ".ndjson",
        "application/zip" => ".zip",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => ".xlsx",
        "application/vnd.apache.parquet" => ".parquet",
        _ => "",
    };
    format!("{}{suffix}", named.first().map_or("file", String::as_str))
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

impl From<HttpError> for StoreError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Refused { url, reason } => Self::Refused { place: url, reason },
            HttpError::Unreachable { url, reason } => Self::Unreachable { place: url, reason },
            HttpError::Silent { url, what, after } => Self::Silent { place: url, what, after },
            HttpError::NotReady { url, retry_after } => {
                Self::Busy { place: url, reason: "it answered 202, the file is not ready yet".into(), retry_after }
            }
            HttpError::Status { url, status, limited, retry_after, .. }
                if limited || matches!(status.as_u16(), 408 | 425 | 502..=504) =>
            {
                Self::Busy { place: url, reason: format!("it answered {status}"), retry_after }
            }
            HttpError::Status { url, status, .. } if status.is_server_error() => {
                Self::Failing { place: url, reason: format!("it answered {status}") }
            }
            error => Self::Other {
                message: error.to_string(),
                code: error.code(),
                next_step: error.next_step().into_owned().into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_page_is_known_by_its_beginning() {
        for page in ["<!DOCTYPE html><html>", "  \r\n<HTML lang=en>", "<html>"] {
            assert!(is_web_page(page.as_bytes()), "{page}");
        }
        for data in ["id,name\n", "<rows/>", "", "{\"a\": \"<html>\"}"] {
            assert!(!is_web_page(data.as_bytes()), "{data}");
        }
    }
}
