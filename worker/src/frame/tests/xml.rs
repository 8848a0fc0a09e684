//! XML files through the whole reader.

use elt_shared::config::{NamePrefixes, XmlOptions};
use proptest::prelude::*;

use super::{Outcome, TestFile};
use crate::frame::CellKind;
use crate::frame::read::open;
use crate::frame::xml::propose::propose;
use crate::input::Format;

fn options(records: &str) -> XmlOptions {
    XmlOptions { records: records.split('/').skip(1).map(str::to_owned).collect(), ..XmlOptions::default() }
}

fn file(bytes: &[u8], change: impl FnOnce(&mut XmlOptions)) -> TestFile {
    let mut options = options("/o/r");
    change(&mut options);
    TestFile::new("t.xml", bytes).read_as(Format::Xml, |files| files.xml = Some(options))
}

/// Reads a file through windows of several sizes, which must not show.
fn read_with(bytes: &[u8], change: impl FnOnce(&mut XmlOptions)) -> Outcome {
    let file = file(bytes, change);
    let outcome = file.read();
    for size in [5, 64, 77] {
        let narrow = file.read_with_window(size);
        if outcome.error.is_some() {
            assert_eq!(narrow.error, outcome.error, "a window of {size} bytes");
        } else {
            assert_eq!(narrow, outcome, "a window of {size} bytes");
        }
    }
    outcome
}

fn read(text: &str) -> Outcome {
    read_with(text.as_bytes(), |_| ())
}

/// Each row as `name=value`, with the kind for cells that are not bare: `"` for the empty text and `J` for JSON.
fn rows(outcome: &Outcome) -> Vec<String> {
    let cell = |(name, (kind, bytes)): (&String, &(CellKind, Vec<u8>))| {
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        match kind {
            CellKind::Null => None,
            CellKind::Bare => Some(format!("{name}={text}")),
            CellKind::Quoted => Some(format!("{name}=\"{text}\"")),
            CellKind::Nested => Some(format!("{name}=J{text}")),
            other => panic!("{other:?}"),
        }
    };
    let row = |row: &super::Row| outcome.names.iter().zip(&row.cells).filter_map(cell).collect::<Vec<_>>().join(" ");
    outcome.rows.iter().map(row).collect()
}

fn message(text: &str) -> String {
    let file = file(text.as_bytes(), |_| ());
    let mut reader = match open(0, &file.input) {
        Ok(reader) => reader,
        Err(error) => return error.message,
    };
    loop {
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => return "no error".to_owned(),
            Err(error) => return error.message,
        }
    }
}

#[test]
fn attributes_elements_and_texts_become_columns() {
    let outcome = read(
        "<?xml version=\"1.0\"?>\n<!-- orders -->\n<o made='today'>\n  <r id=\"1\" a='x &quot;y&quot;'>\n    <name>Ann &amp; Bob</name>\n    \
         <empty/><tag>a</tag><tag>b</tag>\n  </r>\n  <skip><r id='9'/></skip>\n  <r id=\"2\">text<?pi?></r>\n  <r/>\n  <r  />\n</o>\n",
    );
    assert_eq!(outcome.names, ["id", "a", "name", "empty", "tag", "#text"]);
    assert_eq!(rows(&outcome), ["id=1 a=x \"y\" name=Ann & Bob empty=\"\" tag=J[\"a\",\"b\"]", "id=2 #text=text"]);
    assert_eq!(outcome.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [4, 9]);
    assert_eq!(outcome.rows[1].raw, b"<r id=\"2\">text<?pi?></r>");
    assert_eq!((outcome.summary.filtered, outcome.error), (2, None), "an element without anything is no row");
}

