//! `/metrics`: the numbers of the whole installation, and what this process counts about itself.
//!
//! # Layout
//! - [`installation`]: the installation's numbers in Prometheus' text format
//! - [`numbers`]: reads them from the control database, for all scrapes together
//! - [`mod@reader`]: who may read which metrics

mod installation;
mod numbers;
mod reader;

use std::fmt;
use std::time::Duration;

use axum::http::Method;
use elt_shared::metrics::{Audience, ProcessMetrics};
use installation::Installation;
use numbers::NumbersCache;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
pub use reader::reader;
use sqlx::PgPool;

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.02, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// What this process counted since it started, and the installation's numbers.
#[derive(Debug)]
pub struct Metrics {
    process: ProcessMetrics,
    numbers: NumbersCache,
    answers: Family<Answer, Histogram, fn() -> Histogram>,
    refused_tokens: Family<Refusal, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    reason: RefusedToken,
}

/// Why an API token was refused. Such requests are only counted, because anyone can send any number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedToken {
    /// No such token was created, or it was deleted long after its end.
    Unknown,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
    /// Its owner may not log in.
    OwnerDisabled,
    /// Its owner has not set up the second factor that the settings ask for.
    NoSecondFactor,
    /// It sent too many requests.
    Limited,
}

impl RefusedToken {
    const ALL: [Self; 6] =
        [Self::Unknown, Self::Expired, Self::Revoked, Self::OwnerDisabled, Self::NoSecondFactor, Self::Limited];

    fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::OwnerDisabled => "owner_disabled",
            Self::NoSecondFactor => "no_second_factor",
            Self::Limited => "limited",
        }
    }

    /// The reason for the client, which holds the token.
    pub fn as_sentence(self) -> &'static str {
        match self {
            Self::Unknown => "the API token is not known",
            Self::Expired => "the API token has expired",
            Self::Revoked => "the API token was revoked",
            Self::OwnerDisabled => "the owner of the API token is locked out",
            Self::NoSecondFactor => "the owner of the API token has to set up a second factor first",
            Self::Limited => "the API token has sent too many requests",
        }
    }

    /// What the client can do about it.
    pub fn next_step(self) -> &'static str {
        match self {
            Self::Unknown | Self::Expired | Self::Revoked => "Create a new API token, or ask the owner of this one.",
            Self::OwnerDisabled => "Ask an admin to let the owner in again.",
            Self::NoSecondFactor => "The owner sets it up on the page Account of the dashboard.",
            Self::Limited => "Wait the time in `Retry-After`; ELT_TOKEN_RATE sets the limit.",
        }
    }
}

impl EncodeLabelValue for RefusedToken {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.label().encode(encoder)
    }
}

impl Metrics {
    /// Metrics that are added to those of the process.
    pub fn new(process: ProcessMetrics) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let answers = Family::new_with_constructor(histogram);
        let refused_tokens = Family::<Refusal, Counter>::default();
        // Every reason has its series from the start, because `increase()` does not see a counter that first appears
        // with the value 1.
        for reason in RefusedToken::ALL {
            drop(refused_tokens.get_or_create(&Refusal { reason }));
        }
        process.register(|registry| {
            let help = "Requests refused because of their API token";
            registry.register("elt_api_tokens_refused", help, refused_tokens.clone());
            registry.register("elt_http_request_duration_seconds", "Time to answer requests", answers.clone());
        });
        Self { process, numbers: NumbersCache::default(), answers, refused_tokens }
    }

    /// Counts an answer. Routes are the patterns of the router, so their number is bounded.
    pub fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let labels = Answer { method: known(method), route: route.into(), status };
        self.answers.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a request that was refused because of its API token.
    pub fn refused_token(&self, reason: RefusedToken) {
        self.refused_tokens.get_or_create(&Refusal { reason }).inc();
    }

    /// The numbers of the installation and the metrics of this process.
    ///
    /// # Errors
    /// When a number cannot be written as text.
    pub async fn scrape(&self, db: &PgPool, audience: Audience) -> Result<String, fmt::Error> {
        self.text(self.numbers.get(db).await, audience)
    }

    fn text(&self, installation: Installation, audience: Audience) -> Result<String, fmt::Error> {
        let mut numbers = Registry::default();
        numbers.register_collector(Box::new(installation));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &numbers)?;
        text.push_str(&self.process.text(audience)?);
        Ok(text)
    }
}

/// A caller may invent methods; a label may not.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests;
