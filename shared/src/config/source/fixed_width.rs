//! `fixed_width:`: how files are read whose columns stand at fixed places of each line.

use super::csv::{self, TextEncoding};
use crate::config::field::Field;
use crate::config::keys::{Choice, Key, Shape};
use crate::config::section::Section;

/// `fixed_width:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedWidth {
    /// The columns, in the order in which they are loaded.
    pub columns: Vec<FixedColumn>,
    /// Whether the first line, or record, names the columns. Names in the config win over those.
    pub header: bool,
    /// Number of lines to skip at the top of the file, above the header.
    pub skip_rows: u16,
    /// Number of lines to skip at the end of the file. Blank lines do not count.
    pub skip_footer: u16,
    /// Text with which lines begin that are not read.
    pub comment: Option<String>,
    /// Whether the blanks around a cell are not part of it, and a cell of blanks is NULL.
    pub trim: bool,
    /// The unit of places and widths.
    pub unit: WidthUnit,
    /// Length of every record, in a file without line ends. `None`: each line is a record.
    pub record_length: Option<u32>,
    /// How the text is encoded.
    pub encoding: TextEncoding,
    /// Texts that are NULL in every column; `None`: the default rules.
    pub null_values: Option<Vec<String>>,
    /// What happens to a line with text behind the last column.
    pub surplus: Surplus,
}

/// One column of a fixed-width file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedColumn {
    /// Its name. `None`: the header says it.
    pub name: Option<String>,
    /// Its first place in a line, counted from 0.
    pub start: u32,
    /// Number of its places.
    pub width: u32,
}

impl FixedColumn {
    /// The place behind its last one, counted from 0.
    pub fn end(&self) -> u32 {
        self.start + self.width
    }
}

/// The unit in which places and widths are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WidthUnit {
    /// Characters of the text, after it is decoded.
    #[default]
    Characters,
    /// Bytes of the file, before it is decoded.
    Bytes,
}

/// What happens to a line with text behind the last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Surplus {
    /// The line is rejected.
    #[default]
    Reject,
    /// The text is not read.
    Ignore,
}

impl Choice for WidthUnit {
    const WORDS: &'static [(&'static str, Self)] = &[("characters", Self::Characters), ("bytes", Self::Bytes)];
}

impl Choice for Surplus {
    const WORDS: &'static [(&'static str, Self)] = &[("reject", Self::Reject), ("ignore", Self::Ignore)];
}

/// Most columns of a PostgreSQL table.
const MAX_COLUMNS: usize = 1_600;
/// The last place that a column may begin or end at, and the largest record.
const MAX_PLACE: u32 = 10_000_000;

pub(super) const KEYS: &[Key] = &[
    Key::of("columns", Shape::Sections(COLUMN_KEYS), "The columns with their places, in the order of the table."),
    Key::of(
        "widths",
        Shape::Texts,
        "In place of `columns`: the widths of columns that follow each other, `[5, 10, 8]`.",
    ),
    Key::of("names", Shape::Texts, "The names of the columns in `widths`. Default: the header names them."),
    Key::flag(
        "header",
        "Whether the first line names the columns. Default: true with `widths` and without `names`, else false. A line \
         of dashes below it is passed over.",
    ),
    Key::whole("skip_rows", 0, 10_000, "Number of lines to skip at the top of the file, above the header."),
    Key::whole("skip_footer", 0, 10_000, "Number of lines to skip at the end of the file; blank lines do not count."),
    Key::text("comment", "Text with which lines begin that are passed over."),
    Key::flag("trim", "Whether the blanks around a cell are left out, and a cell of blanks is NULL. Default true."),
    Key::choice::<WidthUnit>(
        "unit",
        "What `start` and `width` count: characters, or bytes of the file. Default `characters`.",
    ),
    Key::whole("record_length", 1, MAX_PLACE as u64, "Length of every record in a file without line ends."),
    Key::text("encoding", "A character encoding such as `windows-1252`, or `auto`."),
    Key::of("null_values", Shape::Texts, "Texts that are NULL in every column."),
    Key::choice::<Surplus>(
        "surplus",
        "What happens to a line with text behind the last column: the line is rejected, or the text ignored. Default `reject`.",
    ),
];

const COLUMN_KEYS: &[Key] = &[
    Key::text("name", "Name of the column.").required(),
    Key::whole("start", 1, MAX_PLACE as u64, "Its first place in a line, counted from 1.").required(),
    Key::whole("width", 1, MAX_PLACE as u64, "Number of its places.").required(),
];

