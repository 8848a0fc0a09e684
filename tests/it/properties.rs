//! The properties that `make fuzz` tries by the million, with a few hundred inputs each.

#[path = "../fuzz/properties.rs"]
mod fuzz;

#[path = "../fuzz/reading.rs"]
mod reading;

#[path = "../fuzz/unpacking.rs"]
mod unpacking;

use elt_shared::config::{
    FileFormat, FileOptions, FixedColumn, FixedWidth, Surplus, TextEncoding, WidthUnit, XmlOptions,
};
use proptest::prelude::*;

/// Texts that are nearly what a reader expects: pieces in any order.
fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => prop::sample::select(pieces).prop_map(ToOwned::to_owned), 1 => ".{0,4}"];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

const RULES: &[&str] =
    &["10.0.0.0", "/8", "/129", "::ffff:", "fe80::1", "[", "]", "*", ".", "example.com", "-", "_", " ", "0x7f", "::"];
const URLS: &[&str] = &[
    "postgres://",
    "postgresql://",
    "ann",
    ":pw",
    "@",
    "db",
    ":5432",
    "/shop",
    "?",
    "&",
    "sslmode=",
    "require",
    "host=",
    "/run/postgresql",
    "%2F",
    "dbname=",
    "password=",
    "sslrootcert=/etc/x",
    "options[a]=b",
    "[::1]",
    ",",
    "#",
    "%00",
];
const CURSORS: &[&str] = &["5b", "312c22", "61", "225d", "5c75303030", "2d39323233", "22", "00", "ff", "é", "0"];
const YAML: &[&str] =
    &["a: ", "- ", "&x ", "*x", "\n", "  ", "password: ", "hunter2", "{", "}", "[", "]", "|\n", "'", "\"", "#"];
const XML: &[&str] = &[
    "<o>",
    "</o>",
    "<r>",
    "</r>",
    "<r/>",
    "<a>",
    "</a>",
    "<a x='1'>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?",
    "?>",
    "&amp;",
    "&",
    "<",
    "\"",
    "\n",
    "1",
    "\0",
];
const LINES: &[&str] = &["1", "  ", "12.5", "\n", "\r\n", "\r", "\t", "ä", "-----", "*", "\0", "\u{1}", "\u{1a}"];

/// A source with three columns of `width` places each.
fn fixed_width(width: u32, header: bool, unit: WidthUnit) -> FileOptions {
    let column = |index: u32| FixedColumn { name: (!header).then(|| format!("c{index}")), start: index * width, width };
    let fixed_width = FixedWidth {
        columns: (0..3).map(column).collect(),
        header,
        skip_rows: 0,
        skip_footer: 1,
        comment: Some("*".into()),
        trim: true,
        unit,
        record_length: None,
        encoding: TextEncoding::Utf8,
        null_values: None,
        surplus: Surplus::Reject,
    };
    FileOptions { format: Some(FileFormat::FixedWidth), fixed_width: Some(fixed_width), ..FileOptions::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_for_hosts_is_refused_or_reads_back(text in pieces(RULES)) {
        fuzz::host_rule(&text);
    }

    #[test]
    fn a_target_url_is_refused_without_its_password_or_names_one_server(text in pieces(URLS)) {
        fuzz::target_url(&text);
    }

    #[test]
    fn a_cursor_is_refused_or_leads_to_one_key(text in pieces(CURSORS)) {
        fuzz::cursor_token(&text);
    }

    #[test]
    fn no_secret_of_a_config_shows(style: u8, text in pieces(YAML)) {
        fuzz::masked_yaml(style, &text);
    }

    #[test]
    fn any_text_is_read_alike_twice_in_every_format(xml in pieces(XML), lines in pieces(LINES), width in 1_u32..4, header: bool) {
        let options = XmlOptions { records: vec!["o".into(), "r".into()], ..XmlOptions::default() };
        reading::twice("f.xml", FileOptions { xml: Some(options), ..FileOptions::default() }, xml.as_bytes());
        for unit in [WidthUnit::Characters, WidthUnit::Bytes] {
            reading::twice("f.dat", fixed_width(width, header, unit), lines.as_bytes());
        }
        for name in ["f.csv", "f.txt", "f.json", "f.ndjson"] {
            reading::twice(name, FileOptions::default(), lines.as_bytes());
        }
    }
}

#[test]
fn a_damaged_archive_or_encrypted_file_is_unpacked_or_refused() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives");
    for (fixture, name) in [("methods.zip", "f.zip"), ("passphrase.csv.gpg", "f.csv.gpg")] {
        let bytes = std::fs::read(folder.join(fixture)).expect("a fixture");
        for at in (0..bytes.len()).step_by(bytes.len() / 40) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xFF;
            unpacking::archive(name, &damaged);
            unpacking::archive(name, &bytes[..at]);
        }
    }
}
