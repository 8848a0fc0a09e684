//! Sets of the types that a column could still have, and the types that a cell could be.

use elt_shared::config::{ColumnType, NumberFormat};

use crate::frame::CellKind;
use crate::frame::value::{self, LocalNumber, NumberShape};

/// A set of types that can be inferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u16);

impl Types {
    pub(super) const NONE: Self = Self(0);
    pub(super) const BOOLEAN: Self = Self(1);
    pub(super) const SMALLINT: Self = Self(1 << 1);
    pub(super) const INTEGER: Self = Self(1 << 2);
    pub(super) const BIGINT: Self = Self(1 << 3);
    pub(super) const NUMERIC: Self = Self(1 << 4);
    pub(super) const DOUBLE: Self = Self(1 << 5);
    pub(super) const DATE: Self = Self(1 << 6);
    pub(super) const TIMESTAMP: Self = Self(1 << 7);
    pub(super) const TIMESTAMPTZ: Self = Self(1 << 8);
    pub(super) const JSON: Self = Self(1 << 9);
    /// Number of types that can be inferred.
    pub(super) const COUNT: usize = 10;
    /// Every type that is inferred.
    pub(super) const ALL: Self = Self((1 << Self::COUNT) - 1);

    /// The types of numbers.
    pub(super) const NUMBERS: Self =
        Self::SMALLINT.with(Self::INTEGER).with(Self::BIGINT).with(Self::NUMERIC).with(Self::DOUBLE);

    /// The set of one inferred type; empty for the others.
    pub(super) fn of(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Boolean => Self::BOOLEAN,
            ColumnType::SmallInt => Self::SMALLINT,
            ColumnType::Integer => Self::INTEGER,
            ColumnType::BigInt => Self::BIGINT,
            ColumnType::Numeric(_) => Self::NUMERIC,
            ColumnType::Real | ColumnType::Double => Self::DOUBLE,
            ColumnType::Date => Self::DATE,
            ColumnType::Timestamp => Self::TIMESTAMP,
            ColumnType::TimestampTz => Self::TIMESTAMPTZ,
            ColumnType::Json => Self::JSON,
            ColumnType::Time | ColumnType::Uuid | ColumnType::Text | ColumnType::Varchar(_) => Self::NONE,
        }
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[inline]
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Index of each type of the set.
    pub(super) fn indexes(self) -> impl Iterator<Item = usize> {
        (0..Self::COUNT).filter(move |index| self.0 & (1 << index) != 0)
    }
}

/// Every type that a cell could be which is not missing.
pub(super) fn of_cell(kind: CellKind, bytes: &[u8]) -> Types {
    match kind {
        CellKind::Nested => return Types::JSON,
        CellKind::Bool => return Types::BOOLEAN,
        CellKind::Null => return Types::ALL,
        CellKind::Number => return of_number(kind, bytes),
        CellKind::String => return of_time(bytes),
        CellKind::Bare | CellKind::Quoted => {}
    }
    let number = of_number(kind, bytes);
    if !number.is_empty() {
        return number;
    }
    if value::is_true_or_false(bytes) { Types::BOOLEAN } else { of_time(bytes) }
}

/// Every type that a cell could be whose file writes numbers in a format of its own.
pub(super) fn of_local_cell(numbers: NumberFormat, kind: CellKind, bytes: &[u8], plain: &mut Vec<u8>) -> Types {
    match value::plain(numbers, kind, bytes, plain) {
        LocalNumber::Plain => of_cell(kind, plain),
        LocalNumber::Word => of_cell(kind, bytes),
        LocalNumber::Other => of_cell(kind, bytes).without(Types::NUMBERS),
    }
}

fn of_number(kind: CellKind, bytes: &[u8]) -> Types {
    let exact = |digits: usize| if digits <= value::EXACT_DOUBLE_DIGITS { Types::DOUBLE } else { Types::NONE };
    match value::number_shape(kind, bytes) {
        NumberShape::No => Types::NONE,
        NumberShape::Exponent | NumberShape::Special => Types::DOUBLE,
        NumberShape::Decimal { digits } if value::numeric_fits(bytes, None) => Types::NUMERIC.with(exact(digits)),
        NumberShape::Decimal { .. } => Types::NONE,
        NumberShape::Integer { digits } => match value::parse_bigint(bytes) {
            Some(value) => width(value).with(Types::BIGINT).with(Types::NUMERIC).with(exact(digits)),
            None if value::numeric_fits(bytes, None) => Types::NUMERIC,
            None => Types::NONE,
        },
    }
}

