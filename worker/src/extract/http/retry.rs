//! Attempts: a request whose failure may be temporary is sent again after a growing, jittered pause, or after the wait
//! that the server names. A request whose answer is not ready yet is repeated until it is.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use elt_shared::backoff::{doubled, jittered};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use super::error::{HttpError, Result};
use super::limits::HttpLimits;

/// Runs `once` until it succeeds, fails with an error that is not temporary, or has no attempts left. Every failure except the
/// last is logged here.
pub(super) async fn with_attempts<T, W>(limits: &HttpLimits, once: impl Fn() -> W) -> Result<T>
where
    W: Future<Output = Result<T>>,
{
    let (started, mut attempt, mut polls) = (Instant::now(), 1, 0);
    loop {
        let error = match once().await {
            Ok(value) => return Ok(value),
            Err(HttpError::NotReady { url, retry_after }) if !limits.ready_within.is_zero() => {
                let wait = poll_pause(&url, retry_after, polls, limits)?;
                if started.elapsed() + wait > limits.ready_within {
                    return Err(HttpError::NeverReady { url, after: limits.ready_within });
                }
                tracing::info!("{url} answered 202 Accepted: asking again in {:.1} s", wait.as_secs_f32());
                tokio::time::sleep(wait).await;
                polls += 1;
                continue;
            }
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

/// The pause before a server is asked again whether its answer is ready: the one it names, else a growing one.
fn poll_pause(url: &str, asked: Option<Duration>, polls: u32, limits: &HttpLimits) -> Result<Duration> {
    let pause = doubled(limits.backoff, limits.longest_poll, polls.saturating_add(1));
    match asked {
        Some(asked) if asked > limits.longest_wait => {
            let error = HttpError::NotReady { url: url.to_owned(), retry_after: Some(asked) };
            Err(HttpError::LongWait { error: Box::new(error), asked, longest: limits.longest_wait })
        }
        // A server that says 0 is not asked in a busy loop.
        Some(asked) => Ok(asked.max(limits.backoff)),
        None => Ok(pause),
    }
}

/// The pause before the next attempt: at least the wait that the server asks for, else twice the last pause. It is jittered, so
/// that workers do not come back at the same time.
fn wait_for(error: HttpError, attempt: u32, limits: &HttpLimits) -> Result<(HttpError, Duration)> {
    let pause = jittered(doubled(limits.backoff, limits.longest_wait, attempt));
    match error.retry_after() {
        Some(asked) if asked > limits.longest_wait => {
            Err(HttpError::LongWait { error: Box::new(error), asked, longest: limits.longest_wait })
        }
        Some(asked) => Ok((error, asked.max(pause))),
        None => Ok((error, pause.min(limits.longest_wait))),
    }
}

/// The wait that `Retry-After` asks for, in seconds or as a date. A date counts from the server's own clock, where the
/// answer has one.
pub(in crate::extract) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds(text).or_else(|| Some(until(http_date(text)?, server_time(headers, now))))
}

/// The wait until the server counts calls anew, when the answer says that no further call is allowed now:
/// `X-RateLimit-Remaining: 0` with `X-RateLimit-Reset`, in the spellings in use.
pub(super) fn rate_limit_reset(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    if !rate_limit_is_used_up(headers) {
        return None;
    }
    let text = rate_limit(headers, "reset")?;
    match text.parse::<f64>() {
        // Seconds or milliseconds since 1970, or seconds from now: the numbers are far apart.
        Ok(number) if number >= 1e11 => {
            Some(until(DateTime::from_timestamp_millis(number as i64)?, server_time(headers, now)))
        }
        Ok(number) if number >= 1e9 => {
            Some(until(DateTime::from_timestamp(number.ceil() as i64, 0)?, server_time(headers, now)))
        }
        Ok(_) => seconds(text),
        Err(_) => {
            let date = http_date(text).or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|date| date.to_utc()))?;
            Some(until(date, server_time(headers, now)))
        }
    }
}

/// Whether the answer says that no further call is allowed for now.
pub(super) fn rate_limit_is_used_up(headers: &HeaderMap) -> bool {
    rate_limit(headers, "remaining").and_then(|text| text.parse::<f64>().ok()).is_some_and(|left| left <= 0.0)
}

pub(super) fn rate_limit<'h>(headers: &'h HeaderMap, what: &str) -> Option<&'h str> {
    ["x-ratelimit", "x-rate-limit", "ratelimit"]
        .iter()
        .find_map(|prefix| headers.get(format!("{prefix}-{what}")))
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
}

fn seconds(text: &str) -> Option<Duration> {
    let number = text.parse::<f64>().ok().filter(|number| *number >= 0.0)?;
    Duration::try_from_secs_f64(number.ceil()).ok()
}

fn until(date: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (date - now).to_std().unwrap_or_default()
}

pub(super) fn server_time(headers: &HeaderMap, now: DateTime<Utc>) -> DateTime<Utc> {
    headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?)).unwrap_or(now)
}

/// A date in one of the three forms of HTTP (RFC 9110).
pub(in crate::extract) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let old = |form| NaiveDateTime::parse_from_str(text, form).ok().map(|date| date.and_utc());
    let current = DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc());
    current.or_else(|| old("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| old("%a %b %e %H:%M:%S %Y"))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn status(status: StatusCode, retry_after: Option<Duration>) -> HttpError {
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        HttpError::Status { url: "http://h/".into(), status, retry_after, limited, challenge: None, hint: "" }
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
        assert_eq!(asked("Thursday, 01-Jan-26 00:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(asked("Thu Jan  1 00:01:30 2026"), Some(Duration::from_secs(90)));
        assert_eq!(asked("1.5"), Some(Duration::from_secs(2)));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-7"), None);
        let mut skewed = HeaderMap::new();
        skewed.insert(RETRY_AFTER, "Thu, 01 Jan 2026 05:00:10 GMT".parse().expect("a header"));
        skewed.insert(DATE, "Thu, 01 Jan 2026 05:00:00 GMT".parse().expect("a header"));
        assert_eq!(retry_after(&skewed, now), Some(Duration::from_secs(10)), "by the server's clock");
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_used_up_rate_limit_says_when_it_is_counted_anew() {
        let now = "2026-01-01T00:00:00Z".parse().expect("a date");
        let reset = |remaining: &str, reset: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-ratelimit-remaining", remaining.parse().expect("a header"));
            headers.insert("x-ratelimit-reset", reset.parse().expect("a header"));
            rate_limit_reset(&headers, now)
        };
        for text in ["1767225690", "1767225690000", "90", "Thu, 01 Jan 2026 00:01:30 GMT", "2026-01-01T00:01:30Z"] {
            assert_eq!(reset("0", text), Some(Duration::from_secs(90)), "{text}");
        }
        assert_eq!(reset("0", "1700000000"), Some(Duration::ZERO), "it was counted anew meanwhile");
        assert_eq!(reset("3", "1767225690"), None, "calls are left");
    }

    #[test]
    fn what_is_not_ready_is_asked_for_at_a_growing_distance() {
        let limits = HttpLimits::default();
        let pause = |asked, polls| poll_pause("http://h/", asked, polls, &limits).map(|pause| pause.as_secs());
        assert_eq!([pause(None, 0).ok(), pause(None, 3).ok(), pause(None, 99).ok()], [Some(1), Some(8), Some(30)]);
        assert_eq!(pause(Some(Duration::ZERO), 0).ok(), Some(1));
        assert_eq!(pause(Some(Duration::from_secs(120)), 0).ok(), Some(120));
        assert!(pause(Some(Duration::from_hours(1)), 0).is_err());
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
