//! Texts that are no config, and texts that were written to hurt.

use proptest::prelude::*;

use super::time_limit::processor_time;
use super::*;

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(Document::parse(text).unwrap_err().to_string(), expected);
}

#[test]
fn a_byte_order_mark_stands_at_the_beginning_only() {
    assert!(Document::parse(&format!("\u{feff}{}", with(""))).is_ok());
    for (text, place) in [
        ("\u{feff}\u{feff}\u{85}sources:path:: sources:[", "line 1"),
        ("name: x\n\u{feff}target: {table: t}", "line 2"),
        ("name: x\n\u{2028}\u{feff}target: {table: t}", "a byte order mark"),
    ] {
        let error = Document::parse(text).expect_err(text).to_string();
        assert!(error.contains("a byte order mark may only be the first") && error.contains(place), "{error}");
    }
    assert!(Document::parse(&with("# in \u{feff} a comment\n")).is_ok());
}

#[test]
fn a_name_that_would_look_like_another_is_refused() {
    for name in ["ord\u{200b}ers", "\u{202e}sredro", "orders\u{2060}", "or\nders"] {
        let text = with(&format!("name: {}\n", serde_json::to_string(name).expect("a text")));
        let document = Document::parse(&text).expect(name);
        let problems = document.pipeline(&NoReferences).expect_err(name).to_string();
        assert!(problems.contains("none of them invisible"), "{name:?}: {problems}");
        assert!(!document.name().contains(crate::invisible::is_invisible), "{name:?}");
    }
    assert!(Document::parse(&with("name: Größe 大 é\n")).expect("a name").pipeline(&NoReferences).is_ok());
}

#[test]
fn a_name_that_leads_an_address_elsewhere_is_refused() {
    for name in [".", "..", " .. "] {
        let document = Document::parse(&with(&format!("name: '{name}'\n"))).expect(name);
        let problems = document.pipeline(&NoReferences).expect_err(name).to_string();
        assert!(problems.contains("expected a name other than `.` and `..`"), "{name:?}: {problems}");
        // A config that cannot run is kept as well, under a name that its pipeline can be asked for by.
        assert!(!document.name().starts_with('.'), "{name:?}: {}", document.name());
    }
    let unnamed = Document::parse("target: {table: ..}\n").expect("a document");
    assert_eq!(unnamed.name(), "raw_data");
    assert!(Document::parse(&with("name: '...'\n")).expect("a name").pipeline(&NoReferences).is_ok());
}

#[test]
fn only_one_mapping_is_a_config() {
    refused("- a\n- b\n", "Invalid YAML: expected a mapping of keys to values, found a list at line 1 column 1");
    refused("hello\n", "Invalid YAML: expected a mapping of keys to values, found a text at line 1 column 1");
    refused("", "Invalid YAML: the document is empty");
    refused("# nothing\n\n", "Invalid YAML: the document is empty");
    refused("~\n", "Invalid YAML: the document is empty");
    refused("a: 1\n---\nb: 2\n", "Invalid YAML: expected one document, found a second one at line 2 column 1");
    assert!(Document::parse("---\na: 1\n...\n# the end\n").is_ok());
}

#[test]
fn a_syntax_error_names_its_place() {
    refused(
        "{ this: [invalid: yaml",
        "Invalid YAML: while parsing a flow sequence, did not find expected ',' or ']' at line 2 column 1",
    );
    refused("a: b: c\n", "Invalid YAML: mapping values are not allowed in this context at line 1 column 5");
    refused("a: 1\nb: 2\na: 3\n", "Invalid YAML: the key \"a\" is written twice at line 3 column 1");
    refused("? [a]\n: b\n", "Invalid YAML: expected a text as key, found a list at line 1 column 3");
    refused("a: *b\n", "Invalid YAML: the alias repeats an anchor that is not defined before it at line 1 column 4");
    refused("a: &x [*x]\n", "Invalid YAML: the alias stands inside the value it repeats at line 1 column 8");
    refused("k: [!!str, a]\n", "Invalid YAML: a tag needs a value behind it");
}

#[test]
fn characters_that_databases_and_files_cannot_hold_are_refused() {
    refused("a: b\nname: x\0y\n", "Invalid YAML: NUL characters are not allowed at line 2 column 8");
    refused("a: \"x\\0y\"\n", "Invalid YAML: NUL characters are not allowed at line 1 column 4");
    let surrogate = Document::parse("a: \"\\uD800\"\n").unwrap_err().to_string();
    assert!(surrogate.contains("invalid Unicode character escape code"), "{surrogate}");
    assert!(Document::parse("a: \u{1}\n").is_err());
}

