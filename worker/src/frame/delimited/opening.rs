//! The beginning of a delimited file: the lines above its header, and its dialect.

use elt_shared::config::{CsvOptions, HeaderPlace};
use elt_shared::explained::Code;

use super::sniffed::sniffed;
use super::split::Dialect;
use super::{dialect, preamble, wide_preamble};
use crate::frame::decode::Text;
use crate::frame::read::{CsvFix, FileError};
use crate::frame::window::MAX_RECORD_BYTES;
use crate::input::InputFile;

/// Bytes that are read at first. More are read only when the lines to skip or the first line end are behind them.
const HEAD_BYTES: usize = 64 << 10;
/// Most bytes of a `sep=` line.
const MAX_HINT_BYTES: usize = 32;

/// The facts about a file that its beginning shows.
#[derive(Debug)]
pub(super) struct Opening {
    /// Delimiter, quote and line ends.
    pub dialect: Dialect,
    /// Bytes above the header that are neither header nor rows: a `sep=` line and the lines of `csv.skip_rows`.
    pub skipped_bytes: usize,
    /// Number of lines in these bytes.
    pub skipped_lines: u64,
    /// Sentences about the delimiter for the report.
    pub warnings: Vec<String>,
}

/// Reads the beginning of a file. The result does not depend on how the rest is read.
///
/// # Errors
/// When the file cannot be read, or its first line cannot be the header of the lines below it.
pub(super) fn read(input: &InputFile) -> Result<Opening, FileError> {
    let csv = &input.options.csv;
    let mut head = Head::read(input)?;
    let hint = Hint::of(&head.text);
    let hinted = match hint.as_ref().map(|hint| hint.separator) {
        Some(None) => return Err(unusable_hint(input)),
        separator => separator.flatten(),
    };
    let declared = hinted.or(csv.delimiter);
    let above_header = match csv.header {
        HeaderPlace::Line(line) => u64::from(line) - 1,
        _ => 0,
    };
    let wanted_lines = u64::from(csv.skip_rows).max(u64::from(hint.is_some())).max(above_header);
    let (skipped_bytes, skipped_lines) = head.skip(wanted_lines)?;
    let detected = loop {
        let sniffed = sniffed(&head.text[skipped_bytes..], head.ended, csv);
        match dialect::detect(&sniffed, head.ended, input, declared) {
            Some(detected) => break detected,
            None => head.grow(skipped_lines + 1)?,
        }
    };
    let rest = &head.text[skipped_bytes..];
    let mut doubted = None;
    if csv.header.is_in_file() {
        let sniffed = sniffed(rest, head.ended, csv);
        let dialect = Dialect { quote: detected.dialect.quote.map(|_| b'"'), ..detected.dialect.without_escapes() };
        preamble::check(&sniffed, head.ended, dialect, declared.is_some(), skipped_lines)
            .map_err(|found| found.error(&input.name))?;
        // A header that the config places is not checked against the lines below it.
        if csv.header == HeaderPlace::Expected {
            doubted = wide_preamble::check(&sniffed, head.ended, dialect, skipped_lines)
                .map_err(|found| found.error(&input.name))?;
        }
    }
    let contradicted = match (hinted, csv.delimiter) {
        (Some(hinted), Some(delimiter)) if hinted != delimiter => Some(format!(
            "its first line names the delimiter {}, which is used instead of csv.delimiter {}",
            dialect::shown(hinted),
            dialect::shown(delimiter)
        )),
        _ => None,
    };
    let all_skipped = (head.ended && rest.trim_ascii().is_empty()).then(|| all_skipped(csv, skipped_lines)).flatten();
    let warnings = contradicted.into_iter().chain(detected.doubt).chain(all_skipped).chain(doubted).collect();
    Ok(Opening { dialect: detected.dialect, skipped_bytes, skipped_lines, warnings })
}

/// The sentence about a file of which nothing is left below the lines that the config skips. `None`: it skips nothing.
fn all_skipped(csv: &CsvOptions, skipped_lines: u64) -> Option<String> {
    let (key, value) = match csv.header {
        _ if skipped_lines == 0 => return None,
        HeaderPlace::Line(line) => ("header", line),
        _ if csv.skip_rows > 0 => ("skip_rows", csv.skip_rows),
        _ => return None,
    };
    let lines = if skipped_lines == 1 { "line" } else { "lines" };
    Some(format!(
        "nothing of it is loaded, because csv.{key} is {value} and nothing follows its first {skipped_lines} {lines}; write \
         a smaller csv.{key}"
    ))
}

