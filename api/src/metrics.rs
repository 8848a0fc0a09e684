//! Counters of this process, written as Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.02, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// Answers given since the process started, by method, route and status.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<(String, String, u16), Answers>>);

#[derive(Debug, Default, Clone, Copy)]
struct Answers {
    count: u64,
    seconds: f64,
    within: [u64; BUCKETS.len()],
}

impl Metrics {
    /// Counts an answer. Routes are the patterns of the router, so their number is bounded.
    pub fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = answers.entry((known(method).into(), route.into(), status)).or_default();
        entry.count += 1;
        entry.seconds += took.as_secs_f64();
        for (within, bound) in entry.within.iter_mut().zip(BUCKETS) {
            *within += u64::from(took.as_secs_f64() <= bound);
        }
    }

    /// The counters in Prometheus' text format.
    pub fn write(&self, out: &mut String) {
        const NAME: &str = "elt_http_request_duration_seconds";
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
