//! Exact texts, and that none of them is another value.

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;

use super::*;
use crate::frame::CellKind;
use crate::frame::value::{NumberShape, number_shape, parse_timestamp};

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn decimals_keep_the_digits_of_their_scale() {
    for (unscaled, scale, expected) in [
        (1250, 2, "12.50"),
        (-5, 2, "-0.05"),
        (0, 3, "0.000"),
        (-120, 2, "-1.20"),
        (7, 0, "7"),
        (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        (99_999_999_999_999_999_999_999_999_999_999_999_999, 38, "0.99999999999999999999999999999999999999"),
    ] {
        assert_eq!(text(|out| decimal(unscaled, scale, out)), expected);
        assert_eq!(text(|out| decimal_bytes(&unscaled.to_be_bytes(), scale, out)), expected);
        let mut long = vec![if unscaled < 0 { 0xFF } else { 0 }; 20];
        long.extend(unscaled.to_be_bytes());
        assert_eq!(text(|out| decimal_bytes(&long, scale, out)), expected, "from 36 bytes");
    }
    assert_eq!(text(|out| decimal_bytes(&[], 2, out)), "0.00");
    assert_eq!(text(|out| decimal_bytes(&[0xFF], 1, out)), "-0.1");
}

#[test]
fn a_time_keeps_every_digit_that_its_unit_has() {
    for (value, unit, expected) in [
        (0, Unit::Nano, "1970-01-01T00:00:00"),
        (1, Unit::Nano, "1970-01-01T00:00:00.000000001"),
        (-1, Unit::Milli, "1969-12-31T23:59:59.999"),
        (i64::MAX, Unit::Nano, "2262-04-11T23:47:16.854775807"),
        (253_402_300_800, Unit::Second, "+10000-01-01T00:00:00"),
        (-62_167_219_201, Unit::Second, "-0001-12-31T23:59:59"),
    ] {
        assert_eq!(text(|out| timestamp(value, unit, false, out)), expected);
    }
    assert_eq!(text(|out| timestamp(1_500, Unit::Milli, true, out)), "1970-01-01T00:00:01.5Z");
    assert_eq!(text(|out| time(86_399_999_999_999, Unit::Nano, out)), "23:59:59.999999999");
    assert_eq!(text(|out| time(86_400, Unit::Second, out)), "24:00:00");
    assert_eq!(text(|out| time(-1_500, Unit::Milli, out)), "-00:00:01.5");
    let mut julian = 1_i64.to_le_bytes().to_vec();
    julian.extend(1_721_426_i32.to_le_bytes());
    assert_eq!(text(|out| julian_timestamp(&julian, out)), "0001-01-01T00:00:00.000000001");
}

#[test]
fn durations_and_intervals_are_in_iso_8601() {
    assert_eq!(text(|out| duration(0, Unit::Second, out)), "PT0S");
    assert_eq!(text(|out| duration(-90_061_001, Unit::Milli, out)), "-PT25H1M1.001S");
    assert_eq!(text(|out| duration(7_200, Unit::Second, out)), "PT2H");
    assert_eq!(text(|out| interval(14, -3, 0, out)), "P14M-3D");
    assert_eq!(text(|out| interval(0, 0, -1_500_000_000, out)), "PT-1.5S");
    assert_eq!(text(|out| interval(0, 0, 0, out)), "PT0S");
}

#[test]
fn half_numbers_are_those_of_ieee_754() {
    for (bits, expected) in [(0x3C00, 1.0), (0xC000, -2.0), (0x0001, 2_f32.powi(-24)), (0x7BFF, 65504.0)] {
        assert_eq!(half(bits), expected);
    }
    assert!(half(0x7E00).is_nan() && half(0xFC00) == f32::NEG_INFINITY);
    assert!(half(0x8000) == 0.0 && half(0x8000).is_sign_negative());
}

#[test]
fn bytes_are_written_as_bytea() {
    assert_eq!(text(|out| binary(b"\0a\xFF", out)), "\\x0061ff");
    assert_eq!(text(|out| uuid(&[0xA0; 16], out)), "a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0");
}

#[test]
fn digits_in_the_middle_between_two_doubles_are_written_with_more_of_them() {
    assert_eq!(text(|out| double(32_912_881_295_189_272.0, out)), "3.2912881295189272e16");
    assert_eq!(text(|out| double(1e300, out)), "1e+300");
    assert_eq!(text(|out| double(-9_007_199_254_740_992.0, out)), "-9.007199254740992e15");
}

proptest! {
    #[test]
    fn a_double_is_read_back_and_is_never_an_exact_decimal_of_many_digits(value: f64) {
        let text = text(|out| double(value, out));
        let read: f64 = text.parse().expect("a number");
        prop_assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()));
        match number_shape(CellKind::Number, text.as_bytes()) {
            NumberShape::Decimal { digits } | NumberShape::Integer { digits } => prop_assert!(digits <= 15),
            NumberShape::Exponent | NumberShape::Special => {}
            NumberShape::No => prop_assert!(false, "{text} is not a number"),
        }
    }

    #[test]
    fn a_real_is_read_back_by_way_of_a_double(value: f32) {
        let text = text(|out| real(value, out));
        let read = text.parse::<f64>().expect("a number") as f32;
        prop_assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()));
        prop_assert_ne!(number_shape(CellKind::Number, text.as_bytes()), NumberShape::No);
    }

    #[test]
    fn dates_agree_with_chrono(days in -719_162_i64..2_932_897) {
        let expected = NaiveDate::from_epoch_days(days as i32).expect("in range").format("%Y-%m-%d").to_string();
        prop_assert_eq!(text(|out| date(days, out)), expected);
    }

    #[test]
    fn timestamps_are_read_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
        let text = text(|out| timestamp(micros, Unit::Micro, false, out));
        prop_assert_eq!(parse_timestamp(text.as_bytes()), Some(micros));
        let chrono = DateTime::from_timestamp_micros(micros).expect("in range").naive_utc();
        prop_assert_eq!(text.parse::<chrono::NaiveDateTime>().expect("ISO 8601"), chrono);
    }

    #[test]
    fn no_value_panics(value: i64, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for unit in [Unit::Second, Unit::Milli, Unit::Micro, Unit::Nano] {
            let _ = text(|out| timestamp(value, unit, true, out));
            let _ = text(|out| time(value, unit, out));
            let _ = text(|out| duration(value, unit, out));
        }
        let _ = text(|out| decimal_bytes(&bytes, 3, out));
        let _ = text(|out| julian_timestamp(&bytes, out));
    }
}
