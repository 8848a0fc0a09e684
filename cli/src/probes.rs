//! The listener of a process for probes and Prometheus: `/livez`, `/readyz` and `/metrics` by plain HTTP.
//!
//! It is small on purpose, because workers have it as well: it knows three paths, reads no body, and holds a few
//! connections for a short time each.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use elt_api::AppState;
use elt_shared::metrics::{Audience, ProcessMetrics};
use elt_shared::settings::ProbeSettings;
use elt_worker::health::WorkerHealth;
use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::serve;

/// Most connections at a time; further ones wait.
const MOST: usize = 32;
/// Longest time that a connection stays open.
const CONNECTION: Duration = Duration::from_secs(30);
/// Longest time for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(500);

/// What the parts of a process say about themselves.
#[derive(Clone, Default)]
pub struct Probes {
    /// The API once it has started. `None`: this process has none.
    pub api: Option<Arc<OnceLock<AppState>>>,
    /// The worker, if this process has one.
    pub worker: Option<WorkerHealth>,
    /// The metrics of the process.
    pub metrics: ProcessMetrics,
    /// Who may read the metrics.
    pub settings: ProbeSettings,
    /// Cancelled when the process should stop.
    pub stopping: CancellationToken,
}

/// Listens at the address of `ELT_METRICS_LISTEN`, if it is set.
///
/// # Errors
/// When the address cannot be had.
pub async fn listen(settings: &ProbeSettings) -> anyhow::Result<Option<TcpListener>> {
    match settings.metrics_listen {
        Some(address) => Ok(Some(serve::listen(address, "--metrics-listen").await?)),
        None => Ok(None),
    }
}

impl Probes {
    /// Those of a process whose API has not started yet.
    pub fn of_api(metrics: &ProcessMetrics) -> Self {
        Self { api: Some(Arc::default()), metrics: metrics.clone(), ..Self::default() }
    }

    /// Notes that the API has started. Later calls change nothing.
    pub fn note_api(&self, state: &AppState) {
        if let Some(api) = &self.api {
            let _ = api.set(state.clone());
        }
    }

    /// Answers until the returned guard is dropped, so that a process that finishes its work still answers. From
    /// `stopping` on it is not ready. Without a listener it does nothing.
    pub fn start(self, listener: Option<TcpListener>, stopping: CancellationToken) -> DropGuard {
        let end = CancellationToken::new();
        if let Some(listener) = listener {
            tokio::spawn(Self { stopping, ..self }.answer(listener, end.clone()));
        }
        end.drop_guard()
    }

    async fn answer(self, listener: TcpListener, end: CancellationToken) {
        if let Ok(address) = listener.local_addr() {
            tracing::info!("probes and metrics are answered at http://{address}/");
        }
        let places = Arc::new(Semaphore::new(MOST));
        let probes = Arc::new(self);
        while let Some((stream, place)) = end.run_until_cancelled(accept(&listener, &places)).await {
            let connection = Arc::clone(&probes).connection(stream);
            tokio::spawn(async move {
                let _place = place;
                // How it ended is not logged, because a client that is slow or goes away needs nobody's attention.
                let _ = timeout(CONNECTION, connection).await;
            });
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request: Request<Incoming>| {
            let probes = Arc::clone(&self);
            async move { Ok::<_, Infallible>(probes.respond(&request).await) }
        });
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn respond<B>(&self, request: &Request<B>) -> Response<String> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut answer = status(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match request.uri().path() {
            "/livez" => health(self.live()),
            "/readyz" => health(self.ready().await),
            "/metrics" => {
                let sent = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
                if self.settings.admits(sent) { self.metrics().await } else { unauthorized() }
            }
            _ => status(StatusCode::NOT_FOUND, "here are /livez, /readyz and /metrics"),
        }
    }

    /// Whether the process should go on. That the database is away is no reason to restart it.
    fn live(&self) -> Result<(), &'static str> {
        self.worker.as_ref().map_or(Ok(()), WorkerHealth::live)
    }

    /// Whether the process does its work: the API's answers count when there is one, because requests are sent to it.
    async fn ready(&self) -> Result<(), String> {
        if self.stopping.is_cancelled() {
            return Err("this process is stopping".into());
        }
        match (&self.api, &self.worker) {
            (Some(api), _) => match api.get() {
                Some(api) => api.ready().await,
                None => Err("this process is starting".into()),
            },
            (None, Some(worker)) => worker.ready(),
            (None, None) => Ok(()),
        }
    }

