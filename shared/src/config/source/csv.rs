//! `csv:`: how CSV and TXT files are read.

use crate::config::field::Field;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;

/// Most columns that `csv.header` may name, which is the most that a PostgreSQL table has.
const MOST_NAMES: usize = 1_600;
/// Most characters of `csv.comment`.
const LONGEST_COMMENT: usize = 8;

/// `csv:`. What is not written is found out from each file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvOptions {
    /// One byte; `None`: by suffix, sniffed for `.txt`.
    pub delimiter: Option<u8>,
    /// The character that encloses cells.
    pub quote: Quote,
    /// The character that takes the meaning from the one behind it. `None`: no character does.
    pub escape: Option<u8>,
    /// The beginning of lines that are not rows. `None`: every line counts.
    pub comment: Option<String>,
    /// The encoding of the text.
    pub encoding: TextEncoding,
    /// The place of the columns' names.
    pub header: HeaderPlace,
    /// Texts that are NULL in every column; `None`: the default rules.
    pub null_values: Option<Vec<String>>,
    /// Number of lines to skip at the top of the file, above the header (above the first row without a header).
    pub skip_rows: u16,
    /// Number of records at the end of the file that are not rows. Blank lines and comments do not count.
    pub skip_footer: u16,
    /// Whether spaces and tabs around cells are dropped.
    pub trim: bool,
    /// The way in which numbers are written. `None`: with a decimal point and without separators between digits.
    pub numbers: Option<NumberFormat>,
}

/// The character that encloses cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quote {
    /// The double quote, unless the file is separated by pipes or tabs.
    #[default]
    Auto,
    /// No character encloses cells: a quote is an ordinary character.
    Never,
    /// This one.
    Byte(u8),
}

/// The encoding of a text file. A byte order mark in the file counts more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TextEncoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// It is guessed from the bytes of each file.
    Guessed,
    /// A WHATWG encoding label.
    Named(String),
}

/// The place of the columns' names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HeaderPlace {
    /// The first record. A title that is as wide as the rows is refused.
    #[default]
    Expected,
    /// The first record, whatever it looks like.
    First,
    /// The line with this number, counted from 1 at the top of the file.
    Line(u16),
    /// The file has no header: its columns are numbered.
    Missing,
    /// The file has no header: these are the names of its columns.
    Names(Vec<String>),
}

impl HeaderPlace {
    /// Whether a record of the file names its columns.
    pub fn is_in_file(&self) -> bool {
        matches!(self, Self::Expected | Self::First | Self::Line(_))
    }
}

/// The way in which a file writes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumberFormat {
    /// The character between whole digits and decimals: `.` or `,`.
    pub decimal: u8,
    /// The separator between groups of digits. `None`: digits are not grouped.
    pub thousands: Option<Thousands>,
}

/// The separator between groups of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Thousands {
    /// `1.234.567`
    Point,
    /// `1,234,567`
    Comma,
    /// `1 234 567`, with spaces of any width that do not break a line, too.
    Space,
    /// `1'234'567`, with the typographic apostrophe, too.
    Apostrophe,
}

impl Thousands {
    /// The separator as it would be written in a config.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Point => ".",
            Self::Comma => ",",
            Self::Space => " ",
            Self::Apostrophe => "'",
        }
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::text("delimiter", "One character, `tab` or `auto`."),
    Key::text("quote", "One character, `none` when no character encloses cells, or `auto` for the double quote."),
    Key::text(
        "escape",
        "One character, `\\\\` for example: the character behind it is taken as it is, inside and outside of quotes. \
         Default: none; a quote inside a quoted cell is written twice.",
    )
    .or(&["escape_char", "escapechar"]),
    Key::text("comment", "The text that lines begin with which are not rows, `#` for example. Default: every line counts.")
        .or(&["comment_char"]),
    Key::text(
        "encoding",
        "A character encoding such as `windows-1252`; or `auto`: it is guessed from the bytes of each file, and the report \
         says what was guessed. Default: `utf-8`. A byte order mark in the file counts more.",
    ),
    Key::of(
        "header",
        Shape::Texts,
        "The line that names the columns, counted from 1 at the top of the file; `true`: the first record; `false` or `none`: \
         the file has no header, and its columns are numbered; a list: the file has no header, and these are the names. \
         Default: the first record; a title that is as wide as the rows is then refused. `true`, written out, accepts it as \
         the header.",
    ),
    Key::of("null_values", Shape::Texts, "Texts that are NULL in every column."),
    Key::whole("skip_rows", 0, 10_000, "Number of lines to skip at the top of the file, above the header.")
        .or(&["skip_lines"]),
    Key::whole(
        "skip_footer",
        0,
        100,
        "Number of lines at the end of the file that are not rows, such as totals. Blank lines and comments do not count.",
    )
    .or(&["skipfooter"]),
    Key::flag("trim", "Whether spaces and tabs around cells are dropped. Those inside quotes are kept. Default: false."),
    Key::text("decimal", "The character before the decimals of a number: `.` or `,`. Default: `.`.")
        .or(&["decimal_separator"]),
    Key::text(
        "thousands",
        "The separator between groups of digits: `.`, `,`, a space, `'`, or `none`. Default: `none`; a number with one is a \
         text.",
    )
    .or(&["thousands_separator"]),
];

