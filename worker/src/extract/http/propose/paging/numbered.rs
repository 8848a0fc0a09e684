//! Page numbers and offsets. They are proposed only where the answer or its URL speaks of them.

use serde_json::Value;

use super::super::document::Member;
use super::{Answer, Paging};

const TOTALS: &[&str] = &[
    "total",
    "totalcount",
    "totalelements",
    "totalrecords",
    "totalitems",
    "totalresults",
    "totalsize",
    "numfound",
    "nbhits",
    "count",
];
const TOTAL_PAGES: &[&str] =
    &["totalpages", "pagecount", "lastpage", "numpages", "totalpagecount", "pagestotal", "nbpages", "pages"];
const OFFSETS: &[&str] = &["offset", "skip", "startat", "start", "from", "startindex"];
const LIMITS: &[&str] = &["limit", "maxresults", "size", "pagesize", "count", "take", "top", "perpage"];
const PAGES: &[&str] = &["page", "currentpage", "pagenumber", "pageno", "pageindex"];

/// Query parameters of page numbers and offsets.
const PAGE_PARAMS: &[&str] = &[
    "page",
    "p",
    "pg",
    "pageNumber",
    "page_number",
    "pageNo",
    "page_no",
    "pageIndex",
    "_page",
    "page[number]",
    "paged",
];
const OFFSET_PARAMS: &[&str] = &["offset", "skip", "$skip", "start", "startAt", "from", "_start", "page[offset]"];
const LIMIT_PARAMS: &[&str] = &[
    "limit",
    "$top",
    "top",
    "take",
    "size",
    "count",
    "rows",
    "maxResults",
    "per_page",
    "pageSize",
    "page_size",
    "_limit",
    "page[limit]",
];

/// Whether the answer's totals say that there are more rows than these.
fn more_rows(answer: &Answer<'_>, before: u64) -> Option<(bool, String)> {
    let total = TOTALS
        .iter()
        .find_map(|name| answer.members.iter().find(|member| member.name() == *name && member.number().is_some()))?;
    let number = total.number()?;
    // `count` may be the number of rows on this page.
    let is_count = total.name() == "count" && number <= answer.rows.len() as u64;
    (!is_count).then(|| {
        (number > before.saturating_add(answer.rows.len() as u64), format!("`{}` says {number} rows", total.written()))
    })
}

/// `offset` and `limit` in the body, as `startAt` and `maxResults` of Jira.
pub(super) fn offset(answer: &Answer<'_>) -> Option<Paging> {
    let number = |member: &&Member<'_>| member.value.is_number() && member.number().is_some();
    let offset = answer.member(OFFSETS).filter(number)?;
    let limit = answer.member(LIMITS).filter(number)?;
    let (first, most) = (offset.number()?, limit.number()?);
    let total = more_rows(answer, first);
    let more = match &total {
        Some((more, _)) => *more,
        None if most > 0 && answer.rows.len() as u64 == most => true,
        None => return None,
    };
    let (offset_at, limit_at) = (offset.written(), limit.written());
    if first == 1 && answer.param(OFFSET_PARAMS).is_none() {
        let reason = format!("`{offset_at}` counts rows from 1, and `pagination: {{type: offset}}` counts them from 0");
        return Some(Paging { keys: None, reason, more });
    }
    let name = |member: &Member<'_>| member.path.last().copied().unwrap_or_default().to_owned();
    let param = answer.param(OFFSET_PARAMS).map_or_else(|| name(offset), |(param, _)| param);
    let limit_param = answer.param(LIMIT_PARAMS).map_or_else(|| name(limit), |(param, _)| param);
    let total = total.map(|(_, says)| format!(", and {says}")).unwrap_or_default();
    let reason = format!("`{offset_at}` and `{limit_at}` are an offset and a limit{total}");
    let most = most.max(1).to_string();
    let keys = &[
        ("type", "offset"),
        ("param", param.as_str()),
        ("limit_param", limit_param.as_str()),
        ("limit", most.as_str()),
    ];
    Some(Paging::of(keys, reason, more))
}

