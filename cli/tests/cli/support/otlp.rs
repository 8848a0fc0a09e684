//! An OTLP receiver: takes spans over HTTP as any collector does.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::PATIENCE;

/// A span as it arrived, with the service that sent it.
#[derive(Debug, Clone)]
pub struct Received {
    pub service: String,
    pub span: Span,
}

impl Received {
    /// An attribute that is a text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        text_of(&self.span.attributes, key)
    }
}

fn text_of(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// See the module.
pub struct Collector {
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Received>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Received>>>::default();
        let app = Router::new().route("/v1/traces", post(receive)).with_state(Arc::clone(&spans));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, spans }
    }

    /// Everything received so far.
    pub fn spans(&self) -> Vec<Received> {
        self.spans.lock().expect("the spans").clone()
    }

    /// Waits for a span of this name in this trace.
    pub async fn wait_for(&self, trace: &str, name: &str) -> Received {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans();
            let found = spans.iter().find(|found| found.span.name == name && hex(&found.span.trace_id) == trace);
            if let Some(found) = found {
                return found.clone();
            }
            let names: Vec<&str> = spans.iter().map(|found| found.span.name.as_str()).collect();
            assert!(Instant::now() < deadline, "no span {name:?} came, only {names:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// As ids are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn receive(State(spans): State<Arc<Mutex<Vec<Received>>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = text_of(&attributes, "service.name").unwrap_or_default();
        let arrived = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        let arrived = arrived.map(|span| Received { service: service.clone(), span });
        spans.lock().expect("the spans").extend(arrived);
    }
    StatusCode::OK
}
