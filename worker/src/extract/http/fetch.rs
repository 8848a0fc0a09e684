//! One request: redirects, cookies, a status that must be a success, and a body that is streamed into a file up to a limit.
//! Redirects are followed here and not by the HTTP library, because each one is checked against the rules for hosts.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use elt_shared::network::NetworkError;
use reqwest::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Response, StatusCode, Url};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::time::{Instant, timeout, timeout_at};
use xxhash_rust::xxh3::Xxh3;

use super::super::ExtractContext;
use super::auth::{Authenticator, Net};
use super::client::{Bodies, Clients, Pace};
use super::cookies::Cookies;
use super::error::{HttpError, Result};
use super::limits::HttpLimits;
use super::request::{Outgoing, Request};
use super::retry::{rate_limit_is_used_up, rate_limit_reset, retry_after};
use super::url::shown;

/// Longest URL that the HTTP library sends.
const LONGEST_URL: usize = u16::MAX as usize - 1;

/// Makes the requests of one source.
pub(super) struct Fetcher<'a> {
    clients: Arc<Clients>,
    pace: Arc<Pace>,
    pub(super) limits: &'a HttpLimits,
    pub(super) outgoing: Outgoing<'a>,
    authenticator: Arc<Authenticator<'a>>,
    cookies: Arc<Cookies>,
}

/// An answer whose head has arrived, before its body is read.
pub(super) struct Opened {
    response: Response,
    deadline: Instant,
}

