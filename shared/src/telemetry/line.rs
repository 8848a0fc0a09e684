//! The layer that makes one line of an event: what it says, when, and which run and trace it belongs to.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::Instant;

use chrono::Utc;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use super::database::Lines;
use super::file::LogFile;
use super::repeats::Repeats;
use super::trace::current_trace_id;
use crate::driver_text::without_source_lines;
use crate::explained::sentence;
use crate::redaction;
use crate::store::logs::{NewLine, classic};
use crate::stored_secret::MAX_VALUE;

/// A message is cut after this many bytes.
pub(super) const MESSAGE_LIMIT: usize = 8 << 10;
/// The text of a field is cut after this many bytes.
const FIELD_LIMIT: usize = 1 << 10;
const CUT: &str = "… (cut)";
/// Bytes of the longest secret that is hidden.
const LONGEST_SECRET: usize = 3 * MAX_VALUE;

/// The layer that keeps lines in the log file and in the database.
#[derive(Debug)]
pub(super) struct KeepLines {
    process: String,
    file: Option<LogFile>,
    lines: Lines,
    repeats: Repeats,
}

impl KeepLines {
    pub fn new(process: String, file: Option<LogFile>, lines: Lines) -> Self {
        Self { process, file, lines, repeats: Repeats::default() }
    }
}

/// Fields of a span, kept with it for the lines inside.
#[derive(Debug, Default)]
struct SpanFields(Fields);

impl<S> Layer<S> for KeepLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(fields)) = span.extensions_mut().get_mut() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        // The outermost span first: what is nearer to the line wins.
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(SpanFields(outer)) = span.extensions().get() {
                fields.extend(outer);
            }
        }
        event.record(&mut fields);
        let line = NewLine {
            at: Utc::now(),
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            message: fields.message,
            fields: Value::Object(fields.others),
            run_id: fields.run_id,
            trace_id: current_trace_id(),
            process: self.process.clone(),
        };
        if let Some(file) = &self.file {
            file.append(&classic(line.at, &line.level, &line.message));
        }
        for line in self.repeats.pass(event.metadata().callsite(), line, Instant::now()) {
            self.lines.send(line);
        }
    }
}

/// Collects the fields of spans and events.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    run_id: Option<Uuid>,
    others: Map<String, Value>,
}

impl Fields {
    fn extend(&mut self, outer: &Self) {
        self.run_id = outer.run_id.or(self.run_id);
        self.others.extend(outer.others.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    fn text(&mut self, field: &Field, text: impl fmt::Display) {
        match field.name() {
            "message" => self.message = cut(text, MESSAGE_LIMIT),
            "run.id" => self.run_id = Uuid::parse_str(&cut(text, FIELD_LIMIT)).ok(),
            // What the `log` crate's records carry beside their message, and what is only for traces.
            name if name.starts_with("log.") || name.starts_with("otel.") => {}
            name => self.value(name, cut(text, FIELD_LIMIT)),
        }
    }

    fn value(&mut self, name: &str, value: impl Into<Value>) {
        self.others.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, sentence(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field.name(), value);
    }
}

/// A text of `limit` bytes at most, with `***` in place of secrets. NUL, which PostgreSQL does not store, is replaced.
fn cut(text: impl fmt::Display, limit: usize) -> String {
    // Written beyond the limit, because a secret that the limit cuts in two would not be recognised.
    let mut bounded = Bounded { text: String::new(), limit: limit + LONGEST_SECRET };
    let is_full = write!(bounded, "{text}").is_err();
    let mut shown = match redaction::hide(&bounded.text) {
        Cow::Owned(shown) => shown,
        Cow::Borrowed(_) => bounded.text,
    };
    if is_full {
        // The end may be a part of a secret, which is not recognised.
        shown.truncate(shown.floor_char_boundary(shown.len().saturating_sub(LONGEST_SECRET)));
    }
    if let Cow::Owned(plain) = without_source_lines(&shown) {
        shown = plain;
    }
    if is_full || shown.len() > limit {
        shown.truncate(shown.floor_char_boundary(limit));
        shown.push_str(CUT);
    }
    shown
}

/// Stops its writer as soon as it is full, so that a huge value is never written out first.
struct Bounded {
    text: String,
    limit: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            if self.text.len() + c.len_utf8() > self.limit {
                return Err(fmt::Error);
            }
            self.text.push(if c == '\0' { char::REPLACEMENT_CHARACTER } else { c });
        }
        Ok(())
    }
}
