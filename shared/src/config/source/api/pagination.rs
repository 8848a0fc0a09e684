//! `pagination:`: how to get the next page of an API.

use super::super::json_path;
use super::ApiSource;
use super::template::{PAGE_CURSOR, PAGE_NUMBER, PAGE_OFFSET, PAGE_SIZE};
use crate::config::field::Field;
use crate::config::keys::{Choice, Key, Shape, Variant};
use crate::config::section::Section;

/// How to get the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pagination {
    /// `?page=1`, `?page=2`, … until a page has no rows.
    Page {
        /// Query parameter of the page number.
        param: String,
        /// First page number.
        start: u64,
        /// Query parameter and value of the page size.
        size: Option<(String, u64)>,
        /// Statuses besides 404 that mean "past the last page".
        end_status: Vec<u16>,
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// `?offset=0&limit=100`, … until a page has no rows.
    Offset {
        /// Query parameter of the offset.
        param: String,
        /// Query parameter of the limit.
        limit_param: String,
        /// Rows a page.
        limit: u64,
        /// Statuses besides 404 that mean "past the last page".
        end_status: Vec<u16>,
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// The answer names the next page's cursor.
    Cursor {
        /// JSON path to the cursor.
        path: String,
        /// Query parameter that carries the cursor. `None`: the config names none, so that `cursor` is used, and a
        /// value that looks like a path counts as a link.
        param: Option<String>,
        /// Whether the value is a link or a cursor; `None`: its form decides.
        next_is: Option<NextIs>,
        /// The value that marks the last page, instead of `""`, `false` and `0`.
        end_value: Option<String>,
        /// JSON path to a value that says whether there is a next page.
        has_more: Option<String>,
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// RFC 8288 `Link: <…>; rel="next"`.
    LinkHeader {
        /// Stop with an error after this many.
        max_pages: u64,
    },
}

/// The number of rows that an API says it has. It is compared with the rows that were read, and nothing else depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Total {
    /// At one of the usual places, such as `total` or `meta.total_count`.
    #[default]
    Usual,
    /// At this JSON path.
    At(String),
    /// Nowhere: nothing is compared.
    Nowhere,
}

pub(super) const TOTAL_KEY: Key = Key::text(
    "total_path",
    "JSON path to the number of rows that the API says it has, or `none`. A number that differs from the rows that were \
     read is a warning of the run. Default: one of the usual places, such as `total` or `meta.total_count`.",
);

/// Reads `total_path`.
pub(super) fn total(section: &Section<'_>) -> Total {
    match section.filled_text(TOTAL_KEY.name) {
        None => Total::Usual,
        Some(text) if text == "none" => Total::Nowhere,
        Some(_) => json_path(section, TOTAL_KEY.name).map_or(Total::Usual, Total::At),
    }
}

/// The meaning of a value at `cursor_path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextIs {
    /// The next page's address: absolute, a path, or relative to the URL that answered.
    Link,
    /// A text that is sent in `cursor_param` as it stands.
    Cursor,
}

impl Choice for NextIs {
    const WORDS: &'static [(&'static str, Self)] = &[("link", Self::Link), ("cursor", Self::Cursor)];
}

const END_STATUS: Key = Key::of(
    "end_status",
    Shape::Texts,
    "Further HTTP statuses (400 to 599) that a page past the last one is answered with. A 404 after a page with rows \
     always ends the pages.",
);
const MAX_PAGES: Key = Key::whole("max_pages", 1, 1_000_000, "More pages than this are an error. Default 10000.");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        word: "page",
        about: "The pages are numbered.",
        keys: &[
            Key::text("param", "Query parameter of the page number. Default `page`.").or(&["page_param"]),
            Key::whole("start", 0, u32::MAX as u64, "First page number. Default 1.").or(&["start_page"]),
            Key::text("size_param", "Query parameter of the page size. Default `page_size`, when `size` is written.")
                .or(&["page_size_param"]),
            Key::whole("size", 1, 1_000_000, "Rows a page.").or(&["page_size"]),
            END_STATUS,
            MAX_PAGES,
        ],
    },
    Variant {
        word: "offset",
        about: "The next page is asked for by the number of rows before it.",
        keys: &[
            Key::text("param", "Query parameter of the offset. Default `offset`.").or(&["offset_param"]),
            Key::text("limit_param", "Query parameter of the limit. Default `limit`."),
            Key::whole("limit", 1, 1_000_000, "Rows a page. Default 100.").or(&["size", "page_size"]),
            END_STATUS,
            MAX_PAGES,
        ],
    },
    Variant {
        word: "cursor",
        about: "The answer names the next page: by a cursor, or by a link.",
        keys: &[
            Key::text(
                "cursor_path",
                "JSON path to the next page's cursor or link in an answer; `data[-1].id` is in the last row.",
            )
            .or(&["path"])
            .required(),
            Key::text("cursor_param", "Query parameter the cursor is sent in. Default `cursor`.").or(&["param"]),
            Key::choice::<NextIs>(
                "next_is",
                "Whether the value at `cursor_path` is a `link` or a `cursor`. Default: its form decides. An absolute \
                 URL, and a value that begins with `?`, `./`, `../` or `/` and has a query, is a link; without \
                 `cursor_param` so is any that begins with `/` or has a query.",
            ),
            Key::text(
                "end_value",
                "The value at `cursor_path` on the last page, in place of `\"\"`, `false` and `0`. A missing one and \
                 null always end the pages.",
            ),
            Key::text(
                "has_more_path",
                "JSON path to a value that says whether there is a next page: `false`, `0` and `\"\"` end the pages, \
                 anything else demands a next one. Where it is missing or null, the value at `cursor_path` decides. \
                 Default: `hasNextPage` beside an `endCursor`.",
            ),
            MAX_PAGES,
        ],
    },
    Variant { word: "link_header", about: "The answer's `Link` header names the next page.", keys: &[MAX_PAGES] },
];

