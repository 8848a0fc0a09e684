//! Scans one JSON value in a piece of text: its end, its kind, and what is wrong with it.
//!
//! Nothing is converted, so that numbers keep their digits. There are two kinds of errors. A [`Fault`] means that the end of
//! the value cannot be found, so that the file cannot be read on. A [`Defect`] is inside a value whose end is clear, so that
//! only its record is bad.

use super::scan_errors::{Defect, Fault, MAX_DEPTH};
use crate::frame::value::numeric_fits;

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// A number, also `NaN` and `Infinity` as Python writes them.
    Number,
    /// A string without escapes.
    Plain,
    /// A string with escapes.
    Escaped,
    /// An object.
    Object {
        /// Whether there is white space between its tokens.
        spaced: bool,
    },
    /// An array.
    Array {
        /// Whether there is white space between its tokens.
        spaced: bool,
    },
}

/// A value and its position, including quotes and brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// Scans values of one text.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    /// Whether the file ends with this text.
    ended: bool,
    /// The first defect that was found.
    pub defect: Option<Defect>,
    spaced: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], ended: bool) -> Self {
        Self { text, ended, defect: None, spaced: false }
    }

    /// The first byte from `at` on that is not white space.
    #[inline]
    pub(super) fn space(&mut self, at: usize) -> Result<usize, Fault> {
        let mut end = at;
        while let Some(byte) = self.text.get(end) {
            if !is_space(*byte) {
                self.spaced |= end > at;
                return Ok(end);
            }
            end += 1;
        }
        Err(self.short())
    }

    /// The value that starts at `at`.
    pub(super) fn value(&mut self, at: usize) -> Result<Value, Fault> {
        self.value_within(at, MAX_DEPTH)
    }

    /// The members of the object that starts at `open`: name and value. Returns where it ends.
    #[inline]
    pub(super) fn members(&mut self, open: usize, mut each: impl FnMut(Value, Value)) -> Result<usize, Fault> {
        self.object(open, MAX_DEPTH, &mut each)
    }

    fn value_within(&mut self, at: usize, depth: usize) -> Result<Value, Fault> {
        let (token, end) = match self.text.get(at) {
            None => return Err(self.short()),
            Some(b'"') => {
                let (end, escaped) = self.string(at)?;
                (if escaped { Token::Escaped } else { Token::Plain }, end)
            }
            Some(open @ (b'{' | b'[')) => {
                let around = std::mem::replace(&mut self.spaced, false);
                let end = match (depth, open) {
                    (0, _) => self.too_deep(at)?,
                    (_, b'{') => self.object(at, depth - 1, &mut |_, _| {})?,
                    _ => self.array(at, depth - 1)?,
                };
                let spaced = std::mem::replace(&mut self.spaced, around);
                self.spaced |= spaced;
                (if *open == b'{' { Token::Object { spaced } } else { Token::Array { spaced } }, end)
            }
            Some(_) => self.word(at, depth < MAX_DEPTH)?,
        };
        Ok(Value { token, start: at, end })
    }

    fn object(&mut self, open: usize, depth: usize, each: &mut dyn FnMut(Value, Value)) -> Result<usize, Fault> {
        let mut at = self.space(open + 1)?;
        if self.text[at] == b'}' {
            return Ok(at + 1);
        }
        loop {
            if self.text[at] != b'"' {
                return Err(Fault::Broken { at, what: "a member's name in quotes is missing" });
            }
            let (end, escaped) = self.string(at)?;
            let name = Value { token: if escaped { Token::Escaped } else { Token::Plain }, start: at, end };
            at = self.space(end)?;
            if self.text[at] != b':' {
                return Err(Fault::Broken { at, what: "a colon is missing" });
            }
            at = self.space(at + 1)?;
            let value = self.value_within(at, depth)?;
            each(name, value);
            at = self.space(value.end)?;
            match self.text[at] {
                b',' => at = self.space(at + 1)?,
                b'}' => return Ok(at + 1),
                _ => return Err(Fault::Broken { at, what: "a comma or } is missing" }),
            }
        }
    }

    fn array(&mut self, open: usize, depth: usize) -> Result<usize, Fault> {
        let mut at = self.space(open + 1)?;
        if self.text[at] == b']' {
            return Ok(at + 1);
        }
        loop {
            at = self.value_within(at, depth)?.end;
            at = self.space(at)?;
            match self.text[at] {
                b',' => at = self.space(at + 1)?,
                b']' => return Ok(at + 1),
                _ => return Err(Fault::Broken { at, what: "a comma or ] is missing" }),
            }
        }
    }

    /// Finds the end of a value with too many levels, by counting brackets.
    fn too_deep(&mut self, open: usize) -> Result<usize, Fault> {
        self.note(Defect::Depth);
        let mut depth = 0_usize;
        let mut at = open;
        loop {
            match self.text.get(at) {
                None => return Err(self.short()),
                Some(b'"') => {
                    at = self.string(at)?.0;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') if depth == 1 => return Ok(at + 1),
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
            }
            at += 1;
        }
    }

    /// Scans the string that opens at `open`. Returns the position of its end, and whether it has escapes.
    #[inline]
    pub(super) fn string(&mut self, open: usize) -> Result<(usize, bool), Fault> {
        let mut at = open + 1;
        let mut escaped = false;
        loop {
            at = self.special(at)?;
            match self.text[at] {
                b'"' => return Ok((at + 1, escaped)),
                b'\\' => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                _ => {
                    self.note(Defect::Control);
                    at += 1;
                }
            }
        }
    }

    /// Position of the next quote, backslash or control character. It tests eight bytes at a time.
    #[inline]
    fn special(&self, from: usize) -> Result<usize, Fault> {
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
        let mut at = from;
        while let Some(eight) = self.text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*eight);
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let hits = (zero_bytes(word ^ (ONES * 0x22)) | zero_bytes(word ^ (ONES * 0x5C)) | control) & HIGHS;
            if hits != 0 {
                return Ok(at + (hits.trailing_zeros() / 8) as usize);
            }
            at += 8;
        }
        while let Some(&byte) = self.text.get(at) {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return Ok(at);
            }
            at += 1;
        }
        Err(self.short())
    }

    /// Steps over the escape at `at`.
    fn escape(&mut self, at: usize) -> Result<usize, Fault> {
        match self.text.get(at + 1) {
            None => return Err(self.short()),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => return Ok(at + 2),
            Some(b'u') => {}
            Some(_) => {
                self.note(Defect::Escape);
                return Ok(at + 2);
            }
        }
        let Some(first) = self.hex(at + 2)? else {
            self.note(Defect::Escape);
            return Ok(at + 2);
        };
        match first {
            0 => self.note(Defect::Nul),
            0xD800..=0xDBFF => {
                let follows = match self.text.get(at + 6..at + 8) {
                    Some(b"\\u") => self.hex(at + 8)?,
                    None if !self.ended => return Err(Fault::More),
                    _ => None,
                };
                if matches!(follows, Some(0xDC00..=0xDFFF)) {
                    return Ok(at + 12);
                }
                self.note(Defect::Surrogate);
            }
            0xDC00..=0xDFFF => self.note(Defect::Surrogate),
            _ => {}
        }
        Ok(at + 6)
    }

    /// The value of the four hexadecimal digits at `at`. `None`: other characters are there.
    fn hex(&self, at: usize) -> Result<Option<u16>, Fault> {
        match self.text.get(at..at + 4) {
            Some(digits) => Ok(hex(digits)),
            None => Err(self.short()),
        }
    }

    /// Scans a number, `true`, `false` or `null`. A `nested` number must be one that `jsonb` has.
    fn word(&mut self, at: usize, nested: bool) -> Result<(Token, usize), Fault> {
        let rest = &self.text[at..];
        let Some(length) = rest.iter().position(|&byte| ends_word(byte)).or(self.ended.then_some(rest.len())) else {
            return Err(Fault::More);
        };
        if length == 0 {
            return Err(Fault::Broken { at, what: "a value is missing" });
        }
        let token = match &rest[..length] {
            b"null" => Token::Null,
            b"true" | b"false" => Token::Bool,
            b"NaN" | b"Infinity" | b"-Infinity" if !nested => Token::Number,
            word if is_number(word) && (!nested || numeric_fits(word, None)) => Token::Number,
            _ => {
                self.note(Defect::Word);
                Token::Null
            }
        };
        Ok((token, at + length))
    }

    fn note(&mut self, defect: Defect) {
        self.defect.get_or_insert(defect);
    }

    /// The fault of a text that ends inside a value.
    fn short(&self) -> Fault {
        if self.ended {
            Fault::Broken { at: self.text.len(), what: "the file ends in the middle of a value" }
        } else {
            Fault::More
        }
    }
}