    async fn metrics(&self) -> Response<String> {
        let text = match self.api.as_ref().and_then(|api| api.get()) {
            Some(api) => api.metrics(Audience::Operators).await,
            None => self.metrics.text(Audience::Operators),
        };
        match text {
            Ok(text) => answer(StatusCode::OK, ProcessMetrics::CONTENT_TYPE, text),
            Err(error) => {
                tracing::error!(%error, "could not write the metrics");
                status(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written")
            }
        }
    }
}

/// The next connection, once there is a place for it. Connections that failed before they were accepted are skipped.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
    // The semaphore is never closed, so a place always comes.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

fn health<E: AsRef<str>>(health: Result<(), E>) -> Response<String> {
    match health {
        Ok(()) => status(StatusCode::OK, "ok"),
        Err(reason) => status(StatusCode::SERVICE_UNAVAILABLE, reason.as_ref()),
    }
}

fn unauthorized() -> Response<String> {
    let mut answer =
        status(StatusCode::UNAUTHORIZED, "send the token of ELT_METRICS_TOKEN as `Authorization: Bearer …`");
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

fn status(code: StatusCode, sentence: &str) -> Response<String> {
    answer(code, "application/json", format!("{}\n", json!({ "status": sentence })))
}

fn answer(code: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Where a process on this machine answers probes, by its own settings: the listener for probes, else the API's.
pub fn own_url(probes: Option<SocketAddr>, api: SocketAddr, uses_tls: bool) -> String {
    let scheme = if probes.is_none() && uses_tls { "https" } else { "http" };
    let mut address = probes.unwrap_or(api);
    if address.ip().is_unspecified() {
        // A process that listens at all addresses listens at this one, too.
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{scheme}://{address}")
}

#[cfg(test)]
mod tests {
    use elt_shared::secret::Secret;

    use super::*;

    async fn ask(probes: &Probes, method: Method, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = probes.respond(&request.body(()).expect("a request")).await;
        (answer.status().as_u16(), answer.into_body())
    }

    #[tokio::test]
    async fn three_paths_are_answered_and_nothing_else() {
        let probes = Probes::default();
        for path in ["/livez", "/readyz", "/readyz?verbose"] {
            assert_eq!(ask(&probes, Method::GET, path, None).await, (200, "{\"status\":\"ok\"}\n".into()), "{path}");
        }
        assert_eq!(ask(&probes, Method::GET, "/metrics", None).await.0, 200);
        for path in ["/", "/runs", "/metrics/x", "//metrics"] {
            assert_eq!(ask(&probes, Method::GET, path, None).await.0, 404, "{path}");
        }
        assert_eq!(ask(&probes, Method::POST, "/metrics", None).await.0, 405);
    }

    #[tokio::test]
    async fn with_a_token_only_its_owner_reads_metrics_and_probes_stay_open() {
        let settings = ProbeSettings { metrics_token: Some(Secret::new("t0ken")), ..ProbeSettings::default() };
        let probes = Probes { settings, ..Probes::default() };
        assert_eq!(ask(&probes, Method::GET, "/metrics", Some("t0ken")).await.0, 200);
        for wrong in [None, Some("t0ke"), Some("")] {
            assert_eq!(ask(&probes, Method::GET, "/metrics", wrong).await.0, 401, "{wrong:?}");
        }
        assert_eq!(ask(&probes, Method::GET, "/livez", None).await.0, 200);
    }

    #[tokio::test]
    async fn a_worker_that_has_not_started_is_live_but_not_ready() {
        let probes = Probes { worker: Some(WorkerHealth::default()), ..Probes::default() };
        assert_eq!(ask(&probes, Method::GET, "/livez", None).await.0, 200);
        let (code, said) = ask(&probes, Method::GET, "/readyz", None).await;
        assert_eq!((code, said.as_str()), (503, "{\"status\":\"the worker has not started yet\"}\n"));
    }

    #[test]
    fn a_process_is_asked_on_its_own_machine() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        assert_eq!(own_url(None, address("0.0.0.0:8080"), false), "http://127.0.0.1:8080");
        assert_eq!(own_url(None, address("[::]:8443"), true), "https://[::1]:8443");
        assert_eq!(own_url(Some(address("10.0.0.7:9464")), address("0.0.0.0:8080"), true), "http://10.0.0.7:9464");
    }
}
