//! Numbers of any length, compared and subtracted by their decimal digits, because a double holds only 15 of them.

use std::cmp::Ordering;

/// Largest exponent that is expanded into digits.
const MAX_EXPONENT: i32 = 400;

/// A decimal number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// Digits before the point, without leading zeros; empty for zero.
    whole: String,
    /// Digits after the point, without trailing zeros.
    fraction: String,
}

impl Number {
    /// Reads a number as JSON writes it; leading zeros are allowed. `None`: it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || exponent.abs() > MAX_EXPONENT {
            return None;
        }
        let point = whole.len() as i32 + exponent;
        let mut digits = format!("{whole}{fraction}");
        if point < 0 {
            digits.insert_str(0, &"0".repeat(point.unsigned_abs() as usize));
        }
        let point = usize::try_from(point).unwrap_or(0);
        if digits.len() < point {
            digits.push_str(&"0".repeat(point - digits.len()));
        }
        let (whole, fraction) = digits.split_at(point);
        Some(Self::of(negative, whole, fraction))
    }

    fn of(negative: bool, whole: &str, fraction: &str) -> Self {
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        Self { negative: negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let magnitude = |one: &Self, other: &Self| {
            // Fractions without trailing zeros compare like texts: 0.5 is greater than 0.49.
            (one.whole.len(), &one.whole, &one.fraction).cmp(&(other.whole.len(), &other.whole, &other.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(self, other),
            (true, true) => magnitude(other, self),
        }
    }

    /// The number that is smaller by `distance`, without an exponent. A fraction is left out where the difference is
    /// negative, and the result is rounded down then.
    pub(super) fn minus(&self, distance: u64) -> String {
        let distance = distance.to_string();
        let point = if self.fraction.is_empty() { String::new() } else { format!(".{}", self.fraction) };
        if self.negative {
            let mut sum = add(&self.whole, &distance);
            if !self.fraction.is_empty() {
                sum = add(&sum, "1");
            }
            return format!("-{sum}");
        }
        if is_at_least(&self.whole, &distance) {
            return format!("{}{point}", subtract(&self.whole, &distance));
        }
        match subtract(&distance, &self.whole).as_str() {
            "0" => "0".to_owned(),
            below => format!("-{below}"),
        }
    }
}

fn is_at_least(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    (one.len(), one) >= (other.len(), other)
}

/// The sum of two whole numbers.
fn add(one: &str, other: &str) -> String {
    let (mut one, mut other) = (one.bytes().rev(), other.bytes().rev());
    let (mut digits, mut carry) = (Vec::new(), 0);
    loop {
        let (a, b) = (one.next(), other.next());
        if a.is_none() && b.is_none() && carry == 0 {
            break;
        }
        let sum = a.map_or(0, |a| a - b'0') + b.map_or(0, |b| b - b'0') + carry;
        digits.push(b'0' + sum % 10);
        carry = sum / 10;
    }
    in_order(digits)
}

/// The difference of two whole numbers, of which the first is the greater one.
fn subtract(greater: &str, smaller: &str) -> String {
    let mut smaller = smaller.bytes().rev();
    let (mut digits, mut borrowed) = (Vec::new(), 0);
    for digit in greater.bytes().rev() {
        let take = smaller.next().map_or(0, |digit| digit - b'0') + borrowed;
        let digit = digit - b'0';
        borrowed = u8::from(digit < take);
        digits.push(b'0' + digit + 10 * borrowed - take);
    }
    in_order(digits)
}

/// The number whose digits are in reverse order.
fn in_order(reversed: Vec<u8>) -> String {
    let digits: String = reversed.into_iter().rev().map(char::from).collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}