#[test]
fn elements_in_elements_become_json() {
    let outcome = read(
        "<o><r><price cur=\"EUR\">5</price><to><city>Köln</city><zip>01</zip><zip>02</zip><note/></to>\
         <mixed>one <b>two</b> three</mixed><deep><a><b x='1'/></a></deep></r></o>",
    );
    assert_eq!(
        rows(&outcome),
        ["price=J{\"@cur\":\"EUR\",\"#text\":\"5\"} to=J{\"city\":\"Köln\",\"zip\":[\"01\",\"02\"],\"note\":\"\"} \
          mixed=J{\"b\":\"two\",\"#text\":\"one  three\"} deep=J{\"a\":{\"b\":{\"@x\":\"1\"}}}"]
    );
    for row in &outcome.rows {
        for (kind, bytes) in &row.cells {
            assert!(*kind != CellKind::Nested || serde_json::from_slice::<serde_json::Value>(bytes).is_ok());
        }
    }
}

#[test]
fn lists_can_be_lists_in_every_row() {
    let text = "<o><r><tag>a</tag><x><i>1</i></x></r><r><tag>a</tag><tag>b</tag></r></o>";
    let outcome = read_with(text.as_bytes(), |options| options.lists = vec!["tag".into(), "i".into()]);
    assert_eq!(rows(&outcome), ["tag=J[\"a\"] x=J{\"i\":[\"1\"]}", "tag=J[\"a\",\"b\"]"]);
}

#[test]
fn cdata_and_references_are_text() {
    let outcome =
        read("<o><r><a><![CDATA[<b> & ]]]]></a><b>&#228;&#x41;&lt;</b><c>x<![CDATA[y]]>&amp;z<!-- no -->!</c></r></o>");
    assert_eq!(rows(&outcome), ["a=<b> & ]] b=äA< c=xy&z!"]);
    let spaces = "<o><r a=' x '><b>\n 5 </b></r></o>";
    assert_eq!(rows(&read(spaces)), ["a= x  b=\n 5 "]);
    assert_eq!(rows(&read_with(spaces.as_bytes(), |options| options.trim = true)), ["a=x b=5"]);
    assert_eq!(rows(&read("<o><r><a>1\r\n2\r3</a></r></o>")), ["a=1\n2\n3"]);
}

#[test]
fn prefixes_are_dropped_or_kept_and_declarations_are_no_data() {
    let text = "<e:o xmlns:e='urn:e' xmlns:xsi='x'><e:r xmlns:i='urn:i' e:id='1' xsi:type='t'><i:name>Ann</i:name>\
                <e:no xsi:nil='true'/><e:n xsi:type='xs:int'>5</e:n></e:r></e:o>";
    assert_eq!(rows(&read(text)), ["id=1 name=Ann n=5"]);
    let kept = read_with(text.as_bytes(), |options| {
        options.prefixes = NamePrefixes::Keep;
        options.records = vec!["e:o".into(), "e:r".into()];
    });
    assert_eq!(rows(&kept), ["e:id=1 i:name=Ann e:n=5"]);
}

#[test]
fn two_names_of_one_column_are_refused() {
    for (text, key) in [
        ("<o><r id='1'/>\n<r id='2'><id>3</id></r></o>", "the attribute `id` and the element `id`"),
        ("<o><r/>\n<r><a:x>1</a:x><b:x>2</b:x></r></o>", "the element `a:x` and the element `b:x`"),
        ("<o><r/>\n<r><in><a:x>1</a:x><b:x>2</b:x></in></r></o>", "the elements `a:x` and `b:x`"),
    ] {
        let said = message(text);
        assert!(said.starts_with("t.xml:2: ") && said.contains(key), "{said}");
    }
    let named = read_with(b"<o><r id='2'><id>3</id></r></o>", |options| options.attribute_prefix = "_".into());
    assert_eq!(rows(&named), ["_id=2 id=3"]);
}

