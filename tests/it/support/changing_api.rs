//! An API whose rows change: numbered pages, newest or oldest first, with or without a parameter that asks for what changed.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::http_source::{Hit, HttpSource};

/// See the module. Ends with this value.
pub struct ChangingApi {
    pub server: HttpSource,
    rows: Arc<Mutex<Vec<Value>>>,
}

/// How the API behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// Rows a page.
    pub page: usize,
    /// Whether it knows the parameter `since`, and sends the rows whose `at` is equal or greater.
    pub knows_since: bool,
    /// Whether it sends the greatest `at` first, else the smallest.
    pub newest_first: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { page: 100, knows_since: true, newest_first: false }
    }
}

impl ChangingApi {
    pub async fn start(behaviour: Behaviour) -> Self {
        let server = HttpSource::start().await;
        let rows: Arc<Mutex<Vec<Value>>> = Arc::default();
        let answered = Arc::clone(&rows);
        server.script(move |hit, _| answer(&answered.lock().expect("rows"), behaviour, hit));
        Self { server, rows }
    }

    /// Adds a row whose cursor `at` has this value.
    pub fn add(&self, id: u64, at: impl Into<Value>) {
        self.rows.lock().expect("rows").push(json!({ "id": id, "at": at.into(), "note": format!("row {id}") }));
    }

    /// Changes the note and the cursor of a row.
    pub fn change(&self, id: u64, at: &str, note: &str) {
        for row in self.rows.lock().expect("rows").iter_mut().filter(|row| row["id"] == id) {
            (row["at"], row["note"]) = (json!(at), json!(note));
        }
    }

    /// Adds a row as it stands.
    pub fn put(&self, row: Value) {
        self.rows.lock().expect("rows").push(row);
    }

    /// Number of requests so far.
    pub fn requests(&self) -> usize {
        self.server.hits().len()
    }

    /// The values of a parameter in the requests from the given one on.
    pub fn params(&self, name: &str, from: usize) -> Vec<Option<String>> {
        self.server.hits()[from..].iter().map(|hit| hit.param(name)).collect()
    }

    /// The source as a config writes it, with `incremental` and further keys.
    pub fn source(&self, incremental: &str, more: &str) -> String {
        format!(
            "{{type: api, url: \"{}\", records: rows, pagination: {{type: page, param: page}}, incremental: {{{incremental}}}{more}}}",
            self.server.url("/script/rows")
        )
    }
}

/// The `n`-th second after a fixed instant, as RFC 3339.
pub fn second(n: u64) -> String {
    let at = chrono::DateTime::from_timestamp(1_790_000_000 + n as i64, 0).expect("a time");
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn answer(rows: &[Value], behaviour: Behaviour, hit: &Hit) -> Response {
    let text = |row: &Value| row["at"].as_str().map_or_else(|| row["at"].to_string(), str::to_owned);
    let mut rows: Vec<&Value> = rows.iter().collect();
    rows.sort_by_key(|row| text(row));
    if behaviour.newest_first {
        rows.reverse();
    }
    if let Some(since) = hit.param("since").filter(|_| behaviour.knows_since) {
        rows.retain(|row| row["at"].is_null() || text(row) >= since);
    }
    if let Some(until) = hit.param("until").filter(|_| behaviour.knows_since) {
        rows.retain(|row| text(row) < until);
    }
    let page: usize = hit.param("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let rows: Vec<&Value> = rows.into_iter().skip((page - 1) * behaviour.page).take(behaviour.page).collect();
    if rows.is_empty() && page > 1 {
        return StatusCode::NOT_FOUND.into_response();
    }
    axum::Json(json!({ "page": page, "rows": rows })).into_response()
}
