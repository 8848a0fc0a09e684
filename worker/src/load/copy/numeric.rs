//! Decimal numbers in PostgreSQL's binary `numeric`, exact at any length.

use crate::frame::value;

/// Most digits that `numeric` has behind its point.
const MAX_SCALE: usize = 16_383;
const NEGATIVE: u16 = 0x4000;

/// Appends a decimal number (sign, digits, point, digits; an exponent is applied) as a binary `numeric`.
/// The digits behind the point are kept as they are written: `1.50` stays `1.50`.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr3(b'e', b'E', b'+', text).is_none() {
        return encode_plain(text, out);
    }
    let mut plain = Vec::with_capacity(64);
    value::numeric_canonical(text, &mut plain);
    encode_plain(&plain, out);
}

fn encode_plain(text: &[u8], out: &mut Vec<u8>) {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let point = memchr::memchr(b'.', text);
    let whole = &text[..point.unwrap_or(text.len())];
    let fraction = point.map_or(&b""[..], |point| &text[point + 1..]);
    let fraction = &fraction[..fraction.len().min(MAX_SCALE)];
    let whole = &whole[whole.iter().position(|&digit| digit != b'0').unwrap_or(whole.len())..];

    let header = out.len();
    out.extend_from_slice(&[0; 8]);
    // Groups of four digits are counted from the point: the first one of the whole part may be short.
    let mut weight = whole.len().div_ceil(4) as i32 - 1;
    let (first, rest) = whole.split_at(whole.len() % 4);
    let mut groups = Groups { out, written: 0, trailing: 0, weight: &mut weight };
    if !first.is_empty() {
        groups.push(group(first));
    }
    rest.chunks_exact(4).for_each(|digits| groups.push(group(digits)));
    for digits in fraction.chunks(4) {
        groups.push(group(digits) * [0, 1_000, 100, 10, 1][digits.len()]);
    }
    let (written, trailing) = (groups.written, groups.trailing);
    out.truncate(out.len() - 2 * trailing);
    let count = written - trailing;
    let (weight, sign) = match count {
        0 => (0, 0),
        _ => (weight, if negative { NEGATIVE } else { 0 }),
    };
    out[header..header + 2].copy_from_slice(&(count as u16).to_be_bytes());
    out[header + 2..header + 4].copy_from_slice(&(weight as i16).to_be_bytes());
    out[header + 4..header + 6].copy_from_slice(&sign.to_be_bytes());
    out[header + 6..header + 8].copy_from_slice(&(fraction.len() as u16).to_be_bytes());
}

/// Writes groups of four digits without leading zero groups, and counts trailing zero groups, which are cut off.
struct Groups<'a> {
    out: &'a mut Vec<u8>,
    written: usize,
    trailing: usize,
    weight: &'a mut i32,
}

impl Groups<'_> {
    #[inline]
    fn push(&mut self, group: u16) {
        if group == 0 && self.written == 0 {
            *self.weight -= 1;
            return;
        }
        self.trailing = if group == 0 { self.trailing + 1 } else { 0 };
        self.written += 1;
        self.out.extend_from_slice(&group.to_be_bytes());
    }
}

#[inline]
fn group(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a binary `numeric` back as the text PostgreSQL would show.
    fn decode(bytes: &[u8]) -> String {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let (count, weight, sign, scale) = (word(0) as usize, i32::from(word(2) as i16), word(4), word(6) as usize);
        assert_eq!(bytes.len(), 8 + 2 * count);
        let groups: Vec<u16> = (0..count).map(|index| word(8 + 2 * index)).collect();
        assert!(groups.first() != Some(&0) && groups.last() != Some(&0), "no zero groups at either end");
        let group = |exponent: i32| usize::try_from(weight - exponent).ok().and_then(|at| groups.get(at)).copied();
        let whole: String =
            (0..=weight.max(0)).rev().map(|exponent| format!("{:04}", group(exponent).unwrap_or(0))).collect();
        let digits: String =
            (1..=scale.div_ceil(4) as i32).map(|place| format!("{:04}", group(-place).unwrap_or(0))).collect();
        let whole = whole.trim_start_matches('0');
        let sign = if sign == NEGATIVE { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        format!("{sign}{}{point}{}", if whole.is_empty() { "0" } else { whole }, &digits[..scale])
    }

    fn roundtrip(text: &str) -> String {
        let mut out = vec![7];
        encode(text.as_bytes(), &mut out);
        decode(&out[1..])
    }

    #[test]
    fn digits_are_kept_as_written() {
        for text in
            ["0", "1", "-1", "12.50", "0.001", "10000", "99990000", "0.00001230", "123456789012345678901234567890.5"]
        {
            assert_eq!(roundtrip(text), text);
        }
        assert_eq!(roundtrip("-0.00"), "0.00");
        assert_eq!(roundtrip("007.10"), "7.10");
        assert_eq!(roundtrip(".5"), "0.5");
        assert_eq!(roundtrip("1.5e3"), "1500");
        assert_eq!(roundtrip("-2E-5"), "-0.00002");
        assert_eq!(roundtrip("+3"), "3");
    }

    #[test]
    fn very_long_numbers_are_exact() {
        let text = format!("{}.{}", "9".repeat(40_000), "3".repeat(16_383));
        assert_eq!(roundtrip(&text), text);
    }

    proptest! {
        #[test]
        fn any_decimal_reads_back(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?") {
            let zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
            let expected = if zero { text.trim_start_matches('-') } else { &text };
            prop_assert_eq!(roundtrip(&text), expected);
        }
    }
}
