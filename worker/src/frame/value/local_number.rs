//! Numbers in the spelling of a country: `1.234,50` is read as `1234.50` where a config says so.

use elt_shared::config::{NumberFormat, Thousands};

use super::trim;
use crate::frame::CellKind;

/// The reading of a cell of a delimited file whose config names a number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalNumber {
    /// It is a number, which was written in the plain spelling.
    Plain,
    /// It has no digits, so that the format does not matter: a word, or a missing value.
    Word,
    /// It is not a number in this format, even if it would be one without it.
    Other,
}

/// Reads a cell, and writes the plain spelling of a number into `out`, which is emptied first. Signs, leading zeros and an
/// exponent are kept, because they mean the same in every format.
pub(crate) fn plain(format: NumberFormat, kind: CellKind, bytes: &[u8], out: &mut Vec<u8>) -> LocalNumber {
    out.clear();
    // A number that was computed, or one of JSON, is not written in the file's format.
    if !matches!(kind, CellKind::Bare | CellKind::Quoted) {
        return LocalNumber::Word;
    }
    if !bytes.iter().any(u8::is_ascii_digit) {
        return LocalNumber::Word;
    }
    if write_plain(format, trim(bytes), out).is_some() { LocalNumber::Plain } else { LocalNumber::Other }
}

fn write_plain(format: NumberFormat, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let unsigned = match text.first()? {
        sign @ (b'-' | b'+') => {
            out.push(*sign);
            &text[1..]
        }
        _ => text,
    };
    let rest = whole_digits(format.thousands, unsigned, out)?;
    let rest = match rest.split_first() {
        Some((&byte, rest)) if byte == format.decimal => {
            out.push(b'.');
            digits(rest, out)
        }
        _ => rest,
    };
    match rest.split_first() {
        None => Some(()),
        // The exponent is checked where plain numbers are read.
        Some((b'e' | b'E', _)) if rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'e' | b'E')) => {
            out.extend_from_slice(rest);
            Some(())
        }
        Some(_) => None,
    }
}

/// Writes the digits before the decimals, and returns the rest of the text. `None`: they are not grouped as numbers are.
fn whole_digits<'t>(thousands: Option<Thousands>, text: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    let start = out.len();
    let mut rest = digits(text, out);
    let Some(thousands) = thousands else { return Some(rest) };
    let first = out.len() - start;
    let mut last = None;
    while let Some(behind) = behind_separator(thousands, rest) {
        let before = out.len();
        rest = digits(behind, out);
        // All groups have three digits; in India, where the separator is a comma, only the last one has.
        let is_group = |length| length == 3 || (length == 2 && thousands == Thousands::Comma);
        if last.is_some_and(|last| !is_group(last)) {
            return None;
        }
        last = Some(out.len() - before);
    }
    let Some(last) = last else { return Some(rest) };
    let is_grouped = last == 3 && (1..=3).contains(&first) && out[start] != b'0';
    is_grouped.then_some(rest)
}

/// Writes the digits at the front of a text, and returns the rest.
fn digits<'t>(text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    out.extend_from_slice(digits);
    rest
}

/// The text behind the separator that it begins with. `None`: it does not begin with one.
fn behind_separator(thousands: Thousands, text: &[u8]) -> Option<&[u8]> {
    let separators: &[&str] = match thousands {
        Thousands::Point => &["."],
        Thousands::Comma => &[","],
        // A space, and those that do not break a line: U+00A0, and the narrow U+202F and U+2009.
        Thousands::Space => &[" ", "\u{A0}", "\u{202F}", "\u{2009}"],
        Thousands::Apostrophe => &["'", "\u{2019}"],
    };
    separators.iter().find_map(|separator| text.strip_prefix(separator.as_bytes()))
}

/// The way in which a cell could be a number of another format than the plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Digits alone, which are the same number in every format.
    Neutral,
    /// `0,5` or `1.234,50`: the comma is certain to be before decimals.
    DecimalComma,
    /// `1,234,567` or `1,234.50`: the comma is certain to group digits.
    GroupingComma,
    /// `1,234`: both are possible.
    Either,
    /// Not a number of another format.
    No,
}

