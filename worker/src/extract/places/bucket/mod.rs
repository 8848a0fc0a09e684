//! `type: s3`: the objects of a bucket of Amazon S3 and the servers that speak its protocol, of Google Cloud Storage, or of
//! Azure Blob Storage.
//!
//! # Layout
//! - [`address`]: the URLs of a bucket and its objects
//! - [`sign`]: signatures and tokens; [`transport`]: what the signing library may not do
//! - [`own_credentials`]: those of the worker itself; [`metadata`]: the way to the service that has those of its machine
//! - [`requests`]: one request, and its answer; [`refusal`]: an answer without success, in words
//! - [`listing_xml`], [`xml`]: the documents of answers
//! - [`change`]: moving and tagging objects

mod address;
mod change;
mod listing_xml;
mod metadata;
mod own_credentials;
mod refusal;
mod requests;
mod sign;
mod transport;
mod xml;

use std::collections::HashSet;

use elt_shared::config::{BucketService, S3Source};
use elt_shared::explained::Code;
use futures::future::BoxFuture;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, LAST_MODIFIED, RANGE,
};
use reqwest::{Method, StatusCode};

use self::listing_xml::{Page, bare, seconds};
use self::refusal::Doing;
use self::requests::{Ask, LONGEST_PAGE, Requests};
use super::error::{Result, StoreError};
use super::limits::StoreLimits;
use super::spool_file::SpoolFile;
use super::wanted::Wanted;
use super::{FileStore, Listing, RemoteFile};
use crate::extract::http::files::starts_at;
use crate::extract::{ExtractContext, LeftOutKind};
use crate::input::{Compression, Version};

/// Objects that are read at the same time, because each costs a round trip, however small it is.
const PARALLEL: usize = 8;
/// Most keys that are looked at for each one that may be wanted.
const LISTED_FOR_ONE: usize = 10;
/// Most pages of a listing. A page may have no object at all, so that the number of keys alone does not end it.
const PAGES: usize = 10_000;
/// Most bytes of a key. No service has longer ones.
const LONGEST_KEY: usize = 4 << 10;
/// Most characters of a key that are shown.
const SHOWN_CHARACTERS: usize = 1_024;

/// The objects of a bucket.
pub(super) struct Bucket<'a> {
    source: &'a S3Source,
    requests: Requests<'a>,
    limits: StoreLimits,
}

impl<'a> Bucket<'a> {
    pub(super) fn new(source: &'a S3Source, context: &ExtractContext, limits: &StoreLimits) -> Result<Self> {
        Ok(Self { source, requests: Requests::new(source, context, limits)?, limits: limits.clone() })
    }

    async fn files(&self) -> Result<Listing> {
        let path = self.source.url.path.as_str();
        match Wanted::parse(path, &self.shown(path))? {
            Wanted::Named(path) if path.is_empty() || path.ends_with('/') => self.folder(&path).await,
            Wanted::Named(path) => match self.look_at(&path).await {
                Ok(version) => {
                    let file = RemoteFile { name: path.clone(), path, version };
                    Ok(Listing { files: vec![file], named: true, left_out: Vec::new() })
                }
                Err(missing @ StoreError::Missing { .. }) => {
                    let listing = self.folder(&format!("{path}/")).await?;
                    if listing.files.is_empty() && listing.left_out.is_empty() { Err(missing) } else { Ok(listing) }
                }
                Err(error) => Err(error),
            },
            Wanted::Glob { prefix, start, depth, matcher } => {
                self.listed(&prefix, &start, depth == 0, |key| matcher.is_match(key)).await
            }
        }
    }

    /// The objects whose keys have one more part than the folder.
    async fn folder(&self, folder: &str) -> Result<Listing> {
        self.listed(folder, folder, true, |_| true).await
    }

