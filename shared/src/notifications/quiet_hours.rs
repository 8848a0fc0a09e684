//! The hours of the day in which messages wait.

use chrono::{DateTime, Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::zone_name;
use crate::cron;

/// The hours of each day in which messages wait for the end of these hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// Local time at which they begin.
    pub from: NaiveTime,
    /// Local time at which they end, on the next day if it is before `from`. Never equal to it.
    pub to: NaiveTime,
    /// Zone of both.
    #[serde(with = "zone_name")]
    pub timezone: Tz,
}

impl QuietHours {
    /// When the quiet hours end that hold at `now`. `None`: none hold.
    pub fn end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.timezone.from_utc_datetime(&now.naive_utc()).naive_local();
        let (today, time) = (local.date(), local.time());
        let is_after_start = time >= self.from;
        let is_before_end = time < self.to;
        let last = match self.from < self.to {
            true if is_after_start && is_before_end => today,
            false if is_after_start => today.checked_add_days(Days::new(1))?,
            false if is_before_end => today,
            _ => return None,
        };
        // A time that a change of the clocks leaves out is moved on by as much as the clocks are.
        cron::instant(last.and_time(self.to), self.timezone).filter(|end| *end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(from: &str, to: &str, now: &str) -> Option<String> {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").expect("a time");
        let hours = QuietHours { from: time(from), to: time(to), timezone: Tz::Europe__Berlin };
        let end = hours.end(now.parse().expect("an instant"));
        end.map(|end| end.format("%Y-%m-%dT%H:%MZ").to_string())
    }

    #[test]
    fn messages_wait_until_the_quiet_hours_are_over() {
        for (from, to, now, expected) in [
            ("22:00", "07:00", "2026-12-01T20:59:59Z", None),
            ("22:00", "07:00", "2026-12-01T21:00:00Z", Some("2026-12-02T06:00Z")),
            ("22:00", "07:00", "2026-12-02T05:59:59Z", Some("2026-12-02T06:00Z")),
            ("22:00", "07:00", "2026-12-02T06:00:00Z", None),
            ("12:00", "13:30", "2026-07-01T10:15:00Z", Some("2026-07-01T11:30Z")),
            ("12:00", "13:30", "2026-07-01T11:30:00Z", None),
            // The night in which the clocks go from 02:00 to 03:00, and the one in which 02:30 comes twice.
            ("22:00", "02:30", "2026-03-28T22:00:00Z", Some("2026-03-29T01:30Z")),
            ("22:00", "07:00", "2026-10-24T22:00:00Z", Some("2026-10-25T06:00Z")),
        ] {
            assert_eq!(end(from, to, now).as_deref(), expected, "{from} to {to} at {now}");
        }
    }
}
