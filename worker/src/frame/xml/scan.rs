//! One token in a piece of XML: a tag, a text, or what is passed over. Nothing is copied.

use std::borrow::Cow;

use memchr::memmem;

/// Start and end of a part of the text.
pub(super) type Span = (usize, usize);

/// A part of an XML document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// `<name a="1">` or `<name a="1"/>`.
    Start(Tag),
    /// `</name>`, with the place of the name.
    End(Span),
    /// Text between tags, with its references.
    Text(Span),
    /// The text of a CDATA section.
    CData(Span),
    /// A comment or a processing instruction.
    Ignored,
}

/// A start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// Place of its name.
    pub name: Span,
    /// Place of its attributes, with white space before them.
    pub attributes: Span,
    /// Whether it ends with `/>`, so that the element has no content.
    pub is_empty: bool,
}

/// The reason why a token cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It goes on behind the text, and so does the file.
    More,
    /// The file ends inside it.
    Cut {
        /// Position of its start.
        at: usize,
        /// Where the file ends: `inside a tag`.
        inside: &'static str,
    },
    /// It is not XML.
    Broken {
        /// Position of the problem.
        at: usize,
        /// A sentence about it.
        what: Cow<'static, str>,
    },
    /// It declares a document type.
    Doctype {
        /// Position of the declaration.
        at: usize,
    },
    /// A record has more elements than can be kept.
    TooMany {
        /// Position of the record.
        at: usize,
    },
    /// Two names in the document are one column.
    SameColumn {
        /// Position of the record.
        at: usize,
        /// A sentence about both names.
        what: String,
        /// The key to write.
        next_step: &'static str,
    },
}

impl Fault {
    pub(super) fn broken(at: usize, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Broken { at, what: what.into() }
    }
}

/// The token that starts at `at`, and the position of its end. `ended`: the file ends with this text.
pub(super) fn token(text: &[u8], at: usize, ended: bool) -> Result<(Token, usize), Fault> {
    if text[at] != b'<' {
        return match memchr::memchr(b'<', &text[at..]) {
            Some(length) => Ok((Token::Text((at, at + length)), at + length)),
            None if ended => Ok((Token::Text((at, text.len())), text.len())),
            None => Err(Fault::More),
        };
    }
    let missing = |inside| if ended { Fault::Cut { at, inside } } else { Fault::More };
    let until = |from: usize, end: &[u8], inside| {
        let found = memmem::find(text.get(from..).unwrap_or_default(), end);
        found.map(|length| (from, from + length)).ok_or_else(|| missing(inside))
    };
    match text.get(at + 1) {
        None => Err(missing("inside a tag")),
        Some(b'?') => until(at + 2, b"?>", "inside a processing instruction").map(|span| (Token::Ignored, span.1 + 2)),
        Some(b'/') => end_tag(text, at, missing("inside a tag")),
        Some(b'!') => {
            let rest = &text[at..];
            if rest.starts_with(b"<!--") {
                return until(at + 4, b"-->", "inside a comment").map(|span| (Token::Ignored, span.1 + 3));
            }
            if rest.starts_with(b"<![CDATA[") {
                return until(at + 9, b"]]>", "inside a CDATA section").map(|span| (Token::CData(span), span.1 + 3));
            }
            if rest.starts_with(b"<!DOCTYPE") {
                return Err(Fault::Doctype { at });
            }
            let may_become = [&b"<!--"[..], b"<![CDATA[", b"<!DOCTYPE"].iter().any(|start| start.starts_with(rest));
            Err(if may_become {
                missing("inside a tag")
            } else {
                Fault::broken(at, "this declaration is not allowed here")
            })
        }
        Some(_) => start_tag(text, at, missing("inside a tag")),
    }
}

fn end_tag(text: &[u8], at: usize, missing: Fault) -> Result<(Token, usize), Fault> {
    let start = at + 2;
    let length = name_length(&text[start..]);
    let name_end = start + length;
    let Some(close) = text[name_end..].iter().position(|&byte| !is_space(byte)).map(|gap| name_end + gap) else {
        return Err(missing);
    };
    if length == 0 || text[close] != b'>' {
        return Err(Fault::broken(at, "this end tag has no name, or is not closed by `>`"));
    }
    Ok((Token::End((start, name_end)), close + 1))
}

fn start_tag(text: &[u8], at: usize, missing: Fault) -> Result<(Token, usize), Fault> {
    let start = at + 1;
    let length = name_length(&text[start..]);
    if length == 0 {
        return Err(Fault::broken(at, "`<` begins no tag here: as a character of a text it is written `&lt;`"));
    }
    let name = (start, start + length);
    let mut quote = None;
    for (position, &byte) in text.iter().enumerate().skip(name.1) {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (_, b'<') => {
                return Err(Fault::broken(
                    position,
                    "`<` inside a tag: the tag or an attribute before it is not closed",
                ));
            }
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => {
                let is_empty = position > name.1 && text[position - 1] == b'/';
                let end = position - usize::from(is_empty);
                if name.1 < end && !is_space(text[name.1]) {
                    return Err(Fault::broken(name.1, "this character cannot be in the name of an element"));
                }
                return Ok((Token::Start(Tag { name, attributes: (name.1, end), is_empty }), position + 1));
            }
            (None, _) => {}
        }
    }
    Err(missing)
}