    /// The objects whose keys begin with `prefix` and are wanted. `flat`: those below a further `/` are left to themselves.
    async fn listed(&self, prefix: &str, start: &str, flat: bool, is_wanted: impl Fn(&str) -> bool) -> Result<Listing> {
        let mut listing = Listing::default();
        let name = self.shown(prefix);
        let (mut token, mut tokens, mut seen) = (None::<String>, HashSet::new(), 0);
        loop {
            let page = self.page(prefix, flat, token.as_deref(), &name).await?;
            seen += page.objects.len();
            for object in page.objects {
                // A server may not know how to list a part of a bucket, and list all of it.
                let Some(inside) = object.path.strip_prefix(prefix).and(object.path.get(start.len()..)) else {
                    continue;
                };
                if flat && inside.contains('/') {
                    continue;
                }
                // A key with a `/` at its end stands for a folder, and hidden names belong to other programs.
                let is_other = object.path.ends_with('/') || inside.split('/').any(|part| part.starts_with('.'));
                let is_dotted = inside.split('/').any(|part| matches!(part, "." | ".."));
                if !is_wanted(&object.path) || (is_other && !is_dotted) {
                    continue;
                }
                match unusable(&object.path) {
                    Some(reason) => {
                        let shown = object.path.chars().take(SHOWN_CHARACTERS).collect();
                        listing.left_out.push((shown, LeftOutKind::Failed, reason.to_owned()));
                    }
                    None => listing.files.push(object),
                }
            }
            if listing.files.len() + listing.left_out.len() > self.limits.entries
                || seen > self.limits.entries * LISTED_FOR_ONE
            {
                return Err(StoreError::too_many(&name, self.limits.entries));
            }
            match page.next {
                None => return Ok(listing),
                Some(next) if !tokens.insert(next.clone()) => {
                    return Err(self.no_listing("a page follows that was there before"));
                }
                Some(_) if tokens.len() >= PAGES => return Err(self.no_listing("its pages do not come to an end")),
                next => token = next,
            }
        }
    }

    async fn page(&self, prefix: &str, flat: bool, token: Option<&str>, name: &str) -> Result<Page> {
        let mut query = match self.source.url.service {
            BucketService::S3 | BucketService::Gcs => vec![("list-type", "2"), ("max-keys", "1000")],
            BucketService::Azure => vec![("restype", "container"), ("comp", "list"), ("maxresults", "5000")],
        };
        if !prefix.is_empty() {
            query.push(("prefix", prefix));
        }
        if flat {
            query.push(("delimiter", "/"));
        }
        if let Some(token) = token {
            let key = if self.source.url.service == BucketService::Azure { "marker" } else { "continuation-token" };
            query.push((key, token));
        }
        let url = self.requests.bucket(&query)?;
        let body = self.requests.text(&ask(Doing::List, Method::GET, url, name), LONGEST_PAGE).await?;
        listing_xml::parse(&body).map_err(|reason| self.no_listing(reason))
    }

    fn no_listing(&self, reason: &str) -> StoreError {
        StoreError::Other {
            message: format!("{} did not answer with the listing of a bucket: {reason}", self.requests.place),
            code: Code::SourceUnreadable,
            next_step:
                "Check that `endpoint` is the address of the storage itself and not of its console, and `path_style`."
                    .into(),
        }
    }

    async fn look_at(&self, key: &str) -> Result<Version> {
        let name = self.shown(key);
        let url = self.requests.object(key, &name)?;
        let response = self.requests.send(&ask(Doing::Read, Method::HEAD, url.clone(), &name)).await?;
        if response.status().is_success() {
            return Ok(version(response.headers()));
        }
        if response.status() == StatusCode::NOT_FOUND {
            return Err(StoreError::Missing { name });
        }
        // The answer to HEAD has no body, and with it no reason.
        let mut first_byte = ask(Doing::Read, Method::GET, url, &name);
        first_byte.headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        match self.requests.answer(&first_byte).await {
            Ok(_) => Err(self.requests.refusal(&first_byte, response).await?),
            Err(error) => Err(error),
        }
    }

