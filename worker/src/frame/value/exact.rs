//! Tells whether a floating-point number is exactly the decimal that was written, or a rounded one.

use super::number::{EXACT_DOUBLE_DIGITS, scientific};

/// Number of significant digits up to which every decimal number is the same after it was stored as a `real`.
const EXACT_REAL_DIGITS: usize = 6;
/// Number of significant digits that identify any double, and any `real`.
const NAMING_DOUBLE_DIGITS: usize = 17;
const NAMING_REAL_DIGITS: usize = 9;
/// Most significant digits that a double has.
const MAX_DOUBLE_DIGITS: usize = 767;

/// Whether a double is the written number and not a rounded one: its shortest digits are the written digits, or at least
/// 17 digits are written, which identify any double, and they are its own.
pub fn is_exact_double(bytes: &[u8], value: f64) -> bool {
    // A decimal of at most 15 digits is the same after it was stored as a double.
    let plain = bytes.len() <= EXACT_DOUBLE_DIGITS && memchr::memchr2(b'e', b'E', bytes).is_none();
    plain
        || is_exact(bytes, value, NAMING_DOUBLE_DIGITS, format!("{value:e}"), |text| {
            text.parse().ok() == Some(value.abs())
        })
}

/// Whether a `real` is the written number: see [`is_exact_double`]. Nine digits identify any `real`.
pub fn is_exact_real(bytes: &[u8], value: f32) -> bool {
    let plain = bytes.len() <= EXACT_REAL_DIGITS && memchr::memchr2(b'e', b'E', bytes).is_none();
    plain
        || is_exact(bytes, f64::from(value), NAMING_REAL_DIGITS, format!("{value:e}"), |text| {
            text.parse().ok() == Some(value.abs())
        })
}

/// `naming`: digits that identify any value; `shortest`: the value with its shortest digits; `reads`: whether a text
/// without a sign is read as the value without its sign.
fn is_exact(bytes: &[u8], value: f64, naming: usize, shortest: String, reads: impl Fn(&str) -> bool) -> bool {
    // Infinity and NaN have no digits, and neither has a zero that is written as one.
    let Some((digits, exponent)) = scientific(bytes) else { return true };
    if !value.is_finite() || value == 0.0 {
        return false;
    }
    let is_written = |text: &str| scientific(text.as_bytes()).is_some_and(|own| own == (digits.clone(), exponent));
    let rounded = format!("{:.*e}", digits.len() - 1, value.abs());
    if (naming..=MAX_DOUBLE_DIGITS).contains(&digits.len()) {
        return is_written(&rounded) || is_written(&shortest);
    }
    // Two texts of the shortest length may be equally near; programs differ in which of them they write.
    let length = scientific(shortest.as_bytes()).map_or(0, |(digits, _)| digits.len());
    if length != digits.len() || !(is_written(&rounded) || is_written(&shortest)) {
        return false;
    }
    // In the very middle between two doubles PostgreSQL shows more digits than were written: the numbers beside it are
    // not both read as this value.
    let (rest, last) = digits.split_at(digits.len() - 1);
    let below = char::from(last.as_bytes()[0].saturating_sub(1));
    let more = format!("{digits}{:019}1e{}", 0, exponent - 20);
    let less = format!("{rest}{below}{}e{}", "9".repeat(20), exponent - 20);
    reads(&more) && reads(&less)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::value::parse_double;

    #[test]
    fn a_double_is_exact_when_its_digits_are_those_that_are_written() {
        let exact = |text: &str| is_exact_double(text.as_bytes(), parse_double(text.as_bytes()).unwrap());
        for text in [
            "0.1",
            "5e-324",
            "1.8042545704082813e11",
            "0.10000000000000001",
            "1.000000000000000056e-01",
            "1234567890.12345",
            "-0e5",
            "1e-300",
        ] {
            assert!(exact(text), "{text}");
        }
        for text in [
            "12345678901234567890",
            "0.12345678901234567891",
            "9007199254740993",
            "1e23",
            "+85174507349103e+3",
            "4.94e-324",
        ] {
            assert!(!exact(text), "{text}");
        }
        let exact = |text: &str| is_exact_real(text.as_bytes(), parse_double(text.as_bytes()).unwrap() as f32);
        for text in ["0.1", "16777216", "1606.83044", "1e10", "1936268.2", "1936268.3"] {
            assert!(exact(text), "{text}");
        }
        for text in ["16777217", "0.123456789", "25.7e-65"] {
            assert!(!exact(text), "{text}");
        }
    }
}
