//! Numbers as a workbook stores them, as exact decimals.
//!
//! A spreadsheet calculates with doubles, and Excel writes 17 digits of them: the 1.1 that somebody typed is stored as
//! `1.1000000000000001`. Both texts are the same double. So a number with a fraction and 16 or 17 digits becomes the shortest
//! decimal that is the same double, as Python and LibreOffice write it: the value is unchanged, bit by bit. It is not rounded to
//! the 15 digits that Excel shows, because 0.1 + 0.2 is stored as another number than 0.3. Whole numbers and numbers of
//! fewer or more digits arrive as they are written; those with an exponent without it.

use std::borrow::Cow;

/// Numbers of digits that come from a program that wrote all digits of a double.
const DOUBLE_DIGITS: std::ops::RangeInclusive<usize> = 16..=17;
/// Largest exponent, either way, of a number that is written out. Doubles end at 308.
const MAX_EXPONENT: u32 = 400;

/// The decimal that a stored number is. `None`: the text is not a number.
pub(super) fn decimal(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let exponent = match exponent {
        Some(exponent) => exponent.parse::<i32>().ok()?,
        None => 0,
    };
    let is_whole = exponent == 0 && fraction.is_empty();
    let digits = whole.bytes().chain(fraction.bytes()).skip_while(|&digit| digit == b'0').count();
    if !is_whole && DOUBLE_DIGITS.contains(&digits) {
        // `Display` writes the shortest decimal that is the same double, without an exponent.
        return Some(text.parse::<f64>().ok().filter(|number| number.is_finite())?.to_string().into());
    }
    if exponent == 0 {
        return Some(plain(text, whole, fraction, negative));
    }
    if exponent.unsigned_abs() > MAX_EXPONENT {
        return None;
    }
    Some(written_out(whole, fraction, exponent, negative).into())
}

/// A number without an exponent: `.5` gets its zero, `+1`, `1.` and `007` lose what makes them a text.
fn plain<'a>(text: &'a str, whole: &str, fraction: &str, negative: bool) -> Cow<'a, str> {
    let has_sign_only =
        text.len() == usize::from(negative) + whole.len() + usize::from(!fraction.is_empty()) + fraction.len();
    let is_usual = has_sign_only && !whole.is_empty() && (whole.len() == 1 || !whole.starts_with('0'));
    if is_usual { text.into() } else { written_out(whole, fraction, 0, negative).into() }
}

/// The decimal whose point is moved by the exponent.
fn written_out(whole: &str, fraction: &str, exponent: i32, negative: bool) -> String {
    let digits = [whole, fraction].concat();
    let point = whole.len() as i32 + exponent;
    let (before, after) = if point <= 0 {
        ("0".to_owned(), format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)))
    } else if point as usize >= digits.len() {
        (format!("{digits}{}", "0".repeat(point as usize - digits.len())), String::new())
    } else {
        (digits[..point as usize].to_owned(), digits[point as usize..].to_owned())
    };
    let before = before.trim_start_matches('0');
    let before = if before.is_empty() { "0" } else { before };
    let after = if exponent == 0 { after.as_str() } else { after.trim_end_matches('0') };
    let is_zero = before == "0" && after.bytes().all(|digit| digit == b'0');
    let sign = if negative && !is_zero { "-" } else { "" };
    if after.is_empty() { format!("{sign}{before}") } else { format!("{sign}{before}.{after}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_decimal_that_is_stored() {
        for (stored, expected) in [
            ("0.1", "0.1"),
            ("0.10", "0.10"),
            ("-12", "-12"),
            ("0", "0"),
            ("-0.5", "-0.5"),
            ("123456789012345", "123456789012345"),
            // Whole numbers of any length.
            ("9007199254740993", "9007199254740993"),
            ("12345678901234567890", "12345678901234567890"),
            // All digits of a double, as Excel writes them.
            ("1.1000000000000001", "1.1"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("2.2999999999999998", "2.3"),
            ("1234.5599999999999", "1234.56"),
            ("1.2345678901234568E+16", "12345678901234568"),
            ("9.9999999999999998E-17", "0.0000000000000001"),
            // More digits than a double has come from programs that calculate with decimals.
            ("0.123456789012345678", "0.123456789012345678"),
            ("1E3", "1000"),
            ("1.5E-7", "0.00000015"),
            ("-1E+20", "-100000000000000000000"),
            ("1.50e1", "15"),
            ("6.02214076E+23", "602214076000000000000000"),
            (".5", "0.5"),
            ("1.", "1"),
            ("+1", "1"),
            ("007", "7"),
            ("00.50", "0.50"),
            ("0E+5", "0"),
            (" 5 ", "5"),
        ] {
            assert_eq!(decimal(stored).as_deref(), Some(expected), "{stored}");
        }
        let large = decimal("1E+308").expect("a number");
        assert_eq!(large.len(), 309);
    }

    #[test]
    fn other_texts_are_not_numbers() {
        for text in [
            "",
            "-",
            ".",
            "abc",
            "1,5",
            "1e",
            "1e+",
            "1 2",
            "0x10",
            "INF",
            "NaN",
            "1E+999999999999",
            "1E-2147483648",
            "-0E+2147483647",
            "1E+999",
            "--1",
            "١",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