/// Reads the section; the defaults when it is not written.
pub(super) fn read(field: Option<&Field<'_>>) -> Option<CsvOptions> {
    let Some(field) = field else { return Some(CsvOptions::default()) };
    let section = field.section(KEYS)?;
    let delimiter = section.field("delimiter").and_then(|field| one_byte(field, true));
    let quote = section.field("quote").map_or(Quote::Auto, quote);
    let is_both = match quote {
        Quote::Auto => delimiter == Some(b'"'),
        Quote::Byte(byte) => delimiter == Some(byte),
        Quote::Never => false,
    };
    if let (Some(field), true) = (section.field("quote").or_else(|| section.field("delimiter")), is_both) {
        field.problem("the quote must not be the delimiter");
    }
    let skip_rows = section.small("skip_rows").unwrap_or(0);
    Some(CsvOptions {
        delimiter,
        quote,
        escape: section.field("escape").and_then(|field| escape(field, delimiter, quote)),
        comment: section.field("comment").and_then(comment),
        encoding: section.field("encoding").map_or(TextEncoding::Utf8, encoding),
        header: section.field("header").map_or(HeaderPlace::Expected, |field| header(field, skip_rows)),
        null_values: section.field("null_values").and_then(Field::texts),
        skip_rows,
        skip_footer: section.small("skip_footer").unwrap_or(0),
        trim: section.flag("trim").unwrap_or(false),
        numbers: numbers(&section),
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

fn quote(field: &Field<'_>) -> Quote {
    match field.scalar() {
        Some(scalar) if scalar.text.eq_ignore_ascii_case("none") => Quote::Never,
        _ => one_byte(field, false).map_or(Quote::Auto, Quote::Byte),
    }
}

/// `None` also for the quote itself, because a quote that escapes a quote is written twice, as it is without this key.
fn escape(field: &Field<'_>, delimiter: Option<u8>, quote: Quote) -> Option<u8> {
    if field.scalar().is_some_and(|scalar| scalar.text.eq_ignore_ascii_case("none")) {
        return None;
    }
    let escape = one_byte(field, false)?;
    if Some(escape) == delimiter {
        field.problem("the escape must not be the delimiter");
    }
    let is_quote = quote == Quote::Byte(escape) || (quote == Quote::Auto && escape == b'"');
    (!is_quote).then_some(escape)
}

fn comment(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.trim().is_empty() || text.chars().count() > LONGEST_COMMENT || text.contains(['\n', '\r', '"']) {
        let shown = field.shown();
        field.problem(format!(
            "expected the first 1 to {LONGEST_COMMENT} characters of a comment, \"#\", found {shown}"
        ));
        return None;
    }
    Some(text)
}

/// The encoding that a key names.
pub(super) fn encoding(field: &Field<'_>) -> TextEncoding {
    let Some(label) = field.text() else { return TextEncoding::Utf8 };
    if label.trim().eq_ignore_ascii_case("auto") {
        return TextEncoding::Guessed;
    }
    if encoding_rs::Encoding::for_label(label.trim().as_bytes()).is_none() {
        field.problem(format!("unknown encoding {}, expected a name such as utf-8 or windows-1252", field.shown()));
    }
    TextEncoding::Named(label.trim().to_owned())
}

fn header(field: &Field<'_>, skip_rows: u16) -> HeaderPlace {
    if field.is_list() {
        return names(field);
    }
    let read = field.parsed(|text| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(HeaderPlace::First),
        "false" | "no" | "off" | "0" | "none" => Ok(HeaderPlace::Missing),
        number => match number.parse() {
            Ok(line) if line <= 10_000 => Ok(HeaderPlace::Line(line)),
            _ => Err("true, false, a line of the file from 1 to 10000, or a list of names".into()),
        },
    });
    match read {
        Some(HeaderPlace::Line(line)) if line <= skip_rows => {
            field.problem(format!("line {line} is one of the {skip_rows} lines that skip_rows passes over"));
            HeaderPlace::Expected
        }
        read => read.unwrap_or_default(),
    }
}

fn names(field: &Field<'_>) -> HeaderPlace {
    let Some(names) = field.texts() else { return HeaderPlace::Expected };
    let repeated = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    if names.is_empty() || names.len() > MOST_NAMES {
        field.problem(format!("expected 1 to {MOST_NAMES} names of columns"));
    } else if let Some((_, name)) = repeated {
        field.problem(format!("two columns are named {name:?}"));
    } else if names.iter().any(|name| name.trim().is_empty()) {
        field.problem("a column needs a name");
    }
    HeaderPlace::Names(names)
}

/// The number format. `None`: the one that is read without these keys.
fn numbers(section: &Section<'_>) -> Option<NumberFormat> {
    let decimal = section.field("decimal").and_then(|field| {
        field.parsed_exactly(|text| match text {
            "." | "point" => Ok(b'.'),
            "," | "comma" => Ok(b','),
            _ => Err("\".\" or \",\"".into()),
        })
    });
    let thousands = section.field("thousands").and_then(|field| {
        field.parsed_exactly(|text| match text {
            "." | "point" => Ok(Some(Thousands::Point)),
            "," | "comma" => Ok(Some(Thousands::Comma)),
            " " | "\u{A0}" | "\u{202F}" | "space" => Ok(Some(Thousands::Space)),
            "'" | "\u{2019}" | "apostrophe" => Ok(Some(Thousands::Apostrophe)),
            "none" => Ok(None),
            _ => Err("\".\", \",\", \" \", \"'\" or none".into()),
        })
    });
    let (decimal, thousands) = (decimal.unwrap_or(b'.'), thousands.flatten());
    let is_both = thousands.is_some_and(|thousands| thousands.shown().as_bytes() == [decimal]);
    if let (Some(field), true) = (section.field("thousands"), is_both) {
        let other = if decimal == b'.' { ',' } else { '.' };
        field.problem(format!(
            "{:?} is the decimal separator, too; write `decimal: \"{other}\"` if it separates groups of digits",
            char::from(decimal).to_string()
        ));
    }
    (decimal != b'.' || thousands.is_some()).then_some(NumberFormat { decimal, thousands })
}
