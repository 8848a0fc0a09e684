//! Points in time as people write them: local times of a zone, or RFC 3339.

use std::sync::OnceLock;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

use crate::cron;

const LOCAL_FORMATS: [&str; 4] = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

/// Reads a time. The error says what was expected.
pub(super) fn parse(text: &str, timezone: Tz) -> Result<DateTime<Utc>, String> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    LOCAL_FORMATS
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .and_then(|local| cron::instant(local, timezone))
        .ok_or_else(|| "YYYY-MM-DD HH:MM, YYYY-MM-DD HH:MM:SS or RFC 3339".into())
}

/// Reads an IANA zone's name, in any case.
pub(super) fn timezone(text: &str) -> Result<Tz, String> {
    text.parse()
        .ok()
        .or_else(|| chrono_tz::TZ_VARIANTS.iter().copied().find(|zone| zone.name().eq_ignore_ascii_case(text)))
        .ok_or_else(|| "an IANA time zone such as Europe/Berlin".into())
}

/// The zone of the machine; UTC when it says none.
pub(super) fn server_timezone() -> Tz {
    static ZONE: OnceLock<Tz> = OnceLock::new();
    *ZONE.get_or_init(|| iana_time_zone::get_timezone().ok().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, zone: &str) -> String {
        parse(text, timezone(zone).unwrap()).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn local_times_are_read_in_their_zone() {
        assert_eq!(utc("2026-12-01 09:00", "Europe/Berlin"), "2026-12-01T08:00:00Z");
        assert_eq!(utc("2026-07-01 09:00:30", "Europe/Berlin"), "2026-07-01T07:00:30Z");
        assert_eq!(utc("2026-07-01T09:00", "UTC"), "2026-07-01T09:00:00Z");
        assert_eq!(utc("2026-07-01T09:00:00+05:30", "UTC"), "2026-07-01T03:30:00Z");
    }

    #[test]
    fn a_local_time_that_does_not_exist_shifts_forward() {
        assert_eq!(utc("2026-03-29 02:30", "Europe/Berlin"), "2026-03-29T01:30:00Z");
        assert_eq!(utc("2026-10-04 02:15", "Australia/Lord_Howe"), "2026-10-03T15:45:00Z");
    }

    #[test]
    fn a_local_time_that_comes_twice_is_the_first() {
        assert_eq!(utc("2026-10-25 02:30", "Europe/Berlin"), "2026-10-25T00:30:00Z");
        assert_eq!(utc("2026-04-05 01:45", "Australia/Lord_Howe"), "2026-04-04T14:45:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["2025/07/15", "2026-02-30 10:00", "2026-12-01", "25:00", "", "now", "2026-12-01 09:00 CET"] {
            assert!(parse(text, Tz::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn a_zone_is_known_in_any_case() {
        assert_eq!(timezone("europe/berlin"), Ok(Tz::Europe__Berlin));
        assert!(timezone("Berlin").is_err());
    }
}