/// The smaller integer types that hold a value.
fn width(value: i64) -> Types {
    if i16::try_from(value).is_ok() {
        Types::SMALLINT.with(Types::INTEGER)
    } else if i32::try_from(value).is_ok() {
        Types::INTEGER
    } else {
        Types::NONE
    }
}

fn of_time(bytes: &[u8]) -> Types {
    if value::is_iso_date(bytes) {
        return Types::DATE.with(Types::TIMESTAMP);
    }
    match value::iso_timestamp(bytes) {
        Some(stamp) if stamp.zoned => Types::TIMESTAMPTZ,
        Some(_) => Types::TIMESTAMP,
        None => Types::NONE,
    }
}

/// The kind of values that a column has so far. It selects a short test that most of the column's cells pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// No cell was read yet, or no short test applies.
    Open,
    /// The column can only be text.
    Text,
    /// The column can only be text, and its values may be numbers with commas.
    Spelling,
    /// Integers of at most `digits` digits between two values.
    Integer { digits: usize, low: i64, high: i64 },
    /// Decimals of at most `digits` digits.
    Decimal { digits: usize },
    /// Dates in ISO 8601.
    Date,
    /// Timestamps without (false) or with (true) a zone.
    Timestamp { zoned: bool },
    /// The words `true` and `false`.
    Boolean,
    /// JSON objects and arrays, in JSON files.
    Nested,
}

impl Lead {
    pub(super) fn of(possible: Types) -> Self {
        let exact = possible.has(Types::DOUBLE);
        if possible == Types::ALL {
            Self::Open
        } else if possible.is_empty() {
            Self::Text
        } else if possible.has(Types::BIGINT) {
            let (low, high) = if possible.has(Types::SMALLINT) {
                (i64::from(i16::MIN), i64::from(i16::MAX))
            } else if possible.has(Types::INTEGER) {
                (i64::from(i32::MIN), i64::from(i32::MAX))
            } else {
                (i64::MIN, i64::MAX)
            };
            Self::Integer { digits: if exact { value::EXACT_DOUBLE_DIGITS } else { 19 }, low, high }
        } else if possible.has(Types::NUMERIC) {
            Self::Decimal { digits: if exact { value::EXACT_DOUBLE_DIGITS } else { 1_000 } }
        } else if possible.has(Types::DATE) {
            Self::Date
        } else if possible.has(Types::TIMESTAMP) {
            Self::Timestamp { zoned: false }
        } else if possible.has(Types::TIMESTAMPTZ) {
            Self::Timestamp { zoned: true }
        } else if possible.has(Types::BOOLEAN) {
            Self::Boolean
        } else if possible.has(Types::JSON) {
            Self::Nested
        } else {
            Self::Open
        }
    }

    /// Whether the column's values are numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Integer { .. } | Self::Decimal { .. })
    }

    /// Whether a cell certainly fits every type that is left. False means that each type must be tested.
    #[inline(always)]
    pub(super) fn fits(self, kind: CellKind, bytes: &[u8]) -> bool {
        match self {
            Self::Open | Self::Text | Self::Spelling => false,
            Self::Integer { digits, low, high } => {
                kind != CellKind::String
                    && short_integer(bytes, digits).is_some_and(|value| low <= value && value <= high)
            }
            Self::Decimal { digits } => kind != CellKind::String && short_decimal(bytes, digits),
            Self::Date => kind != CellKind::Nested && value::is_iso_date(bytes),
            Self::Timestamp { zoned } => {
                kind != CellKind::Nested && value::iso_timestamp(bytes).is_some_and(|stamp| stamp.zoned == zoned)
            }
            Self::Boolean => kind != CellKind::String && value::is_true_or_false(bytes),
            Self::Nested => kind == CellKind::Nested,
        }
    }
}

/// Parses an integer as inference accepts it. `None`: another text, or more than `digits` digits.
#[inline(always)]
fn short_integer(bytes: &[u8], limit: usize) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if digits.len() > limit || (digits.first() == Some(&b'0') && digits.len() > 1) {
        return None;
    }
    value::plain_integer(bytes)
}

/// Whether a text is a decimal as inference accepts it, with at most `digits` digits.
#[inline(always)]
fn short_decimal(bytes: &[u8], limit: usize) -> bool {
    let negative = bytes.first() == Some(&b'-');
    let digits = &bytes[usize::from(negative)..];
    if digits.len() > limit || (digits.len() > 1 && digits[0] == b'0' && digits[1] != b'.') {
        return false;
    }
    let mut point = digits.len();
    for (at, &byte) in digits.iter().enumerate() {
        if !byte.is_ascii_digit() {
            if byte != b'.' || point != digits.len() {
                return false;
            }
            point = at;
        }
    }
    !digits.is_empty() && point + 1 != digits.len()
}