/// Adds to the error about a file of which every row was rejected the next step: the key to write in the config. `code` is
/// the code of the first row.
pub(in crate::frame) fn with_likely_fix(error: FileError, input: &InputFile, code: Code) -> FileError {
    match code {
        Code::TooManyCells => match other_delimiter(input) {
            Some(delimiter) => error
                .hint(format!("Write `csv: {{delimiter: {}}}` in the source.", dialect::shown(delimiter)))
                .fixed_by([CsvFix::Delimiter(delimiter)]),
            None => error.hint(
                "Name every column in the header, or write the right csv.delimiter; a cell that holds the delimiter must \
                 be quoted.",
            ),
        },
        Code::InvalidEncoding => error.hint(
            "Write the file's encoding in the source, `csv: {encoding: windows-1252}` for example; or `csv: {encoding: \
             auto}`, which guesses it and says so.",
        ),
        Code::NulByte => {
            error.hint("If the file is UTF-16 without a byte order mark, write `csv: {encoding: utf-16le}`.")
        }
        Code::ShapeFailed => {
            error.hint("Correct the expression in `shape`, or write a `where` that leaves such rows out.")
        }
        Code::StrayQuote if has_escaped_quotes(input) => error
            .hint("Write `csv: {escape: \"\\\\\"}` in the source: a backslash escapes the quotes inside of quoted cells.")
            .fixed_by([CsvFix::Escape(b'\\')]),
        Code::StrayQuote => error
            .hint(
                "Double the quotes inside quoted cells; or write another quote character in csv.quote, or `csv: {quote: \
                 none}` if quotes are ordinary characters.",
            )
            .fixed_by([CsvFix::NoQuote]),
        _ => error.hint("Correct the file; it is read again when it changes."),
    }
}

/// Whether a backslash is before a quote near the beginning of a file.
fn has_escaped_quotes(input: &InputFile) -> bool {
    Head::read(input).is_ok_and(|head| memchr::memmem::find(&head.text, b"\\\"").is_some())
}

/// The delimiter that fits a file better than the one it was read with.
fn other_delimiter(input: &InputFile) -> Option<u8> {
    let opening = read(input).ok()?;
    let head = Head::read(input).ok()?;
    let rest = sniffed(head.text.get(opening.skipped_bytes..)?, head.ended, &input.options.csv);
    dialect::better_delimiter(&rest, head.ended, opening.dialect.delimiter)
}

fn unusable_hint(input: &InputFile) -> FileError {
    FileError::new(Code::UnknownSeparator, &input.name, Some(1), "this sep= line names a separator that cannot be used")
        .hint("Replace it by one ASCII character that is neither a letter nor a digit, in the file and its sep= line.")
}

/// The first bytes of a file as text.
struct Head {
    source: Text,
    text: Vec<u8>,
    ended: bool,
}

impl Head {
    fn read(input: &InputFile) -> Result<Self, FileError> {
        let mut head = Self { source: Text::open(input)?, text: Vec::new(), ended: false };
        head.fill(HEAD_BYTES)?;
        Ok(head)
    }

    /// Reads twice as much. `line`: line of a record that does not end in the text so far, for the error.
    fn grow(&mut self, line: u64) -> Result<(), FileError> {
        if self.text.len() >= MAX_RECORD_BYTES {
            return Err(FileError::record_too_large(self.source.name(), line, MAX_RECORD_BYTES));
        }
        self.fill((self.text.len() * 2).min(MAX_RECORD_BYTES))
    }

    fn fill(&mut self, size: usize) -> Result<(), FileError> {
        let filled = self.text.len();
        self.text.resize(size, 0);
        let count = self.source.fill(&mut self.text[filled..])?;
        self.text.truncate(filled + count);
        self.ended = filled + count < size;
        Ok(())
    }

