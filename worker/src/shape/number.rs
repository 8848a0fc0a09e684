//! Exact decimal numbers of at most 38 digits. Nothing is rounded unless an expression says so, and what does not fit is not a
//! number.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// Most digits of a number in an expression; PostgreSQL's `numeric` could have more.
const MAX_DIGITS: u32 = 38;
/// Digits after the point of a quotient.
const QUOTIENT_SCALE: u32 = 16;
/// Largest exponent that is read, as in `1.5e3`.
const MAX_EXPONENT: u64 = 100;

/// `digits` divided by ten to the power of `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    digits: i128,
    scale: u32,
}

impl Number {
    /// Parses a number as people and programs write it: `12`, `-0.50`, `+7`, `.5`, `1.5e3`. `None`: it is not a number, or has too
    /// many digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                (mantissa, exponent.parse::<i64>().ok().filter(|e| e.unsigned_abs() <= MAX_EXPONENT)?)
            }
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (mut digits, mut scale) = (0_i128, -exponent);
        for (index, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
            if !byte.is_ascii_digit() {
                return None;
            }
            digits = digits.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
            scale += i64::from(index >= whole.len());
        }
        while scale > i64::from(MAX_DIGITS) && digits % 10 == 0 && digits != 0 {
            digits /= 10;
            scale -= 1;
        }
        while scale < 0 {
            digits = digits.checked_mul(10)?;
            scale += 1;
        }
        let scale = if digits == 0 { scale.min(i64::from(MAX_DIGITS)) } else { scale };
        let digits = if mantissa.starts_with('-') { -digits } else { digits };
        Self { digits, scale: u32::try_from(scale).ok()? }.bounded()
    }

    fn bounded(self) -> Option<Self> {
        (self.scale <= MAX_DIGITS && self.digits.unsigned_abs() < 10_u128.pow(MAX_DIGITS)).then_some(self)
    }

    /// The same number with more digits after the point.
    fn rescaled(self, scale: u32) -> Option<i128> {
        self.digits.checked_mul(power_of_ten(scale.checked_sub(self.scale)?)?)
    }

    /// Without zeros at the end of the fraction.
    fn shortest(mut self) -> Self {
        while self.scale > 0 && self.digits % 10 == 0 {
            self.digits /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The sum. `None`: it has too many digits.
    pub(super) fn add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let digits = self.rescaled(scale)?.checked_add(other.rescaled(scale)?)?;
        Self { digits, scale }.bounded()
    }

    /// The number with the other sign.
    pub(super) fn negated(self) -> Self {
        Self { digits: -self.digits, ..self }
    }

    /// The number without its sign.
    pub(super) fn absolute(self) -> Self {
        Self { digits: self.digits.abs(), ..self }
    }

    /// The product. `None`: it has too many digits.
    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        let product = |one: Self, other: Self| {
            Self { digits: one.digits.checked_mul(other.digits)?, scale: one.scale + other.scale }.bounded()
        };
        product(self, other).or_else(|| product(self.shortest(), other.shortest()))
    }

    /// The quotient, rounded half away from zero after 16 digits of its fraction. `None`: the divisor is zero, or there are too
    /// many digits.
    pub(super) fn divide(self, divisor: Self) -> Option<Self> {
        let (dividend, divisor) = (self.shortest(), divisor.shortest());
        let more = (QUOTIENT_SCALE + divisor.scale).checked_sub(dividend.scale);
        let (over, under) = match more {
            Some(more) => (dividend.digits.checked_mul(power_of_ten(more)?)?, divisor.digits),
            None => {
                let less = dividend.scale - QUOTIENT_SCALE - divisor.scale;
                (dividend.digits, divisor.digits.checked_mul(power_of_ten(less)?)?)
            }
        };
        Some(Self { digits: rounded_quotient(over, under)?, scale: QUOTIENT_SCALE }.bounded()?.shortest())
    }

    /// The remainder, with the sign of the dividend. `None`: the divisor is zero, or there are too many digits.
    pub(super) fn remainder(self, divisor: Self) -> Option<Self> {
        let scale = self.scale.max(divisor.scale);
        let digits = self.rescaled(scale)?.checked_rem(divisor.rescaled(scale)?)?;
        Self { digits, scale }.bounded()
    }

    /// Rounded half away from zero to at most this many digits after the point.
    pub(super) fn round(self, scale: u32) -> Self {
        let Some(unit) = self.unit_above(scale) else { return self };
        let digits = rounded_quotient(self.digits, unit).unwrap_or(self.digits);
        Self { digits, scale }
    }

    /// The greatest whole number that is not greater.
    pub(super) fn floor(self) -> Self {
        let Some(unit) = self.unit_above(0) else { return self };
        Self { digits: self.digits.div_euclid(unit), scale: 0 }
    }

    /// The smallest whole number that is not smaller.
    pub(super) fn ceil(self) -> Self {
        self.negated().floor().negated()
    }

    /// What one of the last digit that is left is worth, when digits are taken away.
    fn unit_above(self, scale: u32) -> Option<i128> {
        power_of_ten(self.scale.checked_sub(scale).filter(|less| *less > 0)?)
    }

    /// The order of two numbers.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let (one, two) = (self.whole_and_fraction(), other.whole_and_fraction());
        one.cmp(&two)
    }

    /// The whole part, rounded down, and the rest as 38 digits.
    fn whole_and_fraction(self) -> (i128, i128) {
        let unit = power_of_ten(self.scale).unwrap_or(i128::MAX);
        let rest = self.digits.rem_euclid(unit) * power_of_ten(MAX_DIGITS - self.scale).unwrap_or(1);
        (self.digits.div_euclid(unit), rest)
    }

    /// As a whole number. `None`: it has a fraction.
    pub(super) fn whole(self) -> Option<i128> {
        let shortest = self.shortest();
        (shortest.scale == 0).then_some(shortest.digits)
    }

    /// With exactly `scale` digits after the point, if it has at most `digits` digits then and none is lost.
    pub(super) fn decimal(self, digits: u32, scale: u32) -> Option<Self> {
        let shortest = self.shortest();
        if shortest.scale > scale {
            return None;
        }
        let number = Self { digits: shortest.rescaled(scale)?, scale };
        (number.digits.unsigned_abs() < 10_u128.pow(digits)).then_some(number)
    }

    /// The text that equal numbers share.
    pub(super) fn canonical(self) -> String {
        self.shortest().to_string()
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// A quotient, rounded half away from zero. `None`: the divisor is zero.
fn rounded_quotient(over: i128, under: i128) -> Option<i128> {
    let (quotient, rest) = (over.checked_div(under)?, over.checked_rem(under)?);
    let away = if (over < 0) == (under < 0) { 1 } else { -1 };
    // The rest is compared with what it lacks to the divisor, because twice the rest might be too large a number.
    let is_half = rest.unsigned_abs() >= under.unsigned_abs() - rest.unsigned_abs();
    Some(if rest != 0 && is_half { quotient + away } else { quotient })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits < 0 {
            f.write_char('-')?;
        }
        let digits = self.digits.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{digits}");
        }
        let unit = 10_u128.pow(self.scale);
        write!(f, "{}.{:0width$}", digits / unit, digits % unit, width = self.scale as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (text, shown) in [
            ("12", "12"),
            ("-0.50", "-0.50"),
            ("+7", "7"),
            (".5", "0.5"),
            ("-.05", "-0.05"),
            ("007", "7"),
            ("1.5e3", "1500"),
            ("1.5E-3", "0.0015"),
            (" 1 ", "1"),
            ("0.00", "0.00"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(number(text).to_string(), shown, "{text}");
        }
        for text in [
            "",
            ".",
            "-",
            "1,5",
            "1 000",
            "abc",
            "0x1F",
            "1e999",
            "1e-9223372036854775808",
            "0e-9223372036854775808",
            "NaN",
            "Infinity",
            "1e",
            "--1",
            "१",
            "1e60",
            "100000000000000000000000000000000000000",
            "0.000000000000000000000000000000000000001",
        ] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact_or_fails() {
        let largest = number("99999999999999999999999999999999999999");
        assert_eq!(number("0.1").add(number("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(number("19.99").multiply(number("3")).unwrap().to_string(), "59.97");
        assert_eq!(largest.add(number("1")), None);
        assert_eq!(largest.multiply(number("10")), None);
        assert_eq!(number("10").divide(number("4")).unwrap().to_string(), "2.5");
        assert_eq!(number("2").divide(number("3")).unwrap().to_string(), "0.6666666666666667");
        assert_eq!(number("-2").divide(number("3")).unwrap().to_string(), "-0.6666666666666667");
        assert_eq!(number("1").divide(number("0.00")), None);
        assert_eq!(number("7.5").remainder(number("2")).unwrap().to_string(), "1.5");
        assert_eq!(number("-7").remainder(number("2")).unwrap().to_string(), "-1");
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (text, scale, rounded) in [
            ("2.5", 0, "3"),
            ("-2.5", 0, "-3"),
            ("2.449", 1, "2.4"),
            ("1.005", 2, "1.01"),
            ("7", 2, "7"),
            ("0.04", 1, "0.0"),
        ] {
            assert_eq!(number(text).round(scale).to_string(), rounded, "{text}");
        }
        assert_eq!((number("-1.5").floor().to_string(), number("-1.5").ceil().to_string()), ("-2".into(), "-1".into()));
    }

    #[test]
    fn a_decimal_takes_only_what_it_holds() {
        assert_eq!(number("12.5").decimal(4, 2).unwrap().to_string(), "12.50");
        assert_eq!(number("12.500").decimal(4, 2).unwrap().to_string(), "12.50");
        assert_eq!(number("12.505").decimal(18, 2), None);
        assert_eq!(number("123").decimal(4, 2), None);
    }

    proptest! {
        #[test]
        fn numbers_are_ordered_like_their_values(a: i64, b: i64, less in 0_u32..20, more in 0_u32..20) {
            let (one, other) = (Number { digits: a.into(), scale: less }, Number { digits: b.into(), scale: more });
            let common = less.max(more);
            let wide = |number: Number| number.rescaled(common).unwrap();
            prop_assert_eq!(one.compare(other), wide(one).cmp(&wide(other)));
        }

        #[test]
        fn what_is_printed_is_read_again(digits: i64, scale in 0_u32..19) {
            let number = Number { digits: digits.into(), scale };
            prop_assert_eq!(Number::parse(&number.to_string()), Some(number));
        }
    }
}
