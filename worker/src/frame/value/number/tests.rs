//! Tests of `number.rs`.

use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> Option<String> {
    let mut out = Vec::new();
    numeric_canonical(text.as_bytes(), &mut out).then(|| String::from_utf8(out).expect("digits"))
}

fn shape(text: &str) -> NumberShape {
    number_shape(CellKind::Bare, text.as_bytes())
}

#[test]
fn equal_numbers_have_one_canonical_form() {
    for (text, expected) in [
        ("12", "12"),
        ("12.0", "12"),
        ("12.00", "12"),
        ("1.2e1", "12"),
        ("+12", "12"),
        (" 12 ", "12"),
        ("0012", "12"),
        ("120e-1", "12"),
        ("-0.50", "-0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e9", "0"),
        ("1e3", "1000"),
        ("1.5e-3", "0.0015"),
        ("12345678901234567890.12345678901234567890", "12345678901234567890.1234567890123456789"),
    ] {
        assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
    }
    for text in ["", " ", "-", ".", "e5", "1e", "1e+", "1,5", "1_000", "0x10", "12 EUR", "NaN", "1e999999"] {
        assert_eq!(canonical(text), None, "{text}");
    }
}

#[test]
fn only_plain_spellings_are_inferred() {
    assert_eq!(shape("12"), NumberShape::Integer { digits: 2 });
    assert_eq!(shape("0"), NumberShape::Integer { digits: 0 });
    assert_eq!(shape("-7"), NumberShape::Integer { digits: 1 });
    assert_eq!(shape("0.10"), NumberShape::Decimal { digits: 2 });
    assert_eq!(shape("1.5e-3"), NumberShape::Exponent);
    assert_eq!(shape("1e-05"), NumberShape::Exponent);
    assert_eq!(shape("1e5"), NumberShape::Exponent);
    assert_eq!(shape("-inf"), NumberShape::Special);
    for text in ["007", "+49", "01.5", "5.", "54E019", "54E19", "1e400", "1,5", "", "-", "١٢", "1 2"] {
        assert_eq!(shape(text), NumberShape::No, "{text}");
    }
    assert_eq!(number_shape(CellKind::Number, b"54E19"), NumberShape::Exponent);
    assert_eq!(number_shape(CellKind::String, b"12"), NumberShape::No);
}

#[test]
fn integers_convert_by_value() {
    assert_eq!(parse_bigint(b"9223372036854775807"), Some(i64::MAX));
    assert_eq!(parse_bigint(b"-9223372036854775808"), Some(i64::MIN));
    assert_eq!(parse_bigint(b"9223372036854775808"), None);
    assert_eq!(parse_bigint(b"007"), Some(7));
    assert_eq!(parse_bigint(b"+7"), Some(7));
    assert_eq!(parse_bigint(b"7.00"), Some(7));
    assert_eq!(parse_bigint(b"7.5"), None);
    assert_eq!(parse_smallint(b"32768"), None);
    assert_eq!(parse_integer(b"-2147483648"), Some(i32::MIN));
}

#[test]
fn numeric_limits_count_digits_without_rounding() {
    assert!(numeric_fits(b"12345.60", Some((6, 1))));
    assert!(!numeric_fits(b"12345.61", Some((6, 1))));
    assert!(!numeric_fits(b"123456", Some((6, 1))));
    assert!(numeric_fits(b"0.001", Some((3, 3))));
    assert!(numeric_fits(b"0", Some((1, 1))));
}

#[test]
fn doubles_out_of_range_are_none() {
    assert_eq!(parse_double(b"1e400"), None);
    assert_eq!(parse_double(b"1e-400"), None);
    assert_eq!(parse_double(b"0e-400"), Some(0.0));
    assert_eq!(parse_double(b"-Infinity"), Some(f64::NEG_INFINITY));
    assert!(parse_double(b"nan").is_some_and(f64::is_nan));
    assert_eq!(parse_double(b"1,5"), None);
}

proptest! {
    #[test]
    fn the_canonical_form_keeps_the_value(whole in "-?(0|[1-9][0-9]{0,12})", fraction in "[0-9]{0,8}", exponent in -20_i32..20) {
        let text = if fraction.is_empty() { format!("{whole}e{exponent}") } else { format!("{whole}.{fraction}e{exponent}") };
        let canonical = canonical(&text).expect("a number");
        prop_assert_eq!(canonical.parse::<f64>().expect("digits") + 0.0, text.parse::<f64>().expect("a number") + 0.0);
    }

    #[test]
    fn the_canonical_form_is_its_own(text in "-?[0-9]{1,30}(\\.[0-9]{1,30})?(e-?[0-9]{1,2})?") {
        let once = canonical(&text).expect("a number");
        prop_assert_eq!(canonical(&once), Some(once.clone()));
        prop_assert!(!once.starts_with("-0") || once.starts_with("-0."));
    }

    #[test]
    fn every_integer_comes_back(value: i64) {
        prop_assert_eq!(parse_bigint(value.to_string().as_bytes()), Some(value));
        let exponent = format!("{value}.0e0");
        prop_assert_eq!(parse_bigint(exponent.as_bytes()), Some(value));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = (parse_bigint(&bytes), parse_double(&bytes), number_shape(CellKind::Bare, &bytes));
        let _ = (numeric_canonical(&bytes, &mut Vec::new()), numeric_fits(&bytes, Some((10, 2))));
    }
}