/// The other formats that a cell could be a number in.
pub(crate) fn foreign(bytes: &[u8]) -> Foreign {
    const COMMA: NumberFormat = NumberFormat { decimal: b',', thousands: Some(Thousands::Point) };
    const POINT: NumberFormat = NumberFormat { decimal: b'.', thousands: Some(Thousands::Comma) };
    let text = trim(bytes);
    if !text.contains(&b',') {
        let unsigned = text.strip_prefix(b"-").unwrap_or(text);
        let neutral = !unsigned.is_empty() && unsigned.iter().all(u8::is_ascii_digit);
        return if neutral { Foreign::Neutral } else { Foreign::No };
    }
    let reads = |format| plain(format, CellKind::Bare, text, &mut Vec::with_capacity(text.len())) == LocalNumber::Plain;
    match (reads(COMMA), reads(POINT)) {
        (true, false) => Foreign::DecimalComma,
        (false, true) => Foreign::GroupingComma,
        (true, true) => Foreign::Either,
        (false, false) => Foreign::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(decimal: u8, thousands: Option<Thousands>, text: &str) -> Option<String> {
        let mut out = Vec::new();
        match plain(NumberFormat { decimal, thousands }, CellKind::Bare, text.as_bytes(), &mut out) {
            LocalNumber::Plain => Some(String::from_utf8(out).expect("digits")),
            LocalNumber::Word | LocalNumber::Other => None,
        }
    }

    #[test]
    fn numbers_of_a_country_become_plain_ones() {
        let (point, comma) = (Some(Thousands::Point), Some(Thousands::Comma));
        for (decimal, thousands, text, expected) in [
            (b',', None, "1234,5", "1234.5"),
            (b',', None, "-0,50", "-0.50"),
            (b',', None, " 7 ", "7"),
            (b',', None, ",5", ".5"),
            (b',', None, "1,5e3", "1.5e3"),
            (b',', None, "007,5", "007.5"),
            (b',', point, "1.234.567,89", "1234567.89"),
            (b',', point, "1234,5", "1234.5"),
            (b',', point, "-1.234", "-1234"),
            (b'.', comma, "1,234.50", "1234.50"),
            (b'.', comma, "12,34,567", "1234567"),
            (b',', Some(Thousands::Space), "1 234,5", "1234.5"),
            (b',', Some(Thousands::Space), "1\u{A0}234\u{202F}567,5", "1234567.5"),
            (b'.', Some(Thousands::Apostrophe), "1'234\u{2019}567.05", "1234567.05"),
        ] {
            assert_eq!(read(decimal, thousands, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_in_the_format_stays_a_text() {
        let (point, comma) = (Some(Thousands::Point), Some(Thousands::Comma));
        for (decimal, thousands, text) in [
            (b',', None, "1234.5"),
            (b',', None, "1.234"),
            (b',', None, "1,2,3"),
            (b',', point, "1.23"),
            (b',', point, "1.2345"),
            (b',', point, "1234.567"),
            (b',', point, "0.123"),
            (b',', point, "1.234.56"),
            (b',', point, ".234"),
            (b',', point, "1..234"),
            (b',', point, "10.11.234"),
            (b'.', comma, "1,5"),
            (b'.', comma, "1,234,5"),
            (b'.', comma, "1,2345,678"),
            (b'.', None, "1,234"),
            (b',', None, "12 EUR"),
            (b',', None, "2024-01-01"),
        ] {
            assert_eq!(read(decimal, thousands, text), None, "{text}");
        }
        let mut out = Vec::new();
        assert_eq!(
            plain(NumberFormat { decimal: b',', thousands: None }, CellKind::Bare, b"NaN", &mut out),
            LocalNumber::Word
        );
    }

    #[test]
    fn a_format_is_recognised_only_where_it_is_certain() {
        for (text, expected) in [
            ("12", Foreign::Neutral),
            ("0,5", Foreign::DecimalComma),
            ("1.234,50", Foreign::DecimalComma),
            ("1,234.50", Foreign::GroupingComma),
            ("1,234,567", Foreign::GroupingComma),
            ("1,234", Foreign::Either),
            ("1.5", Foreign::No),
            ("a,b", Foreign::No),
            ("", Foreign::No),
        ] {
            assert_eq!(foreign(text.as_bytes()), expected, "{text}");
        }
    }
}
