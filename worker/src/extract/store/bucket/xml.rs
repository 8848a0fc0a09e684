//! The small XML documents of buckets: errors and tags.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// The texts of the elements with these names, in their order. A document that breaks off gives those before its end.
pub(super) fn texts<'n>(xml: &str, names: &[&'n str]) -> Vec<(&'n str, String)> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let (mut found, mut text) = (Vec::new(), String::new());
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(_) => text.clear(),
            Event::Text(piece) => text.push_str(&piece.xml10_content()),
            Event::CData(piece) => text.push_str(&piece.xml10_content()),
            Event::GeneralRef(reference) => text.extend(resolved(&reference)),
            Event::End(end) => {
                let name = names.iter().find(|name| **name == end.local_name().as_ref());
                if let Some(name) = name {
                    found.push((*name, text.clone()));
                }
                text.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    found
}

/// The character that a reference such as `&amp;` or `&#10;` stands for.
pub(super) fn resolved(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// A text as the content of an element.
pub(super) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_some_elements_are_found() {
        let error = "<?xml version='1.0'?><Error><Code>A&amp;B</Code><Message>x</Message><Region>eu</Region></Error>";
        assert_eq!(texts(error, &["Code", "Region"]), [("Code", "A&B".to_owned()), ("Region", "eu".to_owned())]);
        assert_eq!(texts("<Error><Code>Cut</Code><Reg", &["Code"]), [("Code", "Cut".to_owned())]);
        assert_eq!(texts("no XML at all", &["Code"]), []);
        assert_eq!(escaped("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
