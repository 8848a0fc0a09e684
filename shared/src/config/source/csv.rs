//! `csv:`: how CSV and TXT files are read.

use crate::config::keys::{Key, Shape};
use crate::config::reader::Field;

/// `csv:`. `None` means "find out".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvOptions {
    /// One byte; `None`: by suffix, sniffed for `.txt`.
    pub delimiter: Option<u8>,
    /// One byte; `None`: `"`.
    pub quote: Option<u8>,
    /// A WHATWG encoding label; `None`: by BOM, else UTF-8.
    pub encoding: Option<String>,
    /// Whether the first record names the columns; `None`: yes.
    pub header: Option<bool>,
    /// Texts that are NULL in every column; `None`: the default rules.
    pub null_values: Option<Vec<String>>,
    /// Number of lines to skip at the top of the file, above the header (above the first row with `header: false`).
    pub skip_rows: u16,
}

pub(super) const KEYS: &[Key] = &[
    Key::text("delimiter", "One character, `tab` or `auto`."),
    Key::text("quote", "One character, or `auto` for the double quote."),
    Key::text("encoding", "A character encoding such as `windows-1252`, or `auto`."),
    Key::flag(
        "header",
        "Whether the first record names the columns. Default: true; a title that is as wide as the rows is then refused. \
         `true`, written out, accepts it as the header.",
    ),
    Key::of("null_values", Shape::Texts, "Texts that are NULL in every column."),
    Key::whole("skip_rows", 0, 10_000, "Number of lines to skip at the top of the file, above the header."),
];

/// Reads the section; the defaults when it is not written.
pub(super) fn read(field: Option<&Field<'_>>) -> Option<CsvOptions> {
    let Some(field) = field else { return Some(CsvOptions::default()) };
    let section = field.section(KEYS)?;
    let delimiter = section.field("delimiter").and_then(|field| one_byte(field, true));
    let quote = section.field("quote").and_then(|field| one_byte(field, false));
    if let (Some(field), true) = (section.field("quote"), delimiter.is_some() && delimiter == quote) {
        field.problem("the quote must not be the delimiter");
    }
    Some(CsvOptions {
        delimiter,
        quote,
        encoding: section.field("encoding").and_then(encoding),
        header: section.flag("header"),
        null_values: section.field("null_values").and_then(Field::texts),
        skip_rows: section.small("skip_rows").unwrap_or(0),
    })
}

/// One ASCII character. Not trimmed: a tab or a space may be meant.
fn one_byte(field: &Field<'_>, words: bool) -> Option<u8> {
    let text = field.text()?;
    match text.as_str() {
        "auto" => return None,
        "tab" | "\\t" if words => return Some(b'\t'),
        _ => {}
    }
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => {
            field.problem(format!("expected one ASCII character or \"auto\", found {}", field.shown()));
            None
        }
    }
}

/// The label of an encoding; `None` for `auto`.
pub(super) fn encoding(field: &Field<'_>) -> Option<String> {
    let label = field.text()?;
    if label.eq_ignore_ascii_case("auto") {
        return None;
    }
    if encoding_rs::Encoding::for_label(label.trim().as_bytes()).is_none() {
        field.problem(format!("unknown encoding {}, expected a name such as utf-8 or windows-1252", field.shown()));
    }
    Some(label.trim().to_owned())
}