/// A body that was written to a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    /// Number of bytes after decompression.
    pub(super) bytes: u64,
    /// xxh3-128 of these bytes.
    pub(super) hash: u128,
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(outgoing: Outgoing<'a>, context: &'a ExtractContext, limits: &'a HttpLimits) -> Result<Self> {
        Self::with_bodies(outgoing, context, limits, Bodies::Unpacked)
    }

    pub(super) fn with_bodies(
        outgoing: Outgoing<'a>,
        context: &'a ExtractContext,
        limits: &'a HttpLimits,
        bodies: Bodies,
    ) -> Result<Self> {
        let clients = Arc::new(Clients::new(outgoing.source, &outgoing.url, &context.network, limits, bodies)?);
        let (control, tokens) = (&context.control, &context.tokens);
        let net = Net { clients: &clients, own: &outgoing.url, limits, control, tokens };
        let authenticator = Arc::new(Authenticator::of(outgoing.source, &net)?);
        let pace = Pace::new(outgoing.source.requests_per_second);
        Ok(Self { clients, pace: Arc::new(pace), limits, outgoing, authenticator, cookies: Arc::default() })
    }

    /// One for other requests of the same source, with the same connections, login, pace and cookies.
    pub(super) fn with(&self, outgoing: Outgoing<'a>) -> Self {
        Self {
            clients: Arc::clone(&self.clients),
            pace: Arc::clone(&self.pace),
            limits: self.limits,
            outgoing,
            authenticator: Arc::clone(&self.authenticator),
            cookies: Arc::clone(&self.cookies),
        }
    }

    /// Sends the request and follows redirects, until an answer that is a success.
    pub(super) async fn open(&self, request: &Request) -> Result<Opened> {
        let Opened { response, deadline } = self.follow(request).await?;
        let url = response.url().clone();
        match response.status().as_u16() {
            202 => {
                let retry_after = retry_after(response.headers(), Utc::now());
                Err(HttpError::NotReady { url: shown(&url), retry_after })
            }
            206 => Err(HttpError::Partial { url: shown(&url) }),
            200..=299 => readable(&url, response).map(|response| Opened { response, deadline }),
            _ => Err(refusal(&url, &response)),
        }
    }

    /// Sends the request and follows redirects, until any other answer.
    pub(super) async fn follow(&self, request: &Request) -> Result<Opened> {
        let mut deadline = Instant::now() + self.limits.answer;
        let mut request = request.clone();
        for _ in 0..=self.limits.redirects {
            // The server is not slow because elt waits.
            deadline += self.pace.wait().await;
            let response = self.send(&request, &mut deadline).await?;
            match response.status().as_u16() {
                status @ (301 | 302 | 303 | 307 | 308) => self.redirect(&mut request, status, response.headers())?,
                _ => return Ok(Opened { response, deadline }),
            }
        }
        Err(HttpError::Redirect {
            url: shown(&self.outgoing.url),
            reason: format!("more than {} times", self.limits.redirects),
        })
    }

    /// Makes the request that a redirect asks for. 307 and 308 keep method and body; after the others it is a GET, as
    /// browsers do it. A body goes to no other host, because it may have secrets and the API's answer decides where.
    fn redirect(&self, request: &mut Request, status: u16, headers: &HeaderMap) -> Result<()> {
        let to = redirected(&request.url, headers)?;
        if !matches!(status, 307 | 308) {
            if request.method != reqwest::Method::HEAD {
                request.method = reqwest::Method::GET;
            }
            request.body = None;
            request.headers.remove(CONTENT_TYPE);
        }
        if request.body.is_some() && !self.outgoing.may_see_secrets(&to) {
            let reason = "to another host, which must not get the request's body".to_owned();
            return Err(HttpError::Redirect { url: shown(&request.url), reason });
        }
        request.url = to;
        Ok(())
    }

    /// Sends a request with what identifies elt to the source's own host. When that has expired, it is renewed and the
    /// request is sent a second time.
    async fn send(&self, request: &Request, deadline: &mut Instant) -> Result<Response> {
        if !self.authenticator.is_needed() || !self.outgoing.may_see_secrets(&request.url) {
            return self.send_once(request, *deadline).await;
        }
        let mut is_first = true;
        loop {
            let mut identified = request.clone();
            let started = Instant::now();
            let stamp = self.authenticator.identify(&mut identified, &self.cookies).await?;
            // The server is not slow because elt logs in.
            *deadline += started.elapsed();
            let response = self.send_once(&identified, *deadline).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                self.authenticator.note_accepted(stamp).await;
                return Ok(response);
            }
            if !is_first || !self.authenticator.give_up(stamp).await {
                return Ok(response);
            }
            tracing::info!("{} answered 401 Unauthorized, logging in again", shown(&request.url));
            is_first = false;
        }
    }

    async fn send_once(&self, request: &Request, deadline: Instant) -> Result<Response> {
        let url = &request.url;
        self.clients.check(url).await?;
        if url.as_str().len() > LONGEST_URL {
            return Err(HttpError::LongUrl { url: shown(url), bytes: url.as_str().len(), limit: LONGEST_URL });
        }
        let is_own = self.outgoing.may_see_secrets(url);
        let mut headers = request.open_headers.clone();
        if is_own {
            headers.extend(request.headers.clone());
        }
        if let Some(cookies) = self.cookies.header_for(url, headers.get(COOKIE)) {
            headers.insert(COOKIE, cookies);
        }
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let mut sending = self.clients.of(is_own).request(request.method.clone(), url.clone()).headers(headers);
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        let silent = |after| HttpError::Silent { url: shown(url), what: "did not answer for", after };
        let limit = self.limits.idle.min(deadline.saturating_duration_since(Instant::now()));
        let sent = timeout(limit, sending.send()).await.map_err(|_| silent(limit))?;
        let response = sent.map_err(|error| unreachable_host(url, error))?;
        self.cookies.keep(url, response.headers());
        Ok(response)
    }
}

impl Opened {
    /// The URL that answered, after redirects.
    pub(super) fn url(&self) -> &Url {
        self.response.url()
    }

