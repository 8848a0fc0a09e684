//! Where the records of a fixed-width file end: at line ends, or after a number of characters or bytes.

use std::collections::VecDeque;

use elt_shared::config::{FixedWidth, WidthUnit};

use super::cells::is_blank;
use crate::frame::read::FileError;
use crate::frame::window::Window;

/// The way in which the records of a file follow each other.
#[derive(Debug)]
pub(super) struct Records {
    kind: Kind,
    /// Number of records at the end of the file that are not rows. Blank ones do not count.
    footer: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Each line is a record.
    Lines {
        /// Whether a lone `\r` ends a line.
        bare_cr: bool,
    },
    /// Every record has this number of characters.
    Characters(usize),
    /// Every record has this number of bytes.
    Bytes(usize),
}

/// A record in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Position of its end, without the line end.
    pub end: usize,
    /// Position of the next record.
    pub next: usize,
    /// Whether the file ends before the record has its whole length.
    pub is_cut: bool,
}

impl Records {
    /// Finds out how lines end by the first line end, as that of CSV files is found.
    pub(super) fn of(options: &FixedWidth, window: &mut Window) -> Result<Self, FileError> {
        let footer = usize::from(options.skip_footer);
        let kind = match (options.record_length, options.unit) {
            (Some(length), WidthUnit::Characters) => Kind::Characters(length as usize),
            (Some(length), WidthUnit::Bytes) => Kind::Bytes(length as usize),
            (None, _) => loop {
                match ends_with_bare_cr(window.text(), window.ended()) {
                    Some(bare_cr) => break Kind::Lines { bare_cr },
                    None => window.grow(1)?,
                }
            },
        };
        Ok(Self { kind, footer })
    }

    /// The record that starts at `start`, which is before the end of the text. `None`: it goes on behind the text.
    pub(super) fn find(&self, text: &[u8], start: usize, ended: bool) -> Option<Found> {
        let rest = &text[start..];
        let length = match self.kind {
            Kind::Lines { bare_cr } => return line(text, start, ended, bare_cr),
            Kind::Bytes(bytes) => (bytes <= rest.len()).then_some(bytes),
            Kind::Characters(characters) => length_of(rest, characters, ended),
        };
        match length {
            Some(length) => Some(Found { end: start + length, next: start + length, is_cut: false }),
            None => ended.then_some(Found { end: text.len(), next: text.len(), is_cut: true }),
        }
    }

    /// The position before which records are certain not to belong to the footer.
    pub(super) fn end_of_rows(&self, text: &[u8], start: usize, ended: bool) -> usize {
        if self.footer == 0 {
            return text.len();
        }
        let mut last = VecDeque::with_capacity(self.footer + 1);
        let mut at = start;
        while at < text.len()
            && let Some(found) = self.find(text, at, ended)
        {
            if !is_blank(&text[at..found.end]) {
                last.push_back(at);
                if last.len() > self.footer {
                    last.pop_front();
                }
            }
            at = found.next;
        }
        match last.front() {
            Some(&first) if last.len() == self.footer => first,
            _ => start,
        }
    }
}

/// Whether the first line of a text ends with a lone `\r`. `None`: the text does not show it.
fn ends_with_bare_cr(text: &[u8], ended: bool) -> Option<bool> {
    let Some(end) = memchr::memchr2(b'\n', b'\r', text) else { return ended.then_some(false) };
    let returns = text[end..].iter().take_while(|&&byte| byte == b'\r').count();
    match text.get(end + returns) {
        Some(b'\n') => Some(false),
        Some(_) => Some(returns > 0),
        None => ended.then_some(true),
    }
}

/// The line that starts at `start`.
fn line(text: &[u8], start: usize, ended: bool, bare_cr: bool) -> Option<Found> {
    let rest = &text[start..];
    let end = if bare_cr { memchr::memchr2(b'\n', b'\r', rest) } else { memchr::memchr(b'\n', rest) };
    let Some(end) = end.map(|end| start + end) else {
        return ended.then(|| Found { end: stop(text, start, text.len()), next: text.len(), is_cut: false });
    };
    let next = match (text[end], text.get(end + 1)) {
        (b'\r', Some(b'\n')) => end + 2,
        (b'\r', None) if !ended => return None,
        _ => end + 1,
    };
    Some(Found { end: stop(text, start, end), next, is_cut: false })
}

/// The end of a line's text without the `\r` of `\r\n`.
fn stop(text: &[u8], start: usize, end: usize) -> usize {
    start + text[start..end].iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1)
}

/// Bytes of the first characters of a text. `None`: it has fewer, or the last one may go on behind the text.
fn length_of(text: &[u8], characters: usize, ended: bool) -> Option<usize> {
    if text.len() >= characters && text[..characters].is_ascii() {
        return Some(characters);
    }
    let starts = text.iter().enumerate().filter(|(_, byte)| is_start(**byte)).map(|(at, _)| at);
    match starts.clone().nth(characters) {
        Some(next) => Some(next),
        None => (ended && starts.count() == characters).then_some(text.len()),
    }
}

/// Whether a byte of UTF-8 begins a character.
pub(super) fn is_start(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        let bare_cr = ends_with_bare_cr(text.as_bytes(), true).expect("the whole text");
        let records = Records { kind: Kind::Lines { bare_cr }, footer: 0 };
        all(&records, text)
    }

    fn all<'a>(records: &Records, text: &'a str) -> Vec<&'a str> {
        let (mut all, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let found = records.find(text.as_bytes(), at, true).expect("a record");
            all.push(&text[at..found.end]);
            at = found.next;
        }
        all
    }

    #[test]
    fn lines_end_in_three_ways() {
        for text in ["a\nb\n\nc", "a\r\nb\r\n\r\nc\r\n", "a\rb\r\rc\r", "a\r\r\nb\n\nc"] {
            assert_eq!(lines(text), ["a", "b", "", "c"], "{text:?}");
        }
        assert_eq!(lines("a\nb\rc\n"), ["a", "b\rc"], "a lone \\r is text in a file with another line end");
    }

    #[test]
    fn what_goes_on_behind_the_text_is_not_decided() {
        assert_eq!(ends_with_bare_cr(b"a\r", false), None);
        assert_eq!(ends_with_bare_cr(b"a", false), None);
        assert_eq!(line(b"a\r", 0, false, true), None);
        assert_eq!(line(b"a", 0, false, false), None);
        assert_eq!(length_of("äö".as_bytes(), 2, false), None, "a combining byte may follow");
        assert_eq!(length_of("äöü".as_bytes(), 2, false), Some(4));
    }

    #[test]
    fn records_without_line_ends_have_one_length() {
        let records = Records { kind: Kind::Characters(3), footer: 0 };
        assert_eq!(all(&records, "a€cäöü123"), ["a€c", "äöü", "123"]);
        let records = Records { kind: Kind::Bytes(3), footer: 0 };
        assert_eq!(all(&records, "abcdef"), ["abc", "def"]);
        assert!(records.find(b"abcd", 3, true).expect("a record").is_cut);
        assert_eq!(records.find(b"abcd", 3, false), None);
    }

    #[test]
    fn the_footer_is_held_back() {
        let records = Records { kind: Kind::Lines { bare_cr: false }, footer: 2 };
        assert_eq!(records.end_of_rows(b"1\n2\nx\n\ny\n\n", 0, true), 4);
        assert_eq!(records.end_of_rows(b"1\n2\n3\n4", 0, false), 2, "the last line may go on");
        assert_eq!(records.end_of_rows(b"1\n", 0, true), 0);
    }
}
