//! What the end of a run says about each event: that something is wrong, that it is well, or nothing.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Event, NotifyConfig};
use crate::runs::{End, Outcome};

/// What a run shows about one kind of incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub event: Event,
    /// Tells incidents of the event apart.
    pub subject: String,
    /// Whether something is wrong.
    pub is_wrong: bool,
}

/// What the end of a run shows. An event that is missing was not shown to be wrong or well. `usual`: the rows that a run reads
/// usually; `None`: it is not known, or the run reads a part of time that says nothing about others.
pub(super) fn of_end(end: &End, report: Option<&Value>, config: &NotifyConfig, usual: Option<f64>) -> Vec<Condition> {
    let about = |event, is_wrong| Condition { event, subject: String::new(), is_wrong };
    match end {
        End::Failed { .. } => vec![about(Event::Failed, true)],
        End::Stopped => vec![about(Event::Stopped, true)],
        End::Succeeded { outcome } => {
            let mut shown = Vec::new();
            // A run that could load nothing of what arrived is not a sign that the pipeline is well again.
            if *outcome != Outcome::NothingLoaded {
                let well = [Event::Failed, Event::Stopped, Event::Stale, Event::NoWorker, Event::Missed];
                shown.extend(well.map(|event| about(event, false)));
            }
            if let Some(volume) = config.volume {
                shown.push(about(Event::Volume, volume.is_low(number(report, "rows_read"), usual)));
            }
            let rejected = number(report, "rows_quarantined");
            let mut limits: Vec<u64> = config.rules.iter().map(|rule| rule.quarantine_above).collect();
            limits.sort_unstable();
            limits.dedup();
            shown.extend(limits.into_iter().map(|limit| Condition {
                event: Event::Rejects,
                subject: limit.to_string(),
                is_wrong: rejected > limit,
            }));
            if let Some(differences) = drift(report) {
                shown.push(Condition { event: Event::Drift, subject: digest(differences), is_wrong: true });
            }
            shown
        }
    }
}

/// A count of the report; 0 when it has none.
pub(super) fn number(report: Option<&Value>, name: &str) -> u64 {
    report.and_then(|report| report.get(name)?.as_u64()).unwrap_or(0)
}

/// The differences of columns in a report; `None`: the columns are as they were.
pub(super) fn drift(report: Option<&Value>) -> Option<&[Value]> {
    report?.get("drift")?.as_array().map(Vec::as_slice).filter(|differences| !differences.is_empty())
}

/// The same for the same differences, whichever cell showed them first.
fn digest(differences: &[Value]) -> String {
    let mut hash = Sha256::new();
    for difference in differences {
        for member in ["change", "column", "type", "from", "to", "reason"] {
            hash.update(difference.get(member).and_then(Value::as_str).unwrap_or_default());
            hash.update([0]);
        }
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{NotifyRule, Volume};
    use super::*;

    fn rule(above: u64) -> NotifyRule {
        NotifyRule {
            on: vec![Event::Rejects],
            quarantine_above: above,
            channel: None,
            quiet: None,
            digest: None,
            destination: "webhook".into(),
        }
    }

    fn shown(end: &End, report: &Value, above: &[u64]) -> Vec<(Event, String, bool)> {
        let rules: Vec<NotifyRule> = above.iter().map(|above| rule(*above)).collect();
        let config = NotifyConfig { rules, ..NotifyConfig::default() };
        let shown = of_end(end, Some(report), &config, None).into_iter();
        shown.map(|condition| (condition.event, condition.subject, condition.is_wrong)).collect()
    }

    #[test]
    fn a_run_that_loaded_is_well_and_its_rejected_rows_are_compared_with_each_limit() {
        let end = End::Succeeded { outcome: Outcome::WithWarnings };
        assert_eq!(
            shown(&end, &json!({ "rows_quarantined": 3 }), &[3, 0, 3]),
            [
                (Event::Failed, String::new(), false),
                (Event::Stopped, String::new(), false),
                (Event::Stale, String::new(), false),
                (Event::NoWorker, String::new(), false),
                (Event::Missed, String::new(), false),
                (Event::Rejects, "0".into(), true),
                (Event::Rejects, "3".into(), false),
            ]
        );
    }

    #[test]
    fn a_run_that_loaded_nothing_of_what_arrived_ends_no_incident_of_failed_runs() {
        let end = End::Succeeded { outcome: Outcome::NothingLoaded };
        assert_eq!(shown(&end, &json!({ "rows_quarantined": 1 }), &[0]), [(Event::Rejects, "0".into(), true)]);
    }

    #[test]
    fn the_rows_that_were_read_are_compared_with_what_is_usual() {
        let volume = Volume { min: None, max_drop: Some(50.0) };
        let config = NotifyConfig { volume: Some(volume), ..NotifyConfig::default() };
        let end = End::Succeeded { outcome: Outcome::Clean };
        let is_low = |rows: u64, usual| {
            let shown = of_end(&end, Some(&json!({ "rows_read": rows })), &config, usual);
            shown.iter().any(|condition| condition.event == Event::Volume && condition.is_wrong)
        };
        assert!(is_low(4, Some(10.0)) && !is_low(5, Some(10.0)) && !is_low(0, None));
    }

    #[test]
    fn a_run_that_failed_or_was_stopped_says_nothing_about_rows_and_columns() {
        assert_eq!(shown(&End::Stopped, &json!({}), &[0]), [(Event::Stopped, String::new(), true)]);
        let end = End::Failed { code: "x".into(), error: "y".into(), next_step: "z".into() };
        let report = json!({ "rejected": { "total": 4 }, "partial": true });
        assert_eq!(shown(&end, &report, &[0]), [(Event::Failed, String::new(), true)]);
    }

    #[test]
    fn the_same_differences_are_one_subject_whichever_cell_showed_them() {
        let end = End::Succeeded { outcome: Outcome::Clean };
        let widened = |line: u64, to: &str| {
            let report = json!({ "drift": [{ "change": "widened", "column": "a", "from": "bigint", "to": to,
                                             "decided_by": { "file": "a.csv", "line": line, "value": "x" } }] });
            shown(&end, &report, &[]).pop().expect("drift").1
        };
        assert_eq!(widened(1, "text"), widened(2, "text"));
        assert_ne!(widened(1, "text"), widened(1, "numeric"));
    }
}
