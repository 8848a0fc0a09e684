//! Finds the dialect of a delimited file: its delimiter, its quote character, and its line ends.

use elt_shared::config::Quote;

use super::split::Dialect;
use crate::input::{Format, InputFile};

/// Number of records by which the delimiter of a TXT file is found.
const RECORDS: usize = 20;
/// Bytes within which a quoted cell must close; otherwise its quote counts as an ordinary character.
const MAX_QUOTED_BYTES: usize = 64 << 10;
/// Delimiters that are tried, in this order when nothing else decides.
pub(super) const CANDIDATES: [u8; 4] = [b'|', b'\t', b';', b','];

/// The delimiter, quote and line ends of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::frame) struct Detected {
    /// Its delimiter, quote and line ends.
    pub dialect: Dialect,
    /// A sentence on why another delimiter may be right; `None` when the delimiter was declared or is clear.
    pub doubt: Option<String>,
}

/// The delimiter, quote and line ends of a file that starts with `text`, in which quotes are double quotes and nothing is
/// escaped. `declared` is the delimiter that the config or
/// the file itself names. `None`: the text is too short to tell.
pub(in crate::frame) fn detect(text: &[u8], ended: bool, input: &InputFile, declared: Option<u8>) -> Option<Detected> {
    let txt = input.format == Format::Txt;
    let (delimiter, doubt) = match declared {
        Some(delimiter) => (delimiter, None),
        None if txt => delimiter_of(text, ended),
        None => (b',', None),
    };
    // In pipe- and tab-delimited text a quote is nearly always an inch mark or speech, so quotes are ordinary there. A text
    // of one quoted column is an exception: it has neither delimiter, although the reader needs one.
    let plain = txt && matches!(delimiter, b'|' | b'\t') && (declared.is_some() || !is_one_quoted_column(text, ended));
    let csv = &input.options.csv;
    let quote = match csv.quote {
        Quote::Auto => (!plain).then_some(b'"'),
        Quote::Never => None,
        Quote::Byte(byte) => Some(byte),
    };
    let bare_cr = match (ends_lines_with_cr(text, delimiter, quote.map(|_| b'"')), ended) {
        (Some(bare_cr), _) => bare_cr,
        (None, true) => false,
        (None, false) => return None,
    };
    let escaped_n_is_null = csv.escape == Some(b'\\')
        && csv.null_values.as_ref().is_none_or(|values| values.iter().any(|value| value == "\\N"));
    let dialect = Dialect { delimiter, quote, bare_cr, escape: csv.escape, escaped_n_is_null, trim: csv.trim };
    Some(Detected { dialect, doubt })
}

/// A delimiter as it is written in `csv.delimiter`.
pub(super) fn shown(delimiter: u8) -> String {
    if delimiter == b'\t' { "tab".to_owned() } else { format!("{:?}", char::from(delimiter).to_string()) }
}

/// The number of records that a delimiter cuts into as many cells as the first record.
#[derive(Debug, Clone, Copy)]
struct Fit {
    delimiter: u8,
    /// Records with as many cells as the first one, which has several; 0 when it has only one.
    alike: usize,
    records: usize,
}

impl Fit {
    fn of(delimiter: u8, text: &[u8], ended: bool) -> Self {
        let widths = widths(text, ended, delimiter);
        let header = widths.first().copied().unwrap_or(Width { cells: 1, filled: 1 });
        let alike = if header.cells == 1 { 0 } else { widths.iter().filter(|width| width.is_like(header)).count() };
        Self { delimiter, alike, records: widths.len() }
    }

    fn fits(&self) -> bool {
        // Prose has commas and semicolons, too, so these must cut at least half of the records alike.
        let needed = if matches!(self.delimiter, b'|' | b'\t') { 1 } else { self.records.div_ceil(2) };
        self.alike > 0 && self.alike >= needed
    }

    fn is_perfect(&self) -> bool {
        self.alike > 0 && self.alike == self.records
    }
}

/// The size of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Width {
    cells: usize,
    /// Cells up to the last one that holds something.
    filled: usize,
}

impl Width {
    /// Whether a record has as many cells as the header, apart from empty cells at the end of either. A header with one
    /// name does not count as cut into cells by the delimiters at its end, because prose has lines that end in a comma.
    fn is_like(self, header: Self) -> bool {
        let needed = if header.filled >= 2 { header.filled } else { header.cells };
        needed.max(self.filled) <= header.cells.min(self.cells)
    }
}

