//! Texts of XML without their references, and as JSON.

use std::borrow::Cow;

/// Longest reference, `&` and `;` not counted.
const MAX_REFERENCE: usize = 32;

/// Where a text stands, because white space means something else in an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Text between two tags.
    Content,
    /// In a CDATA section, where `&` is an ordinary character.
    CData,
    /// The value of an attribute.
    Attribute,
}

/// Whether a text is its own value.
pub(super) fn is_plain(text: &[u8], place: Place) -> bool {
    match place {
        Place::Content => memchr::memchr2(b'&', b'\r', text).is_none(),
        Place::CData => memchr::memchr(b'\r', text).is_none(),
        Place::Attribute => text.iter().all(|byte| !matches!(byte, b'&' | b'\r' | b'\n' | b'\t')),
    }
}

/// Appends the value of a text: references are replaced, and line ends become `\n` (in an attribute a blank), as XML says.
///
/// # Errors
/// The position of a reference that XML does not know, and a sentence about it.
pub(super) fn decode(text: &[u8], place: Place, out: &mut Vec<u8>) -> Result<(), (usize, Cow<'static, str>)> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match (byte, place) {
            (b'\r', _) => {
                out.push(if place == Place::Attribute { b' ' } else { b'\n' });
                at += 1 + usize::from(text.get(at + 1) == Some(&b'\n'));
                continue;
            }
            (b'\n' | b'\t', Place::Attribute) => out.push(b' '),
            (b'&', Place::Content | Place::Attribute) => {
                let rest = &text[at + 1..];
                let end = rest.iter().take(MAX_REFERENCE).position(|&byte| byte == b';');
                let Some(name) = end.map(|end| &rest[..end]) else {
                    return Err((
                        at,
                        "`&` begins no reference here: as a character of a text it is written `&amp;`".into(),
                    ));
                };
                let Some(character) = referred(name) else { return Err((at, unknown(name))) };
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += name.len() + 2;
                continue;
            }
            _ => out.push(byte),
        }
        at += 1;
    }
    Ok(())
}

/// The character of a reference: the five names that XML has, and numbers.
fn referred(name: &[u8]) -> Option<char> {
    let number = |digits: &[u8], radix| {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        u32::from_str_radix(digits, radix).ok().filter(|&number| number != 0).and_then(char::from_u32)
    };
    match name {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"apos" => Some('\''),
        b"quot" => Some('"'),
        [b'#', b'x', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    }
}

fn unknown(name: &[u8]) -> Cow<'static, str> {
    let name: String = String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect();
    if name.starts_with('#') {
        return format!("`&{name};` is not a character that a text can have").into();
    }
    format!(
        "`&{name};` is not one of the five entities that XML has without a document type: write the character itself, or its \
         number"
    )
    .into()
}

/// Appends a text as a JSON string.
pub(super) fn push_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, place: Place) -> Result<String, usize> {
        let mut out = Vec::new();
        decode(text.as_bytes(), place, &mut out).map_err(|(at, _)| at)?;
        assert!(!is_plain(text.as_bytes(), place) || out == text.as_bytes(), "{text:?}");
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn references_are_replaced() {
        let text = "a &lt; b &amp;&amp; c &gt; &quot;d&apos; &#228;&#xE4;&#x1F600; &amp;lt;";
        for place in [Place::Content, Place::Attribute] {
            assert_eq!(value(text, place).as_deref(), Ok("a < b && c > \"d' ää😀 &lt;"));
        }
        assert_eq!(value(text, Place::CData).as_deref(), Ok(text));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "a & b",
            "&nbsp;",
            "&;",
            "&#0;",
            "&#xD800;",
            "&#x110000;",
            "&#x;",
            "&#+5;",
            "&lt",
            "&LT;",
            "&#99999999999;",
        ] {
            assert!(value(text, Place::Content).is_err(), "{text}");
        }
    }

    #[test]
    fn line_ends_are_one_character() {
        assert_eq!(value("a\r\nb\rc\nd\te", Place::Content).as_deref(), Ok("a\nb\nc\nd\te"));
        assert_eq!(value("a\r\nb\rc\nd\te&#10;", Place::Attribute).as_deref(), Ok("a b c d e\n"));
        assert_eq!(value("a\r\n&amp;", Place::CData).as_deref(), Ok("a\n&amp;"));
    }

    #[test]
    fn json_strings_are_what_json_reads() {
        let text = "a\"b\\c\n\r\t\u{1}\u{1f}ä😀";
        let mut out = Vec::new();
        push_json_string(text.as_bytes(), &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).expect("JSON"), text);
    }
}
