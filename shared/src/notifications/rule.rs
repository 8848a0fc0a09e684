//! What a config asks for: the items of `notify:` without where they send to, and what counts as stale and as too few rows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::{DigestTimes, Event, QuietHours};

/// What a config says about messages, as it is kept beside its version. It has no secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotifyConfig {
    /// The items of `notify:`, in their order.
    pub rules: Vec<NotifyRule>,
    /// `freshness`: seconds without a run that loaded after which the pipeline is stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness_seconds: Option<u64>,
    /// `volume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
}

/// `volume`: how many rows a run is expected to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Fewer rows than these are too few.
    pub min: Option<u64>,
    /// Fewer rows than usual by more than this percentage are too few.
    pub max_drop: Option<f64>,
}

impl Volume {
    /// Whether a run read too few rows. `usual`: the median of the runs before; `None`: there are not enough of them.
    pub fn is_low(self, rows: u64, usual: Option<f64>) -> bool {
        let is_below = self.min.is_some_and(|min| rows < min);
        let lowest = self.max_drop.zip(usual).map(|(drop, usual)| usual * (100.0 - drop) / 100.0);
        is_below || lowest.is_some_and(|lowest| (rows as f64) < lowest)
    }
}

/// An item of `notify:`, as it is kept beside its config version. It has no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyRule {
    /// The events it listens to, each once.
    #[serde(deserialize_with = "known_events")]
    pub on: Vec<Event>,
    /// Number of rejected rows of a run that is no reason for a message.
    pub quarantine_above: u64,
    /// The channel that its messages go to. `None`: the config itself has the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The hours of the day in which its messages wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietHours>,
    /// When its messages go out as one. `None`: each goes out by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestTimes>,
    /// Where its messages go, for people: `webhook https://hooks.example.com`.
    pub destination: String,
}

/// The events that this release knows. A later one may have stored others, and its configs must not keep runs from ending.
fn known_events<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<Event>, D::Error> {
    let words = Vec::<String>::deserialize(source)?;
    Ok(words.iter().filter_map(|word| word.parse().ok()).collect())
}

impl NotifyRule {
    /// Whether it listens to incidents of this event and subject.
    pub fn hears(&self, event: Event, subject: &str) -> bool {
        self.on.contains(&event) && (event != Event::Rejects || subject == self.quarantine_above.to_string())
    }

    /// Whether it hears that such an incident is over.
    pub fn hears_end(&self, event: Event, subject: &str) -> bool {
        event.recovers() && self.on.contains(&Event::Recovered) && self.hears(event, subject)
    }

    /// When a message is due that is written at `now`: with the next digest, and after the quiet hours. `None`: at once.
    pub fn due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let digest = self.digest.and_then(|digest| digest.next(now));
        let quiet = self.quiet.and_then(|quiet| quiet.end(digest.unwrap_or(now)));
        quiet.or(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_later_release_are_passed_over() {
        let stored = r#"{"on": ["failed", "eclipse"], "quarantine_above": 0, "destination": "webhook"}"#;
        let rule: NotifyRule = serde_json::from_str(stored).expect("readable");
        assert_eq!((rule.on, rule.quiet, rule.digest), (vec![Event::Failed], None, None));
    }

    #[test]
    fn a_digest_that_is_due_in_quiet_hours_goes_out_when_they_end() {
        let rule = |more: &str| -> NotifyRule {
            let stored = format!(r#"{{"on": ["failed"], "quarantine_above": 0, "destination": "webhook"{more}}}"#);
            serde_json::from_str(&stored).expect("readable")
        };
        let quiet = r#", "quiet": {"from": "22:00:00", "to": "07:00:00", "timezone": "UTC"}"#;
        let digest = r#", "digest": {"every_seconds": 21600}"#;
        for (more, now, due) in [
            (String::new(), "2026-12-01T21:00:00Z", None),
            (quiet.to_owned(), "2026-12-01T21:00:00Z", None),
            (quiet.to_owned(), "2026-12-01T22:00:00Z", Some("2026-12-02T07:00:00Z")),
            (digest.to_owned(), "2026-12-01T21:00:00Z", Some("2026-12-02T00:00:00Z")),
            (format!("{quiet}{digest}"), "2026-12-01T21:00:00Z", Some("2026-12-02T07:00:00Z")),
            (format!("{quiet}{digest}"), "2026-12-02T05:00:00Z", Some("2026-12-02T07:00:00Z")),
            (format!("{quiet}{digest}"), "2026-12-02T06:30:00Z", Some("2026-12-02T12:00:00Z")),
        ] {
            let found = rule(&more).due(now.parse().expect("an instant"));
            assert_eq!(found, due.map(|due| due.parse().expect("an instant")), "{more} at {now}");
        }
    }

    #[test]
    fn too_few_rows_are_fewer_than_the_least_or_than_usual_by_more_than_the_drop() {
        let volume = Volume { min: Some(10), max_drop: Some(50.0) };
        for (rows, usual, is_low) in [
            (9, None, true),
            (10, None, false),
            (50, Some(100.0), false),
            (49, Some(100.0), true),
            (9, Some(1.0), true),
        ] {
            assert_eq!(volume.is_low(rows, usual), is_low, "{rows} {usual:?}");
        }
        assert!(!Volume { min: None, max_drop: None }.is_low(0, Some(5.0)));
    }
}
