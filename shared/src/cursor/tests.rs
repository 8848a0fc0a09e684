use std::time::Duration;

use super::*;

fn value(text: &str) -> CursorValue {
    CursorValue::of(text).expect(text)
}

#[test]
fn values_are_compared_by_their_kind() {
    let order = |one: &str, other: &str| value(one).compare(&value(other));
    for (greater, smaller) in [
        ("10", "9"),
        ("340282366920938463463374607431768211457", "340282366920938463463374607431768211456"),
        ("0010", "9"),
        ("-9", "-10"),
        ("1", "-1"),
        ("1.5", "1.49"),
        ("1.7e9", "1699999999"),
        ("1e-3", "0.0009"),
        ("2026-11-29T10:00:00Z", "2026-11-29T10:30:00+01:00"),
        ("2026-11-29T10:00:00.12345678901", "2026-11-29T10:00:00.123456789"),
        ("2026-11-29 10:00:01", "2026-11-29T10:00:00.999Z"),
        ("2026-11-29", "2026-11-28T23:59:59Z"),
        ("2026-11-29T00:30:00-08:00", "2026-11-29T08:29:59Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.9Z"),
        ("b", "a"),
        ("a10", "A9"),
    ] {
        assert_eq!(order(greater, smaller), Some(Ordering::Greater), "{greater} {smaller}");
        assert_eq!(order(smaller, greater), Some(Ordering::Less), "{smaller} {greater}");
    }
    for (one, other) in [("7", "7.0"), ("0", "-0"), ("2026-11-29T10:00:00Z", "2026-11-29T11:00:00+01:00")] {
        assert_eq!(order(one, other), Some(Ordering::Equal), "{one} {other}");
    }
    for (one, other) in [("7", "2026-11-29"), ("2026-11-29", "n/a"), ("x", "1")] {
        assert_eq!(order(one, other), None, "{one} {other}");
    }
}

#[test]
fn what_only_looks_like_a_number_or_a_time_is_a_text() {
    for text in
        ["+7", "7.", ".5", "1e999", "0x10", "1_000", "2026-13-01", "2026-11-29T25:00", "2026-11-29X10:00", "29.11.2026"]
    {
        assert_eq!(value(text).kind(), CursorKind::Text, "{text}");
    }
    for text in ["2026-11-29", "2026-11-29T10:00", "2026-11-29 10:00:00 UTC", "2026-11-29T10:00:00.1+0530"] {
        assert_eq!(value(text).kind(), CursorKind::Time, "{text}");
    }
    for text in ["", " ", &"x".repeat(MAX_BYTES + 1), "a\0b"] {
        assert_eq!(CursorValue::of(text), None);
    }
    assert_eq!(CursorValue::of_kind("17", CursorKind::Text).expect("a text").kind(), CursorKind::Text);
    assert_eq!(CursorValue::of_kind("x", CursorKind::Number), None);
}

#[test]
fn a_lookback_keeps_the_form() {
    let day = Lookback::Time(Duration::from_secs(86_400));
    let minus = |text: &str, lookback| value(text).minus(lookback, None).expect(text).text().to_owned();
    assert_eq!(minus("2026-03-01T10:00:00.120+01:00", day), "2026-02-28T10:00:00.120+01:00");
    assert_eq!(minus("2026-03-01 10:00", day), "2026-02-28 10:00");
    assert_eq!(minus("2026-03-01", Lookback::Time(Duration::from_secs(60))), "2026-02-28", "rounded down");
    assert_eq!(minus("2026-03-01T00:00:05Z", Lookback::Number(10)), "2026-02-28T23:59:55Z");
    for (number, distance, less) in [
        ("100", 1, "99"),
        ("100000000000000000000000000000", 1, "99999999999999999999999999999"),
        ("5", 10, "-5"),
        ("5.25", 5, "0.25"),
        ("-5", 5, "-10"),
        ("-5.5", 1, "-7"),
        ("0", 0, "0"),
        ("1.7e3", 1, "1699"),
    ] {
        assert_eq!(minus(number, Lookback::Number(distance)), less, "{number}");
    }
    assert_eq!(value("7").minus(day, None), Err(CursorError::LookbackOfNumber));
    assert_eq!(value("x").minus(day, None), Err(CursorError::LookbackOfText));
    let unix = value("1700000000").minus(day, Some(TimeFormat::Unix)).expect("a time");
    assert_eq!(unix.text(), "1699913600");
}

#[test]
fn a_time_is_sent_as_the_format_says() {
    let sent = |text: &str, format| value(text).sent(Some(format));
    let time = "2026-11-29T01:30:00.5+02:00";
    assert_eq!(sent(time, TimeFormat::Rfc3339).as_deref(), Ok(time));
    assert_eq!(sent("2026-11-29 01:30", TimeFormat::Rfc3339).as_deref(), Ok("2026-11-29T01:30:00Z"));
    assert_eq!(sent(time, TimeFormat::Date).as_deref(), Ok("2026-11-28"), "the earlier of the two days that it is");
    assert_eq!(sent("2026-11-28T20:00:00-08:00", TimeFormat::Date).as_deref(), Ok("2026-11-28"));
    assert_eq!(sent(time, TimeFormat::Unix).as_deref(), Ok("1795908600"));
    assert_eq!(sent(time, TimeFormat::UnixMs).as_deref(), Ok("1795908600500"));
    assert_eq!(sent("1700000000", TimeFormat::Unix).as_deref(), Ok("1700000000"));
    assert_eq!(sent("x", TimeFormat::Date), Err(CursorError::NotATime(CursorKind::Text)));
    assert_eq!(value(time).sent(None).as_deref(), Ok(time));
}
