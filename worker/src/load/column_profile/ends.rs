//! The smallest and the largest value of a column.

use std::cmp::Ordering;

use super::decimal::{Decimal, by_digits};
use super::shown;

/// Values that have an order by a key of 64 bits. Batches are compared by their keys, and a text is only made of a value
/// that is smaller or larger than all before.
#[derive(Default)]
pub struct Ends {
    min: Option<End>,
    max: Option<End>,
}

struct End {
    key: i64,
    text: String,
}

/// The ends of one batch, with their rows.
pub struct BatchEnds {
    min: (i64, usize),
    max: (i64, usize),
    is_empty: bool,
}

impl BatchEnds {
    /// No value was seen.
    pub fn new() -> Self {
        Self { min: (i64::MAX, 0), max: (i64::MIN, 0), is_empty: true }
    }

    /// Adds a value by its key.
    #[inline]
    pub fn add(&mut self, key: i64, row: usize) {
        if key < self.min.0 || self.is_empty {
            self.min = (key, row);
        }
        if key > self.max.0 || self.is_empty {
            self.max = (key, row);
        }
        self.is_empty = false;
    }
}

impl Ends {
    /// Adds the ends of a batch. `text`: the text of a row's value.
    pub fn add(&mut self, batch: &BatchEnds, text: impl Fn(usize) -> Box<str>) {
        if batch.is_empty {
            return;
        }
        let end = |(key, row): (i64, usize)| Some(End { key, text: text(row).into() });
        if self.min.as_ref().is_none_or(|min| batch.min.0 < min.key) {
            self.min = end(batch.min);
        }
        if self.max.as_ref().is_none_or(|max| batch.max.0 > max.key) {
            self.max = end(batch.max);
        }
    }

    /// The smallest and the largest value as texts. `None`: no value was added.
    pub fn texts(self) -> (Option<String>, Option<String>) {
        (self.min.map(|end| end.text), self.max.map(|end| end.text))
    }
}

/// A key in the order of PostgreSQL: NaN is larger than every number, and the zeros are equal.
#[inline]
pub fn key_of_double(value: f64) -> i64 {
    if value.is_nan() {
        return i64::MAX;
    }
    // The sum makes +0 of -0.
    let bits = (value + 0.0).to_bits() as i64;
    // The bits of negative numbers grow with their size.
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The smallest and the largest text, in the order of their bytes. Texts are compared as far as they are shown, so that
/// a text of any length costs as much as a short one.
#[derive(Default)]
pub struct TextEnds {
    min: Option<Cut>,
    max: Option<Cut>,
}

/// The beginning of a text.
struct Cut {
    text: String,
    is_whole: bool,
}

impl Cut {
    fn of(text: &str) -> Self {
        let end = text.char_indices().nth(super::SHOWN_CHARS).map_or(text.len(), |(end, _)| end);
        Self { text: text[..end].to_owned(), is_whole: end == text.len() }
    }

    fn shown(self) -> String {
        if self.is_whole { self.text } else { self.text + "…" }
    }
}

impl TextEnds {
    /// Adds a text.
    #[inline]
    pub fn add(&mut self, text: &str) {
        if self.min.as_ref().is_none_or(|min| *text < *min.text || (!min.is_whole && text == min.text)) {
            self.min = Some(Cut::of(text));
        }
        // A text that only goes on where the largest one was cut is shown in the same way.
        if self.max.as_ref().is_none_or(|max| *text > *max.text && (max.is_whole || !text.starts_with(&max.text))) {
            self.max = Some(Cut::of(text));
        }
    }

    /// The smallest and the largest value as texts. `None`: no value was added.
    pub fn texts(self) -> (Option<String>, Option<String>) {
        (self.min.map(Cut::shown), self.max.map(Cut::shown))
    }
}

/// The smallest and the largest of numbers whose keys may be equal although they differ.
#[derive(Default)]
pub struct NumberEnds {
    min: Option<Number>,
    max: Option<Number>,
}

struct Number {
    hash: u64,
    key: i64,
    /// The canonical text.
    text: String,
}

impl Number {
    /// The order of a number and this one. Equal keys need a look at the digits.
    #[inline]
    fn compare(&self, number: Decimal, text: impl Fn() -> String) -> Ordering {
        let by_key = number.key.cmp(&self.key);
        if by_key == Ordering::Equal && number.hash != self.hash { by_digits(&text(), &self.text) } else { by_key }
    }
}

impl NumberEnds {
    /// Adds a number. `text` makes its canonical text.
    #[inline]
    pub fn add(&mut self, number: Decimal, text: impl Fn() -> String) {
        let end = || Some(Number { hash: number.hash, key: number.key, text: text() });
        if self.min.as_ref().is_none_or(|min| min.compare(number, &text) == Ordering::Less) {
            self.min = end();
        }
        if self.max.as_ref().is_none_or(|max| max.compare(number, &text) == Ordering::Greater) {
            self.max = end();
        }
    }

    /// The smallest and the largest value as texts. `None`: no value was added.
    pub fn texts(self) -> (Option<String>, Option<String>) {
        (self.min.map(|end| shown(&end.text)), self.max.map(|end| shown(&end.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_in_the_order_of_postgres() {
        let ordered = [f64::NEG_INFINITY, -1.5, -1e-300, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY, f64::NAN];
        assert!(ordered.windows(2).all(|pair| key_of_double(pair[0]) < key_of_double(pair[1])));
        assert_eq!(key_of_double(-0.0), key_of_double(0.0));
        assert_eq!(key_of_double(-f64::NAN), key_of_double(f64::NAN));
    }

    #[test]
    fn long_texts_are_compared_as_far_as_they_are_shown() {
        let start = "m".repeat(super::super::SHOWN_CHARS);
        let mut ends = TextEnds::default();
        for text in [format!("{start}b"), format!("{start}a"), format!("{start}c"), start.clone()] {
            ends.add(&text);
        }
        assert_eq!(ends.texts(), (Some(start.clone()), Some(format!("{start}…"))));
        let mut ends = TextEnds::default();
        for text in ["b", "", "é", "a", "z"] {
            ends.add(text);
        }
        assert_eq!(ends.texts(), (Some(String::new()), Some("é".into())));
    }
}
