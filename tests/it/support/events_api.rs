//! An API that has one event an hour, and answers those of the part of time that it is asked for.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// See the module. Ends with this value.
pub struct EventsApi {
    address: SocketAddr,
    state: Shared,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    events: Arc<Vec<DateTime<Utc>>>,
    /// Whether an event at the very end of what is asked for is answered as well.
    includes_end: bool,
    inner: Arc<Mutex<Inner>>,
    gate: watch::Sender<bool>,
}

#[derive(Default)]
struct Inner {
    asked: Vec<Asked>,
    /// Beginnings of which requests are refused.
    broken: HashSet<String>,
    at_work: usize,
    most_at_work: usize,
}

/// The parameters of a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Asked {
    pub since: Option<String>,
    pub until: Option<String>,
}

impl EventsApi {
    /// Events from the first instant to the second one, which has none.
    pub async fn start(from: &str, to: &str) -> Self {
        Self::start_with(from, to, false).await
    }

    /// `includes_end`: an event at the end of what is asked for is answered, too.
    pub async fn start_with(from: &str, to: &str, includes_end: bool) -> Self {
        let (from, to) = (instant(from), instant(to));
        let hours = (to - from).num_hours();
        let events = (0..hours).map(|hour| from + TimeDelta::hours(hour)).collect();
        let state =
            Shared { events: Arc::new(events), includes_end, inner: Arc::default(), gate: watch::Sender::new(true) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/events", get(events_of)).with_state(state.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, state, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Number of events.
    pub fn count(&self) -> i64 {
        self.state.events.len() as i64
    }

    /// Lets requests wait for their answers, or answers them all.
    pub fn answer(&self, whether: bool) {
        self.state.gate.send_replace(whether);
    }

    /// Refuses requests from now on that begin at this instant, or answers them again.
    pub fn refuse(&self, since: &str, whether: bool) {
        let broken = &mut self.inner().broken;
        if whether {
            broken.insert(since.to_owned())
        } else {
            broken.remove(since)
        };
    }

    /// Every request so far, in the order of their arrival.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    /// Requests that wait for their answer.
    pub fn at_work(&self) -> usize {
        self.inner().at_work
    }

    /// The largest number of requests that waited for their answers at the same time.
    pub fn most_at_work(&self) -> usize {
        self.inner().most_at_work
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.state.inner.lock().expect("the state")
    }
}

impl Drop for EventsApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Counts a request while it waits, also when its client goes away.
struct AtWork(Arc<Mutex<Inner>>);

impl AtWork {
    fn begin(state: &Shared, asked: &Asked) -> Self {
        let mut inner = state.inner.lock().expect("the state");
        inner.asked.push(asked.clone());
        inner.at_work += 1;
        inner.most_at_work = inner.most_at_work.max(inner.at_work);
        Self(state.inner.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.lock().expect("the state").at_work -= 1;
    }
}

async fn events_of(State(state): State<Shared>, Query(asked): Query<Asked>) -> Response {
    let _at_work = AtWork::begin(&state, &asked);
    let mut gate = state.gate.subscribe();
    gate.wait_for(|answers| *answers).await.expect("the gate");
    let is_broken = |since: &String| state.inner.lock().expect("the state").broken.contains(since);
    if asked.since.as_ref().is_some_and(is_broken) {
        return (StatusCode::BAD_REQUEST, "no such time").into_response();
    }
    let (since, until) = (asked.since.as_deref().map(instant), asked.until.as_deref().map(instant));
    let is_before_end = |at: DateTime<Utc>, until| if state.includes_end { at <= until } else { at < until };
    let is_asked_for =
        |at: DateTime<Utc>| since.is_none_or(|since| at >= since) && until.is_none_or(|until| is_before_end(at, until));
    let found = state.events.iter().enumerate().filter(|(_, at)| is_asked_for(**at));
    Json(found.map(event).collect::<Vec<Value>>()).into_response()
}

fn event((number, at): (usize, &DateTime<Utc>)) -> Value {
    json!({ "id": number, "at": at.to_rfc3339_opts(SecondsFormat::Secs, true) })
}

/// A day, or an instant of RFC 3339.
fn instant(text: &str) -> DateTime<Utc> {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