    /// The error that the answer is, when it is not a success.
    pub(super) fn refusal(&self) -> HttpError {
        refusal(self.url(), &self.response)
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Decompresses the body and writes it to the file `to`.
    pub(super) async fn receive(mut self, to: &Path, limits: &HttpLimits, at_most: u64) -> Result<Body> {
        let url = shown(self.url());
        // The URL may have a value of `for_each` in it, so it is not named.
        let spool = |source| HttpError::Spool { doing: format!("keep an answer in {}", to.display()), source };
        let too_large = || HttpError::TooLarge { url: url.clone(), limit: at_most };
        if self.response.content_length().is_some_and(|bytes| bytes > at_most) {
            return Err(too_large());
        }
        let mut file = BufWriter::with_capacity(256 << 10, File::create(to).await.map_err(spool)?);
        let mut hash = Xxh3::new();
        let mut bytes = 0;
        while let Some(piece) = self.piece(&url, bytes, limits).await? {
            bytes += piece.len() as u64;
            if bytes > at_most {
                return Err(too_large());
            }
            hash.update(&piece);
            file.write_all(&piece).await.map_err(spool)?;
        }
        file.flush().await.map_err(spool)?;
        Ok(Body { bytes, hash: hash.digest128() })
    }

    /// The next piece of the body. `received`: the bytes that were received before.
    pub(super) async fn piece(
        &mut self,
        url: &str,
        received: u64,
        limits: &HttpLimits,
    ) -> Result<Option<bytes::Bytes>> {
        let piece = timeout(limits.idle, self.response.chunk());
        let piece = timeout_at(self.deadline, piece).await.map_err(|_| HttpError::TooSlow {
            url: url.to_owned(),
            after: limits.answer,
            received,
        })?;
        let what = "sent nothing more for";
        let piece = piece.map_err(|_| HttpError::Silent { url: url.to_owned(), what, after: limits.idle })?;
        piece.map_err(|error| HttpError::BrokeOff { url: url.to_owned(), received, reason: innermost(&error) })
    }
}

/// The target of a redirect, which must be an http or https URL.
pub(super) fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url> {
    let refuse = |reason: &str| HttpError::Redirect { url: shown(from), reason: reason.to_owned() };
    let target = headers.get(LOCATION).and_then(|target| target.to_str().ok()).ok_or_else(|| refuse("to nowhere"))?;
    let to = from.join(target).map_err(|_| refuse("to something that is not a URL"))?;
    match to.scheme() {
        "http" | "https" => Ok(to),
        scheme => Err(refuse(&format!("to a `{scheme}:` URL"))),
    }
}

/// An answer whose body can be read. What it was packed with is gone from its headers when it is unpacked on the way.
fn readable(url: &Url, response: Response) -> Result<Response> {
    let encoding = response.headers().get(CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
    match encoding.map(|encoding| encoding.trim().to_ascii_lowercase()) {
        None => Ok(response),
        Some(encoding) if matches!(encoding.as_str(), "" | "identity") => Ok(response),
        Some(encoding) => {
            let encoding = encoding.chars().filter(char::is_ascii_graphic).take(40).collect();
            Err(HttpError::Encoding { url: shown(url), encoding })
        }
    }
}

/// An answer that is neither a success nor a redirect. A 403 that says when to come back is a rate limit, not a login
/// that failed.
fn refusal(url: &Url, response: &Response) -> HttpError {
    let (status, headers, now) = (response.status(), response.headers(), Utc::now());
    let limited = match status.as_u16() {
        429 => true,
        403 => headers.contains_key(RETRY_AFTER) || rate_limit_is_used_up(headers),
        _ => false,
    };
    let hint = match status.as_u16() {
        401 => ": it does not accept the token, or wants one",
        403 if limited => ": it accepts no more calls for now",
        403 => ": the token may not read this",
        407 => ": a proxy wants a login",
        _ => "",
    };
    let retry_after = retry_after(headers, now).or_else(|| rate_limit_reset(headers, now));
    HttpError::Status { url: shown(url), status, retry_after, limited, challenge: challenge(headers), hint }
}

/// The ways to log in that an answer names, as far as they can be shown.
fn challenge(headers: &HeaderMap) -> Option<String> {
    let named = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let named: String = named.collect::<Vec<_>>().join(", ").chars().take(200).collect();
    (!named.is_empty()).then_some(named)
}

/// A request that got no answer: refused by the rules for hosts, not found, or not reached.
pub(super) fn unreachable_host(url: &Url, error: reqwest::Error) -> HttpError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(network) = cause.downcast_ref() {
            return not_connected(url, network);
        }
        source = cause.source();
    }
    let reason = if error.is_timeout() { "connecting took too long".to_owned() } else { innermost(&error) };
    HttpError::Unreachable { url: shown(url), reason }
}

pub(super) fn not_connected(url: &Url, error: &NetworkError) -> HttpError {
    let url = shown(url);
    match error {
        NetworkError::Refused { reason, .. } => HttpError::Refused { url, reason: reason.clone() },
        NetworkError::NotFound { .. } => HttpError::Unreachable { url, reason: "its host could not be found".into() },
        other => HttpError::Unreachable { url, reason: other.to_string() },
    }
}

/// The innermost cause, such as "connection refused" or "invalid peer certificate: UnknownIssuer". It contains no URL.
pub(in crate::extract) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(_) => "the connection failed".to_owned(),
        None => cause.to_string(),
    }
}
