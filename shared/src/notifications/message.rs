//! What a message says. It has no secret and no value of a row.

use chrono::{DateTime, Utc};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Event;
use super::conditions::{drift, number};
use crate::runs::{Outcome, RunState, Trigger};
use crate::store::runs::Run;

/// Longest text of an error that a message repeats, in characters.
const LONGEST_TEXT: usize = 1_000;
/// Most differences of columns, and reasons of rejected rows, that a message names.
const NAMED: usize = 10;

/// A message about an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NotificationMessage)]
pub struct Message {
    /// What happened; `recovered` when an incident is over.
    pub event: Event,
    /// The event of the incident, also when it is over.
    pub incident: Event,
    /// Name of the pipeline; empty for a test of a channel.
    pub pipeline: String,
    /// When the incident began.
    pub since: DateTime<Utc>,
    /// A sentence about what happened.
    pub title: String,
    /// More about it, in sentences. May be empty.
    pub text: String,
    /// Its page in the dashboard. `null`: the process that sent it does not know the address of this installation.
    #[serde(default)]
    pub url: Option<String>,
    /// The run that showed it; `null` when no run did, and for a test of a channel.
    pub run: Option<RunFacts>,
}

/// A run as messages name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NotificationRun)]
pub struct RunFacts {
    /// UUIDv7.
    pub id: Uuid,
    /// How it ended.
    pub state: RunState,
    /// Whether everything that arrived was loaded. `null` unless it succeeded.
    pub outcome: Option<Outcome>,
    /// Why it was made.
    pub trigger: Trigger,
    /// The target table as the config names it.
    pub table: String,
    /// When its first attempt started. `null`: it was stopped before.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Stable code of a failure.
    pub error_code: Option<String>,
    /// The failure as a sentence.
    pub error: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// Rows found in all files; 0 when the run did not load, as for all counts.
    pub rows_read: u64,
    /// Rows that were not in the table before.
    pub rows_inserted: u64,
    /// Rows of a merge that replaced the row of their key.
    pub rows_updated: u64,
    /// Rows that were there already, or came more than once.
    pub rows_duplicate: u64,
    /// Rows kept in quarantine.
    pub rows_quarantined: u64,
}

impl RunFacts {
    fn of(run: &Run) -> Self {
        let count = |name| number(run.report.as_ref(), name);
        Self {
            id: run.id,
            state: run.state,
            outcome: run.outcome,
            trigger: run.trigger,
            table: run.target_table.clone(),
            started_at: run.started_at,
            finished_at: run.finished_at,
            error_code: run.error_code.clone(),
            error: run.error.as_deref().map(shortened),
            next_step: run.next_step.as_deref().map(shortened),
            rows_read: count("rows_read"),
            rows_inserted: count("rows_inserted"),
            rows_updated: count("rows_updated"),
            rows_duplicate: count("rows_duplicate"),
            rows_quarantined: count("rows_quarantined"),
        }
    }
}

impl Message {
    /// The same message with the address of its page, in the dashboard of the installation at `base`.
    pub(super) fn linked(mut self, base: &Url) -> Self {
        let mut url = match (&self.run, self.pipeline.is_empty()) {
            (Some(run), _) => page(base, &["runs", &run.id.to_string()]),
            (None, true) => page(base, &["notifications"]),
            (None, false) => page(base, &["runs"]),
        };
        if self.run.is_none() && !self.pipeline.is_empty() {
            url.query_pairs_mut().append_pair("name", &self.pipeline);
        }
        self.url = Some(url.into());
        self
    }
}

/// The address of a page in the dashboard of the installation at `base`.
pub(super) fn page(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push("ui").extend(segments);
    }
    url
}

