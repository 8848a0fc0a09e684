//! Which lines are written: as the setting says. Spans always are, because they carry the run's id.

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

/// Libraries that talk too much at `info`, and what must never be a line: parameters of connection URLs, and notices of a
/// target, which may hold values of rows and of which a server can send any number. A directive of the user's for the same module wins.
const QUIET: &str = "sqlx=warn,sqlx_postgres::options=off,sqlx::postgres::notice=off,hyper=warn,\
                     hyper_util=warn,h2=warn,reqwest=warn,russh=warn,apalis=warn,apalis_core=warn,apalis_postgres=warn,opentelemetry=warn,opentelemetry_sdk=warn";

/// The filter of `ELT_LOG` for log lines.
#[derive(Debug)]
pub(super) struct LineFilter(EnvFilter);

impl LineFilter {
    /// From `info`, or `info,elt_worker=debug`.
    pub fn new(setting: &str) -> Result<Self, ParseError> {
        EnvFilter::builder().parse(format!("{QUIET},{setting}")).map(Self)
    }
}

/// Whether a line is never written, whatever the setting says: the FTP library writes each command at `trace`, also the one
/// with the password.
fn may_hold_secrets(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("suppaftp")
}

fn is_span_of_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO
}

impl<S> Filter<S> for LineFilter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        !may_hold_secrets(metadata) && (is_span_of_ours(metadata) || Filter::enabled(&self.0, metadata, context))
    }

    /// Never "always": who asks `tracing::enabled!` and then says nothing, as the database driver does, leaves its
    /// answer behind in every layer's filter, and a callsite that is always on would not ask anew: its line was lost.
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = <EnvFilter as Filter<S>>::callsite_enabled(&self.0, metadata);
        if interest.is_never() && !is_span_of_ours(metadata) { interest } else { Interest::sometimes() }
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        Filter::event_enabled(&self.0, event, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        <EnvFilter as Filter<S>>::max_level_hint(&self.0).map(|hint| hint.max(LevelFilter::INFO))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Filter::on_new_span(&self.0, attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Filter::on_record(&self.0, id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Filter::on_enter(&self.0, id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Filter::on_exit(&self.0, id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Filter::on_close(&self.0, id, context);
    }
}
