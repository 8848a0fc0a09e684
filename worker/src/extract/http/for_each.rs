//! `for_each`: the requests of a source, once for each value. The rows of all values become one file, in the order of the
//! values, whichever is answered first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use elt_shared::config::template::Values;
use elt_shared::config::{ApiSource, ForEach, OnParent};
use futures::{StreamExt, stream};
use reqwest::StatusCode;

use super::error::{HttpError, Result};
use super::fetch::Fetcher;
use super::fetching::{Fetching, Page, Parenthood, shaped_by};
use super::include::{RowPlan, copy_rows};
use super::inspect::wanted;
use super::limits::HttpLimits;
use super::missing_rows::Members;
use super::request::Outgoing;
use super::url::shown;
use super::{missing_rows, spool_failed};
use crate::extract::parents::{Parent, Parents};
use crate::extract::{ExtractContext, LeftOut, LeftOutKind};
use crate::frame::json::gather::{Gathered, RowsFile};
use crate::input::{Compression, Format, InputFile};

/// Number of skipped values that the report lists with their reasons.
const LISTED: usize = 20;

/// The text that stands in for the placeholder while an address is made.
const STAND_IN: &str = "each-value";

/// What the requests for all values brought.
pub(super) struct Fetched {
    /// File with the rows of all requests.
    pub(super) file: InputFile,
    /// Values that were skipped.
    pub(super) left_out: Vec<LeftOut>,
    /// Sentences for the report.
    pub(super) warnings: Vec<String>,
}

/// The source's address as people see it, with its placeholder: `https://shop.example.com/customers/{{id}}/orders`.
pub(super) fn address(source: &ApiSource, each: &ForEach) -> String {
    let placeholder = format!("{{{{{}}}}}", each.name);
    // A text that the rules for secrets in URLs leave alone stands in for the placeholder.
    let values = Values::default().with(&each.name, STAND_IN);
    let address = Outgoing::of(source, &values).map(|outgoing| shown(&outgoing.url)).unwrap_or_default();
    address.replace(STAND_IN, &placeholder)
}

/// Makes the requests for every value.
pub(super) async fn fetch(
    index: usize,
    source: &ApiSource,
    each: &ForEach,
    parents: &Parents,
    context: &ExtractContext,
    limits: &HttpLimits,
) -> Result<Fetched> {
    let spool = &context.spool;
    let failed = |source| spool_failed(spool, source);
    tokio::fs::create_dir_all(spool).await.map_err(failed)?;
    let path = spool.join(format!("api-{index}.json"));
    let address = address(source, each);
    let mut requests = Requests::new(index, source, each, context, limits, address.clone())?;
    let mut rows = RowsFile::create(&path, limits.total_bytes).map_err(failed)?;
    let mut skipped = Skipped { each, address: address.clone(), of: parents.count, lists: Default::default() };
    let mut found = Gathered::default();
    let mut warning = None;
    let mut members = Members::default();
    {
        let requests = &requests;
        let values = stream::iter(parents.iter().map_err(failed)?);
        let answers = values.map(|parent| async move {
            let parent = parent.map_err(failed)?;
            let pages = requests.pages(&parent).await;
            Ok::<_, HttpError>((parent, pages))
        });
        let mut answers = Box::pin(answers.buffered(each.concurrency.max(1)));
        while let Some(answer) = answers.next().await {
            let (parent, pages) = answer?;
            let mark = rows.mark();
            let copied = match pages {
                Ok((pages, seen, about)) => {
                    members.join(seen);
                    warning = warning.or(about);
                    let (to, copied) = copy_all(pages, &address, rows).await;
                    rows = to;
                    copied
                }
                Err(error) => Err(error),
            };
            match copied {
                Ok(copied) => found.join(&copied),
                Err(error) => {
                    skipped.take(&parent, error)?;
                    rows.go_back(mark).map_err(failed)?;
                }
            }
        }
    }
    rows.finish().map_err(failed)?;
    let mut warnings = parents.warnings.clone();
    warnings.extend(warning);
    warnings.extend(missing_rows::about_members(source, &wanted(source, &address)?, members));
    if found != Gathered::default() {
        warnings.extend(requests.plan.take().map(|plan| plan.warnings(&found, &address)).unwrap_or_default());
    }
    let file = InputFile::at(address, path, Format::Json, Compression::None).map_err(failed)?;
    Ok(Fetched { file: file_of_rows(file, index, source), left_out: skipped.left_out(), warnings })
}

/// The file with the rows of all values, as the source's input.
fn file_of_rows(file: InputFile, index: usize, source: &ApiSource) -> InputFile {
    InputFile { source: index, records: Some("$".to_owned()), options: shaped_by(source), required: true, ..file }
}

/// Copies the rows of all pages of a value.
async fn copy_all(pages: Vec<Page>, address: &str, rows: RowsFile) -> (RowsFile, Result<Gathered>) {
    let (mut rows, mut found) = (rows, Gathered::default());
    for page in pages.into_iter().filter(|page| page.contents.readable) {
        let Some(wanted) = page.wanted else { continue };
        let (to, copied) = copy_rows(page.path, wanted, address, rows).await;
        rows = to;
        match copied {
            Ok(copied) => found.join(&copied),
            Err(error) => return (rows, Err(error)),
        }
    }
    (rows, Ok(found))
}

