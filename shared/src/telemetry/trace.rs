//! OpenTelemetry: spans leave by OTLP when an endpoint is set, and the trace context travels with a run.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanId, Status, TraceContextExt, TraceId, TracerProvider, get_active_span};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

use crate::driver_text::without_source_lines;
use crate::redaction;

const TRACEPARENT: &str = "traceparent";

/// The W3C trace context of the current span: to be kept on a run's row, or sent in a header.
pub fn traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Context::current(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes `span` a child of the span that `traceparent` names. Call it before the span is entered; what is no trace
/// context is passed over.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if context.span().span_context().is_valid() {
        // Fails only where no trace is kept anyway.
        let _ = span.set_parent(context);
    }
}

/// The trace that the current span belongs to, as 32 hexadecimal digits.
pub(super) fn current_trace_id() -> Option<String> {
    Some(current_ids()?.0.to_string())
}

/// The current span and its trace. `None` outside all spans.
pub(super) fn current_ids() -> Option<(TraceId, SpanId)> {
    get_active_span(|span| {
        let context = span.span_context();
        context.is_valid().then(|| (context.trace_id(), context.span_id()))
    })
}

/// This process's spans. Without an endpoint they go nowhere, and still give lines and runs their trace ids.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    pub fn new(endpoint: Option<&str>, process: &'static str) -> Result<Self, ExporterBuildError> {
        let about = [
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", super::identity()),
        ];
        let resource = Resource::builder().with_service_name(format!("elt-{process}")).with_attributes(about).build();
        let provider = SdkTracerProvider::builder().with_resource(resource);
        let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(Self(provider.build()));
        };
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(&url).build()?;
        let exporter = SayOnce { exporter, url, failing: AtomicBool::new(false) };
        Ok(Self(provider.with_batch_exporter(exporter).build()))
    }

    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("elt"))
    }

    /// Sends what is left. The exporter blocks, so it gets a thread where that is allowed.
    pub async fn finish(self, patience: Duration) {
        let _ = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(patience)).await;
    }
}

/// A text as people may read it. `None`: it stays as it is.
fn shown(text: &str) -> Option<String> {
    let plain = without_source_lines(text);
    match redaction::hide(&plain) {
        Cow::Owned(shown) => Some(shown),
        Cow::Borrowed(_) => matches!(plain, Cow::Owned(_)).then(|| plain.into_owned()),
    }
}

/// Puts `***` in place of secrets in everything that a span says.
fn hide_secrets(span: &mut SpanData) {
    let mut texts: Vec<&mut Cow<'static, str>> = vec![&mut span.name];
    if let Status::Error { description } = &mut span.status {
        texts.push(description);
    }
    let mut attributes: Vec<&mut KeyValue> = span.attributes.iter_mut().collect();
    for event in &mut span.events.events {
        texts.push(&mut event.name);
        attributes.extend(&mut event.attributes);
    }
    for text in texts {
        if let Some(shown) = shown(text) {
            *text = shown.into();
        }
    }
    for attribute in attributes {
        if let Value::String(text) = &attribute.value
            && let Some(shown) = shown(text.as_str())
        {
            attribute.value = shown.into();
        }
    }
}

/// An exporter that says when sending begins to fail, and when it works again.
#[derive(Debug)]
struct SayOnce {
    exporter: SpanExporter,
    url: String,
    failing: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for SayOnce {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(hide_secrets);
        let answer = self.exporter.export(batch).await;
        match (&answer, self.failing.swap(answer.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!("could not send traces to {}, which go on being lost: {error}", self.url)
            }
            (Ok(()), true) => tracing::info!("traces are sent to {} again", self.url),
            _ => {}
        }
        answer
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::trace::{Event, SpanContext, SpanKind};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    #[test]
    fn a_span_says_no_secret() {
        redaction::add(&"c4n4ry-of-spans".into());
        let told = "told c4n4ry-of-spans";
        let mut events = SpanEvents::default();
        events.events.push(Event::new(told, SystemTime::UNIX_EPOCH, vec![KeyValue::new("error", told)], 0));
        let mut span = SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: told.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: vec![KeyValue::new("url", told), KeyValue::new("rows", 5), KeyValue::new("table", "people")],
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: Status::error(told),
            instrumentation_scope: Default::default(),
        };

        hide_secrets(&mut span);

        let shown = format!("{span:?}");
        assert_eq!((shown.contains("c4n4ry"), shown.matches("told ***").count()), (false, 5), "{shown}");
        assert!(shown.contains("people"), "{shown}");
    }
}
