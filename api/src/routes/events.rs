//! Streams: what happens to a run, and the log as it is written.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event as SseEvent, Sse};
use axum::response::{IntoResponse, Response};
use elt_shared::api_token::Scope;
use elt_shared::explained::{Code, Explained};
use elt_shared::store::logs::{self, Line, LineFilter};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::logs::{LineQuery, LineView};
use super::runs::{self, RunView};
use crate::AppState;
use crate::auth::{Allowed, Caller, OnPipelines, Read, still_may};
use crate::error::{Error, Problem, Result};
use crate::events::{Event, Watch};
use crate::extract::{Params, Path};
use crate::keyed_limit::Full;

/// How often a `ping` is sent, and how often the stream checks that the caller may still listen, because the
/// notification of a change can be lost.
const PING: Duration = Duration::from_secs(15);
/// Streams end after this time; the client comes back with the id of the last line it saw.
const LONGEST: Duration = Duration::from_secs(600);
/// Lines of a finished run that are still on their way to the database.
const LAST_LINES: Duration = Duration::from_millis(1_500);
/// Lines sent at the start.
const FIRST_LINES: i64 = 100;
/// Lines sent at most when a client comes back.
const MISSED_LINES: i64 = 5_000;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(of_run)).routes(routes!(of_log))
}

/// Where a stream goes on.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// Only lines after this one. The header `Last-Event-ID` says the same.
    after: Option<i64>,
}

/// A run as it changes, and its log lines as they are written.
///
/// Events: `status` with the run, `log` with a line and its id, `ping`, `end` once the run has finished, and `timeout`
/// when the client should come back with the id of the last line it saw; its `retry` says after how many milliseconds, if
/// there is one.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "runs", security(("token" = []), ("api_token" = ["read"])), params(StreamQuery), responses(
    (status = 200, content_type = "text/event-stream", body = String), (status = 404, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn of_run(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(id): Path<Uuid>,
    Params(query): Params<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let watch = watch(&state, &caller, Some(id))?;
    let run = RunView::from(runs::find(&state, &caller, id).await?);
    let filter = LineFilter { run_id: Some(id), ..LineFilter::default() };
    let filter = LineFilter { after: last_seen(&query, &headers), ..filter };
    let lines = first_lines(&state, &filter).await?;
    Ok(stream(state, caller.clone(), watch, Followed { run: Some(run), filter }, lines))
}

/// The log as it is written, after the last hundred lines that match.
#[utoipa::path(get, path = "/logs/follow", tag = "logs", security(("token" = []), ("api_token" = ["read"])), params(LineQuery, StreamQuery), responses(
    (status = 200, content_type = "text/event-stream", body = String), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn of_log(
    State(state): State<AppState>,
    caller: Allowed<Read>,
    Params(lines): Params<LineQuery>,
    Params(query): Params<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let filter = LineFilter { after: last_seen(&query, &headers), ..lines.filter()? };
    let watch = watch(&state, &caller, None)?;
    let lines = first_lines(&state, &filter).await?;
    Ok(stream(state, caller.clone(), watch, Followed { run: None, filter }, lines))
}

fn watch(state: &AppState, caller: &Caller, run: Option<Uuid>) -> Result<Watch> {
    state.events.watch(caller.user.id, run).map_err(|full| match full {
        Full::All => Error::Unavailable("too many streams are open"),
        Full::One => {
            let (detail, next_step) =
                ("you have as many streams open as one user may", "Close some tabs, or end some of the streams.");
            let problem = Explained::new(Code::TooManyStreams, detail, next_step);
            Error::limit(StatusCode::TOO_MANY_REQUESTS, problem, Some(5))
        }
    })
}

fn last_seen(query: &StreamQuery, headers: &HeaderMap) -> Option<i64> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    header.or(query.after)
}

async fn first_lines(state: &AppState, filter: &LineFilter) -> Result<Vec<Line>> {
    let limit = if filter.after.is_some() { MISSED_LINES } else { FIRST_LINES };
    Ok(logs::list(&state.db, filter, limit).await?)
}

/// What a stream is about.
struct Followed {
    run: Option<RunView>,
    filter: LineFilter,
}

