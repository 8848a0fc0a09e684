//! Counters of this process, written as Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.02, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// What this process counted since it started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers by method, route and status.
    answers: Mutex<BTreeMap<(String, String, u16), Answers>>,
    refused_tokens: [AtomicU64; RefusedToken::ALL.len()],
}

/// Why an API token was refused. Such requests are only counted, because anyone can send any number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedToken {
    /// No such token was created, or it was deleted long after its end.
    Unknown,
    /// Its time is over.
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
}

#[derive(Debug, Default, Clone, Copy)]
struct Answers {
    count: u64,
    seconds: f64,
    within: [u64; BUCKETS.len()],
}

impl Metrics {
    /// Counts an answer. Routes are the patterns of the router, so their number is bounded.
    pub fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = answers.entry((known(method).into(), route.into(), status)).or_default();
        entry.count += 1;
        entry.seconds += took.as_secs_f64();
        for (within, bound) in entry.within.iter_mut().zip(BUCKETS) {
            *within += u64::from(took.as_secs_f64() <= bound);
        }
    }

    /// Counts a request that was refused because of its API token.
    pub fn refused_token(&self, reason: RefusedToken) {
        self.refused_tokens[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counters in Prometheus' text format.
    pub fn write(&self, out: &mut String) {
        const REFUSED: &str = "elt_api_tokens_refused_total";
        let _ =
            writeln!(out, "# HELP {REFUSED} Requests refused because of their API token.\n# TYPE {REFUSED} counter");
        for (reason, count) in RefusedToken::ALL.into_iter().zip(&self.refused_tokens) {
            let _ = writeln!(out, "{REFUSED}{{reason=\"{}\"}} {}", reason.label(), count.load(Ordering::Relaxed));
        }
        const NAME: &str = "elt_http_request_duration_seconds";
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _ = writeln!(out, "# HELP {NAME} Time to answer requests.\n# TYPE {NAME} histogram");
        for ((method, route, status), answers) in answers {
            let labels = format!(r#"method="{method}",route="{route}",status="{status}""#);
            for (within, bound) in answers.within.iter().zip(BUCKETS) {
                let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {within}");
            }
            let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {}", answers.count);
            let _ = writeln!(out, "{NAME}_sum{{{labels}}} {}", answers.seconds);
            let _ = writeln!(out, "{NAME}_count{{{labels}}} {}", answers.count);
        }
    }
}

/// A caller may invent methods; a label may not.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "OTHER",
    }
}
