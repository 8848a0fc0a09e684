//! Numbers: integers, exact decimals of any length, doubles.

use super::exact::is_exact_double;
use super::trim;
use crate::frame::CellKind;

/// Number of significant digits up to which every decimal number is the same after it was stored as a double.
pub(crate) const EXACT_DOUBLE_DIGITS: usize = 15;
/// Number of digits that PostgreSQL's `numeric` holds before and after the decimal point.
const NUMERIC_WHOLE_DIGITS: i64 = 131_072;
const NUMERIC_SCALE: i64 = 16_383;

/// The way in which a cell is written as a number, for inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberShape {
    /// Digits with an optional minus sign, such as `0` or `-12`, without leading zeros.
    Integer {
        /// Number of significant digits.
        digits: usize,
    },
    /// A decimal, such as `1.50` or `.5`.
    Decimal {
        /// Number of significant digits. Trailing zeros count, because they are kept.
        digits: usize,
    },
    /// Scientific notation as programs print it, such as `1.5e-3`: finite as a double, with at most 17 digits.
    Exponent,
    /// `inf`, `nan` and their other spellings.
    Special,
    /// Not a number.
    No,
}

/// The parts of a number: `sign whole.fraction e exponent`.
struct Parts<'a> {
    negative: bool,
    plus: bool,
    whole: &'a [u8],
    point: bool,
    fraction: &'a [u8],
    exponent: Option<Exponent<'a>>,
}

struct Exponent<'a> {
    sign: Option<u8>,
    digits: &'a [u8],
}

impl Exponent<'_> {
    /// The value of the exponent. One with too many digits to be read is far out of any range.
    fn value(&self) -> i64 {
        let size = self.digits.iter().fold(0_i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1_000_000_000));
        if self.sign == Some(b'-') { -size } else { size }
    }
}