    /// Number of bytes of the first `lines` lines, and how many of these there are.
    fn skip(&mut self, lines: u64) -> Result<(usize, u64), FileError> {
        let (mut at, mut skipped) = (0, 0);
        while skipped < lines {
            match line_length(&self.text[at..], self.ended) {
                Some(0) => break,
                Some(length) => (at, skipped) = (at + length, skipped + 1),
                None => self.grow(skipped + 1)?,
            }
        }
        Ok((at, skipped))
    }
}

/// Bytes of the first line with its line end, which is `\n`, `\r\n` or a lone `\r`; 0 at the end of the file, `None`
/// when the line goes on behind the text.
fn line_length(text: &[u8], ended: bool) -> Option<usize> {
    let Some(end) = memchr::memchr2(b'\n', b'\r', text) else { return ended.then_some(text.len()) };
    if text[end] == b'\n' {
        return Some(end + 1);
    }
    let returns = text[end..].iter().take_while(|&&byte| byte == b'\r').count();
    match text.get(end + returns) {
        Some(b'\n') => Some(end + returns + 1),
        Some(_) => Some(end + 1),
        None => ended.then_some(end + 1),
    }
}

/// The `sep=;` line that Excel writes above a header.
#[derive(Debug, PartialEq, Eq)]
struct Hint {
    /// The separator that it names. `None`: elt cannot separate cells by it.
    separator: Option<u8>,
}

impl Hint {
    /// The hint that a text begins with: `sep=` in any case and one character, the whole of it perhaps in quotes and
    /// followed by more of that character, as a spreadsheet saves it again.
    fn of(text: &[u8]) -> Option<Self> {
        let start = &text[..text.len().min(MAX_HINT_BYTES)];
        let end = match memchr::memchr2(b'\n', b'\r', start) {
            Some(end) => end,
            None if start.len() < MAX_HINT_BYTES => start.len(),
            None => return None,
        };
        let line = std::str::from_utf8(&start[..end]).ok()?;
        let (named, behind) = match line.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => (line, ""),
        };
        let prefix = named.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("sep="))?;
        let named = &named[prefix.len()..];
        let named = if named.trim_end_matches(' ').is_empty() { named } else { named.trim_end_matches(' ') };
        let separator = match named {
            "\\t" | "\t" => b'\t',
            _ => {
                let first = named.chars().next().filter(|c| !c.is_alphanumeric())?;
                if named.chars().any(|c| c != first) {
                    return None;
                }
                let Ok(byte) = u8::try_from(first) else { return Some(Self { separator: None }) };
                if !byte.is_ascii() || byte == b'"' {
                    return Some(Self { separator: None });
                }
                byte
            }
        };
        behind.bytes().all(|byte| byte == separator).then_some(Self { separator: Some(separator) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sep_line_is_known_however_it_is_written() {
        let separator = |text: &str| Hint::of(text.as_bytes()).map(|hint| hint.separator);
        for (text, expected) in [
            ("sep=;\r\nid;name", b';'),
            ("SEP=,\nid", b','),
            ("Sep=|", b'|'),
            ("\"sep=;\"\nid", b';'),
            ("\"sep=;\";;\nid", b';'),
            ("sep=;;;\nid", b';'),
            ("sep=\\t\nid", b'\t'),
            ("sep=\t\nid", b'\t'),
            ("sep= \nid", b' '),
            ("sep=; \nid", b';'),
        ] {
            assert_eq!(separator(text), Some(Some(expected)), "{text:?}");
        }
        assert_eq!(separator("sep=§\nid"), Some(None));
        for text in
            ["sep\n", "sep=\n", "sep=a\n", "sep=;,\n", "separator=;\n", "\"sep=;\n", "\"sep=;\",\n", "id;sep=;\n", ""]
        {
            assert_eq!(separator(text), None, "{text:?}");
        }
    }

    #[test]
    fn lines_end_in_three_ways() {
        for (text, length) in [("a\nb", 2), ("a\r\nb", 3), ("a\rb", 2), ("a\r\r\nb", 4), ("a", 1), ("", 0), ("\n", 1)] {
            assert_eq!(line_length(text.as_bytes(), true), Some(length), "{text:?}");
        }
        assert_eq!(line_length(b"a\r", false), None);
        assert_eq!(line_length(b"a", false), None);
    }
}
