//! Cursors of incremental sources: values that grow with each change of a row. They are compared exactly, by their kind:
//! numbers of any length, times with their zone, else texts.

pub mod by_hand;
mod number;
mod time;

use std::cmp::Ordering;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use self::number::Number;
use self::time::Time;
use crate::config::{Incremental, Lookback, TimeFormat};

/// Longest text of a cursor, in bytes.
pub const MAX_BYTES: usize = 1_000;

/// The value of a cursor, as the API wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorValue {
    text: String,
    parsed: Parsed,
}

/// The kind of a cursor. Values of different kinds cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CursorKind {
    /// A number with any number of digits.
    Number,
    /// A date, or a time with or without a zone. Without one it counts as UTC.
    Time,
    /// Any other text, compared by its bytes.
    Text,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parsed {
    Number(Number),
    Time(Time),
    Text,
}

/// The reason why a cursor cannot be sent as the config says, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Something is to be subtracted from a text.
    #[error("`lookback` cannot be subtracted from the cursor, which is a text")]
    LookbackOfText,
    /// A time is to be subtracted from a number that is not a time.
    #[error("`lookback` is a time, but the cursor is a number")]
    LookbackOfNumber,
    /// It is not a time that could be written in a format.
    #[error("`format` says how a time is sent, but the cursor is a {0}")]
    NotATime(CursorKind),
    /// The time is outside the years that can be computed with.
    #[error("the cursor is a time that is too far away to compute with")]
    OutOfRange,
}

impl CursorValue {
    /// Reads a value. `None`: it is empty, or longer than [`MAX_BYTES`].
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_BYTES || text.contains('\0') {
            return None;
        }
        let parsed = match (Number::parse(text), Time::parse(text)) {
            (Some(number), _) => Parsed::Number(number),
            (None, Some(time)) => Parsed::Time(time),
            (None, None) => Parsed::Text,
        };
        Some(Self { text: text.to_owned(), parsed })
    }

    /// Reads a stored value, which has the kind that it was stored with: a text may look like a number. `None`: it is not
    /// of that kind.
    pub fn of_kind(text: &str, kind: CursorKind) -> Option<Self> {
        let value = Self::of(text)?;
        match kind {
            _ if value.kind() == kind => Some(value),
            CursorKind::Text => Some(Self { text: value.text, parsed: Parsed::Text }),
            _ => None,
        }
    }

    /// The value as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its kind.
    pub fn kind(&self) -> CursorKind {
        match self.parsed {
            Parsed::Number(_) => CursorKind::Number,
            Parsed::Time(_) => CursorKind::Time,
            Parsed::Text => CursorKind::Text,
        }
    }

    /// Its order among values of its kind. `None`: the other one is of another kind.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.parsed, &other.parsed) {
            (Parsed::Number(one), Parsed::Number(other)) => Some(one.compare(other)),
            (Parsed::Time(one), Parsed::Time(other)) => Some(one.compare(other)),
            (Parsed::Text, Parsed::Text) => Some(self.text.cmp(&other.text)),
            _ => None,
        }
    }

    /// The value that lies `lookback` before this one.
    ///
    /// # Errors
    /// When the lookback does not fit the kind of the value.
    pub fn minus(&self, lookback: Lookback, format: Option<TimeFormat>) -> Result<Self, CursorError> {
        let earlier = match (&self.parsed, lookback, format) {
            (_, Lookback::Number(0), _) => Some(self.text.clone()),
            (Parsed::Number(number), Lookback::Number(distance), _) => Some(number.minus(distance)),
            (Parsed::Number(number), Lookback::Time(time), Some(TimeFormat::Unix)) => {
                Some(number.minus(time.as_secs()))
            }
            (Parsed::Number(number), Lookback::Time(time), Some(TimeFormat::UnixMs)) => {
                Some(number.minus(time.as_secs().saturating_mul(1_000)))
            }
            (Parsed::Number(_), Lookback::Time(_), _) => return Err(CursorError::LookbackOfNumber),
            (Parsed::Time(at), Lookback::Number(seconds), _) => at.minus(seconds),
            (Parsed::Time(at), Lookback::Time(time), _) => at.minus(time.as_secs()),
            (Parsed::Text, ..) => return Err(CursorError::LookbackOfText),
        };
        earlier.and_then(|text| Self::of(&text)).ok_or(CursorError::OutOfRange)
    }

    /// The value as it is sent to the API.
    ///
    /// # Errors
    /// When the format does not fit the kind of the value.
    pub fn sent(&self, format: Option<TimeFormat>) -> Result<String, CursorError> {
        match (&self.parsed, format) {
            (_, None) | (Parsed::Number(_), Some(TimeFormat::Unix | TimeFormat::UnixMs)) => Ok(self.text.clone()),
            (Parsed::Time(at), Some(format)) => at.written(format).ok_or(CursorError::OutOfRange),
            (Parsed::Number(_) | Parsed::Text, Some(_)) => Err(CursorError::NotATime(self.kind())),
        }
    }
}

impl Incremental {
    /// The value that the next run asks from, when `stored` is the greatest one that was loaded: `lookback` before it.
    ///
    /// # Errors
    /// When lookback or format do not fit the kind of the value.
    pub fn begin(&self, stored: &CursorValue) -> Result<CursorValue, CursorError> {
        match self.lookback {
            Some(lookback) => stored.minus(lookback, self.format),
            None => Ok(stored.clone()),
        }
    }
}

impl TimeFormat {
    /// An instant as it is sent to an API. A date and whole seconds are rounded down.
    pub fn write(self, at: DateTime<Utc>) -> String {
        match self {
            Self::Rfc3339 => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            Self::Date => at.format("%Y-%m-%d").to_string(),
            Self::Unix => at.timestamp().to_string(),
            Self::UnixMs => at.timestamp_millis().to_string(),
        }
    }
}

impl CursorKind {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Time => "time",
            Self::Text => "text",
        }
    }

    /// The kind of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Number, Self::Time, Self::Text].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for CursorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
