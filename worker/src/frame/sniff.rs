//! Finds out how a delimited file is written: its delimiter, whether quotes mean anything, how its lines end.

use super::split::Dialect;
use crate::extract::{Format, InputFile};

/// Lines looked at to find the delimiter of a TXT file.
const LINES: usize = 20;
/// In this order when nothing else decides.
const CANDIDATES: [u8; 4] = [b'|', b'\t', b';', b','];

/// The dialect of a file that starts with `text`; `None` when the text is too short to tell.
pub(super) fn dialect(text: &[u8], ended: bool, input: &InputFile) -> Option<Dialect> {
    let txt = input.format == Format::Txt;
    let delimiter = input.csv.delimiter.unwrap_or_else(|| if txt { delimiter_of(text) } else { b',' });
    // In pipe- and tab-delimited text a quote is nearly always an inch mark or speech.
    let plain = txt && matches!(delimiter, b'|' | b'\t');
    let quote = input.csv.quote.or(if plain { None } else { Some(b'"') });
    let bare_cr = match (ends_lines_with_cr(text, delimiter, quote), ended) {
        (Some(bare_cr), _) => bare_cr,
        (None, true) => false,
        (None, false) => return None,
    };
    Some(Dialect { delimiter, quote, bare_cr })
}

/// The first candidate, in order, that cuts the header and as many of the first lines as possible into equally many cells.
fn delimiter_of(text: &[u8]) -> u8 {
    let lines: Vec<&[u8]> =
        text.split(|&byte| byte == b'\n' || byte == b'\r').filter(|line| !line.is_empty()).take(LINES).collect();
    let score = |delimiter: u8| {
        let count = |line: &&[u8]| line.iter().filter(|&&byte| byte == delimiter).count();
        let header = lines.first().map_or(0, count);
        if header == 0 { 0 } else { lines.iter().filter(|line| count(line) == header).count() }
    };
    // Prose has commas and semicolons, too: they must cut most lines alike.
    let needed = |delimiter: u8| if matches!(delimiter, b'|' | b'\t') { 1 } else { lines.len().div_ceil(2) };
    let fitting = |&delimiter: &u8| score(delimiter) > 0 && score(delimiter) >= needed(delimiter);
    CANDIDATES.into_iter().rev().filter(fitting).max_by_key(|&delimiter| score(delimiter)).unwrap_or(b'|')
}

/// Whether the first line end outside quotes is a lone `\r`; `None` when there is none yet.
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
