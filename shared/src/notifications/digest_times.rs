//! When digests go out.

use chrono::{DateTime, Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::zone_name;
use crate::cron;

/// The times at which a receiver gets one message about everything that happened since the time before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DigestTimes {
    /// At midnight UTC, and whenever a period has passed since then.
    Every {
        /// The period, which divides a day. Never 0.
        every_seconds: u32,
    },
    /// Once a day.
    Daily {
        /// Local time.
        at: NaiveTime,
        /// Its zone.
        #[serde(with = "zone_name")]
        timezone: Tz,
    },
}

impl DigestTimes {
    /// The first of the times after `now`.
    pub fn next(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Every { every_seconds } => {
                let period = i64::from(every_seconds);
                let passed = now.timestamp().checked_div_euclid(period)?;
                DateTime::from_timestamp(passed.checked_add(1)?.checked_mul(period)?, 0)
            }
            Self::Daily { at, timezone } => {
                let today = timezone.from_utc_datetime(&now.naive_utc()).date_naive();
                // A time that a change of the clocks leaves out is moved on by as much as the clocks are, so that today's may still
                // come after it was left out; a day that the date line leaves out has none of its own.
                let days = (0..=2).filter_map(|days| today.checked_add_days(Days::new(days)));
                days.filter_map(|day| cron::instant(day.and_time(at), timezone)).find(|next| *next > now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(times: DigestTimes, now: &str) -> String {
        let next = times.next(now.parse().expect("an instant")).expect("a time");
        next.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    #[test]
    fn a_period_begins_at_midnight_utc_and_a_time_that_has_just_come_is_not_the_next_one() {
        for (every_seconds, now, expected) in [
            (3_600, "2026-12-01T02:00:00Z", "2026-12-01T03:00:00Z"),
            (3_600, "2026-12-01T02:59:59.999Z", "2026-12-01T03:00:00Z"),
            (900, "2026-12-01T23:50:00Z", "2026-12-02T00:00:00Z"),
            (86_400, "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"),
            (28_800, "2026-12-01T15:00:00Z", "2026-12-01T16:00:00Z"),
        ] {
            assert_eq!(next(DigestTimes::Every { every_seconds }, now), expected, "{every_seconds} s at {now}");
        }
    }

    #[test]
    fn a_time_of_the_day_is_that_of_its_zone_also_when_the_clocks_change() {
        for (at, now, expected) in [
            ("08:00", "2026-12-01T06:59:59Z", "2026-12-01T07:00:00Z"),
            ("08:00", "2026-12-01T07:00:00Z", "2026-12-02T07:00:00Z"),
            ("00:30", "2026-11-30T23:00:00Z", "2026-11-30T23:30:00Z"),
            // The clocks go from 02:00 to 03:00, and from 03:00 to 02:00: one digest a day.
            ("02:30", "2026-03-28T23:00:00Z", "2026-03-29T01:30:00Z"),
            ("02:30", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
            ("02:30", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ] {
            let at = NaiveTime::parse_from_str(at, "%H:%M").expect("a time");
            let times = DigestTimes::Daily { at, timezone: Tz::Europe__Berlin };
            assert_eq!(next(times, now), expected, "{at} at {now}");
        }
    }
}
