//! Attempts: what failed for a moment is tried again after a growing, jittered pause, or when the server says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::error::{HttpError, Result};
use super::limits::HttpLimits;

/// Runs `once` until it succeeds, fails for good, or is out of attempts. Each failure but the last is logged here.
pub(super) async fn with_attempts<T, W>(limits: &HttpLimits, once: impl Fn() -> W) -> Result<T>
where
    W: Future<Output = Result<T>>,
{
    let mut attempt = 1;
    loop {
        let error = match once().await {
            Ok(value) => return Ok(value),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) if attempt >= limits.attempts => {
                return Err(HttpError::GaveUp { error: Box::new(error), attempts: attempt });
            }
            Err(error) => error,
        };
        let (error, wait) = wait_for(error, attempt, limits)?;
        tracing::warn!(
            attempt,
            "{error}; attempt {} of {} in {:.1} s",
            attempt + 1,
            limits.attempts,
            wait.as_secs_f32()
        );
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// The server's wish is a lower bound; without one the pause doubles. Jitter keeps workers from coming back in step.
fn wait_for(error: HttpError, attempt: u32, limits: &HttpLimits) -> Result<(HttpError, Duration)> {
    let jitter = rand::rng().random_range(0.5..1.5);
    let pause = limits.backoff.saturating_mul(1 << (attempt - 1).min(16)).mul_f64(jitter);
    match error.retry_after() {
        Some(asked) if asked > limits.longest_wait => {
            Err(HttpError::LongWait { error: Box::new(error), asked, longest: limits.longest_wait })
        }
        Some(asked) => Ok((error, asked.max(pause))),
        None => Ok((error, pause.min(limits.longest_wait))),
    }
}

/// `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn status(status: StatusCode, retry_after: Option<Duration>) -> HttpError {
        HttpError::Status { url: "http://h/".into(), status, retry_after, hint: "" }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-01-01T00:00:00Z".parse().expect("a date");
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header"));
            retry_after(&headers, now)
        };
        assert_eq!(asked(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(asked("Thu, 01 Jan 2026 00:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(asked("Wed, 31 Dec 2025 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn the_servers_wish_is_honoured_and_bounded() {
        let limits = HttpLimits::default();
        let wait = |error, attempt| wait_for(error, attempt, &limits).map(|(_, wait)| wait);
        let busy = status(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(30)));
        assert_eq!(wait(busy, 1).expect("a wait"), Duration::from_secs(30));
        let away = status(StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(3600)));
        let refused = wait(away, 1).expect_err("too long").to_string();
        assert_eq!(
            refused,
            "http://h/ answered 503 Service Unavailable and asks to wait 3600 s, longer than the 300 s elt waits"
        );
        let down = status(StatusCode::BAD_GATEWAY, None);
        let second = wait(down, 2).expect("a wait").as_secs_f64();
        assert!((1.0..3.0).contains(&second), "twice the first pause, give or take half: {second}");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for code in [408, 425, 429, 500, 502, 503, 504] {
            assert!(status(StatusCode::from_u16(code).expect("a status"), None).is_transient(), "{code}");
        }
        for code in [400, 401, 403, 404, 409, 410, 418, 422] {
            assert!(!status(StatusCode::from_u16(code).expect("a status"), None).is_transient(), "{code}");
        }
    }
}
