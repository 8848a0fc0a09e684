//! What is looked for in an answer, and the error for what is wrong with it.

use std::path::Path;

use elt_shared::config::template::PAGE_CURSOR;
use elt_shared::config::{self, ApiSource, Pagination};
use elt_shared::json_path::{JsonPath, Step};

use super::answer::{self, Contents, Flaw, Wanted};
use super::error::{HttpError, Result};
use super::request;

/// Reads the facts about a page from its body.
pub(super) async fn inspect(
    path: &Path,
    wanted: &Wanted,
    url: &str,
    received: u64,
    source: &ApiSource,
) -> Result<Contents> {
    let (path, wanted) = (path.to_owned(), wanted.clone());
    let after_rows = wanted.before.is_some();
    let inspecting = tokio::task::spawn_blocking(move || answer::inspect(&path, &wanted)).await;
    let doing = format!("look into the answer of {url}");
    let inspected = inspecting
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| HttpError::Spool { doing, source })?;
    let url = url.to_owned();
    inspected.map_err(|flaw| match flaw {
        Flaw::CutShort(reason) => HttpError::BrokeOff { url, received, reason },
        Flaw::NotJson(reason) => HttpError::NotJson { url, reason },
        Flaw::NoRows(reason) => HttpError::NoRows { url, reason },
        Flaw::NothingAt(path) => HttpError::NothingThere { url, path: path.to_string(), after_rows },
        Flaw::SaysError(member) => HttpError::SaysError { url, member },
        Flaw::SaysErrorInPart(member) => HttpError::SaysErrorInPart { url, member },
        Flaw::BadCursor(reason) => HttpError::BadCursor { url, reason },
        Flaw::GraphQl { message, is_transient, limited } => {
            HttpError::GraphQl { url, message: request::quoted(source, &message), is_transient, limited }
        }
    })
}

/// What is looked for in the answers of a source.
///
/// # Errors
/// When a path of the config cannot be read.
pub(super) fn wanted(source: &ApiSource, url: &str) -> Result<Wanted> {
    let path = |key: &'static str, text: &str| {
        let refuse = |error: elt_shared::json_path::JsonPathError| HttpError::BadPath {
            url: url.to_owned(),
            key,
            reason: error.to_string(),
        };
        text.parse::<JsonPath>().map_err(refuse)
    };
    let mut wanted = Wanted {
        records: source.records.as_deref().map(|records| path("records", records)).transpose()?,
        cursor_is_placed: source.has_placeholder(PAGE_CURSOR),
        graphql: matches!(source.body, Some(config::Body::Json { graphql: true, .. })),
        further_records: source
            .further_records
            .iter()
            .map(|further| path("records", further))
            .collect::<Result<_>>()?,
        // Rows that are copied are looked at as those of pages are.
        paged: source.pagination.is_some() || source.copies_rows(),
        ..Wanted::default()
    };
    if let Some(Pagination::Cursor { path: cursor, end_value, has_more, .. }) = &source.pagination {
        wanted.cursor = Some(path("pagination.cursor_path", cursor)?);
        wanted.has_more = match has_more {
            Some(more) => Some(path("pagination.has_more_path", more)?),
            None => usual_has_more(wanted.cursor.as_ref()),
        };
        wanted.end_value.clone_from(end_value);
    }
    Ok(wanted)
}

/// Where a connection of GraphQL says whether there is a next page, because its last page has a cursor, too.
fn usual_has_more(cursor: Option<&JsonPath>) -> Option<JsonPath> {
    let cursor = cursor.filter(|cursor| cursor.steps().last() == Some(&Step::Member("endCursor".into())))?;
    cursor.sibling("hasNextPage")
}