/// The message of an incident that began with a run. `usual`: the rows that a run reads usually, where it is known.
pub(super) fn begun(event: Event, run: &Run, since: DateTime<Utc>, usual: Option<f64>) -> Message {
    let facts = RunFacts::of(run);
    let pipeline = &run.name;
    let (title, text) = match event {
        Event::Failed => {
            let sentences = [&facts.error, &facts.next_step].into_iter().flatten().map(|text| sentence(text));
            (format!("{pipeline} failed"), sentences.collect::<Vec<_>>().join(" "))
        }
        Event::Stopped => {
            let text = match run.divided_at {
                Some(_) => {
                    "A run was stopped. Tables that it had loaded before stay loaded; its report names them.".to_owned()
                }
                None => {
                    format!(
                        "A run into {} was stopped before it had loaded. Nothing of it is in the table.",
                        facts.table
                    )
                }
            };
            (format!("{pipeline} was stopped"), text)
        }
        Event::Rejects => (
            format!("{pipeline} rejected {}", rows(facts.rows_quarantined)),
            format!(
                "{} of {} broke the schema of {} and are in quarantine.{}",
                facts.rows_quarantined,
                rows(facts.rows_read),
                facts.table,
                reasons(run.report.as_ref())
            ),
        ),
        Event::Drift => {
            let all = drift(run.report.as_ref()).unwrap_or_default();
            (format!("The columns of {pipeline} changed"), differences(all))
        }
        Event::Volume => (
            format!("{pipeline} read {}", rows(facts.rows_read)),
            match usual {
                Some(usual) => format!("That is fewer than expected: its runs usually read about {usual:.0}."),
                None => "That is fewer than its config expects.".to_owned(),
            },
        ),
        Event::Stale | Event::NoWorker | Event::Missed | Event::Recovered | Event::Test => {
            return over(event, run, since);
        }
    };
    Message { event, incident: event, pipeline: pipeline.clone(), since, title, text, url: None, run: Some(facts) }
}

/// The message that an incident is over since a run.
pub(super) fn over(incident: Event, run: &Run, since: DateTime<Utc>) -> Message {
    let facts = RunFacts::of(run);
    let before = match incident {
        Event::Failed => "had failed",
        Event::Stopped => "had been stopped",
        Event::Rejects => "had rejected rows",
        Event::Volume => "had read too few rows",
        Event::Stale => "had been stale",
        Event::NoWorker => "had no worker",
        Event::Missed => "had missed a run",
        Event::Drift | Event::Recovered | Event::Test => "had needed attention",
    };
    let text = format!(
        "A run loaded {} into {}. The pipeline {before} since {}.",
        new_rows(facts.rows_inserted),
        facts.table,
        since.format("%Y-%m-%d %H:%M UTC")
    );
    let title = format!("{} is well again", run.name);
    let pipeline = run.name.clone();
    Message { event: Event::Recovered, incident, pipeline, since, title, text, url: None, run: Some(facts) }
}

/// The message of an incident that no run showed.
pub(super) fn without_run(event: Event, pipeline: &str, since: DateTime<Utc>, text: String) -> Message {
    let title = match event {
        Event::Stale => format!("{pipeline} is stale"),
        Event::NoWorker => format!("{pipeline} has no worker"),
        _ => format!("{pipeline} missed a run"),
    };
    Message { event, incident: event, pipeline: pipeline.to_owned(), since, title, text, url: None, run: None }
}

