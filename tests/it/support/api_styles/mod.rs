//! Well-known styles of HTTP APIs as real servers. Each reads the position from a request as the API it stands for does,
//! refuses a request that this API would refuse, and answers in its form.

mod cursors;
mod hostile;
mod links;
mod parts;
mod rows;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::task::JoinHandle;

pub use self::hostile::Behaviour;
pub use self::rows::{NAMES, expected};

/// The token in place of every `${env:…}` of the examples.
pub const TOKEN: &str = "token-of-the-tests";

/// One way to page, as an API is known for.
pub struct Style {
    /// Name of its config in `examples/apis`.
    pub name: &'static str,
    /// Rows a page, as the config asks for.
    pub size: usize,
    /// Number of the rows before the page that a request asks for. The error is the reason why the API refuses it.
    pub asked: fn(&Call) -> Result<usize, String>,
    /// Headers of a page, and its body with [`ROWS`] in the place of the rows.
    pub page: fn(&Page<'_>) -> Answer,
    /// A row as the API writes it, from its number and its members.
    pub row: fn(usize, &str) -> String,
    /// SQL for a member of a loaded row, as a text.
    pub cell: fn(&str) -> String,
    /// How the API reports an error with status 200.
    pub error: fn() -> Value,
    /// Whether its pages tell how many rows there are.
    pub has_total: bool,
    /// Whether the last row of a page is the cursor, so that no page can name another one.
    pub by_rows: bool,
    /// Whether the last page with rows still names another.
    pub always_names_next: bool,
}

/// Headers and body of a page.
pub type Answer = (Vec<(&'static str, String)>, Value);

/// Stands where the rows belong in a page's body.
pub const ROWS: &str = "the rows";

/// A request.
pub struct Call {
    pub method: String,
    pub path: String,
    params: Vec<(String, String)>,
    headers: HeaderMap,
    body: String,
}

/// A page that is to be written.
pub struct Page<'a> {
    /// `http://127.0.0.1:PORT`
    pub base: &'a str,
    /// Number of the rows before it.
    pub before: usize,
    /// Number of its rows.
    pub count: usize,
    /// Number of the rows before the next page. `None`: it is the last one.
    pub next: Option<usize>,
    /// Number of rows that the API says it has.
    pub total: usize,
}

/// Every style, in the order of the documentation.
pub fn all() -> Vec<Style> {
    let mut all = links::styles();
    all.extend(cursors::styles());
    all
}

impl Style {
    /// The example's config, with this server in place of the real one and its own table.
    pub fn config(&self, base: &str) -> String {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/apis");
        let text = std::fs::read_to_string(folder.join(format!("{}.yaml", self.name))).expect("the example");
        let (before, rest) = text.split_once("https://").expect("a URL");
        let (_, after) = rest.split_once('/').expect("a path");
        let mut yaml = format!("{before}{base}/{after}");
        while let Some((before, rest)) = yaml.split_once("${env:") {
            let (_, after) = rest.split_once('}').expect("the end of a reference");
            yaml = format!("{before}{TOKEN}{after}");
        }
        let (before, rest) = yaml.split_once("target: { table: ").expect("a target");
        let (_, after) = rest.split_once(' ').expect("a table");
        format!("{before}target: {{ table: style_{} {after}", self.name)
    }
}

impl Call {
    /// A parameter of the query, decoded.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.body).map_err(|error| format!("the body is not JSON: {error}"))
    }

    /// Refuses another method or path.
    pub fn at(&self, method: &str, path: &str) -> Result<(), String> {
        let asked = format!("{} {}", self.method, self.path);
        if asked == format!("{method} {path}") { Ok(()) } else { Err(format!("{asked}, not {method} {path}")) }
    }

    /// Refuses another value of a parameter.
    pub fn has_param(&self, name: &str, value: &str) -> Result<(), String> {
        match self.param(name) {
            Some(sent) if sent == value => Ok(()),
            sent => Err(format!("{name} is {sent:?}, not {value}")),
        }
    }

    /// Refuses another value of a header.
    pub fn has_header(&self, name: &str, value: &str) -> Result<(), String> {
        match self.headers.get(name).and_then(|sent| sent.to_str().ok()) {
            Some(sent) if sent == value => Ok(()),
            sent => Err(format!("{name} is {sent:?}, not {value}")),
        }
    }

    /// Refuses another token.
    pub fn has_bearer(&self) -> Result<(), String> {
        self.has_header("authorization", &format!("Bearer {TOKEN}"))
    }
}

/// A server of one style. Ends with this value.
pub struct StyleServer {
    pub base: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    style: Style,
    behaviour: Behaviour,
    rows: usize,
    base: String,
    requests: Mutex<Requests>,
}

#[derive(Default)]
struct Requests {
    all: usize,
    /// Number of rows before the page of each request.
    asked: Vec<usize>,
}

impl StyleServer {
    /// Serves this many rows.
    pub async fn start(style: Style, rows: usize, behaviour: Behaviour) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let base = format!("http://{address}");
        let requests = Mutex::default();
        let shared = Arc::new(Shared { style, behaviour, rows, base: base.clone(), requests });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { base, shared, serving }
    }

    pub fn style(&self) -> &Style {
        &self.shared.style
    }

    /// The example's config for this server.
    pub fn config(&self) -> String {
        self.shared.style.config(&self.base)
    }

    /// Number of requests so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.lock().expect("requests").all
    }
}

impl Drop for StyleServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let url = format!("http://h/?{}", head.uri.query().unwrap_or_default());
    let params = reqwest::Url::parse(&url).expect("a query").query_pairs().into_owned().collect();
    let call = Call {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        params,
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let before = match (shared.style.asked)(&call) {
        Ok(before) => before,
        Err(reason) => return (StatusCode::BAD_REQUEST, format!("refused: {reason}")).into_response(),
    };
    let times = {
        let mut requests = shared.requests.lock().expect("requests");
        requests.all += 1;
        requests.asked.push(before);
        requests.asked.iter().filter(|asked| **asked == before).count()
    };
    hostile::answer(&shared, before, times)
}

impl Shared {
    /// The page that begins after this many rows.
    fn page(&self, before: usize) -> Page<'_> {
        let count = self.style.size.min(self.rows.saturating_sub(before));
        let end = before + count;
        let next = (end < self.rows || self.style.always_names_next && count > 0).then_some(end);
        Page { base: &self.base, before, count, next, total: self.rows }
    }

    /// A page with the rows that follow the first `from`.
    fn written(&self, page: &Page<'_>, from: usize) -> (HeaderMap, String) {
        let rows = (from + 1..=from + page.count).map(|number| (self.style.row)(number, &rows::members(number)));
        let rows = rows.collect::<Vec<_>>().join(",");
        let (headers, body) = (self.style.page)(page);
        let body = body.to_string().replace(&format!("\"{ROWS}\""), &format!("[{rows}]"));
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a header's name"), value.parse().expect("a header's value")));
        let mut headers: HeaderMap = headers.collect();
        headers.insert(CONTENT_TYPE, "application/json".parse().expect("a type"));
        (headers, body)
    }

    /// A page as it should be.
    fn good(&self, page: &Page<'_>) -> Response {
        let (headers, body) = self.written(page, page.before);
        (headers, Body::from(body)).into_response()
    }
}