/// Calls `each` with the place of the name and of the value of each attribute.
pub(super) fn attributes(
    text: &[u8],
    span: Span,
    mut each: impl FnMut(Span, Span) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut at = span.0;
    let spaces = |from: usize| from + text[from..span.1].iter().take_while(|&&byte| is_space(byte)).count();
    loop {
        let start = spaces(at);
        if start == span.1 {
            return Ok(());
        }
        let name_end = start + name_length(&text[start..span.1]);
        if start == at || name_end == start {
            return Err(Fault::broken(start, "an attribute is written `name=\"value\"`, after white space"));
        }
        let equals = spaces(name_end);
        let open = if text.get(equals) == Some(&b'=') { spaces(equals + 1) } else { span.1 };
        let quote = text[..span.1].get(open).copied().filter(|byte| matches!(byte, b'"' | b'\''));
        let close =
            quote.and_then(|quote| memchr::memchr(quote, &text[open + 1..span.1])).map(|length| open + 1 + length);
        let Some(close) = close else {
            return Err(Fault::broken(start, "an attribute has no value in quotes: `name=\"value\"`"));
        };
        each((start, name_end), (open + 1, close))?;
        at = close + 1;
    }
}

/// Bytes of the name at the start of a text.
fn name_length(text: &[u8]) -> usize {
    let starts = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80;
    let goes_on = |byte: u8| starts(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    match text.first() {
        Some(&first) if starts(first) => text.iter().take_while(|&&byte| goes_on(byte)).count(),
        _ => 0,
    }
}

/// White space of XML.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a part of the text has only white space.
pub(super) fn is_white(text: &[u8]) -> bool {
    text.iter().all(|&byte| is_space(byte))
}

/// A name without its namespace prefix.
pub(super) fn local(name: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', name) {
        Some(colon) if colon + 1 < name.len() => &name[colon + 1..],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<String>, Fault> {
        let bytes = text.as_bytes();
        let (mut all, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let (token, end) = token(bytes, at, true)?;
            let shown = |span: Span| &text[span.0..span.1];
            all.push(match token {
                Token::Start(tag) => {
                    let mut shown_tag = format!("<{}", shown(tag.name));
                    attributes(bytes, tag.attributes, |name, value| {
                        shown_tag.push_str(&format!(" {}={}", shown(name), shown(value)));
                        Ok(())
                    })?;
                    shown_tag + if tag.is_empty { "/>" } else { ">" }
                }
                Token::End(name) => format!("</{}>", shown(name)),
                Token::Text(span) => shown(span).to_owned(),
                Token::CData(span) => format!("[{}]", shown(span)),
                Token::Ignored => "-".to_owned(),
            });
            at = end;
        }
        Ok(all)
    }

    #[test]
    fn a_document_is_tokens() {
        assert_eq!(
            all(
                "<?xml version='1.0'?><!-- a > b --><o\n a = \"1\" b='>\"'><![CDATA[<x>]]]]>t &amp; u<i/><j k=''/></o >"
            ),
            Ok(["-", "-", "<o a=1 b=>\">", "[<x>]]]", "t &amp; u", "<i/>", "<j k=/>", "</o>"]
                .map(str::to_owned)
                .to_vec())
        );
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for text in [
            "< a>",
            "<a b>",
            "<a b=1>",
            "<a b=\"1\"c=\"2\">",
            "<a b=\"<\">",
            "<a <b>",
            "</>",
            "</a b>",
            "<!ELEMENT a>",
            "<1>",
        ] {
            assert!(matches!(all(text), Err(Fault::Broken { .. })), "{text}: {:?}", all(text));
        }
        assert_eq!(all("<!DOCTYPE a>"), Err(Fault::Doctype { at: 0 }));
        for text in ["<a", "<a b=\"1", "</a", "<!-- a", "<![CDATA[ a", "<![CD", "<?xml", "<"] {
            assert!(matches!(all(text), Err(Fault::Cut { at: 0, .. })), "{text}: {:?}", all(text));
            assert_eq!(token(text.as_bytes(), 0, false), Err(Fault::More), "{text}");
        }
    }

    #[test]
    fn names_lose_their_prefixes() {
        assert_eq!(
            [local(b"inv:order"), local(b"order"), local(b"a:"), local(b":b")],
            [&b"order"[..], b"order", b"a:", b"b"]
        );
    }
}
