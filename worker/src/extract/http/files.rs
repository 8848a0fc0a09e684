//! The requests for files on web servers. They are identified and redirected as those of APIs, but their bodies stay as they
//! were sent, and parts of them can be asked for.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use elt_shared::config::ApiSource;
use elt_shared::config::template::Values;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE,
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Method, StatusCode, Url};

use super::client::Bodies;
use super::error::{HttpError, Result};
use super::fetch::{Fetcher, Opened};
use super::limits::HttpLimits;
use super::next_page::Ask;
use super::request::Outgoing;
use super::retry::{http_date, retry_after};
use super::url::{parse, shown};
use crate::extract::ExtractContext;
use crate::input::{Compression, Version};

/// The requests for the files of one source.
pub(in crate::extract) struct FileRequests<'a> {
    fetcher: Fetcher<'a>,
    limits: &'a HttpLimits,
}

/// An answer about a file.
pub(in crate::extract) struct Answer {
    opened: Opened,
    received: u64,
}

/// A part of a file that is asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::extract) struct Part<'v> {
    /// The first byte.
    pub(in crate::extract) from: u64,
    /// The byte behind the last one. `None`: the file's end.
    pub(in crate::extract) to: Option<u64>,
    /// The content whose part it must be. `None`: any.
    pub(in crate::extract) of: Option<&'v str>,
}

impl<'a> FileRequests<'a> {
    pub(in crate::extract) fn new(
        source: &'a ApiSource,
        context: &'a ExtractContext,
        limits: &'a HttpLimits,
    ) -> Result<Self> {
        let outgoing = Outgoing::of(source, &Values::default())?;
        Ok(Self { fetcher: Fetcher::with_bodies(outgoing, context, limits, Bodies::AsSent)?, limits })
    }

    /// Asks for a file, or for its head only. `part`: for a part of it.
    pub(in crate::extract) async fn ask(&self, method: Method, url: &Url, part: Option<Part<'_>>) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        if let Some(Part { from, to, of }) = part {
            let to = to.map(|to| to.saturating_sub(1).to_string()).unwrap_or_default();
            let range = HeaderValue::from_str(&format!("bytes={from}-{to}"));
            let condition = of.map(HeaderValue::from_str).transpose();
            if let (Ok(range), Ok(condition)) = (range, condition) {
                headers.insert(RANGE, range);
                headers.extend(condition.map(|condition| (IF_RANGE, condition)));
            }
        }
        self.send(method, url, headers).await
    }

    /// Asks for the first byte of a file. `unless`: the condition under which there is nothing to send.
    pub(in crate::extract) async fn first_byte(
        &self,
        url: &Url,
        unless: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        headers.extend(unless);
        self.send(Method::GET, url, headers).await
    }

    async fn send(&self, method: Method, url: &Url, mut headers: HeaderMap) -> Result<Answer> {
        let mut request = self.fetcher.outgoing.request(&Ask::link(url.clone()))?;
        request.method = method;
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request.open_headers.extend(headers);
        Ok(Answer { opened: self.fetcher.follow(&request).await?, received: 0 })
    }

    /// The next piece of the body of an answer. `None`: it is complete.
    pub(in crate::extract) async fn piece(&self, answer: &mut Answer) -> Result<Option<Bytes>> {
        let url = shown(answer.opened.url());
        let piece = answer.opened.piece(&url, answer.received, self.limits).await?;
        answer.received += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }
}

impl Answer {
    pub(in crate::extract) fn status(&self) -> StatusCode {
        self.opened.status()
    }

    /// The error that the answer is, when it is not a success.
    pub(in crate::extract) fn refusal(&self) -> HttpError {
        match self.opened.status() {
            StatusCode::ACCEPTED => HttpError::NotReady {
                url: shown(self.opened.url()),
                retry_after: retry_after(self.opened.headers(), Utc::now()),
            },
            _ => self.opened.refusal(),
        }
    }

    /// What the answer says about the content of the file.
    pub(in crate::extract) fn version(&self) -> Version {
        let text = |name| self.text(name);
        let is_part = matches!(self.status(), StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE);
        let whole = text(CONTENT_RANGE).and_then(|range| range.rsplit_once('/')).map(|(_, whole)| whole);
        let size = if is_part { whole } else { text(CONTENT_LENGTH) };
        Version {
            size: size.and_then(|size| size.trim().parse().ok()),
            modified: text(LAST_MODIFIED).and_then(http_date).map(|time| time.timestamp_millis()),
            tag: text(ETAG).map(|tag| tag.trim().to_owned()),
        }
    }

    /// The first byte that an answer with a part has.
    pub(in crate::extract) fn starts_at(&self) -> Option<u64> {
        starts_at(self.opened.headers())
    }

    /// The text by which a later request makes sure that it gets a part of the same content. A weak tag does not promise the
    /// same bytes.
    pub(in crate::extract) fn validator(&self) -> Option<String> {
        match self.text(ETAG).map(str::trim) {
            Some(tag) => (!tag.starts_with("W/")).then(|| tag.to_owned()),
            None => self.rested_since().map(str::to_owned),
        }
    }

