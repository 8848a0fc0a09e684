//! `probe:`: a small request that shows whether an API may have something new.

use super::super::json_path;
use super::request;
use super::template::Template;
use crate::config::field::{Field, Reading};
use crate::config::keys::{Key, Shape};

/// A small request that shows whether an API may have something new. It carries the source's token and headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Absolute, or resolved against the source's URL. `None`: the source's own.
    pub url: Option<String>,
    /// Query parameters; values may be secret.
    pub params: Vec<(String, Template)>,
    /// JSON path to the part of the answer that is compared. `None`: the whole answer is.
    pub value: Option<String>,
}

pub(super) const KEYS: &[Key] = &[
    Key::text("url", "Address of the request, absolute or relative to the source's URL. Default: the source's URL."),
    Key::of("params", Shape::Pairs, "Query parameters of the request, in place of the source's."),
    Key::text(
        "value",
        "JSON path to the part of the answer that is compared, `meta.total`. Default: the whole answer.",
    ),
];

pub(super) fn read(field: &Field<'_>) -> Option<Probe> {
    let section = field.section(KEYS)?;
    if !section.has("url") && !section.has("params") {
        section.problem("expected a `url` or `params` that make it another request than the source's own");
    }
    let url = match section.field("url") {
        Some(field) => match field.reading()? {
            Reading::Open(text) => Some(text),
            Reading::Known(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        },
        None => None,
    };
    let params = section.field("params").map_or(Some(Vec::new()), |field| request::pairs(field, &[]));
    Some(Probe { url, params: params?, value: json_path(&section, "value") })
}