/// Makes the requests of a source for one value after the other.
struct Requests<'a> {
    index: usize,
    source: &'a ApiSource,
    each: &'a ForEach,
    context: &'a ExtractContext,
    fetcher: Fetcher<'a>,
    plan: Option<RowPlan>,
    address: String,
    /// Number of bytes that all answers together may still have.
    room: Arc<AtomicU64>,
}

impl<'a> Requests<'a> {
    fn new(
        index: usize,
        source: &'a ApiSource,
        each: &'a ForEach,
        context: &'a ExtractContext,
        limits: &'a HttpLimits,
        address: String,
    ) -> Result<Self> {
        let outgoing = Outgoing::of(source, &context.values_of(index).with(&each.name, "x"))?;
        let fetcher = Fetcher::new(outgoing, context, limits)?;
        let plan = RowPlan::of(source, &address)?;
        let room = Arc::new(AtomicU64::new(limits.total_bytes));
        Ok(Self { index, source, each, context, fetcher, plan, address, room })
    }

    /// All pages of a value, the members that they had, and a sentence for the report. The pages of a value that fails are
    /// deleted.
    async fn pages(&self, parent: &Parent) -> Result<(Vec<Page>, Members, Option<String>)> {
        let values = self.context.values_of(self.index).with(&self.each.name, parent.value.clone());
        let relabel = |error: HttpError| error.at(&self.address);
        let outgoing = Outgoing::of(self.source, &values).map_err(relabel)?;
        let of = Parenthood {
            value: parent.value.clone(),
            address: self.address.clone(),
            room: Arc::clone(&self.room),
            prefix: format!("api-{}-{}", self.index, parent.number),
        };
        let mut fetching = Fetching::with(self.fetcher.with(outgoing), self.index, self.source, self.context, Some(of))
            .await
            .map_err(relabel)?;
        let fetched = async {
            let pages = fetching.all().await?;
            let mut doubts = missing_rows::about_pages(&fetching, &pages);
            doubts.extend(missing_rows::about_total(self.source, &pages).await?);
            let members = Members::of(&fetching, &pages);
            Ok((pages, members, doubts.into_iter().next()))
        };
        match fetched.await {
            Ok(fetched) => Ok(fetched),
            Err(error) => {
                fetching.delete_pages().await;
                Err(relabel(error))
            }
        }
    }
}

/// The values that are skipped.
struct Skipped<'a> {
    each: &'a ForEach,
    address: String,
    /// Number of all values.
    of: u64,
    /// Values that failed, and values that the API does not know: their number, and the first of them with their reasons.
    lists: [(u64, Vec<String>); 2],
}

impl Skipped<'_> {
    /// Skips a value.
    ///
    /// # Errors
    /// When the config says that the source fails, or when the error is not about this one value.
    fn take(&mut self, parent: &Parent, error: HttpError) -> Result<()> {
        let is_missing = error.is_missing();
        let (key, rule) = match is_missing {
            true => ("missing", self.each.missing),
            false => ("on_parent_error", self.each.on_parent_error),
        };
        let can_be_skipped = is_missing || error.is_of_one_request();
        if rule == OnParent::Fail || !can_be_skipped {
            let (place, skipped_by) = (parent.place.clone(), can_be_skipped.then_some(key));
            return Err(HttpError::Parent { error: Box::new(error), place, of: self.of, skipped_by });
        }
        tracing::warn!("skipped {}: {error}", parent.place);
        let (count, listed) = &mut self.lists[usize::from(is_missing)];
        *count += 1;
        if listed.len() < LISTED {
            listed.push(format!("{} ({error})", parent.place));
        }
        Ok(())
    }

    fn left_out(self) -> Vec<LeftOut> {
        let kinds = [LeftOutKind::Failed, LeftOutKind::Skipped];
        let lists = self.lists.into_iter().zip(kinds).filter(|((count, _), _)| *count > 0);
        let left_out = lists.map(|((count, listed), kind)| {
            let more = match count - listed.len() as u64 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let what = if kind == LeftOutKind::Failed { "were skipped" } else { "are not known to the API" };
            let reason = format!("{count} of {} values {what}: {}{more}", self.of, listed.join(", "));
            LeftOut { name: self.address.clone(), kind, reason }
        });
        left_out.collect()
    }
}

impl HttpError {
    /// Whether the API says that it does not know what was asked for.
    fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(*status, StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// Whether requests for other values may succeed all the same.
    fn is_of_one_request(&self) -> bool {
        match self {
            Self::Status { status, limited, .. } => !limited && !matches!(status.as_u16(), 401 | 407 | 502..=504),
            Self::GraphQl { limited, .. } => !limited,
            Self::BadUrl { .. }
            | Self::BadHeader { .. }
            | Self::Partial { .. }
            | Self::TooSlow { .. }
            | Self::BrokeOff { .. }
            | Self::NotJson { .. }
            | Self::NoRows { .. }
            | Self::Redirect { .. }
            | Self::BadLink { .. }
            | Self::BadCursor { .. }
            | Self::LongUrl { .. }
            | Self::LongBody { .. }
            | Self::NothingThere { .. }
            | Self::SaysError { .. }
            | Self::SaysErrorInPart { .. }
            | Self::Encoding { .. }
            | Self::NeverReady { .. }
            | Self::Endless { .. } => true,
            Self::GaveUp { error, .. } | Self::PastLast { error, .. } | Self::NamedPage { error } => {
                error.is_of_one_request()
            }
            _ => false,
        }
    }
}

/// Takes bytes from the room that is left.
pub(super) fn take_room(room: &AtomicU64, bytes: u64) {
    // The update always has a result, so it cannot fail.
    let _ = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
}
