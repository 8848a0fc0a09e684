//! The beginning of a file in the form that is examined for its delimiter and header: what the config says about the dialect
//! is applied, so that only the delimiter and the line ends are left to find.

use std::borrow::Cow;

use elt_shared::config::{CsvOptions, Quote};

/// The text without comments and without the footer. Quotes are double quotes, and no character is behind an escape. Lines
/// stay where they are.
pub(super) fn sniffed<'t>(text: &'t [u8], ended: bool, csv: &CsvOptions) -> Cow<'t, [u8]> {
    let text = if ended { without_footer(text, usize::from(csv.skip_footer)) } else { text };
    let quote = match csv.quote {
        Quote::Auto | Quote::Byte(b'"') => Some(b'"'),
        Quote::Never => None,
        Quote::Byte(byte) => Some(byte),
    };
    if csv.comment.is_none() && csv.escape.is_none() && quote == Some(b'"') {
        return Cow::Borrowed(text);
    }
    let comment = csv.comment.as_deref().unwrap_or_default().as_bytes();
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut starts_line) = (0, true);
    while at < text.len() {
        if starts_line && !comment.is_empty() && text[at..].starts_with(comment) {
            at += memchr::memchr2(b'\n', b'\r', &text[at..]).unwrap_or(text.len() - at);
            starts_line = false;
            continue;
        }
        let byte = text[at];
        starts_line = matches!(byte, b'\n' | b'\r');
        if Some(byte) == csv.escape && at + 1 < text.len() {
            out.extend_from_slice(b"xx");
            at += 2;
            continue;
        }
        out.push(match byte {
            byte if Some(byte) == quote => b'"',
            b'"' => b'x',
            byte => byte,
        });
        at += 1;
    }
    Cow::Owned(out)
}

/// The text without its last lines that are not blank.
fn without_footer(text: &[u8], lines: usize) -> &[u8] {
    let mut rest = text;
    for _ in 0..lines {
        rest = rest.trim_ascii_end();
        rest = &rest[..memchr::memrchr2(b'\n', b'\r', rest).map_or(0, |end| end + 1)];
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_config_says_is_applied() {
        let read = |csv: CsvOptions, text: &str| {
            String::from_utf8(sniffed(text.as_bytes(), true, &csv).into_owned()).expect("text")
        };
        let csv = CsvOptions::default;
        assert_eq!(read(csv(), "#a,\"b\"\\,\n"), "#a,\"b\"\\,\n");
        assert_eq!(read(CsvOptions { comment: Some("#".into()), ..csv() }, "#a;b\r\nid,#n\n#\n"), "\r\nid,#n\n\n");
        assert_eq!(read(CsvOptions { escape: Some(b'\\'), ..csv() }, "a\\,b,\"c\\\"d\""), "axxb,\"cxxd\"");
        assert_eq!(read(CsvOptions { quote: Quote::Never, ..csv() }, "6\",7"), "6x,7");
        assert_eq!(read(CsvOptions { quote: Quote::Byte(b'\''), ..csv() }, "'a,\"b\"',c"), "\"a,xbx\",c");
        assert_eq!(read(CsvOptions { skip_footer: 2, ..csv() }, "a\nb\n\nc\nd\n\n"), "a\nb\n\n");
        assert_eq!(read(CsvOptions { skip_footer: 9, ..csv() }, "a\nb\n"), "");
    }
}