#[test]
fn a_file_declares_its_encoding() {
    let text = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><o><r><a>Köln €</a></r></o>";
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(text);
    let utf16 = |text: &str, mark: bool| -> Vec<u8> {
        mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()
    };
    let lie = text.replace("ISO-8859-1", "utf-16");
    for bytes in [
        &latin[..],
        text.replace("ISO-8859-1", "UTF-8").as_bytes(),
        format!("\u{FEFF}{text}").as_bytes(),
        &utf16(&lie, true),
        &utf16(&lie, false),
        lie.as_bytes(),
    ] {
        assert_eq!(rows(&read_with(bytes, |_| ())), ["a=Köln €"]);
    }
    let unknown = read(&text.replace("ISO-8859-1", "klingon"));
    assert_eq!(unknown.error, Some(("unknown_encoding", Some(1))));
    let undeclared = read_with(b"<o><r><a>K\xF6ln</a></r><r><a>Rom</a></r></o>", |_| ());
    assert_eq!((undeclared.rows.len(), undeclared.bad[0].1), (1, "invalid_encoding"));
    let told = read_with(b"<o><r><a>K\xF6ln</a></r></o>", |options| options.encoding = Some("windows-1252".into()));
    assert_eq!(rows(&told), ["a=Köln"]);
}

#[test]
fn document_types_are_refused() {
    for text in [
        "<!DOCTYPE o SYSTEM \"file:///etc/passwd\"><o><r><a>&x;</a></r></o>",
        "<?xml version='1.0'?>\n<!DOCTYPE o [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\n<o><r><a>&x;</a></r></o>",
        "<!DOCTYPE o [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]><o><r>&c;</r></o>",
    ] {
        let outcome = read(text);
        assert_eq!((outcome.rows.len(), outcome.error.map(|error| error.0)), (0, Some("xml_doctype")), "{text}");
    }
    assert!(message("<o><r><a>&x;</a></r></o>").contains("`&x;` is not one of the five entities"));
}

#[test]
fn broken_documents_fail_with_their_line() {
    for (text, expected) in [
        ("<o>\n<r><a>1</b></r></o>", "t.xml:2: `</b>` does not close `<a>`, which is open here"),
        ("<o>\n<r/></p>", "t.xml:2: `</p>` does not close `<o>`, which is open here"),
        ("<o>\n<r><a>1 & 2</a></r></o>", "t.xml:2: `&` begins no reference here"),
        ("<o>\n<r a=1/></o>", "t.xml:2: an attribute has no value in quotes"),
        ("<o>\n<r a='1' a='2'/></o>", "t.xml:2: a tag has the same attribute twice"),
        ("<o>\n<r a='<'/></o>", "t.xml:2: `<` inside a tag"),
        ("<o><r/></o>\n<o/>", "t.xml:2: a document has one root element"),
        ("<o><r/></o>\nx", "t.xml:2: there is text outside of the root element"),
        ("<o>\n<r><a>1</a>", "t.xml:2: the file ends inside this element"),
        ("<o>\n<r/>\n", "t.xml:3: the file ends before `</o>`"),
        ("<o>\n<r/>\n<!-- ", "t.xml:3: the file ends inside a comment"),
        ("", "t.xml: it is empty"),
        ("id,name\n1,Ann\n", "t.xml:1: there is text outside of the root element"),
        ("</o>", "t.xml:1: this end tag closes no element"),
    ] {
        let said = message(text);
        assert!(said.starts_with(expected), "{text:?}\n{said}");
        assert!(read(text).error.is_some());
    }
}

#[test]
fn a_wrong_path_names_the_paths_that_are_there() {
    assert_eq!(
        message("<orders><order id='1'/><order id='2'><item/></order></orders>"),
        "t.xml: it has no element at xml.records /o/r; it has /orders (1), /orders/order (2), /orders/order/item (1)"
    );
    assert!(message("<o><x id='1'/><x id='2'/></o>").contains("it has /o (1), /o/x (2)"));
    for text in ["<o/>", "<o></o>", "<o>\n</o>"] {
        let outcome = read(text);
        assert_eq!((outcome.rows.len(), outcome.error, outcome.summary.warnings.len()), (0, None, 0), "{text}");
    }
    let other = read("<o><made>today</made></o>");
    assert_eq!((other.error, other.summary.warnings.len()), (None, 1), "an export without rows has other elements");
}