/// The message of a test of a channel.
pub(super) fn test(channel: &str, by: &str, at: DateTime<Utc>) -> Message {
    Message {
        event: Event::Test,
        incident: Event::Test,
        pipeline: String::new(),
        since: at,
        title: format!("The channel {channel} works"),
        text: format!("{by} tests whether messages about pipelines arrive here."),
        url: None,
        run: None,
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".into() } else { format!("{count} rows") }
}

fn new_rows(count: u64) -> String {
    if count == 1 { "1 new row".into() } else { format!("{count} new rows") }
}

/// The text with a full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

fn shortened(text: &str) -> String {
    shortened_to(LONGEST_TEXT, text)
}

/// The first characters of a text, with an ellipsis where others follow.
pub(super) fn shortened_to(longest: usize, text: &str) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Codes and columns of the most frequent reasons. The sentences of the report may quote values, so they are left out.
fn reasons(report: Option<&Value>) -> String {
    let listed = report.and_then(|report| report.get("rejected")?.get("reasons")?.as_array());
    let named = listed.into_iter().flatten().take(NAMED).filter_map(|reason| {
        let (code, count) = (reason.get("code")?.as_str()?, reason.get("rows")?.as_u64()?);
        Some(match reason.get("column").and_then(Value::as_str) {
            Some(column) => format!("{count} for {code} in {}", shortened(column)),
            None => format!("{count} for {code}"),
        })
    });
    let named = named.collect::<Vec<_>>().join(", ");
    if named.is_empty() { String::new() } else { format!(" Reasons: {named}.") }
}

/// Differences of columns in sentences.
fn differences(all: &[Value]) -> String {
    let text = |difference: &Value, member: &str| {
        difference.get(member).and_then(Value::as_str).map(shortened).unwrap_or_default()
    };
    let mut sentences: Vec<String> = all
        .iter()
        .take(NAMED)
        .map(|difference| {
            let column = text(difference, "column");
            match difference.get("change").and_then(Value::as_str) {
                Some("added") => format!("The column {column} is new ({}).", text(difference, "type")),
                Some("widened") => {
                    format!("{column} became {} and was {}.", text(difference, "to"), text(difference, "from"))
                }
                Some("missing") => format!("No file has the column {column}."),
                _ => format!("The column {column} of the files is not loaded."),
            }
        })
        .collect();
    if let Some(more @ 1..) = all.len().checked_sub(NAMED) {
        sentences.push(format!("{more} further columns changed."));
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_of_columns_are_sentences_without_values_of_rows() {
        let all = json!([
            { "change": "added", "column": "vat", "type": "int64" },
            { "change": "widened", "column": "amount", "from": "bigint", "to": "text",
              "decided_by": { "file": "a.csv", "line": 2, "value": "a value of a row" } },
            { "change": "missing", "column": "note" },
            { "change": "left_out", "column": "extra", "reason": "strict" },
        ]);
        assert_eq!(
            differences(all.as_array().expect("a list")),
            "The column vat is new (int64). amount became text and was bigint. No file has the column note. The column extra \
             of the files is not loaded."
        );
        let many: Vec<Value> = (0..12).map(|n| json!({ "change": "missing", "column": format!("c{n}") })).collect();
        assert!(differences(&many).ends_with("No file has the column c9. 2 further columns changed."));
    }

    #[test]
    fn reasons_are_named_by_code_and_column_and_quote_no_value() {
        let report = json!({ "rejected": {
            "reasons": [{ "code": "wrong_type", "column": "amount", "rows": 3 }, { "code": "ragged", "column": null, "rows": 1 }],
            "places": [{ "reason": "a value of a row" }],
        } });
        assert_eq!(reasons(Some(&report)), " Reasons: 3 for wrong_type in amount, 1 for ragged.");
        assert_eq!(reasons(None), "");
    }

    #[test]
    fn a_message_links_to_its_page() {
        let now = Utc::now();
        let link = |message: Message, base: &str| message.linked(&base.parse().expect("a URL")).url.expect("a link");
        let stale = || without_run(Event::Stale, "a & b/c", now, String::new());
        assert_eq!(link(stale(), "https://elt.example.com"), "https://elt.example.com/ui/runs?name=a+%26+b%2Fc");
        assert_eq!(link(stale(), "https://example.com/elt/"), "https://example.com/elt/ui/runs?name=a+%26+b%2Fc");
        assert_eq!(link(test("ops", "ann", now), "http://[::1]:8080"), "http://[::1]:8080/ui/notifications");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = "ä".repeat(LONGEST_TEXT + 1);
        assert_eq!(shortened(&long), format!("{}…", "ä".repeat(LONGEST_TEXT)));
        assert_eq!(sentence("it is away"), "it is away.");
    }
}
