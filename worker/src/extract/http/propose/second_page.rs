//! The second page: whether the paging that was recognised leads to other rows. It is fetched by the code that a run uses.

use elt_shared::config::{ApiSource, Document as Config, NoReferences, SourceConfig};
use elt_shared::json_path::JsonPath;
use elt_shared::runs::{Choice, Confidence};

use super::super::error::{HttpError, Result};
use super::super::url::shown;
use super::super::{ExtractContext, Fetching, HttpLimits, Page};
use super::document::Document;
use super::paging::Paging;
use super::words::counted;
use super::yaml::quoted;

/// The second page, or the reason why it was not found.
pub(super) enum Second {
    /// It has other rows than the first one.
    Other {
        /// Number of its rows.
        rows: u64,
        document: Option<Document>,
    },
    /// It has no rows.
    Empty,
    /// It could not be fetched, or is the first one again: a sentence.
    Wrong(String),
    /// The first page is the last one, so there was nothing to fetch.
    NotThere,
}

impl Second {
    /// Whether a request was made for it.
    pub(super) fn was_fetched(&self) -> bool {
        !matches!(self, Self::NotThere)
    }

    pub(super) fn document(&self) -> Option<&Document> {
        match self {
            Self::Other { document, .. } => document.as_ref(),
            _ => None,
        }
    }
}

/// The source with the paging that is proposed. It is read from the text that the config will have, so that a value which
/// the config would not accept is not proposed.
pub(super) fn with_paging(source: &ApiSource, records: Option<&JsonPath>, pagination: &str) -> Option<ApiSource> {
    let records = records.map(|path| format!("records: {}, ", quoted(&path.to_string()))).unwrap_or_default();
    let yaml = format!(
        "sources: [{{type: api, url: \"http://localhost/\", {records}pagination: {pagination}}}]\ntarget: {{table: t}}\n"
    );
    let mut config = Config::parse(&yaml).ok()?.pipeline(&NoReferences).ok()?.value;
    match config.sources.pop() {
        Some(SourceConfig::Api(read)) => {
            let records = source.records.clone().or(read.records);
            Some(ApiSource { records, pagination: read.pagination, ..source.clone() })
        }
        _ => None,
    }
}

/// Fetches the page after the first one. `source` has the paging that is proposed; `None`: a config would not accept it.
pub(super) async fn fetch(
    index: usize,
    source: Option<&ApiSource>,
    first: &Page,
    context: &ExtractContext,
    limits: &HttpLimits,
) -> Second {
    let Some(source) = source else { return Second::Wrong("a config cannot express it".to_owned()) };
    match fetch_page(index, source, first, context, limits).await {
        Ok(second) => second,
        Err(HttpError::Endless { reason, .. }) => Second::Wrong(reason),
        Err(error) => Second::Wrong(error.to_string()),
    }
}

async fn fetch_page(
    index: usize,
    source: &ApiSource,
    first: &Page,
    context: &ExtractContext,
    limits: &HttpLimits,
) -> Result<Second> {
    let mut fetching = Fetching::start(index, source, context, limits).await?;
    fetching.go_on_after(first).await?;
    if fetching.next.is_none() {
        return Ok(Second::NotThere);
    }
    let Some(page) = fetching.page().await? else { return Ok(Second::Empty) };
    if page.repeated {
        return Ok(Second::Wrong("the second page is the first one again".to_owned()));
    }
    if page.contents.rows == 0 {
        return Ok(Second::Empty);
    }
    let document = super::read(&page, &shown(&page.answered)).await?;
    Ok(Second::Other { rows: page.contents.rows, document: Some(document) })
}

/// The choice about paging, after the second page was seen.
pub(super) fn judge(paging: Option<Paging>, second: Option<&Second>, rows: usize) -> Choice {
    let choice = |value, confidence, reason| Choice {
        key: "pagination".to_owned(),
        value,
        reason,
        confidence,
        others: Vec::new(),
    };
    let Some(paging) = paging else {
        let (confidence, round) = match rows {
            0 => (Confidence::Unsure, ""),
            rows if rows % 10 == 0 => (
                Confidence::Unsure,
                ", but so round a number of rows may be a page: look up whether the API sends its rows in pages",
            ),
            _ => (Confidence::Likely, ""),
        };
        let reason = format!("nothing in the answer speaks of further pages; it has {}{round}", counted(rows, "row"));
        return choice(None, confidence, reason);
    };
    let (value, is_numbered, reason) = (paging.value(), paging.is_numbered(), paging.reason);
    let Some(second) = second else {
        let lost = if paging.more { "; until then only the first page is read" } else { "" };
        return choice(None, Confidence::Unsure, format!("{reason}{lost}"));
    };
    match second {
        Second::Other { rows, .. } => {
            let seen = counted(usize::try_from(*rows).unwrap_or(usize::MAX), "other row");
            choice(value, Confidence::Certain, format!("{reason}. Verified: the second page has {seen}"))
        }
        // A total says that there are more rows. A cursor may be there on the last page, too.
        Second::Empty if paging.more && is_numbered => {
            let but = "But the second page has no rows. Until it is corrected only the first page is read";
            choice(value, Confidence::Unsure, format!("{reason}. {but}"))
        }
        Second::Empty if paging.more => choice(
            value,
            Confidence::Likely,
            format!("{reason}. The second page has no rows, so this could not be verified"),
        ),
        Second::Empty => choice(
            value,
            Confidence::Likely,
            format!("{reason}. There are no more rows now, so it could not be verified"),
        ),
        Second::NotThere => choice(
            value,
            Confidence::Likely,
            format!("{reason}. There is no second page now, so it could not be verified"),
        ),
        Second::Wrong(why) => {
            let lost = "Until it is corrected only the first page is read";
            choice(value, Confidence::Unsure, format!("{reason}. It does not work: {why}. {lost}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_work_is_not_proposed_as_if_it_did() {
        let paging = |more| Some(Paging { keys: Some(vec![("type", "page".into())]), reason: "because".into(), more });
        let confidence = |paging, second: Option<Second>| judge(paging, second.as_ref(), 100).confidence;
        let other = Second::Other { rows: 3, document: None };
        assert_eq!(confidence(paging(true), Some(other)), Confidence::Certain);
        assert_eq!(
            confidence(paging(true), Some(Second::Empty)),
            Confidence::Unsure,
            "the total says that there are more"
        );
        assert_eq!(confidence(paging(false), Some(Second::Empty)), Confidence::Likely);
        assert_eq!(confidence(paging(true), Some(Second::Wrong("no".into()))), Confidence::Unsure);
        assert_eq!(confidence(None, None), Confidence::Unsure, "100 rows may be a page");
        assert_eq!(judge(None, None, 7).confidence, Confidence::Likely);
        let beyond = Paging { keys: None, reason: "because".into(), more: true };
        assert_eq!(judge(Some(beyond), None, 7).value, None);
    }
}
