//! The properties that `make fuzz` tries by the million, with a few hundred inputs each.

#[path = "../fuzz/properties.rs"]
mod fuzz;

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
}
