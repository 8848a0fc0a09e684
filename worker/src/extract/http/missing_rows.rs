//! Sentences for the report about pages that were read but may not be all there is.

use std::path::Path;

use elt_shared::config::{ApiSource, Pagination, Total};
use elt_shared::json_path::JsonPath;

use super::answer::{Wanted, total};
use super::error::{HttpError, Result};
use super::{Fetching, Page, address, request};

/// Most bytes of an answer without pages that is searched for a total, because this takes another pass over it.
const SEARCHED_BYTES: u64 = 16 << 20;

/// The members for the next page that any answer of a source had.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members {
    /// Whether an answer had rows.
    rows: bool,
    /// Whether one had the member that names the next page.
    next: bool,
    /// Whether one had the member that says whether there is a next page.
    more: bool,
}

impl Members {
    pub(super) fn of(fetching: &Fetching<'_>, pages: &[Page]) -> Self {
        let rows = pages.iter().any(|page| page.contents.rows > 0);
        Self { rows, next: fetching.names_next, more: fetching.says_more }
    }

    /// Adds those of the answers for another value of `for_each`.
    pub(super) fn join(&mut self, other: Self) {
        self.rows |= other.rows;
        self.next |= other.next;
        self.more |= other.more;
    }
}

/// Sentences about paths that no answer of a source had, because they may be misspelt.
pub(super) fn about_members(source: &ApiSource, wanted: &Wanted, members: Members) -> Vec<String> {
    let url = address(source);
    let mut doubts = Vec::new();
    if let Some(path) = wanted.cursor.as_ref().filter(|_| members.rows && !members.next) {
        doubts.push(format!(
            "{url}: `cursor_path` {path} was found on no page, so only the first page was read: check its spelling; write \
             `$[\"a.b\"]` for a name with a dot"
        ));
    }
    let is_written = matches!(source.pagination, Some(Pagination::Cursor { has_more: Some(_), .. }));
    if let Some(path) = wanted.has_more.as_ref().filter(|_| is_written && members.rows && !members.more) {
        doubts.push(format!(
            "{url}: `has_more_path` {path} was found on no page, so `cursor_path` alone decided where the pages end: check \
             its spelling"
        ));
    }
    doubts
}

/// Sentences about errors beside complete data, and about pages that repeat rows.
pub(super) fn about_pages(fetching: &Fetching<'_>, pages: &[Page]) -> Vec<String> {
    let url = address(fetching.source);
    let mut doubts = Vec::new();
    // Others would say the same.
    if let Some((name, tolerated)) = pages.iter().find_map(|page| Some((&page.name, page.contents.tolerated.as_ref()?)))
    {
        let (count, message) = (tolerated.count, request::quoted(fetching.source, &tolerated.message));
        doubts.push(format!("{name}: it reports {count} errors beside complete data, first: {message}"));
    }
    if let Some(number) = fetching.pages.with_old_rows() {
        doubts.push(format!(
            "{url}: page {number} has the same rows as an earlier page, although it was named as a new one: the API may \
             have left other rows out. Retry the run, or compare the number of rows with the API's own"
        ));
    }
    doubts
}

/// A sentence about a number of rows that the API names and that differs from the rows that were read.
pub(super) async fn about_total(source: &ApiSource, pages: &[Page]) -> Result<Option<String>> {
    let (Some(first), Some(last)) = (pages.first(), pages.last()) else { return Ok(None) };
    let counted = source.pagination.is_some() || source.records.is_some();
    let searched = source.pagination.is_some() || first.body.bytes <= SEARCHED_BYTES;
    // A total beside rows in several places, or in elements of an array, counts something else.
    let scattered = !source.further_records.is_empty() || source.leads_into_elements();
    if !counted || (source.total == Total::Usual && scattered) || (source.total == Total::Usual && !searched) {
        return Ok(None);
    }
    let (first, last) = (first.path.clone(), last.path.clone());
    let (wanted, records) = (source.total.clone(), source.records.clone());
    let url = address(source);
    let doing = format!("look into the answer of {url}");
    let looking = tokio::task::spawn_blocking(move || totals(&wanted, records.as_deref(), &first, &last)).await;
    let totals = looking
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| HttpError::Spool { doing, source })?;
    let read: u64 = pages.iter().map(|page| page.contents.rows).sum();
    let largest = pages.iter().map(|page| page.contents.rows).max().unwrap_or_default();
    Ok(match totals {
        Totals::Unwanted => None,
        Totals::Missing(path) => Some(format!(
            "{url}: there is no whole number at `total_path` {path}, so that the rows could not be compared"
        )),
        Totals::Found { path, low, high, usual } => {
            let agrees = (low..=high).contains(&read);
            // The number of a page's own rows has such names, too.
            let counts_a_page = usual && pages.len() > 1 && high <= largest;
            (!agrees && !counts_a_page).then(|| {
                format!(
                    "{url}: the API says at {path} that it has {high} rows, and {read} were read. If rows are missing, check \
                     `pagination` and `params`; write `total_path: none` if it counts something else"
                )
            })
        }
    })
}

/// The numbers of rows that the first and the last answer name.
enum Totals {
    /// Nothing is to be compared.
    Unwanted,
    /// There is no number at the path of the config.
    Missing(JsonPath),
    /// The least and the most, because rows may come and go while the pages are read.
    Found {
        path: JsonPath,
        low: u64,
        high: u64,
        /// Whether the config names no path.
        usual: bool,
    },
}

fn totals(wanted: &Total, records: Option<&str>, first: &Path, last: &Path) -> std::io::Result<Totals> {
    let (path, number, usual) = match wanted {
        Total::Nowhere => return Ok(Totals::Unwanted),
        Total::Usual => {
            let records = records.and_then(|records| records.parse().ok());
            let Some((path, number)) = total::usual(first, records.as_ref())? else { return Ok(Totals::Unwanted) };
            (path, number, true)
        }
        Total::At(path) => {
            let Ok(path) = path.parse::<JsonPath>() else { return Ok(Totals::Unwanted) };
            let Some(number) = total::at(first, &path)? else { return Ok(Totals::Missing(path)) };
            (path, number, false)
        }
    };
    let at_end = total::at(last, &path)?.unwrap_or(number);
    Ok(Totals::Found { path, low: number.min(at_end), high: number.max(at_end), usual })
}