#[test]
fn a_text_may_be_a_quarter_of_a_mebibyte() {
    let text = format!("a: {}\n", "x".repeat(256 * 1024 - 4));
    assert!(Document::parse(&text).is_ok());
    refused(&format!("{text} "), "Invalid YAML: the text is 262145 bytes long, at most 262144 are allowed");
}

#[test]
fn a_bomb_is_refused_while_it_is_small() {
    let size = 256 * 1024;
    let lines = |line: fn(usize) -> String, count: usize| (0..count).map(line).collect::<String>();
    let laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(1..30)
            .map(|level| format!("a{level}: &a{level} [{}x]\n", format!("*a{},", level - 1).repeat(9)))
            .collect::<String>();
    let repeated = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(60_000), "*a,".repeat(30_000));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(150_000), "*a,".repeat(30_000));
    let bombs = [
        "[".repeat(size),
        format!("a: {}", "[".repeat(size - 3)),
        "{a: ".repeat(size / 4),
        "- ".repeat(size / 2),
        "? ".repeat(size / 2),
        "[{},".repeat(size / 4),
        lines(|level| format!("{}a:\n", " ".repeat(level)), 700),
        format!("a: [{}]", "a,".repeat(size / 2 - 3)),
        lines(|key| format!("%TAG !a{key}! b\n"), 12_000) + "---\na: b\n",
        lines(|key| format!("%TAG !a{key}! b\r"), 12_000) + "---\ra: b\r",
        lines(|key| format!("k{key}: &a{key} v\n"), 12_000) + "a: b: c",
        "---\n".repeat(size / 4),
        "'".repeat(size - 1),
        (0..60).map(|level| format!("&a{level} [")).collect::<String>() + &"x,".repeat(40_000) + &"]".repeat(60),
        laughs,
        repeated,
        long,
    ];
    for bomb in bombs {
        let start = processor_time();
        assert!(Document::parse(&bomb).is_err(), "{}", &bomb[..20]);
        // A debug build takes a part of a second of the processor; what it must not take is minutes.
        assert!(processor_time() - start < 10_000_000_000, "{}", &bomb[..20]);
    }
}

#[test]
fn the_biggest_config_is_read_masked_and_checked_quickly() {
    let columns: String = (0..7_500).map(|index| format!("    column_{index}: {{type: text}}\n")).collect();
    let text = format!("{}schema:\n  columns:\n{columns}", with("x-notes: {password: hunter2}"));
    let start = processor_time();
    assert_eq!(pipeline(&text).schema.unwrap().columns.len(), 7_500);
    assert!(!Document::parse(&text).unwrap().masked().contains("hunter2"));
    assert!(processor_time() - start < 20_000_000_000);
    let secrets: String = (0..8_000).map(|index| format!("password{index}: pass{index} # c\n")).collect();
    let start = processor_time();
    assert!(!Document::parse(&secrets).unwrap().masked().contains("pass1 "));
    assert!(processor_time() - start < 20_000_000_000);
}

/// Pieces that make YAML and configs.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "sources:",
        "target:",
        "schema:",
        "columns:",
        "type:",
        "local",
        "api",
        "sftp",
        "path:",
        "url:",
        "password:",
        "key",
        "headers:",
        "params:",
        "- ",
        "-",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        " ",
        "\t",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "\\",
        "\\x",
        "#",
        " # ",
        "&a ",
        "*a",
        "!",
        "!!str ",
        "!a,",
        "|",
        "|2\n",
        ">-\n",
        "%",
        "---\n",
        "...",
        "? ",
        "<<: ",
        "${env:",
        "${secret:x}",
        "}",
        "é",
        "😀",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\r",
        "\r\n",
        "0",
        "1e3",
        "~",
        "null",
        "true",
        "2026-01-01 10:00",
        "cron:",
        "https://a:b@c/d?token=e",
        "int64",
        "decimal(1,2)",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_brings_the_reader_down(pieces in proptest::collection::vec(piece(), 0..40), start in any::<bool>()) {
        let text = if start { with(&pieces.concat()) } else { pieces.concat() };
        if let Ok(document) = Document::parse(&text) {
            document.masked();
            document.preview();
            document.warnings();
            prop_assert!(!document.name().is_empty());
            let _ = document.target(&NoReferences);
            if let Err(error) = document.pipeline(&NoReferences) {
                prop_assert!(matches!(&error, ConfigError::NotRunnable(problems) if !problems.is_empty()));
            }
        }
    }

    #[test]
    fn any_characters_at_all_are_read_or_refused(text in "\\PC{0,60}") {
        let _ = Document::parse(&text).map(|document| document.masked());
    }
}
