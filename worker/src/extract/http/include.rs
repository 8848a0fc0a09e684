//! Rows that are copied out of the answers: several paths to rows, paths that lead into elements, and added columns.

use std::path::PathBuf;

use elt_shared::config::template::Value;
use elt_shared::config::{ApiSource, Included};
use elt_shared::json_path::JsonPath;
use reqwest::header::{HeaderMap, HeaderName};

use super::error::{HttpError, Result};
use crate::frame::json::gather::{Added, AddedValue, GatherError, Gathered, RowsFile, Wanted, gather};
use crate::input::{Compression, Format, InputFile};

/// The rows to copy out of each answer of a source.
#[derive(Debug, Clone)]
pub(super) struct RowPlan {
    records: Vec<JsonPath>,
    columns: Vec<(String, Origin)>,
}

/// The origin of the values of an added column.
#[derive(Debug, Clone)]
enum Origin {
    Path(JsonPath),
    Header(HeaderName),
    Parent,
}

impl RowPlan {
    /// The plan of a source. `None`: its rows are read from the answers themselves. `url` is for errors.
    pub(super) fn of(source: &ApiSource, url: &str) -> Result<Option<Self>> {
        if !source.copies_rows() {
            return Ok(None);
        }
        let records = source.records.iter().chain(&source.further_records);
        let records = records.map(|text| path(url, "records", text)).collect::<Result<_>>()?;
        let mut columns = Vec::new();
        for include in &source.include {
            let origin = match &include.from {
                Included::Path(text) => Origin::Path(path(url, "include", text)?),
                Included::Header(name) => {
                    let bad = |_| HttpError::BadHeader { url: url.to_owned(), what: format!("header `{name}`") };
                    Origin::Header(HeaderName::from_bytes(name.as_bytes()).map_err(bad)?)
                }
                Included::Parent => Origin::Parent,
            };
            columns.push((include.column.clone(), origin));
        }
        Ok(Some(Self { records, columns }))
    }

    /// What is wanted of an answer with these headers, which was asked for with this value of `for_each`.
    pub(super) fn wanted(&self, headers: &HeaderMap, parent: Option<&Value>) -> Wanted {
        let added = self.columns.iter().map(|(name, origin)| {
            let fixed = |value: serde_json::Value| AddedValue::Fixed(value.to_string().into_bytes());
            let value = match origin {
                Origin::Path(path) => AddedValue::At(path.clone()),
                Origin::Header(name) => fixed(header(headers, name).into()),
                Origin::Parent => match parent {
                    Some(Value::Whole(number)) => AddedValue::Fixed(number.to_string().into_bytes()),
                    Some(Value::Json(json)) => AddedValue::Fixed(json.clone().into()),
                    Some(Value::Text(text)) => fixed(text.as_str().into()),
                    None => fixed(serde_json::Value::Null),
                },
            };
            Added { name: name.clone(), value }
        });
        Wanted { records: self.records.clone(), added: added.collect() }
    }

    /// Sentences about paths that led to nothing in all answers, because they may be misspelt.
    pub(super) fn warnings(&self, found: &Gathered, url: &str) -> Vec<String> {
        let records =
            self.records.iter().zip(&found.records).filter(|(_, found)| !**found).map(|(path, _)| {
                format!("{url}: there was nothing at `records` {path} in any answer: check its spelling")
            });
        let paths = self.columns.iter().zip(&found.added).filter(|(_, found)| !**found);
        let columns = paths.filter_map(|((column, origin), _)| match origin {
            Origin::Path(path) => Some(format!(
                "{url}: the added column {column:?} is empty, because there was nothing at {path} in any answer: check its \
                 spelling"
            )),
            Origin::Header(_) | Origin::Parent => None,
        });
        records.chain(columns).collect()
    }
}

/// The text of a header; several of one name are joined by commas. Bytes that are no UTF-8 are read as Latin-1.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let texts: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => text.to_owned(),
            Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn path(url: &str, key: &'static str, text: &str) -> Result<JsonPath> {
    text.parse().map_err(|error: elt_shared::json_path::JsonPathError| HttpError::BadPath {
        url: url.to_owned(),
        key,
        reason: error.to_string(),
    })
}

/// Copies the rows of an answer to the end of a file, and deletes the answer. `url` is for errors.
pub(super) async fn copy_rows(
    answer: PathBuf,
    wanted: Wanted,
    url: &str,
    mut to: RowsFile,
) -> (RowsFile, Result<Gathered>) {
    let name = url.to_owned();
    let copying = tokio::task::spawn_blocking(move || {
        let input = InputFile::at(name, answer, Format::Json, Compression::None).map_err(GatherError::Write);
        let copied = input.and_then(|input| {
            let found = gather(&input, &wanted, &mut to)?;
            std::fs::remove_file(&input.path)?;
            Ok(found)
        });
        (to, copied)
    });
    match copying.await {
        Ok((to, copied)) => (to, copied.map_err(|error| explained(error, url))),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The error about an answer whose rows cannot be copied.
pub(super) fn explained(error: GatherError, url: &str) -> HttpError {
    let url = url.to_owned();
    match error {
        GatherError::Document(error) => HttpError::NoRows { url, reason: error.reason },
        GatherError::NotRows(reason) => HttpError::NoRows { url, reason },
        GatherError::NameTaken(column) => HttpError::NameTaken { url, column },
        GatherError::LargeValue(_) => HttpError::BadPath { url, key: "include", reason: error.to_string() },
        GatherError::NoRoom(limit) => HttpError::TooLarge { url, limit },
        GatherError::Write(source) => HttpError::Spool { doing: format!("copy the rows of {url}"), source },
    }
}