pub(super) fn read(field: &Field<'_>) -> Option<Pagination> {
    let variant = field.variant(VARIANTS)?;
    let section = Section::open(vec![field.clone()], variant.keys, Some("type"))?;
    let text = |name: &str, default: &str| section.filled_text(name).unwrap_or_else(|| default.to_owned());
    let max_pages = section.whole("max_pages").unwrap_or(10_000);
    Some(match variant.word {
        "page" => Pagination::Page {
            param: text("param", "page"),
            start: section.whole("start").unwrap_or(1),
            size: section.whole("size").map(|size| (text("size_param", "page_size"), size)),
            end_status: end_status(&section)?,
            max_pages,
        },
        "offset" => Pagination::Offset {
            param: text("param", "offset"),
            limit_param: text("limit_param", "limit"),
            limit: section.whole("limit").unwrap_or(100),
            end_status: end_status(&section)?,
            max_pages,
        },
        "cursor" => Pagination::Cursor {
            path: section.required_text("cursor_path").and_then(|_| json_path(&section, "cursor_path"))?,
            param: section.filled_text("cursor_param"),
            next_is: section.choice("next_is"),
            end_value: section.text("end_value"),
            has_more: json_path(&section, "has_more_path"),
            max_pages,
        },
        _ => Pagination::LinkHeader { max_pages },
    })
}

/// Checks that the placeholders of a source have values with its pagination, and that none is sent a second time as a
/// parameter of the query.
pub(super) fn check_placeholders(section: &Section<'_>, source: &ApiSource) {
    let written = section.field("pagination");
    let kind = match &source.pagination {
        Some(Pagination::Page { .. }) => "page",
        Some(Pagination::Offset { .. }) => "offset",
        Some(Pagination::Cursor { .. }) => "cursor",
        Some(Pagination::LinkHeader { .. }) => "link_header",
        None => "",
    };
    let sized = match &source.pagination {
        Some(Pagination::Page { size, .. }) => size.is_some(),
        pagination => matches!(pagination, Some(Pagination::Offset { .. })),
    };
    let placed = [
        (PAGE_NUMBER, kind == "page", "`pagination` of the type `page`", &["param", "page_param"][..]),
        (PAGE_OFFSET, kind == "offset", "`pagination` of the type `offset`", &["param", "offset_param"][..]),
        (PAGE_SIZE, sized, "`size` in `pagination`", &["size_param", "page_size_param", "limit_param"][..]),
        (PAGE_CURSOR, kind == "cursor", "`pagination` of the type `cursor`", &["cursor_param", "param"][..]),
    ];
    for (name, has_value, needs, params) in placed.into_iter().filter(|(name, ..)| source.has_placeholder(name)) {
        if !has_value {
            written.map_or_else(
                || section.problem(format!("{{{{{name}}}}} has a value with {needs} only")),
                |field| field.problem(format!("{{{{{name}}}}} has a value with {needs} only")),
            );
        } else if let Some(field) = params.iter().find_map(|param| written?.child(param)) {
            field.problem(format!("the value is sent where {{{{{name}}}}} stands: remove one of both"));
        }
    }
}

/// Statuses that mean "past the last page". A status that asks the client to log in or to wait cannot be one of them.
fn end_status(section: &Section<'_>) -> Option<Vec<u16>> {
    let Some(field) = section.field("end_status") else { return Some(Vec::new()) };
    let mut statuses = Vec::new();
    for text in field.texts()? {
        match text.trim().parse::<u16>() {
            Ok(status) if (400..=599).contains(&status) && !matches!(status, 401 | 403 | 407 | 408 | 425 | 429) => {
                statuses.push(status);
            }
            _ => {
                field.problem("expected HTTP statuses from 400 to 599, without 401, 403, 407, 408, 425 and 429");
                return None;
            }
        }
    }
    Some(statuses)
}
