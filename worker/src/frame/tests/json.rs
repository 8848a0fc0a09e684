//! JSON as it is read, against what `serde_json` makes of it.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{CellKind, Row, TestFile};

/// A value as a cell should say it.
fn expected(value: &Value) -> (CellKind, Vec<u8>) {
    match value {
        Value::Null => (CellKind::Null, Vec::new()),
        Value::Bool(value) => (CellKind::Bool, value.to_string().into_bytes()),
        Value::Number(value) => (CellKind::Number, value.to_string().into_bytes()),
        Value::String(text) => (CellKind::String, text.clone().into_bytes()),
        nested => (CellKind::Nested, nested.to_string().into_bytes()),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        "[^\u{0}]{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c\"\\\\é]{1,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Vec<Map<String, Value>>> {
    let object = proptest::collection::btree_map("[a-d\"é]{1,2}", value(), 1..5);
    proptest::collection::vec(object.prop_map(|members| members.into_iter().collect()), 1..20)
}

/// Spellings of one list of objects that must all be read alike.
fn spellings(objects: &[Map<String, Value>]) -> Vec<(&'static str, String)> {
    let array = Value::from(objects.iter().cloned().map(Value::Object).collect::<Vec<_>>());
    let lines: Vec<String> = objects.iter().map(|object| Value::Object(object.clone()).to_string()).collect();
    vec![
        ("t.json", array.to_string()),
        ("t.json", serde_json::to_string_pretty(&array).expect("JSON")),
        ("t.json", format!("{{\"meta\": {{\"n\": [1, 2]}}, \"rows\": {array}, \"end\": \"]}}\"}}")),
        ("t.ndjson", lines.join("\n")),
        ("t.jsonl", format!("\u{FEFF}{}\r\n", lines.join("\r\n\r\n"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_spelling_of_the_same_rows_is_read_alike(objects in objects(), window in 8_usize..300) {
        let mut names: Vec<&String> = Vec::new();
        for key in objects.iter().flat_map(|object| object.keys()) {
            if !names.contains(&key) {
                names.push(key);
            }
        }
        for (name, text) in spellings(&objects) {
            let file = TestFile::new(name, text.as_bytes());
            for outcome in [file.read(), file.read_with_window(window)] {
                prop_assert_eq!(outcome.error, None, "{}", text);
                prop_assert_eq!(&outcome.bad, &[], "{}", text);
                prop_assert_eq!(outcome.names.iter().collect::<Vec<_>>(), names.clone());
                prop_assert_eq!(outcome.rows.len(), objects.len());
                for (row, object) in outcome.rows.iter().zip(&objects) {
                    let cells: Vec<_> = names.iter().map(|name| object.get(*name).map_or((CellKind::Null, vec![]), expected)).collect();
                    prop_assert_eq!(&row.cells, &cells);
                    prop_assert_eq!(serde_json::from_slice::<Value>(&row.raw).expect("a row is JSON"), Value::Object(object.clone()));
                }
            }
        }
    }

    #[test]
    fn the_window_does_not_show_in_broken_files(objects in objects(), cut in any::<prop::sample::Index>(), byte: u8, window in 8_usize..300) {
        for (name, text) in spellings(&objects) {
            let mut bytes = text.into_bytes();
            let at = cut.index(bytes.len());
            bytes[at] = byte;
            let file = TestFile::new(name, &bytes);
            let (narrow, wide) = (file.read_with_window(window), file.read());
            if wide.error.is_none() {
                prop_assert_eq!(narrow, wide);
            } else {
                prop_assert_eq!(narrow.error.map(|error| error.0), wide.error.map(|error| error.0));
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_an_error_or_a_bad_record(objects in objects(), cut in any::<prop::sample::Index>()) {
        for (name, text) in spellings(&objects) {
            let end = cut.index(text.len());
            let outcome = TestFile::new(name, &text.as_bytes()[..end]).read();
            let whole_lines = name != "t.json" && outcome.bad.len() <= 1 && outcome.rows.len() + outcome.bad.len() <= objects.len();
            prop_assert!(outcome.error.is_some() || whole_lines, "{:?}", outcome);
        }
    }

    #[test]
    fn no_bytes_panic(text in "[\\[\\]{}\",:\\\\ntu0-9. \n-]{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..200), window in 1_usize..50) {
        for name in ["t.json", "t.ndjson", "t.json.gz"] {
            let _ = TestFile::new(name, text.as_bytes()).read_with_window(window);
            let _ = TestFile::new(name, &bytes).records("a.b[1]").read();
        }
    }
}

#[test]
fn digits_stay_as_they_are_written() {
    let text = br#"[{"a": 12345678901234567890.1234567890123456789, "b": 1e400, "c": -0.0, "d": NaN, "e": 1E5}]"#;
    let row = &TestFile::new("t.json", text).read().rows[0];
    let texts: Vec<_> = row.texts().into_iter().flatten().collect();
    assert_eq!(texts, ["12345678901234567890.1234567890123456789", "1e400", "-0.0", "NaN", "1E5"]);
    assert!(row.cells.iter().all(|cell| cell.0 == CellKind::Number));
}

#[test]
fn null_empty_text_and_words_are_different_things() {
    let row = &TestFile::new("t.json", br#"[{"a": null, "b": "", "c": "null", "d": 0, "e": false}]"#).read().rows[0];
    let kinds: Vec<_> = row.cells.iter().map(|cell| cell.0).collect();
    assert_eq!(kinds, [CellKind::Null, CellKind::String, CellKind::String, CellKind::Number, CellKind::Bool]);
}

#[test]
fn the_last_of_repeated_members_counts_and_is_told() {
    let outcome = TestFile::new("t.json", br#"[{"a": 1, "a": 2}]"#).read();
    assert_eq!(outcome.rows[0].texts(), [Some("2".into())]);
    assert_eq!(outcome.summary.warnings.len(), 1);
}

#[test]
fn nested_values_are_kept_compact() {
    let text = br#"[{"a": { "b" : [ 1 , "x  y" ] }, "c": [{"d":null}]}]"#;
    let row = &TestFile::new("t.json", text).read().rows[0];
    assert_eq!(row.texts(), [Some(r#"{"b":[1,"x  y"]}"#.into()), Some(r#"[{"d":null}]"#.into())]);
}

#[test]
fn one_array_of_objects_in_an_object_holds_the_rows() {
    let read = |text: &str| TestFile::new("t.json", text.as_bytes()).read();
    let wrapper = read(r#"{"page": 1, "rows": [{"a": 1}, {"a": 2}], "tags": ["x"]}"#);
    assert_eq!((wrapper.names, wrapper.rows.len(), wrapper.summary.warnings.len()), (vec!["a".into()], 2, 1));
    let nulls = read(r#"{"rows": [null, {"a": 1}], "page": 1}"#);
    assert_eq!((nulls.names, nulls.rows.len(), nulls.bad.len()), (vec!["a".into()], 1, 1));
    let object = read(r#"{"id": 1, "tags": ["x"], "more": {"rows": []}}"#);
    assert_eq!((object.names.len(), object.rows.len()), (3, 1));
    let nothing = read(r#"{"rows": []}"#);
    assert_eq!((nothing.names.len(), nothing.rows.len(), nothing.error), (0, 0, None));
}

#[test]
fn rows_that_could_be_elsewhere_are_refused_with_the_records_to_write() {
    let refused = |text: &str| {
        let file = TestFile::new("t.json", text.as_bytes());
        let error = crate::frame::read::open(0, &file.input).err().expect("refused");
        assert_eq!(error.code.as_str(), "rows_ambiguous", "{text}");
        error.message
    };
    assert_eq!(
        refused(r#"{"rows": [{"a": 1}], "odd name": [{"b": 2}]}"#),
        "t.json: its rows may be in \"rows\" or \"odd name\", or the object may be the row: write `records: rows`, \
         `records: $[\"odd name\"]` or `records: $`"
    );
    assert_eq!(
        refused(r#"{"rows": [], "page": 1}"#),
        "t.json: its rows may be in \"rows\" (empty), or the object may be the row: write `records: rows` or `records: $`"
    );
    for text in [r#"{"rows": [], "errors": [{"code": 1}]}"#, r#"{"a": [], "b": []}"#, r#"{"id": 1, "tags": []}"#] {
        refused(text);
    }
}

#[test]
fn numbers_that_json_does_not_have_are_told_with_their_first_place() {
    let warnings = |name: &str, text: &str| TestFile::new(name, text.as_bytes()).read().summary.warnings;
    let told = |line: u64, column: &str| {
        vec![format!(
            "t.json:{line}: the column {column:?} holds NaN or Infinity, which JSON does not have; it is read as a number"
        )]
    };
    assert_eq!(warnings("t.json", "[{\"a\": 1},\n{\"b\": 2, \"a\": NaN},\n{\"b\": Infinity}]"), told(2, "a"));
    assert_eq!(warnings("t.json", "[1,\n-Infinity]"), told(2, "value"));
    assert_eq!(warnings("t.json", "{\"a\": 1}\n{\"a\": NaN}\n"), told(2, "a"));
    assert_eq!(warnings("t.json", "[{\"a\": \"NaN\", \"b\": -1}]"), Vec::<String>::new(), "a text is a text");
    assert_eq!(
        warnings("t.json", "[{\"a\": NaN, \"b\": {\"c\": NaN}}, {\"a\": 1}]"),
        Vec::<String>::new(),
        "a row in quarantine is not loaded"
    );
}

#[test]
fn records_lead_to_the_rows() {
    let text =
        br#"{"skip": [{"x": 1}], "data": {"items": [{"a": 1}, {"a": 2}], "one": {"a": 3}, "none": null, "n": 5}}"#;
    let read = |path: &str| TestFile::new("t.json", text).records(path).read();
    assert_eq!(read("data.items").rows.len(), 2);
    assert_eq!(read("$.data.items[*]").rows.len(), 2);
    assert_eq!(read("$.data.one").rows.len(), 1);
    assert_eq!(read("data.items[1]").rows[0].texts(), [Some("2".into())]);
    assert_eq!(read("data.none").rows.len(), 0);
    assert_eq!(read("$").names, ["skip", "data"]);
    assert_eq!(read("data.gone").error, Some(("records_missing", None)));
    assert_eq!(read("data.n").error, Some(("not_rows", None)));
    assert_eq!(read("data.*.x").error, Some(("bad_records_path", None)));
}

#[test]
fn scalars_are_rows_of_one_column() {
    let outcome = TestFile::new("t.json", br#"[null, null, 1, "x", [2], {"a": 1}, true]"#).read();
    assert_eq!(outcome.names, ["value"]);
    let values: Vec<_> = outcome.rows.iter().map(|row| row.texts().remove(0)).collect();
    assert_eq!(values, [None, None, Some("1".into()), Some("x".into()), Some("true".into())]);
    assert_eq!(outcome.bad.len(), 2);
}

#[test]
fn a_leading_null_does_not_say_what_the_rows_are() {
    let outcome = TestFile::new("t.json", br#"{"rows": [null, null, {"a": 1}, 5]}"#).records("rows").read();
    assert_eq!((outcome.names, outcome.rows.len()), (vec!["a".to_owned()], 1));
    assert!(outcome.bad.iter().all(|bad| bad.1 == "not_an_object"));
    assert_eq!(TestFile::new("t.json", b"[null, null]").read().rows.len(), 2);
    assert_eq!(TestFile::new("t.json", b"[null, [1]]").read().error, Some(("not_rows", None)));
}

#[test]
fn a_record_that_is_no_row_leaves_no_column_behind() {
    let outcome =
        TestFile::new("t.ndjson", b"{\"a\": 1}\n{\"b\": 1, \"c\": }\n{\"d\": \"\\ud800\"}\n{\"e\": 2}\n").read();
    assert_eq!(outcome.names, ["a", "e"]);
    let bad: Vec<_> = outcome.bad.iter().map(|bad| (bad.0, bad.1)).collect();
    assert_eq!(bad, [(2, "broken_json"), (3, "lone_surrogate")]);
}

#[test]
fn deep_documents_end_in_a_sentence() {
    let deep = |levels: usize| format!("[{{\"a\": {}1{}}}, {{\"a\": 2}}]", "[".repeat(levels), "]".repeat(levels));
    let outcome = TestFile::new("t.json", deep(10_000).as_bytes()).read();
    assert_eq!((outcome.rows.len(), outcome.bad[0].1), (1, "too_deep"));
    assert_eq!(TestFile::new("t.json", deep(90).as_bytes()).read().rows.len(), 2);
    let open = TestFile::new("t.json", "[".repeat(100_000).as_bytes()).read();
    assert!(open.error.is_some());
}

#[test]
fn a_joined_file_may_have_a_byte_order_mark_before_each_part() {
    let text = "\u{feff}{\"id\": 1}\n\u{feff}{\"id\": 2}\n\u{feff}\n{\"id\": \"\u{feff}\"}\n";
    let outcome = TestFile::new("a.ndjson", text.as_bytes()).read();
    let texts: Vec<_> = outcome.rows.iter().map(Row::texts).collect();
    assert_eq!(texts, [["1"], ["2"], ["\u{feff}"]].map(|row| row.map(|cell| Some(cell.to_owned())).to_vec()));
    assert_eq!((outcome.bad, outcome.summary.filtered), (vec![], 1));
}

#[test]
fn lines_say_where_they_are() {
    let outcome = TestFile::new("t.json", b"[\n  {\"a\":\n 1},\n\n {\"a\": 2}\n]\n").read();
    let lines: Vec<_> = outcome.rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 5]);
    let broken = TestFile::new("t.json", b"[\n {\"a\": 1},\n {\"a\" 2}\n]").read();
    assert_eq!(broken.error, Some(("broken_json", Some(3))));
}
