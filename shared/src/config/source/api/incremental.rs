//! `incremental:`: how an API is asked only for what is new.

use std::time::Duration;

use reqwest::Url;
use sha2::{Digest, Sha256};

use super::super::SourceConfig;
use super::ApiSource;
use super::template::{SINCE, Value, Values};
use crate::config::field::Field;
use crate::config::keys::{Choice, Key};
use crate::config::section::Section;
use crate::config::{duration, masked_path};
use crate::json_path::{JsonPath, Step};
use crate::redaction;

/// How an API is asked only for what is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incremental {
    /// Column or path of the value in a row that grows with each change: `updated_at`, `meta.version`.
    pub cursor: String,
    /// Query parameter of the value from which rows are read. `None`: a placeholder sends it, or nothing does and the order
    /// of the rows says where to stop.
    pub param: Option<String>,
    /// The value from which the first run reads. `None`: it reads everything.
    pub start: Option<String>,
    /// How far before the greatest value the next run begins, for rows that arrive late.
    pub lookback: Option<Lookback>,
    /// The order in which the API sends its rows.
    pub order: CursorOrder,
    /// Query parameter of the value up to which a window of a backfill is read.
    pub end_param: Option<String>,
    /// How a time is sent. `None`: as the API writes it.
    pub format: Option<TimeFormat>,
}

/// A distance between two values of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookback {
    /// A number without a unit: subtracted from a number, or seconds of a time.
    Number(u64),
    /// A time.
    Time(Duration),
}

/// The order in which an API sends its rows, by their cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CursorOrder {
    /// The oldest first.
    Asc,
    /// The newest first, so that a page with nothing but older rows is the last one that is read.
    Desc,
    /// No order that could be relied on.
    #[default]
    None,
}

/// How a time is sent to an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-11-29T17:00:00Z`.
    Rfc3339,
    /// `2026-11-29`.
    Date,
    /// Whole seconds since 1970.
    Unix,
    /// Whole milliseconds since 1970.
    UnixMs,
}

impl Choice for CursorOrder {
    const WORDS: &'static [(&'static str, Self)] = &[("asc", Self::Asc), ("desc", Self::Desc), ("none", Self::None)];
}

impl Choice for TimeFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("rfc3339", Self::Rfc3339), ("date", Self::Date), ("unix", Self::Unix), ("unix_ms", Self::UnixMs)];
}

/// Longest lookback, in seconds.
const LONGEST_LOOKBACK: u64 = 3_660 * 86_400;

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "cursor",
        "Column or path of the value in a row that grows with each change, `updated_at` or `meta.version`: a time, a number, \
         or a text.",
    )
    .required(),
    Key::text("param", "Query parameter in which the value to read from is sent. Without it, write `{{since}}` where it belongs.")
        .or(&["since_param"]),
    Key::text("start", "The value from which the first run reads. Default: the first run reads everything."),
    Key::text(
        "lookback",
        "How far before the greatest value a run begins, for rows that arrive late: `1d`, or a plain number for a cursor \
         that is a number.",
    ),
    Key::choice::<CursorOrder>(
        "order",
        "The order in which the API sends rows. With `desc` (newest first) reading stops at the first page with only older \
         rows. Default `none`.",
    ),
    Key::text("end_param", "Query parameter in which the end of a backfill's window is sent.").or(&["until_param"]),
    Key::choice::<TimeFormat>("format", "How a time is sent. Default: as the API writes it, and `rfc3339` for a window."),
];

pub(super) fn read(field: &Field<'_>) -> Option<Incremental> {
    let section = field.section(KEYS)?;
    let cursor = section.required_text("cursor");
    if let (Some(field), Some(cursor)) = (section.field("cursor"), &cursor)
        && let Err(problem) = check_path(cursor)
    {
        field.problem(problem);
    }
    let lookback = section.field("lookback").and_then(|field| field.parsed(lookback));
    Some(Incremental {
        cursor: cursor?.trim().to_owned(),
        param: section.filled_text("param"),
        start: section.filled_text("start").map(|start| start.trim().to_owned()),
        lookback,
        order: section.choice("order").unwrap_or_default(),
        end_param: section.filled_text("end_param"),
        format: section.choice("format"),
    })
}

impl Incremental {
    /// The value of a placeholder: a whole number stays a number.
    pub fn value(&self, text: String) -> Value {
        match text.parse::<i128>() {
            Ok(number) if number.to_string() == text => Value::Whole(number),
            _ => Value::Text(text),
        }
    }
}

/// Checks that a request carries the cursor, or that the order of the rows says where to stop. Otherwise every run would read
/// everything.
pub(super) fn check_sent(section: &Section<'_>, source: &ApiSource) {
    let Some((field, incremental)) = section.field("incremental").zip(source.incremental.as_ref()) else { return };
    if incremental.param.is_none() && incremental.order != CursorOrder::Desc && !source.has_placeholder(SINCE) {
        field.problem(
            "nothing sends the cursor to the API: write `param` with the query parameter for it, place {{since}} in url, params, \
             headers or body, or write `order: desc` if the API sends its newest rows first",
        );
    }
}

/// Checks that a path leads to one value of a row.
fn check_path(path: &str) -> Result<(), String> {
    let parsed: JsonPath = path.parse().map_err(|error: crate::json_path::JsonPathError| error.to_string())?;
    if parsed.steps().is_empty() || parsed.steps().contains(&Step::Every) {
        return Err("expected the path of one value in a row, such as updated_at or meta.version".into());
    }
    Ok(())
}

/// Longest identity that is stored as it is, in bytes, because the size of an index entry is limited.
const MAX_IDENTITY_BYTES: usize = 1_000;

/// The identity of each API among the sources of a config: its place, without query and secrets, and a number from the second
/// one of a place on. `None`: a source of another kind.
pub fn api_identities(sources: &[SourceConfig]) -> Vec<Option<String>> {
    let mut identities: Vec<Option<String>> = Vec::new();
    let mut places: Vec<String> = Vec::new();
    for source in sources {
        let SourceConfig::Api(api) = source else {
            identities.push(None);
            continue;
        };
        let place = bounded(redaction::hide(&format!("api {}", api.address())).into_owned());
        let alike = places.iter().filter(|other| **other == place).count();
        identities.push(Some(if alike == 0 { place.clone() } else { format!("{place} #{}", alike + 1) }));
        places.push(place);
    }
    identities
}

impl ApiSource {
    /// The address without query, secrets and values of placeholders, which stays the same between runs. Empty: it refers to
    /// something that is not resolved here.
    pub fn address(&self) -> String {
        let text = self.url.render_with(&Values::default(), |value| value.into());
        // A reference in the path parses as a URL, and would name a place that no run knows.
        if text.split(['?', '#']).next().is_some_and(|place| place.contains("${")) {
            return String::new();
        }
        let Ok(url) = Url::parse(text.trim()) else { return String::new() };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), masked_path(url.path()))
    }
}

fn bounded(identity: String) -> String {
    if identity.len() <= MAX_IDENTITY_BYTES {
        return identity;
    }
    let start = identity.floor_char_boundary(MAX_IDENTITY_BYTES - 40);
    let hash = Sha256::digest(identity.as_bytes());
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}… {hash}", &identity[..start])
}

fn lookback(text: &str) -> Result<Lookback, String> {
    match text.parse::<u64>() {
        Ok(number) => Ok(Lookback::Number(number)),
        Err(_) => duration::parse(text, LONGEST_LOOKBACK).map(Lookback::Time),
    }
}
