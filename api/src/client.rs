//! The outermost layer: names every request, finds out where it came from, and gives every error its body.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Once;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use elt_shared::telemetry::continue_trace;
use tracing::Instrument;
use uuid::Uuid;

use crate::AppState;
use crate::error::{PROBLEM, Problem};

/// Where a request's id travels.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Names a request in answers, log lines and the audit: the caller's own name for it, or a new one.
#[derive(Debug, Clone)]
pub struct RequestId(String);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        });
        Self(given.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address a request came from.
#[derive(Debug, Clone, Copy)]
pub struct ClientIp(pub IpAddr);

impl ClientIp {
    /// The peer, or what a trusted proxy says: the right-most address in `X-Forwarded-For` that is not one of the trusted proxies.
    fn of(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> Self {
        if !proxies.contains(&peer) {
            return Self(peer);
        }
        // Our proxies append at the right; a client may have invented everything left of what they wrote.
        let lines: Vec<&[u8]> = headers.get_all(X_FORWARDED_FOR).into_iter().map(HeaderValue::as_bytes).collect();
        let hops = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        let mut nearest = peer;
        for hop in hops.map_while(address) {
            nearest = hop;
            if !proxies.contains(&hop) {
                break;
            }
        }
        Self(nearest)
    }

    /// The key by which login attempts are counted: an IPv4 address, or a 64-bit IPv6 network, because one customer
    /// usually has a whole one.
    pub fn network(self) -> String {
        match self.0 {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("{}/64", Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        }
    }
}

/// An address of `X-Forwarded-For`, with or without a port.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives every error its body, for a router without state.
pub async fn problems(request: Request, next: Next) -> Response {
    let (id, path) = (RequestId::of(request.headers()), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    write_problem(&mut response, &id, &path);
    response
}

/// Notes the client's address in the request, before any handler sees it.
pub async fn layer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let peer = peer.to_canonical();
    warn_of_unknown_proxy(peer, request.headers(), &state.settings.trusted_proxies);
    let ip = ClientIp::of(peer, request.headers(), &state.settings.trusted_proxies);
    let path = request.uri().path().to_owned();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |route| route.as_str().to_owned());
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(ip);
    let span = tracing::info_span!(
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        http.method = %method,
        http.route = %route,
        request.id = %id
    );
    let traceparent = request.headers().get(TRACEPARENT).and_then(|trace| trace.to_str().ok());
    continue_trace(&span, traceparent);

    let mut response = next.run(request).instrument(span.clone()).await;
    write_problem(&mut response, &id, &path);
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    state.metrics.answered(&method, &route, status, started.elapsed());
    span.in_scope(|| {
        let took = started.elapsed().as_millis() as u64;
        tracing::debug!(http.status = status, took_ms = took, "{method} {route} {status} in {took} ms");
    });
    response
}

/// Logs once that a reverse proxy may be missing from the settings, because all its clients then count as one.
fn warn_of_unknown_proxy(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) {
    static TOLD: Once = Once::new();
    if headers.contains_key(X_FORWARDED_FOR) && !proxies.contains(&peer) {
        TOLD.call_once(|| {
            tracing::warn!(
                client.ip = %peer,
                "{peer} sent X-Forwarded-For, which is ignored: if it is your reverse proxy, name it in \
                 ELT_TRUSTED_PROXIES, because all its clients share one limit of failed logins until then"
            );
        });
    }
}

/// Gives an error its problem document: the one the handler made, or one made of the status.
fn write_problem(response: &mut Response, id: &RequestId, path: &str) {
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    if problem.is_none() && !(status.is_client_error() || status.is_server_error()) {
        return;
    }
    let mut problem = problem.unwrap_or_else(|| Problem::of_status(status, sentence(status)));
    problem.request_id = Some(id.0.clone());
    problem.instance = Some(path.into());
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    *response.body_mut() = Body::from(body);
}

fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is nothing at this address",
        StatusCode::METHOD_NOT_ALLOWED => "this address does not take that method",
        StatusCode::PAYLOAD_TOO_LARGE => "the request is too large",
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "the answer took too long",
        status if status.is_server_error() => "something went wrong on the server",
        _ => "the request was refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_a_trusted_proxy_may_say_who_the_client_is() {
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("1.2.3.4, 203.0.113.9, 10.0.0.2"));
        let of = |peer: &str, proxies: &[IpAddr]| ClientIp::of(ip(peer), &headers, proxies).0;
        assert_eq!(of("198.51.100.7", &[]), ip("198.51.100.7"), "a spoofed header is ignored");
        assert_eq!(
            of("10.0.0.1", &[ip("10.0.0.1"), ip("10.0.0.2")]),
            ip("203.0.113.9"),
            "the caller's own entry is not"
        );
    }

    #[test]
    fn what_a_client_writes_left_of_its_own_address_is_not_read() {
        let of = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (X_FORWARDED_FOR, HeaderValue::from_static(line)));
            let mut headers = HeaderMap::new();
            headers.extend(lines);
            ClientIp::of(ip("10.0.0.1"), &headers, &[ip("10.0.0.1"), ip("10.0.0.2")]).0
        };
        for line in ["garbage, 203.0.113.9", "1.2.3.4, , 203.0.113.9", "203.0.113.9:4711", "x,203.0.113.9 , 10.0.0.2"] {
            assert_eq!(of(&[line]), ip("203.0.113.9"), "{line}");
        }
        assert_eq!(of(&["1.2.3.4", "garbage", "203.0.113.9"]), ip("203.0.113.9"), "several headers are one list");
        assert_eq!(of(&["[2001:db8::7]:443"]), ip("2001:db8::7"));
        assert_eq!(of(&["::ffff:203.0.113.9"]), ip("203.0.113.9"));
        assert_eq!(of(&["203.0.113.9, garbage"]), ip("10.0.0.1"), "the proxy itself wrote no address");
        assert_eq!(of(&["203.0.113.9, garbage, 10.0.0.2"]), ip("10.0.0.2"));
    }

    #[test]
    fn attempts_are_counted_by_address_or_by_network() {
        assert_eq!(ClientIp(ip("203.0.113.9")).network(), "203.0.113.9");
        assert_eq!(ClientIp(ip("2001:db8:1:2:3:4:5:6")).network(), "2001:db8:1:2::/64");
    }

    #[test]
    fn a_request_keeps_its_callers_id_when_it_is_a_plain_one() {
        let of =
            |id: &'static str| RequestId::of(&HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(id))])).0;
        assert_eq!(of("abc-1.2_3"), "abc-1.2_3");
        assert_ne!(of("<script>"), "<script>");
    }
}
