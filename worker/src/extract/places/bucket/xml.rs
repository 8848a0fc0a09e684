//! The small XML documents of buckets: errors and tags.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// The texts of the elements with these names, in their order. A document that breaks off gives those before its end.
pub(super) fn texts<'n>(xml: &str, names: &[&'n str]) -> Vec<(&'n str, String)> {
    read(xml, names).0
}

/// The tags in a document about tags, in their order. `None`: it is not such a document, or not all of one.
pub(super) fn tags(xml: &str) -> Option<Vec<(String, String)>> {
    let (mut found, is_whole) = read(xml, &["Key", "Value", "TagSet"]);
    found.pop().filter(|(last, _)| is_whole && *last == "TagSet")?;
    let tag = |pair: &[(&str, String)]| match pair {
        [("Key", key), ("Value", value)] => Some((key.clone(), value.clone())),
        _ => None,
    };
    found.chunks(2).map(tag).collect()
}

/// The texts of the elements with these names, and whether the document came to its end.
fn read<'n>(xml: &str, names: &[&'n str]) -> (Vec<(&'n str, String)>, bool) {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let (mut found, mut text, mut depth) = (Vec::new(), String::new(), 0_i64);
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(_) => {
                depth += 1;
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece.xml10_content()),
            Event::CData(piece) => text.push_str(&piece.xml10_content()),
            Event::GeneralRef(reference) => text.extend(resolved(&reference)),
            Event::End(end) => {
                depth -= 1;
                let name = names.iter().find(|name| **name == end.local_name().as_ref());
                if let Some(name) = name {
                    found.push((*name, text.clone()));
                }
                text.clear();
            }
            Event::Eof => return (found, depth == 0),
            _ => {}
        }
    }
    (found, false)
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
    fn tags_are_known_only_when_all_of_them_are() {
        let xml = "<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag><Tag><Key>b</Key><Value>c</Value></Tag></TagSet></Tagging>";
        let pairs = [("a", ""), ("b", "c")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(tags(xml).as_deref(), Some(&pairs[..]));
        assert_eq!(tags("<Tagging><TagSet/></Tagging>"), Some(Vec::new()));
        for end in 0..xml.len() {
            assert_eq!(tags(&xml[..end]), None, "{}", &xml[..end]);
        }
        for other in [&xml.replace("<Value/>", ""), "<html>Log in</html>", ""] {
            assert_eq!(tags(other), None, "{other}");
        }
    }

    #[test]
    fn the_texts_of_some_elements_are_found() {
        let error = "<?xml version='1.0'?><Error><Code>A&amp;B</Code><Message>x</Message><Region>eu</Region></Error>";
        assert_eq!(texts(error, &["Code", "Region"]), [("Code", "A&B".to_owned()), ("Region", "eu".to_owned())]);
        assert_eq!(texts("<Error><Code>Cut</Code><Reg", &["Code"]), [("Code", "Cut".to_owned())]);
        assert_eq!(texts("no XML at all", &["Code"]), []);
        assert_eq!(texts("<Error><Code/></Error>", &["Code"]), [("Code", String::new())]);
        assert_eq!(escaped("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