    async fn read_on(&self, file: &RemoteFile, spool: &mut SpoolFile<'_>) -> Result<()> {
        let name = self.shown(&file.path);
        if spool.length() > 0 && file.version.tag.is_none() {
            // Nothing would tell that the rest is of another version of the object.
            spool.start_over().await?;
        }
        let from = spool.length();
        let to = spool.enough().or(file.version.size).filter(|_| from > 0 || spool.enough().is_some());
        if file.version.size.is_some_and(|size| from >= size) || spool.is_full() {
            return Ok(());
        }
        let mut ask = ask(Doing::Read, Method::GET, self.requests.object(&file.path, &name)?, &name);
        if let Some(to) = to {
            let to = file.version.size.map_or(to, |size| to.min(size));
            ask.headers.insert(RANGE, header(&format!("bytes={from}-{}", to.saturating_sub(1)), &name)?);
        }
        if let Some(tag) = &file.version.tag {
            ask.headers.insert(IF_MATCH, header(&format!("\"{tag}\""), &name)?);
        }
        let mut response = self.requests.answer(&ask).await?;
        let tag = version(response.headers()).tag;
        if tag.is_some() && tag != file.version.tag {
            return Err(StoreError::Changed { name });
        }
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(response.headers()) == Some(from) => {}
            StatusCode::PARTIAL_CONTENT => return Err(StoreError::Changed { name }),
            // The server does not know ranges, and sends the object from its start.
            _ if from > 0 => spool.start_over().await?,
            _ => {}
        }
        if let Some(compression) = encoding(response.headers()) {
            spool.note_encoding(compression);
        }
        while let Some(piece) = self.requests.web.piece(&mut response).await? {
            spool.append(&piece).await?;
            if spool.is_full() {
                break;
            }
            if file.version.size.is_some_and(|size| spool.length() > size) {
                return Err(StoreError::Changed { name });
            }
        }
        Ok(())
    }
}

impl FileStore for Bucket<'_> {
    fn place(&self) -> String {
        self.requests.place.clone()
    }

    fn shown(&self, path: &str) -> String {
        let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let path: String = path.chars().take(SHOWN_CHARACTERS).map(printable).collect();
        format!("{}/{path}", self.requests.place)
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing>> {
        Box::pin(self.files())
    }

    fn look<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Version>> {
        Box::pin(self.look_at(path))
    }

    fn read<'a>(&'a self, file: &'a RemoteFile, spool: &'a mut SpoolFile<'_>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.read_on(file, spool))
    }

    fn sees_changes(&self) -> bool {
        true
    }

    fn parallel(&self) -> usize {
        PARALLEL
    }

    fn delete<'a>(&'a self, path: &'a str, version: &'a Version) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.remove(path, version))
    }

    fn rename<'a>(&'a self, path: &'a str, to: &'a str, version: &'a Version) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.move_object(path, to, version))
    }

    fn tag<'a>(&'a self, path: &'a str, key: &'a str, value: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.add_tag(path, key, value))
    }

    fn moved_path(&self, folder: &str, file: &str) -> String {
        let own = format!("{}/", self.requests.place);
        match folder.strip_prefix(&own).unwrap_or(folder).trim_matches('/') {
            "" => file.to_owned(),
            folder => format!("{folder}/{file}"),
        }
    }
}

fn ask(doing: Doing, method: Method, url: reqwest::Url, name: &str) -> Ask<'_> {
    Ask { doing, method, url, headers: HeaderMap::new(), body: String::new(), name }
}

/// Why an object can be listed and not read.
fn unusable(key: &str) -> Option<&'static str> {
    if key.len() > LONGEST_KEY {
        return Some("its key is longer than one can be");
    }
    if key.contains('\0') {
        return Some("its key has a NUL character: rename it");
    }
    let is_dotted = key.split('/').any(|part| matches!(part, "." | ".."));
    is_dotted.then_some("a part of its key is `.` or `..`, which no URL can carry: rename it")
}

/// The version that an answer is about.
fn version(headers: &HeaderMap) -> Version {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    Version {
        size: text(CONTENT_LENGTH).and_then(|size| size.parse().ok()),
        modified: text(LAST_MODIFIED).and_then(seconds),
        tag: text(ETAG).map(bare),
    }
}

/// The compression that an object is stored with, which its key may not tell.
fn encoding(headers: &HeaderMap) -> Option<Compression> {
    match headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => Some(Compression::Gzip),
        "zstd" => Some(Compression::Zstd),
        _ => None,
    }
}

fn header(text: &str, name: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| StoreError::Unreadable {
        name: name.to_owned(),
        reason: "its entity tag has characters that no header can carry".to_owned(),
    })
}
