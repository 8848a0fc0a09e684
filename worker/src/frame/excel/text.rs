//! Texts as a workbook stores them: plain or rich, with `_xHHHH_` for characters that XML does not have.

use super::problem::Problem;
use super::xml::{Token, Xml};

/// Adds the text of the tag that began last, which is `si` or `is`: the texts of its runs, without the phonetic ones.
pub(super) fn rich_text_into(xml: &mut Xml, out: &mut Vec<u8>) -> Result<(), Problem> {
    let mut depth = 1;
    while depth > 0 {
        match xml.next()? {
            Token::Start(tag) if tag.is("t") => {
                let keeps_space = tag.attribute("space")?.is_some_and(|space| space == "preserve");
                let start = out.len();
                xml.text_into(out)?;
                if !keeps_space {
                    trim_from(out, start);
                }
                unescape_from(out, start);
            }
            Token::Start(tag) if tag.is("rPh") => xml.skip_tag()?,
            Token::Start(_) => depth += 1,
            Token::End(_) => depth -= 1,
            Token::Finished => return Err(Problem::cut_off()),
            Token::Text(_) | Token::Other => {}
        }
    }
    Ok(())
}

/// Removes the white space around the text behind `start`, as Excel does where `xml:space` does not say that it counts.
fn trim_from(out: &mut Vec<u8>, start: usize) {
    let text = &out[start..];
    let leading = text.len() - text.trim_ascii_start().len();
    let trailing = text.len() - text.trim_ascii_end().len();
    out.truncate(out.len() - trailing.min(text.len() - leading));
    out.drain(start..start + leading);
}

/// Replaces each `_xHHHH_` behind `start` by the UTF-16 unit that it stands for. Half a character stays as it is written.
pub(super) fn unescape_from(out: &mut Vec<u8>, start: usize) {
    if memchr::memmem::find(&out[start..], b"_x").is_none() {
        return;
    }
    let text = out.split_off(start);
    let mut at = 0;
    while at < text.len() {
        let Some(unit) = unit_at(&text, at) else {
            out.push(text[at]);
            at += 1;
            continue;
        };
        let single = char::from_u32(u32::from(unit));
        let pair = unit_at(&text, at + 7).and_then(|low| char::decode_utf16([unit, low]).next()?.ok());
        match (single, pair) {
            (Some(character), _) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += 7;
            }
            (None, Some(character)) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += 14;
            }
            (None, None) => {
                out.extend_from_slice(&text[at..at + 7]);
                at += 7;
            }
        }
    }
}

/// The unit that `_xHHHH_` at this place stands for.
fn unit_at(text: &[u8], at: usize) -> Option<u16> {
    let hex = text.get(at..at + 7)?.strip_prefix(b"_x")?.strip_suffix(b"_")?;
    if !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_characters_are_what_they_stand_for() {
        for (written, meant) in [
            ("a_x000D_b", "a\rb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_xD83D__xDE00_!", "😀!"),
            ("_xD83D_", "_xD83D_"),
            ("_xZZZZ_ _x000_ x000D_ _x", "_xZZZZ_ _x000_ x000D_ _x"),
            ("ä_x00e4_", "ää"),
            ("_x0041__x0042_", "AB"),
        ] {
            let mut out = [b"#", written.as_bytes()].concat();
            unescape_from(&mut out, 1);
            assert_eq!(String::from_utf8(out).expect("text"), format!("#{meant}"));
        }
    }

    #[test]
    fn white_space_around_a_text_is_removed() {
        for (written, meant) in [("  a b \n", "a b"), ("", ""), ("   ", ""), ("\u{A0}a", "\u{A0}a")] {
            let mut out = [b"#", written.as_bytes()].concat();
            trim_from(&mut out, 1);
            assert_eq!(String::from_utf8(out).expect("text"), format!("#{meant}"));
        }
    }
}
