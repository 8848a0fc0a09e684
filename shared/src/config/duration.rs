//! Durations as people write them in a config: `90`, `90s`, `10m`, `24h`, `7d`.

use std::time::Duration;

/// Reads a duration: a whole number of seconds, or one with a unit (`s`, `m`, `h` or `d`), at most `longest` seconds.
///
/// # Errors
/// What was expected, as the end of a sentence.
pub fn parse(text: &str, longest: u64) -> Result<Duration, String> {
    let expected = || format!("a duration such as 90s, 10m, 24h or 7d, at most {}", shown(longest));
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.filter(|seconds| *seconds <= longest).map(Duration::from_secs).ok_or_else(expected)
}

/// A number of seconds in the largest unit that needs no fraction: `30d`.
pub fn shown(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.into_iter().find(|(factor, _)| seconds > 0 && seconds.is_multiple_of(*factor)) {
        Some((factor, unit)) => format!("{}{unit}", seconds / factor),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_or_without_a_unit() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("10m", 600), ("24h", 86_400), ("7 d", 604_800)] {
            assert_eq!(parse(text, 604_800), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_or_too_long_is_refused_with_examples() {
        for text in ["", "h", "-1h", "1.5h", "1h30m", "8d", "24 hours", "99999999999999999999d", "999999999999999999d"]
        {
            let refused = parse(text, 604_800).expect_err(text);
            assert_eq!(refused, "a duration such as 90s, 10m, 24h or 7d, at most 7d", "{text}");
        }
        assert!(parse("91", 90).expect_err("too long").ends_with("at most 90s"));
    }
}