/// Whether no delimiter cuts the text into cells and quotes enclose whole records. Where text follows a closing quote,
/// the quotes are speech.
fn is_one_quoted_column(text: &[u8], ended: bool) -> bool {
    if CANDIDATES.into_iter().any(|delimiter| Fit::of(delimiter, text, ended).fits()) {
        return false;
    }
    let (mut at, mut found) = (0, false);
    while at < text.len() {
        if text[at] == b'"' {
            let mut close = at + 1;
            loop {
                let Some(length) = memchr::memchr(b'"', text.get(close..).unwrap_or_default()) else {
                    // The text may end inside its last record.
                    return found && !ended;
                };
                close += length;
                match text.get(close + 1) {
                    Some(b'"') => close += 2,
                    None | Some(b'\n' | b'\r') => break,
                    Some(_) => return false,
                }
            }
            (at, found) = (close, true);
        }
        at += memchr::memchr2(b'\n', b'\r', &text[at..]).map_or(text.len() - at, |length| length + 1);
    }
    found
}

/// The first candidate, in order, that cuts the header and as many of the first records as possible into equally many
/// cells; and why it may be the wrong one.
fn delimiter_of(text: &[u8], ended: bool) -> (u8, Option<String>) {
    let fits = CANDIDATES.map(|delimiter| Fit::of(delimiter, text, ended));
    let Some(best) = fits.iter().rev().filter(|fit| fit.fits()).max_by_key(|fit| fit.alike) else {
        return (b'|', None);
    };
    let chosen = shown(best.delimiter);
    let other = fits.iter().find(|fit| fit.delimiter != best.delimiter && fit.is_perfect() && best.is_perfect());
    let doubt = if let Some(other) = other {
        let other = shown(other.delimiter);
        Some(format!(
            "it is read with the delimiter {chosen}, but {other} fits as well; write the right one in csv.delimiter"
        ))
    } else if best.alike * 2 < best.records {
        let Fit { alike, records, .. } = best;
        Some(format!(
            "it is read with the delimiter {chosen}, although only {alike} of its first {records} records have as many \
             cells as the first one; write the right one in csv.delimiter"
        ))
    } else {
        None
    };
    (best.delimiter, doubt)
}

/// The delimiter other than `current` that cuts the header and all of the first records into equally many cells.
pub(super) fn better_delimiter(text: &[u8], ended: bool, current: u8) -> Option<u8> {
    let fits = CANDIDATES.into_iter().filter(|&delimiter| delimiter != current);
    fits.map(|delimiter| Fit::of(delimiter, text, ended))
        .find(|fit| fit.is_perfect() && fit.records > 1)
        .map(|fit| fit.delimiter)
}

/// The size of each of the first records when `delimiter` separates their cells. Delimiters and line ends inside quoted
/// cells do not count. The last record is skipped when the text may end inside it.
fn widths(text: &[u8], ended: bool, delimiter: u8) -> Vec<Width> {
    let mut widths = Vec::new();
    let (mut at, mut cells, mut filled, mut blank, mut at_start) = (0, 1, 0, true, true);
    while at < text.len() && widths.len() < RECORDS {
        let byte = text[at];
        let starts_cell = std::mem::replace(&mut at_start, byte == delimiter);
        if byte == b'\n' || byte == b'\r' {
            if !blank {
                widths.push(Width { cells, filled });
            }
            (cells, filled, blank, at_start) = (1, 0, true, true);
        } else if byte == delimiter {
            (cells, blank) = (cells + 1, false);
        } else {
            (filled, blank) = (cells, false);
            if byte == b'"' && starts_cell {
                at = closing_quote(text, at, delimiter).unwrap_or(at);
            }
        }
        at += 1;
    }
    if !blank && widths.len() < RECORDS && (ended || widths.is_empty()) {
        widths.push(Width { cells, filled });
    }
    widths
}

/// The closing quote of the cell whose quote opens at `open`; `None` when text follows the next quote, because that is
/// then an ordinary character, an inch mark for example.
fn closing_quote(text: &[u8], open: usize, delimiter: u8) -> Option<usize> {
    let end = text.len().min(open + MAX_QUOTED_BYTES);
    let mut at = open + 1;
    loop {
        at += memchr::memchr(b'"', text.get(at..end)?)?;
        match text.get(at + 1) {
            Some(b'"') => at += 2,
            None | Some(b'\n' | b'\r') => return Some(at),
            Some(&next) => return (next == delimiter || CANDIDATES.contains(&next)).then_some(at),
        }
    }
}