#[test]
fn deep_and_wide_documents_have_an_end() {
    let deep =
        |levels: usize| format!("<o><r>{}{}</r><r><a>1</a></r></o>", "<a>".repeat(levels), "</a>".repeat(levels));
    let outcome = file(deep(200).as_bytes(), |_| ()).read();
    assert_eq!((outcome.rows.len(), outcome.bad[0].1), (1, "too_deep"));
    assert_eq!(file(deep(20_000).as_bytes(), |_| ()).read().error, Some(("broken_xml", Some(1))));
    assert_eq!(file("<a>".repeat(20_000).as_bytes(), |_| ()).read().error, Some(("broken_xml", Some(1))));
    let wide: String = (0..1_601).map(|n| format!("<c{n}/>")).collect();
    assert_eq!(
        file(format!("<o><r>{wide}</r></o>").as_bytes(), |_| ()).read().error,
        Some(("too_many_columns", Some(1)))
    );
    let many = format!("<o><r>{}</r></o>", "<a/>".repeat(1_000_001));
    assert_eq!(file(many.as_bytes(), |_| ()).read().error, Some(("record_too_large", Some(1))));
    let huge = format!("<o>\n<r><a>{}</a></r></o>", "x".repeat(65 << 20));
    assert_eq!(file(huge.as_bytes(), |_| ()).read().error, Some(("record_too_large", Some(2))));
}

#[test]
fn what_a_file_needs_is_proposed() {
    let proposed = |text: &str| propose(&file(text.as_bytes(), |_| ()).input).expect("readable").expect("elements");
    let proposal = proposed(
        "<?xml version='1.0'?><orders made='x'><head><a>1</a></head><order id='1'><id>7</id><item sku='a'/><item sku='b'/></order>\
         <order id='2'><item sku='c'/></order></orders>",
    );
    assert_eq!(proposal.records(), "/orders/order");
    assert_eq!(proposal.options.attribute_prefix, "_");
    assert_eq!(proposal.reasons.len(), 3, "{:?}", proposal.reasons);
    assert_eq!(proposed("<e:list><e:row><x>1</x></e:row><e:row><x>2</x></e:row></e:list>").records(), "/list/row");
    assert_eq!(proposed("<order><id>1</id><to><city>Rome</city></to></order>").records(), "/order");
    assert!(propose(&file(b"<a><b></a>", |_| ()).input).is_ok(), "reading it tells what is wrong");
    assert!(propose(&file(b"", |_| ()).input).expect("readable").is_none());
}

proptest! {
    #[test]
    fn what_was_written_is_read(rows in proptest::collection::vec(("[^\\p{Cc}]{0,12}", "[^\\p{Cc}]{1,30}", 0..3_usize), 0..30)) {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let mut text = "<o>".to_owned();
        for (a, b, tags) in &rows {
            text.push_str(&format!("<r a=\"{}\">\n<b>{}</b>{}</r>\n", escaped(a), escaped(b), "<t>1</t>".repeat(*tags)));
        }
        text.push_str("</o>");
        let outcome = read(&text);
        prop_assert_eq!(outcome.error, None);
        let mut names = vec!["a", "b"];
        names.extend(rows.iter().any(|row| row.2 > 0).then_some("t"));
        prop_assert!(rows.is_empty() || outcome.names == names);
        for ((a, b, tags), row) in rows.iter().zip(&outcome.rows) {
            let texts = row.texts();
            prop_assert_eq!(texts[0].as_deref(), Some(a.as_str()));
            prop_assert_eq!(texts[1].as_deref(), Some(b.as_str()));
            let expected = match tags { 0 => None, 1 => Some("1"), _ => Some("[\"1\",\"1\"]") };
            prop_assert_eq!(texts.get(2).and_then(|text| text.as_deref()), expected);
        }
        prop_assert_eq!(rows.len(), outcome.rows.len());
    }

    #[test]
    fn no_bytes_stop_the_reader(text in "(<[/!?]?[or]?[ a='\"&;x>-]{0,6}>?|<o>|<r>|</r>|</o>|<!\\[CDATA\\[|\\]\\]>|&amp;|x|\u{0}){0,40}") {
        read(&text);
        let _ = propose(&file(text.as_bytes(), |_| ()).input);
    }
}
