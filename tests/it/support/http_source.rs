//! An HTTP API on good and bad days: each path is one way to answer, and every request is remembered.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::app::PATIENCE;

/// What `/ok` answers.
pub const ROWS: &str = r#"[{"id":1,"name":"Ann"},{"id":2,"name":"Bob"}]"#;

/// See the module. Ends with this value.
pub struct HttpSource {
    pub address: SocketAddr,
    state: Shared,
    serving: JoinHandle<()>,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Hit {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// Answers the n-th request, counted from 1.
type Script = Arc<dyn Fn(&Hit, usize) -> Response + Send + Sync>;

#[derive(Clone, Default)]
struct Shared {
    hits: Arc<Mutex<Vec<Hit>>>,
    /// What answers below `/script`, and how often it did.
    script: Arc<Mutex<(Option<Script>, usize)>>,
    /// What `/content` answers, and its validators.
    content: Arc<Mutex<(String, HeaderMap)>>,
    /// Whether `/gated` answers.
    gate: watch::Sender<bool>,
}

impl HttpSource {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Shared::default();
        let router = router().layer(middleware::from_fn_with_state(state.clone(), remember)).with_state(state.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, state, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far, oldest first.
    pub fn hits(&self) -> Vec<Hit> {
        self.state.hits.lock().expect("hits").clone()
    }

    /// What answers everything below `/script` from now on; requests are counted anew.
    pub fn script(&self, answer: impl Fn(&Hit, usize) -> Response + Send + Sync + 'static) {
        *self.state.script.lock().expect("script") = (Some(Arc::new(answer)), 0);
    }

    /// Lets `/gated` answer, also those requests that already wait for it.
    pub fn open_gate(&self) {
        self.state.gate.send_replace(true);
    }

    /// Waits until a request has arrived.
    pub async fn asked(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.hits().is_empty() {
            assert!(Instant::now() < deadline, "no request arrived");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What `/content` answers from now on.
    pub fn set_content(&self, body: &str, headers: &[(axum::http::HeaderName, &str)]) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header"))).collect();
        *self.state.content.lock().expect("content") = (body.to_owned(), headers);
    }
}

impl Drop for HttpSource {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Hit {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a readable header"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A parameter of the query, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        let url = reqwest::Url::parse(&format!("http://h/?{}", self.query)).expect("a query");
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

fn router() -> Router<Shared> {
    Router::new()
        .route("/ok", get(async || json_text(ROWS)))
        .route("/object", get(async || json_text(r#"{"id":1,"name":"Ann"}"#)))
        .route("/wrapped", get(async || json_text(&format!(r#"{{"meta":{{"n":2}},"data":{{"items":{ROWS}}}}}"#))))
        .route("/ndjson", get(async || json_text("{\"id\":1}\n{\"id\":2}\n")))
        .route("/empty", get(async || ""))
        .route("/no-content", get(async || StatusCode::NO_CONTENT))
        .route("/html", get(async || Html("<!doctype html><h1>Log in, canary</h1>")))
        .route("/broken", get(async || json_text("[{\"id\": canary}]")))
        .route("/cut-json", get(async || json_text(&ROWS[..20])))
        .route(
            "/deep",
            get(async || json_text(&format!("[{{\"id\":1}},{{\"id\":{}{}}}]", "[".repeat(10_000), "]".repeat(10_000)))),
        )
        .route("/status/{code}", get(status))
        .route("/fails/{times}", get(fails))
        .route("/busy/{wait}", get(busy))
        .route("/token", get(token))
        .route("/slow-header", get(async || std::future::pending::<()>().await))
        .route("/gated", get(gated))
        .route("/hangs", get(hangs))
        .route("/trickle", get(trickle))
        .route("/truncated", get(truncated))
        .route("/huge", get(huge))
        .route("/bomb/{packing}", get(bomb))
        .route("/packed/{packing}", get(packed))
        .route("/broken-gzip", get(async || ([(CONTENT_ENCODING, "gzip")], ROWS)))
        .route("/redirect", get(redirect))
        .route("/loop", get(async || Redirect::temporary("/loop")))
        .route("/nowhere", get(async || StatusCode::FOUND))
        .route("/pages", get(pages))
        .route("/same-page", get(async || json_text(ROWS)))
        .route("/cursor", get(cursor))
        .route("/cursor-circle", get(async || json_text(r#"{"rows":[{"id":1}],"next":"again"}"#)))
        .route("/links", get(links))
        .route("/content", get(content))
        .route("/script", any(scripted))
        .route("/script/{*rest}", any(scripted))
}

async fn remember(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.expect("a body");
    let hit = Hit {
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.clone(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    state.hits.lock().expect("hits").push(hit);
    next.run(Request::from_parts(head, body.into())).await
}

/// What a script answers.
async fn scripted(State(state): State<Shared>) -> Response {
    let hit = state.hits.lock().expect("hits").last().cloned().expect("the request itself");
    let (script, count) = {
        let mut script = state.script.lock().expect("script");
        script.1 += 1;
        script.clone()
    };
    script.expect("a script")(&hit, count)
}

/// A JSON answer for scripts.
pub fn json_answer(body: Value) -> Response {
    json_text(&body.to_string())
}

fn json_text(body: &str) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.to_owned()).into_response()
}

/// Rows, once the gate is open.
async fn gated(State(state): State<Shared>) -> Response {
    // The gate lives as long as this handler's state, so waiting for it cannot fail.
    let _ = state.gate.subscribe().wait_for(|open| *open).await;
    json_text(ROWS)
}

async fn status(Path(code): Path<u16>) -> Response {
    let status = StatusCode::from_u16(code).expect("a status");
    (status, "canary: the body of an error is nobody's business").into_response()
}

/// 500 the first `times` times, then rows.
async fn fails(State(state): State<Shared>, Path(times): Path<usize>) -> Response {
    let asked = state.hits.lock().expect("hits").iter().filter(|hit| hit.path.starts_with("/fails/")).count();
    if asked <= times { StatusCode::INTERNAL_SERVER_ERROR.into_response() } else { json_text(ROWS) }
}

/// 429 once, then rows. `wait` is seconds, or `date` for an HTTP date one second ahead.
async fn busy(State(state): State<Shared>, Path(wait): Path<String>) -> Response {
    let asked = state.hits.lock().expect("hits").iter().filter(|hit| hit.path.starts_with("/busy/")).count();
    if asked > 1 {
        return json_text(ROWS);
    }
    let wait = match wait.as_str() {
        // HTTP dates have whole seconds: two ahead is at least one.
        "date" => (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        seconds => seconds.to_owned(),
    };
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, wait)]).into_response()
}

async fn token(headers: HeaderMap) -> Response {
    match headers.get("authorization").is_some_and(|value| value == "Bearer xyz123") {
        true => json_text(ROWS),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

type Piece = Result<Bytes, Infallible>;

/// The beginning of an answer, and then nothing.
async fn hangs() -> Body {
    let beginning = stream::iter([Piece::Ok(Bytes::from_static(b"[{\"id\":"))]);
    Body::from_stream(beginning.chain(stream::pending()))
}

/// A byte now and then, for ever.
async fn trickle() -> Body {
    Body::from_stream(stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Piece::Ok(Bytes::from_static(b" ")), ()))
    }))
}

/// Announces more than it sends, and closes the connection.
async fn truncated() -> Response {
    let cut = stream::once(async {
        // What was sent so far must be on its way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("cut"))
    });
    let beginning = stream::iter([Ok(Bytes::from_static(b"[{\"id\":1},"))]);
    ([(CONTENT_LENGTH, "1000")], Body::from_stream(beginning.chain(cut))).into_response()
}

/// An array that never ends, as fast as it goes.
async fn huge() -> Body {
    let row = Bytes::from(format!("{{\"id\":1,\"x\":\"{}\"}},", "x".repeat(64 << 10)));
    Body::from_stream(stream::iter([Bytes::from_static(b"[")]).chain(stream::repeat(row)).map(Piece::Ok))
}

/// A few kilobytes that unpack to 16 MiB of JSON white space.
async fn bomb(Path(packing): Path<String>) -> Response {
    let blank = vec![b' '; 1 << 20];
    let packed = tokio::task::spawn_blocking(move || pack(&packing, std::iter::repeat_n(blank.as_slice(), 16)));
    packed.await.expect("packed")
}

async fn packed(Path(packing): Path<String>) -> Response {
    pack(&packing, std::iter::once(ROWS.as_bytes()))
}

fn pack<'a>(packing: &str, pieces: impl Iterator<Item = &'a [u8]>) -> Response {
    let body = match packing {
        "gzip" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            pieces.for_each(|piece| packer.write_all(piece).expect("packed"));
            packer.finish().expect("packed")
        }
        "zstd" => {
            let mut packer = zstd::Encoder::new(Vec::new(), 1).expect("a packer");
            pieces.for_each(|piece| packer.write_all(piece).expect("packed"));
            packer.finish().expect("packed")
        }
        other => panic!("{other} is no packing"),
    };
    ([(CONTENT_ENCODING, packing.to_owned())], body).into_response()
}

#[derive(serde::Deserialize)]
struct To {
    to: String,
}

async fn redirect(Query(To { to }): Query<To>) -> Response {
    (StatusCode::FOUND, [(LOCATION, to)]).into_response()
}

#[derive(serde::Deserialize)]
struct Position {
    page: Option<u64>,
    offset: Option<u64>,
    limit: Option<u64>,
    after: Option<u64>,
}

/// Five rows, by page or by offset.
const ALL: u64 = 5;

fn rows(from: u64, limit: u64) -> Vec<Value> {
    (from..ALL.min(from + limit)).map(|id| json!({ "id": id })).collect()
}

async fn pages(Query(position): Query<Position>) -> Response {
    let limit = position.limit.unwrap_or(2);
    let from = position.offset.unwrap_or_else(|| (position.page.unwrap_or(1) - 1) * limit);
    json_text(&Value::from(rows(from, limit)).to_string())
}

async fn cursor(Query(position): Query<Position>) -> Response {
    let from = position.after.unwrap_or(0);
    let next = if from + 2 < ALL { json!(from + 2) } else { Value::Null };
    json_text(&json!({ "rows": rows(from, 2), "next": next }).to_string())
}

async fn links(Query(position): Query<Position>) -> Response {
    let page = position.page.unwrap_or(1);
    let body = Value::from(rows((page - 1) * 2, 2)).to_string();
    let next = (page * 2 < ALL).then(|| [(LINK, format!("</links?page={}>; rel=\"next\"", page + 1))]);
    match next {
        Some(link) => (link, json_text(&body)).into_response(),
        None => json_text(&body),
    }
}

async fn content(State(state): State<Shared>) -> Response {
    let (body, headers) = state.content.lock().expect("content").clone();
    (headers, body).into_response()
}

/// Names of the headers that say which version of something an answer is.
pub const VALIDATORS: (axum::http::HeaderName, axum::http::HeaderName) = (ETAG, LAST_MODIFIED);
