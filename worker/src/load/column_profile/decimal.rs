//! Numbers of any length, which are written as texts: the nearest double, a hash that equal numbers share, and their order.

use std::cmp::Ordering;

use super::ends::key_of_double;
use super::hash;
use crate::contract::cells::Canonical;

/// Digits of a number that is read as an integer and a scale.
const MOST_DIGITS: usize = 18;
/// Powers of ten that are exact as doubles, as far as they are needed.
const POWERS: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// A number of a text, as far as a profile needs it.
#[derive(Clone, Copy)]
pub struct Decimal {
    /// The same for equal numbers, however they are written.
    pub hash: u64,
    /// A double near it, the same for equal numbers.
    pub near: f64,
    /// Its place in the order of numbers. Numbers that are very near to each other may share it.
    pub key: i64,
}

impl Decimal {
    /// Reads the text of a number.
    #[inline]
    pub fn of(text: &str) -> Self {
        short(text.as_bytes()).unwrap_or_else(|| Self::of_any(text))
    }

    #[cold]
    fn of_any(text: &str) -> Self {
        let canonical = canonical(text);
        if let Some(short) = short(canonical.as_bytes()) {
            return short;
        }
        let mut near = canonical.parse().unwrap_or(f64::NAN);
        if is_number(&canonical) {
            // A number that is too large for a double must not become infinity.
            near = near.clamp(f64::MIN, f64::MAX);
        }
        Self { hash: hash::of_text(canonical.as_bytes()), near, key: key_of_double(near) }
    }
}

/// The canonical text of a number.
pub fn canonical(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    Canonical::Number.of_text(text.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// A number of few digits, written plainly.
#[inline]
fn short(text: &[u8]) -> Option<Decimal> {
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > MOST_DIGITS {
        return None;
    }
    let (mut whole, mut scale, mut has_point) = (0_i64, 0_usize, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + i64::from(byte - b'0');
                scale += usize::from(has_point);
            }
            b'.' if !has_point => has_point = true,
            _ => return None,
        }
    }
    while scale > 0 && whole % 10 == 0 {
        whole /= 10;
        scale -= 1;
    }
    if is_negative {
        whole = -whole;
    }
    let near = whole as f64 / POWERS[scale];
    let hash = hash::of_number(whole ^ ((scale as i64) << 59));
    Some(Decimal { hash, near, key: key_of_double(near) })
}

fn is_number(canonical: &str) -> bool {
    canonical.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
}

/// The order of two numbers, by their canonical texts. Words, such as `NaN`, have none and count as equal.
pub fn by_digits(one: &str, other: &str) -> Ordering {
    if !is_number(one) || !is_number(other) {
        return Ordering::Equal;
    }
    match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (Some(one), Some(other)) => parts(other).cmp(&parts(one)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => parts(one).cmp(&parts(other)),
    }
}

/// The parts of a number without a sign, in an order that is that of such numbers: how many digits it has before the point,
/// these digits, and those after it.
fn parts(text: &str) -> (usize, &str, &str) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    (whole.len(), whole, fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_numbers_are_one() {
        for same in [["12", "12.00"], ["-0", "0.0"], ["1e2", "100"], ["0.10", ".1"], ["+5", "5"]] {
            let [one, other] = same.map(Decimal::of);
            assert_eq!((one.hash, one.key), (other.hash, other.key), "{same:?}");
        }
        for different in [["1", "10"], ["0.1", "1"], ["-1", "1"], ["100000000000000000001", "100000000000000000002"]] {
            let [one, other] = different.map(Decimal::of);
            assert_ne!(one.hash, other.hash, "{different:?}");
        }
    }

    #[test]
    fn special_values_have_their_places() {
        assert!(Decimal::of("NaN").near.is_nan());
        assert_eq!(Decimal::of("-Infinity").near, f64::NEG_INFINITY);
        assert!(Decimal::of(&format!("1{}", "0".repeat(400))).near.is_finite());
        let is_less = |one, other| by_digits(one, other) == Ordering::Less;
        assert!(is_less("100000000000000000001", "100000000000000000002"));
        assert!(is_less("-100000000000000000002", "-100000000000000000001"));
        assert!(is_less("0.1", "0.11") && is_less("9", "10") && is_less("-1", "0.5") && !is_less("NaN", "1"));
    }

    proptest! {
        #[test]
        fn texts_are_in_the_order_of_their_numbers(one in -99_999_999_i64..99_999_999, other in -99_999_999_i64..99_999_999, scale in 0_usize..7) {
            let text = |number: i64| canonical(&format!("{number}e-{scale}"));
            prop_assert_eq!(by_digits(&text(one), &text(other)), one.cmp(&other));
            let [one_key, other_key] = [one, other].map(|number| Decimal::of(&text(number)).key);
            prop_assert_eq!(one_key < other_key, one < other);
        }
    }
}