/// The parts of a number. `None`: the text is not a number. Spaces, digit groups and decimal commas are not accepted.
fn parts(text: &[u8]) -> Option<Parts<'_>> {
    let (sign, rest) = match text.first()? {
        sign @ (b'-' | b'+') => (Some(*sign), &text[1..]),
        _ => (None, text),
    };
    let (whole, rest) = digits(rest);
    let (point, fraction, rest) = match rest.split_first() {
        Some((b'.', rest)) => {
            let (fraction, rest) = digits(rest);
            (true, fraction, rest)
        }
        _ => (false, &[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest.split_first() {
        None => None,
        Some((b'e' | b'E', rest)) => {
            let (sign, rest) = match rest.first()? {
                sign @ (b'-' | b'+') => (Some(*sign), &rest[1..]),
                _ => (None, rest),
            };
            let (digits, rest) = digits(rest);
            if digits.is_empty() || !rest.is_empty() {
                return None;
            }
            Some(Exponent { sign, digits })
        }
        Some(_) => return None,
    };
    Some(Parts { negative: sign == Some(b'-'), plus: sign == Some(b'+'), whole, point, fraction, exponent })
}

/// The digits at the front of a text, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The way in which a cell is written as a number. A JSON string is never a number.
pub(crate) fn number_shape(kind: CellKind, bytes: &[u8]) -> NumberShape {
    let json = match kind {
        CellKind::Number => true,
        CellKind::Bare | CellKind::Quoted => false,
        CellKind::Null | CellKind::Bool | CellKind::String | CellKind::Nested => return NumberShape::No,
    };
    let text = if json { bytes } else { trim(bytes) };
    let Some(parts) = parts(text) else {
        return if is_special(text) { NumberShape::Special } else { NumberShape::No };
    };
    let leading_zero = parts.whole.len() > 1 && parts.whole[0] == b'0';
    let ends_in_point = parts.point && parts.fraction.is_empty();
    if parts.plus || leading_zero || ends_in_point {
        return NumberShape::No;
    }
    let digits = significant(&parts);
    let Some(exponent) = &parts.exponent else {
        return if parts.point { NumberShape::Decimal { digits } } else { NumberShape::Integer { digits } };
    };
    let looks_like_a_code = (exponent.sign.is_none() && exponent.digits.len() > 1 && exponent.digits[0] == b'0')
        || (exponent.sign.is_none() && !parts.point && parts.whole.len() > 1);
    if (looks_like_a_code && !json) || digits > EXACT_DOUBLE_DIGITS + 2 {
        return NumberShape::No;
    }
    // A double is not inferred from a number that it would round.
    if !parse_double(text).is_some_and(|value| digits <= EXACT_DOUBLE_DIGITS || is_exact_double(text, value)) {
        return NumberShape::No;
    }
    NumberShape::Exponent
}

/// Number of significant digits as written, without leading zeros and with trailing ones.
fn significant(parts: &Parts<'_>) -> usize {
    let whole = parts.whole.iter().position(|&digit| digit != b'0').map_or(0, |zeros| parts.whole.len() - zeros);
    if whole > 0 {
        return whole + parts.fraction.len();
    }
    parts.fraction.iter().position(|&digit| digit != b'0').map_or(0, |zeros| parts.fraction.len() - zeros)
}

/// Whether a text is `inf`, `-Infinity`, `nan` or another spelling of them, in any case.
fn is_special(text: &[u8]) -> bool {
    let text = match text.first() {
        Some(b'-' | b'+') => &text[1..],
        _ => text,
    };
    [&b"inf"[..], b"infinity", b"nan"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Parses an integer of 64 bits. `12.0` and `1.2e1` are accepted, too, because their values are integers.
#[inline]
pub fn parse_bigint(bytes: &[u8]) -> Option<i64> {
    match plain_integer(bytes) {
        Some(value) => Some(value),
        None => exact_integer(trim(bytes)),
    }
}

/// Parses an integer of 32 bits.
pub fn parse_integer(bytes: &[u8]) -> Option<i32> {
    parse_bigint(bytes)?.try_into().ok()
}

/// Parses an integer of 16 bits.
pub fn parse_smallint(bytes: &[u8]) -> Option<i16> {
    parse_bigint(bytes)?.try_into().ok()
}

/// Parses at most 19 digits with an optional minus sign, which is the common case. `None`: another spelling, or more than 64
/// bits.
#[inline]
pub(crate) fn plain_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes.first()? {
        b'-' => (true, &bytes[1..]),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut size = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        size = size * 10 + u64::from(digit);
    }
    if negative { 0_i64.checked_sub_unsigned(size) } else { i64::try_from(size).ok() }
}

/// Parses any spelling of an integer, from its canonical digits.
fn exact_integer(text: &[u8]) -> Option<i64> {
    let mut canonical = Vec::with_capacity(24);
    if !canonical_of(&parts(text)?, 20, 0, &mut canonical) || canonical.contains(&b'.') {
        return None;
    }
    std::str::from_utf8(&canonical).ok()?.parse().ok()
}

/// Parses a double. `None`: not a number, or out of range. `inf` and `nan` are accepted in any case.
#[inline]
pub fn parse_double(bytes: &[u8]) -> Option<f64> {
    let text = trim(bytes);
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    if value.is_infinite() && !is_special(text) {
        return None;
    }
    if value == 0.0 && text.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|b| matches!(b, b'1'..=b'9')) {
        return None;
    }
    Some(value)
}

/// A number's significant digits, as a whole number without zeros at its ends, and the power of ten it is multiplied by.
pub(super) fn scientific(bytes: &[u8]) -> Option<(String, i64)> {
    let parts = parts(trim(bytes))?;
    let span = Span::of(&parts)?;
    let digits = parts.whole.iter().chain(parts.fraction).skip_while(|&&digit| digit == b'0');
    let length = usize::try_from(span.whole_digits + span.scale).ok()?;
    Some((digits.take(length).map(|&digit| char::from(digit)).collect(), -span.scale))
}

/// Number of digits of a number without leading and trailing zeros; 0 for zero and for a text that is not a number.
pub fn significant_digits(bytes: &[u8]) -> usize {
    let span = parts(trim(bytes)).as_ref().and_then(Span::of);
    span.map_or(0, |span| usize::try_from(span.whole_digits + span.scale).unwrap_or(usize::MAX))
}

/// Number of digits before and after the point of a number, without leading and trailing zeros. `None`: it is not a number.
pub fn decimal_digits(bytes: &[u8]) -> Option<(i64, i64)> {
    let parts = parts(trim(bytes))?;
    Some(Span::of(&parts).map_or((0, 0), |span| (span.whole_digits, span.scale)))
}

/// Appends the canonical form of a number: exact, no exponent, no leading or trailing zeros (`-0.50` is `-0.5`, `1.2e1` is `12`).
/// Returns false when it is not a number, or has more digits than PostgreSQL's `numeric` holds.
pub fn numeric_canonical(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    parts(trim(bytes)).is_some_and(|parts| canonical_of(&parts, NUMERIC_WHOLE_DIGITS, NUMERIC_SCALE, out))
}

/// Whether a number fits into `numeric(precision, scale)` without rounding, or into `numeric` when `limits` is `None`.
pub fn numeric_fits(bytes: &[u8], limits: Option<(u16, u16)>) -> bool {
    let (whole, scale) = match limits {
        Some((precision, scale)) => (i64::from(precision) - i64::from(scale), i64::from(scale)),
        None => (NUMERIC_WHOLE_DIGITS, NUMERIC_SCALE),
    };
    numeric_fits_into(bytes, whole, scale)
}

/// Whether a number has at most `whole` digits before and `scale` digits after the point. A negative `whole` requires
/// that many zeros after the point, a negative `scale` that many zeros before it.
pub fn numeric_fits_into(bytes: &[u8], whole: i64, scale: i64) -> bool {
    let Some(parts) = parts(trim(bytes)) else { return false };
    Span::of(&parts).is_none_or(|span| span.whole_digits <= whole && span.scale <= scale)
}

/// The position of a number's non-zero digits around its decimal point.
struct Span {
    /// Number of digits before the point; zero or negative for a number below one.
    whole_digits: i64,
    /// Number of digits after the point; zero or negative for a whole number.
    scale: i64,
}

impl Span {
    /// The span of a number. `None`: it is zero.
    fn of(parts: &Parts<'_>) -> Option<Self> {
        let all = || parts.whole.iter().chain(parts.fraction);
        let first = all().position(|&digit| digit != b'0')? as i64;
        let from_end = all().rev().position(|&digit| digit != b'0')? as i64;
        let exponent = parts.exponent.as_ref().map_or(0, Exponent::value);
        Some(Self {
            whole_digits: parts.whole.len() as i64 - first + exponent,
            scale: parts.fraction.len() as i64 - from_end - exponent,
        })
    }
}

/// Writes the canonical form when it has at most `whole_limit` digits before and `scale_limit` digits after the point.
fn canonical_of(parts: &Parts<'_>, whole_limit: i64, scale_limit: i64, out: &mut Vec<u8>) -> bool {
    let Some(span) = Span::of(parts) else {
        out.push(b'0');
        return true;
    };
    if span.whole_digits > whole_limit || span.scale > scale_limit {
        return false;
    }
    let mut significant = parts.whole.iter().chain(parts.fraction).copied().skip_while(|&digit| digit == b'0');
    if parts.negative {
        out.push(b'-');
    }
    if span.whole_digits <= 0 {
        out.push(b'0');
    }
    for _ in 0..span.whole_digits {
        out.push(significant.next().unwrap_or(b'0'));
    }
    if span.scale > 0 {
        out.push(b'.');
        let zeros = (-span.whole_digits).max(0);
        out.extend(std::iter::repeat_n(b'0', zeros as usize));
        out.extend(significant.take((span.scale - zeros) as usize));
    }
    true
}

#[cfg(test)]
mod tests;