/// A page number with a number of pages, a page size or a total beside it.
pub(super) fn page(answer: &Answer<'_>) -> Option<Paging> {
    let is_page = |member: &&Member<'_>| {
        let of_page =
            member.name() == "number" && matches!(member.parent().as_str(), "page" | "pageable" | "pagination");
        member.value.is_number() && (of_page || PAGES.contains(&member.name().as_str()))
    };
    let page = answer.members.iter().find(is_page)?;
    let number = page.number()?;
    let start = number.min(1);
    let pages = answer.member(TOTAL_PAGES).and_then(|member| Some((member.written(), member.number()?)));
    let total = more_rows(answer, 0);
    let size = answer.member(&["perpage", "pagesize", "size", "limit", "itemsperpage", "hitsperpage"]);
    let (more, evidence) = match (&pages, &total) {
        (Some((path, pages)), _) => (number - start + 1 < *pages, format!("`{path}` says {pages} pages")),
        (None, Some((more, says))) => (*more, says.clone()),
        (None, None) => {
            let size = size?;
            (size.number() == Some(answer.rows.len() as u64), format!("`{}` is the page size", size.written()))
        }
    };
    let name = page.path.last().copied().unwrap_or_default();
    let usual = match page.name().as_str() {
        "pagenumber" | "pageno" | "pageindex" => name,
        _ => "page",
    };
    let (param, start) = match answer.param(PAGE_PARAMS) {
        Some((param, value)) => (param, value.parse().unwrap_or(start)),
        None => (usual.to_owned(), number),
    };
    let reason = format!("`{}` is the number of this page, and {evidence}", page.written());
    Some(numbered(&param, start, reason, more))
}

/// Totals in headers: `X-Total-Pages` of GitLab, `X-WP-TotalPages` of WordPress, `X-Total-Count` of json-server.
pub(super) fn headers(answer: &Answer<'_>) -> Option<Paging> {
    let pages = answer.header(&["x-total-pages", "x-wp-totalpages", "x-pagination-total-pages", "x-page-count"]);
    let total = answer.header(&["x-total-count", "x-total", "x-wp-total", "total-count", "x-pagination-total-count"]);
    let (more, evidence) = match (pages, total) {
        (Some((name, pages)), _) => (pages > 1, format!("the header `{name}` says {pages} pages")),
        (None, Some((name, total))) => {
            (total > answer.rows.len() as u64, format!("the header `{name}` says {total} rows"))
        }
        (None, None) => return None,
    };
    let (param, start) = match answer.param(PAGE_PARAMS) {
        Some((param, start)) => (param, start.parse().unwrap_or(1)),
        None => ("page".to_owned(), 1),
    };
    let paging = numbered(&param, start, evidence, more);
    let is_wordpress = pages.or(total).is_some_and(|(name, _)| name.starts_with("x-wp-"));
    Some(if is_wordpress { with_end_status(paging) } else { paging })
}

/// A page number or an offset that the URL has already.
pub(super) fn parameters(answer: &Answer<'_>) -> Option<Paging> {
    if answer.rows.is_empty() {
        return None;
    }
    if let Some((param, value)) = answer.param(PAGE_PARAMS)
        && let Ok(start) = value.parse()
    {
        return Some(numbered(&param, start, format!("the URL has the parameter `{param}`"), false));
    }
    let (param, value) = answer.param(OFFSET_PARAMS)?;
    if value != "0" {
        return None;
    }
    let rows = answer.rows.len().to_string();
    let (limit_param, limit) = answer.param(LIMIT_PARAMS)?;
    let limit = if limit.parse::<u64>().is_ok_and(|limit| limit > 0) { limit } else { rows };
    let reason = format!("the URL has the parameters `{param}` and `{limit_param}`");
    let keys = &[
        ("type", "offset"),
        ("param", param.as_str()),
        ("limit_param", limit_param.as_str()),
        ("limit", limit.as_str()),
    ];
    Some(Paging::of(keys, reason, false))
}

fn numbered(param: &str, start: u64, reason: String, more: bool) -> Paging {
    let start = start.to_string();
    let mut keys = vec![("type", "page"), ("param", param)];
    if start != "1" {
        keys.push(("start", start.as_str()));
    }
    Paging::of(&keys, reason, more)
}

/// WordPress answers with status 400 behind the last page.
fn with_end_status(paging: Paging) -> Paging {
    let keys = paging.keys.map(|keys| keys.into_iter().chain([("end_status", "[400]".to_owned())]).collect());
    Paging { keys, ..paging }
}

/// The total that Elasticsearch sends: `hits.total`, or `hits.total.value`.
pub(super) fn total_hits(root: &Value) -> Option<u64> {
    let total = root.get("hits")?.get("total")?;
    total.as_u64().or_else(|| total.get("value")?.as_u64())
}