/// Whether a byte is white space of JSON.
#[inline]
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b'[' | b'{') || is_space(byte)
}

/// Whether a word matches `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

pub(super) fn hex(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |sum, &digit| Some(sum << 4 | (digit as char).to_digit(16)? as u16))
}

/// Whether a text is one JSON document that `jsonb` can store.
pub(super) fn is_document(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text, true);
    let Ok(start) = scanner.space(0) else { return false };
    let Ok(value) = scanner.value_within(start, MAX_DEPTH - 1) else { return false };
    scanner.defect.is_none() && text[value.end..].iter().all(|&byte| is_space(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_jsonb_cannot_store_are_refused() {
        for text in [
            r#""\u0000""#,
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\udc00\ud800""#,
            r#"{"a":[1e999999]}"#,
            "1e999999",
            "NaN",
            r#"{"a":-Infinity}"#,
            "[01]",
            "[1] 2",
        ] {
            assert!(!is_document(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn documents_that_jsonb_can_store_are_accepted() {
        for text in [
            r#""\ud83d\ude00""#,
            r#""\\u0000""#,
            r#""\u00e4 1e999999""#,
            "1e10",
            r#"{"a":"\"1e999999"}"#,
            " [1, {}] ",
            "null",
        ] {
            assert!(is_document(text.as_bytes()), "{text}");
        }
    }
}
