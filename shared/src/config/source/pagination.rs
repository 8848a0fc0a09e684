//! `pagination:`: how to get the next page of an API.

use super::json_path;
use crate::config::keys::{Key, Variant};
use crate::config::reader::Field;
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
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// The answer names the next page's cursor.
    Cursor {
        /// JSON path to the cursor.
        path: String,
        /// Query parameter the cursor is sent in.
        param: String,
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// RFC 8288 `Link: <…>; rel="next"`.
    LinkHeader {
        /// Stop with an error after this many.
        max_pages: u64,
    },
}

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
            MAX_PAGES,
        ],
    },
    Variant {
        word: "cursor",
        about: "The answer names the next page's cursor.",
        keys: &[
            Key::text("cursor_path", "JSON path to the cursor in an answer.").or(&["path"]).required(),
            Key::text("cursor_param", "Query parameter the cursor is sent in. Default `cursor`.").or(&["param"]),
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
            max_pages,
        },
        "offset" => Pagination::Offset {
            param: text("param", "offset"),
            limit_param: text("limit_param", "limit"),
            limit: section.whole("limit").unwrap_or(100),
            max_pages,
        },
        "cursor" => Pagination::Cursor {
            path: section.required_text("cursor_path").and_then(|_| json_path(&section, "cursor_path"))?,
            param: text("cursor_param", "cursor"),
            max_pages,
        },
        _ => Pagination::LinkHeader { max_pages },
    })
}