fn stream(state: AppState, caller: Caller, watch: Watch, followed: Followed, lines: Vec<Line>) -> Response {
    let (sender, receiver) = mpsc::channel(64);
    let until = Instant::now() + LONGEST.min((caller.expires_at() - chrono::Utc::now()).to_std().unwrap_or_default());
    // A client may name any number: nothing comes after the last one there is.
    let first = followed.filter.after.map(|after| after.saturating_add(1)).or(lines.first().map(|line| line.id));
    let sent = lines.iter().map(|line| line.id).collect();
    let mut writer = Writer { sender, first: first.unwrap_or_default(), sent, shown: None };
    tokio::spawn(async move {
        // The only failure is a reader that went away.
        let _ = writer.follow(&state, &caller, watch, followed, lines, until).await;
    });
    let mut response = Sse::new(ReceiverStream::new(receiver)).into_response();
    // Proxies must not collect events before they pass them on.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether the caller may still read. While the database is away they may, because the stream goes on when the database
/// is back.
async fn may_listen(state: &AppState, caller: &Caller) -> bool {
    still_may(state, caller, Scope::Read).await.unwrap_or(true)
}

/// The reader went away.
struct Gone;

struct Writer {
    sender: mpsc::Sender<Result<SseEvent, Infallible>>,
    /// Older lines are not part of the stream.
    first: i64,
    /// Lines of the start: they may come again from the hub.
    sent: HashSet<i64>,
    shown: Option<RunView>,
}

impl Writer {
    async fn follow(
        &mut self,
        state: &AppState,
        caller: &Caller,
        mut watch: Watch,
        followed: Followed,
        lines: Vec<Line>,
        until: Instant,
    ) -> Result<(), Gone> {
        for line in lines {
            self.line(line).await?;
        }
        let mut ends_at = self.run(followed.run.clone()).await?;
        let mut pings = interval_at(Instant::now() + PING, PING);
        loop {
            tokio::select! {
                event = watch.receiver.recv() => match event {
                    Ok(Event::Run(run)) if followed.run.as_ref().is_some_and(|followed| followed.id == run.id) => {
                        ends_at = self.run(Some(RunView::from((*run).clone()))).await?.or(ends_at);
                    }
                    Ok(Event::Run(_)) => {}
                    Ok(Event::Login(id)) => {
                        if caller.is_about(id) && !may_listen(state, caller).await {
                            return self.last("timeout").await;
                        }
                    }
                    Ok(Event::Lines(lines)) => self.new_lines(&lines, &followed.filter).await?,
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return self.last("timeout").await,
                },
                _ = pings.tick() => {
                    if !may_listen(state, caller).await {
                        return self.last("timeout").await;
                    }
                    self.named("ping", &()).await?;
                }
                () = sleep_until(ends_at.unwrap_or(until)) => {
                    return self.last(if ends_at.is_some() { "end" } else { "timeout" }).await;
                }
                () = state.drained.cancelled() => return self.come_back().await,
            }
        }
    }

    /// Shows a run if it looks otherwise than before. Answers when the stream ends, if the run has finished.
    async fn run(&mut self, run: Option<RunView>) -> Result<Option<Instant>, Gone> {
        let Some(run) = run.filter(|run| self.shown.as_ref() != Some(run)) else { return Ok(None) };
        self.named("status", &run).await?;
        let ends = run.is_finished().then(|| Instant::now() + LAST_LINES);
        self.shown = Some(run);
        Ok(ends)
    }

    async fn new_lines(&mut self, lines: &[Line], filter: &LineFilter) -> Result<(), Gone> {
        for line in lines.iter().filter(|line| filter.matches(line)) {
            if line.id >= self.first && !self.sent.contains(&line.id) {
                self.line(line.clone()).await?;
            }
        }
        Ok(())
    }

    async fn line(&self, line: Line) -> Result<(), Gone> {
        let id = line.id.to_string();
        self.send(SseEvent::default().event("log").id(id).json_data(LineView::from(line))).await
    }

    async fn named(&self, name: &str, data: &impl Serialize) -> Result<(), Gone> {
        self.send(SseEvent::default().event(name).json_data(data)).await
    }

    /// Ends the stream because the process ends: the client should come back to another one.
    async fn come_back(&self) -> Result<(), Gone> {
        // Clients that all came back at the same moment would be a burst of requests for the processes that are left.
        let pause = Duration::from_millis(rand::rng().random_range(200..2_000));
        self.send(SseEvent::default().event("timeout").retry(pause).json_data(())).await
    }

    async fn last(&self, name: &str) -> Result<(), Gone> {
        self.named(name, &()).await
    }

    async fn send(&self, event: Result<SseEvent, axum::Error>) -> Result<(), Gone> {
        let event = event.unwrap_or_else(|_| SseEvent::default().comment("an event that is not JSON"));
        self.sender.send(Ok(event)).await.map_err(|_| Gone)
    }
}