/// Reads the section.
pub(super) fn read(field: &Field<'_>) -> Option<FixedWidth> {
    let section = field.section(KEYS)?;
    let columns = match (section.field("columns"), section.field("widths")) {
        (Some(columns), None) => placed(&section, columns),
        (None, Some(widths)) => in_a_row(&section, widths),
        (Some(_), Some(widths)) => {
            widths.problem("is written beside `columns`, which have widths already: remove one of them");
            None
        }
        (None, None) => {
            if !section.wrote("columns") && !section.wrote("widths") {
                section.problem("missing key \"columns\" or \"widths\"");
            }
            None
        }
    };
    let record_length = section.small("record_length");
    if let (Some(columns), Some(length), Some(field)) = (&columns, record_length, section.field("record_length"))
        && columns.iter().any(|column| column.end() > length)
    {
        field.problem("the columns are longer than the record");
    }
    let encoding = section.field("encoding").map_or(TextEncoding::Utf8, csv::encoding);
    let unit = section.choice("unit").unwrap_or_default();
    if let (TextEncoding::Guessed, WidthUnit::Bytes, Some(field)) = (&encoding, unit, section.field("encoding")) {
        field.problem("must be named with `unit: bytes`, because places are counted before the encoding is guessed");
    }
    let columns = columns?;
    let named = columns.iter().all(|column| column.name.is_some());
    Some(FixedWidth {
        header: section.flag("header").unwrap_or(!named),
        columns,
        skip_rows: section.small("skip_rows").unwrap_or(0),
        skip_footer: section.small("skip_footer").unwrap_or(0),
        comment: section.text("comment").filter(|text| !text.is_empty()),
        trim: section.flag("trim").unwrap_or(true),
        unit,
        record_length,
        encoding,
        null_values: section.field("null_values").and_then(Field::texts),
        surplus: section.choice("surplus").unwrap_or_default(),
    })
}

/// `columns:`: each column has a name and a place. Columns may overlap, as those of a record that has several readings do.
fn placed(section: &Section<'_>, field: &Field<'_>) -> Option<Vec<FixedColumn>> {
    if let Some(names) = section.field("names") {
        names.problem("is written beside `columns`, which have names already: remove it");
    }
    let items = bounded(field)?;
    let column = |item: &Field<'_>| {
        let section = item.section(COLUMN_KEYS)?;
        let name = section.required_text("name");
        section.required("start");
        section.required("width");
        let (start, width): (u32, u32) = (section.small("start")?, section.small("width")?);
        if start - 1 + width > MAX_PLACE {
            item.problem(format!("must end at or before place {MAX_PLACE}"));
            return None;
        }
        Some(FixedColumn { name: Some(name?), start: start - 1, width })
    };
    items.iter().map(column).collect::<Vec<_>>().into_iter().collect()
}

/// `widths:`: columns that follow each other, with or without `names:`.
fn in_a_row(section: &Section<'_>, field: &Field<'_>) -> Option<Vec<FixedColumn>> {
    let width = |item: &Field<'_>| {
        item.parsed(|text| match text.parse::<u32>() {
            Ok(width) if (1..=MAX_PLACE).contains(&width) => Ok(width),
            _ => Err(format!("a whole number from 1 to {MAX_PLACE}")),
        })
    };
    let widths: Vec<Option<u32>> = bounded(field)?.iter().map(width).collect();
    let widths: Vec<u32> = widths.into_iter().collect::<Option<_>>()?;
    let names = match section.field("names") {
        Some(field) => Some((field, field.texts()?)),
        None => None,
    };
    if let Some((field, names)) = &names
        && names.len() != widths.len()
    {
        field.problem(format!("names {} columns, and `widths` has {}", names.len(), widths.len()));
        return None;
    }
    if widths.iter().map(|&width| u64::from(width)).sum::<u64>() > u64::from(MAX_PLACE) {
        field.problem(format!("must end at or before place {MAX_PLACE}"));
        return None;
    }
    let mut start = 0;
    let column = |(index, &width): (usize, &u32)| {
        let name = names.as_ref().map(|(_, names)| names[index].clone());
        let column = FixedColumn { name, start, width };
        start += width;
        column
    };
    Some(widths.iter().enumerate().map(column).collect())
}

/// The items of a list of columns, at most as many as a table can have.
fn bounded<'a>(field: &Field<'a>) -> Option<Vec<Field<'a>>> {
    let items = field.items()?;
    match items.len() {
        0 => field.problem("must have at least one column"),
        1..=MAX_COLUMNS => return Some(items),
        _ => field
            .problem(format!("has more than {MAX_COLUMNS} columns, which is more than a PostgreSQL table can have")),
    }
    None
}