    /// The condition under which a later request gets no content, because it is still this one.
    pub(in crate::extract) fn unless_same(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, text) = match self.text(ETAG) {
            Some(tag) => (IF_NONE_MATCH, tag),
            None => (IF_MODIFIED_SINCE, self.rested_since()?),
        };
        Some((name, HeaderValue::from_str(text.trim()).ok()?))
    }

    /// The `Last-Modified`, if the content had it for longer than its precision of a second. Otherwise the content may change once
    /// more without another time.
    fn rested_since(&self) -> Option<&str> {
        let date = |name| self.text(name).and_then(http_date);
        let rested = date(DATE)? - date(LAST_MODIFIED)?;
        (rested > TimeDelta::seconds(1)).then(|| self.text(LAST_MODIFIED).map(str::trim))?
    }

    /// How the bytes are packed on the way, which is how they are stored here.
    pub(in crate::extract) fn encoding(&self) -> Result<Option<Compression>> {
        match self.text(CONTENT_ENCODING).map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(None),
            Some("gzip" | "x-gzip") => Ok(Some(Compression::Gzip)),
            Some("zstd") => Ok(Some(Compression::Zstd)),
            Some(other) => Err(HttpError::Encoding {
                url: shown(self.opened.url()),
                encoding: other.chars().filter(char::is_ascii_graphic).take(40).collect(),
            }),
        }
    }

    /// The value of `Content-Type`, without its parameters.
    pub(in crate::extract) fn content_type(&self) -> String {
        let text = self.text(CONTENT_TYPE).unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The name that the server gives the file.
    pub(in crate::extract) fn disposition_name(&self) -> Option<String> {
        let value = self.opened.headers().get(CONTENT_DISPOSITION)?;
        disposition_name(&String::from_utf8_lossy(value.as_bytes()))
    }

    /// The last part of the path that answered, after redirects.
    pub(in crate::extract) fn last_part(&self) -> String {
        last_part(self.opened.url())
    }

    fn text(&self, name: HeaderName) -> Option<&str> {
        header(self.opened.headers(), name)
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The first byte that an answer with a part of a file has, by its `Content-Range`.
pub(in crate::extract) fn starts_at(headers: &HeaderMap) -> Option<u64> {
    header(headers, CONTENT_RANGE)?.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// An address of the config.
///
/// # Errors
/// When it is not the address of a web server: a URL with http or https.
pub(in crate::extract) fn address(text: &str) -> Result<Url> {
    parse(text)
}

/// A URL as people may see it.
pub(in crate::extract) fn shown_address(url: &Url) -> String {
    shown(url)
}

/// The last part of the path of a URL.
pub(in crate::extract) fn last_part(url: &Url) -> String {
    percent_decoded(url.path().rsplit('/').next().unwrap_or_default())
}

/// The file name in a `Content-Disposition`: `filename*` when it is there, else `filename`.
fn disposition_name(value: &str) -> Option<String> {
    let parameters: Vec<(String, String)> = parameters(value);
    let of = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let extended = of("filename*").and_then(|value| value.splitn(3, '\'').nth(2)).map(percent_decoded);
    let name = extended.or_else(|| of("filename").map(str::to_owned))?;
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The parameters of a header, with their quotation marks and escapes undone.
fn parameters(value: &str) -> Vec<(String, String)> {
    let (mut all, mut current, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for character in value.chars() {
        match character {
            _ if escaped => {
                current.push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => all.push(std::mem::take(&mut current)),
            _ => current.push(character),
        }
    }
    all.push(current);
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    all.iter().filter_map(pair).collect()
}

/// A text in which bytes may be written as `%20`. Bytes that are not UTF-8 are replaced.
pub(in crate::extract) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_name_that_the_server_gives_it() {
        for (value, name) in [
            ("attachment; filename=sales.csv", Some("sales.csv")),
            ("attachment; filename=\"a; b.csv.gz\"; size=3", Some("a; b.csv.gz")),
            ("attachment; filename=\"x.csv\"; filename*=UTF-8''%C3%BCbersicht%202026.csv", Some("übersicht 2026.csv")),
            ("inline; filename=\"a\\\"b.csv\"", Some("a\"b.csv")),
            ("attachment; filename=\"../../etc/passwd.csv\"", Some("passwd.csv")),
            ("attachment; filename=\"\"", None),
            ("attachment", None),
        ] {
            assert_eq!(disposition_name(value).as_deref(), name, "{value}");
        }
    }

    #[test]
    fn the_last_part_of_a_path_is_a_name() {
        let last = |url: &str| last_part(&Url::parse(url).expect(url));
        assert_eq!(last("https://h/a/b%20c.csv.gz?x=1.json"), "b c.csv.gz");
        assert_eq!(last("https://h/"), "");
        assert_eq!(last("https://h/a/100%.csv"), "100%.csv");
    }
}
