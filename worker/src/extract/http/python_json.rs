//! JSON as Python writes it, for a parser that knows only the standard. `NaN`, `Infinity` and `-Infinity` are replaced by texts
//! of the same length, so that lines and columns in errors stay right.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// Position of a reader: the number of bytes that it has returned so far.
pub(super) type Position = Rc<Cell<u64>>;

/// A byte that JSON forbids everywhere, even inside a string. It makes the parser refuse a word that began like one of these
/// and ended differently.
const REFUSED: u8 = 0x01;

/// A reader that replaces these words by texts.
pub(super) struct PythonJson<R> {
    inner: R,
    position: Position,
    /// A byte that was read ahead.
    ahead: Option<u8>,
    state: State,
}

/// The part of the JSON text that the next byte belongs to.
#[derive(Clone, Copy)]
enum State {
    Outside,
    Text,
    /// Directly after a backslash in a string.
    Escaped,
    /// Inside a word, of which these bytes are still to come.
    Word(&'static [u8]),
}

impl<R: BufRead> PythonJson<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, position: Rc::default(), ahead: None, state: State::Outside }
    }

    /// The reader's position, for the code around the parser that owns the reader.
    pub(super) fn position(&self) -> Position {
        Rc::clone(&self.position)
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        if let Some(byte) = self.ahead.take() {
            return Ok(Some(byte));
        }
        let byte = loop {
            match self.inner.fill_buf() {
                Ok(buffer) => break buffer.first().copied(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.inner.consume(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// The byte to show instead of the one that was read.
    fn shown(&mut self, byte: u8) -> io::Result<u8> {
        let (state, shown) = match (self.state, byte) {
            (State::Text, b'"') | (State::Word([]), _) => (State::Outside, byte),
            (State::Text, b'\\') => (State::Escaped, byte),
            (State::Text | State::Escaped, _) => (State::Text, byte),
            (State::Outside, b'"') => (State::Text, byte),
            (State::Outside, b'N') => (State::Word(b"aN"), b'"'),
            (State::Outside, b'I') => (State::Word(b"nfinity"), b'"'),
            // The sign comes before the text that replaces the word, so it is replaced by a space.
            (State::Outside, b'-') => {
                self.ahead = self.byte()?;
                (State::Outside, if self.ahead == Some(b'I') { b' ' } else { byte })
            }
            (State::Outside, _) => (State::Outside, byte),
            (State::Word([last]), _) if *last == byte => (State::Outside, b'"'),
            (State::Word([next, rest @ ..]), _) if *next == byte => (State::Word(rest), byte),
            (State::Word(_), _) => (State::Outside, REFUSED),
        };
        self.state = state;
        Ok(shown)
    }
}

impl<R: BufRead> Read for PythonJson<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while length < out.len() {
            let Some(byte) = self.byte()? else { break };
            out[length] = self.shown(byte)?;
            length += 1;
        }
        self.position.set(self.position.get() + length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        PythonJson::new(text.as_bytes()).read_to_string(&mut out).expect("text");
        out
    }

    fn is_json(text: &str) -> bool {
        let mut reader = PythonJson::new(text.as_bytes());
        serde_json::from_reader::<_, serde::de::IgnoredAny>(&mut reader).is_ok()
    }

    #[test]
    fn numbers_that_json_does_not_have_are_shown_as_texts() {
        assert_eq!(shown(r#"[NaN,-Infinity, Infinity]"#), r#"["a", "nfinit", "nfinit"]"#);
        assert_eq!(shown(r#"{"NaN":"-Infinity \" NaN",}"#), r#"{"NaN":"-Infinity \" NaN",}"#);
        assert_eq!(shown("[-1, 2]"), "[-1, 2]");
        for good in ["[NaN]", "{\"a\": -Infinity}", "NaN", "[1, Infinity , -2.5e3]"] {
            assert!(is_json(good), "{good}");
        }
    }

    #[test]
    fn other_words_stay_wrong() {
        for bad in
            ["[N]", "[Na]", "[NaNN]", "[nan]", "[Inf]", "[Infinit]", "[--Infinity]", "[- Infinity]", "[+NaN]", "[-NaN]"]
        {
            assert!(!is_json(bad), "{bad}: {}", shown(bad));
        }
    }
}