/// Whether the first line end outside quotes is a lone `\r`. `None`: the text has no line end yet.
fn ends_lines_with_cr(text: &[u8], delimiter: u8, quote: Option<u8>) -> Option<bool> {
    let (mut quoted, mut at_start) = (false, true);
    let mut bytes = text.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let next = text.get(at + 1).copied();
        match byte {
            byte if quoted => match (Some(byte) == quote, next == quote) {
                (true, true) => drop(bytes.next()),
                (closes, _) => quoted = !closes,
            },
            b'\n' => return Some(false),
            b'\r' => return next.map(|next| next != b'\n' && next != b'\r'),
            byte => quoted = at_start && Some(byte) == quote,
        }
        at_start = byte == delimiter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &[u8], delimiter: u8) -> Vec<usize> {
        widths(text, true, delimiter).iter().map(|width| width.cells).collect()
    }

    #[test]
    fn empty_cells_at_the_end_do_not_count_against_a_delimiter() {
        for (text, expected) in [
            ("id,t\n1,9.8,\n2,10.1,\n", b','),
            ("id;t\n1;9,8;\n2;10,1;\n", b';'),
            ("id,t,,\n1,2\n3,4,\n", b','),
            ("id\tt\n1\ta, b\t\t\n2\tc\t\t\n", b'\t'),
            // Lines of prose that end in a comma.
            ("Dear John,\nhow are you\nfine\n", b'|'),
        ] {
            assert_eq!(delimiter_of(text.as_bytes(), true), (expected, None), "{text}");
        }
    }

    #[test]
    fn quotes_around_the_only_column_count() {
        for (text, expected) in [
            ("\"name\"\n\"Ann\"\n\"Bob\"\n", true),
            ("name\n\"Smith, John\"\n\"O\"\"Neil\"", true),
            ("name\r\n\"a|b\"\r\nplain\r\n\"two\r\nlines\"\r\n", true),
            ("note\n\"Hello\" he said\nfoo\n", false),
            ("size\n\"6 hose\n\"7 pipe\n", false),
            ("name\nAnn\n", false),
            ("\"id\"|\"size\"\n\"1\"|\"6\"\n", false),
        ] {
            assert_eq!(is_one_quoted_column(text.as_bytes(), true), expected, "{text}");
        }
        assert!(is_one_quoted_column(b"name\n\"Ann\"\n\"Bo", false), "the text ends inside a record");
    }

    #[test]
    fn delimiters_and_line_ends_inside_quotes_do_not_count() {
        let text = b"id,name\n\"1\",\"a, b\"\n2,\"c\nd,e\"\n3,\"he said \"\"x, y\"\"\"\n4,z\n";
        assert_eq!(delimiter_of(text, true), (b',', None));
        assert_eq!(cells(text, b','), [2; 5]);
        assert_eq!(delimiter_of(b"\"a|b\",c\n\"d|e\",f\n", true), (b',', None));
        assert_eq!(delimiter_of(b"id;note\n1;\"a;b\"\n2;\"c;\nd\"\n3;\"e;f\"\n", true), (b';', None));
    }

    #[test]
    fn a_quote_that_does_not_close_its_cell_is_an_ordinary_character() {
        assert_eq!(cells(b"size|name\n5\"|pipe\n\"6|hose\n\"7\" wide|x\n", b'|'), [2; 4]);
        assert_eq!(cells(b"a,b\n\"never closed,1\n2,3\n", b','), [2; 3]);
    }

    #[test]
    fn a_delimiter_that_may_be_another_one_is_doubted() {
        let (delimiter, doubt) = delimiter_of(b"a;b,c\n1;2,3\n", true);
        assert_eq!(delimiter, b';');
        assert!(doubt.is_some_and(|doubt| doubt.contains("\",\" fits as well")));
        let (delimiter, doubt) = delimiter_of(b"a|b\nx\ny\nz\n", true);
        assert_eq!(delimiter, b'|');
        assert!(doubt.is_some_and(|doubt| doubt.contains("only 1 of its first 4 records")));
    }

    #[test]
    fn a_delimiter_that_cuts_every_record_alike_is_better() {
        assert_eq!(better_delimiter(b"id;price\n1;0,20\n2;0,15\n", true, b','), Some(b';'));
        assert_eq!(better_delimiter(b"note\nHello, world\n", true, b','), None);
        assert_eq!(better_delimiter(b"id;price\n", true, b','), None);
    }
}
