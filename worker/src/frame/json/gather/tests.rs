//! Rows that are copied, compared byte by byte with what is expected.

use super::*;
use crate::frame::tests::TestFile;

fn at(name: &str, path: &str) -> Added {
    Added { name: name.into(), value: AddedValue::At(path.parse().expect(path)) }
}

fn fixed(name: &str, json: &str) -> Added {
    Added { name: name.into(), value: AddedValue::Fixed(json.into()) }
}

/// The rows of the copy, and what was found.
fn gathered(json: &str, records: &[&str], added: &[Added]) -> Result<(Vec<String>, Gathered), GatherError> {
    let document = TestFile::new("t.json", json.as_bytes());
    let wanted =
        Wanted { records: records.iter().map(|path| path.parse().expect("a path")).collect(), added: added.to_vec() };
    let to = document.input.path.with_extension("rows");
    let mut file = RowsFile::create(&to, 1 << 30).expect("a file");
    let found = gather(&document.input, &wanted, &mut file)?;
    file.finish().expect("written");
    let text = std::fs::read_to_string(&to).expect("a text");
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok() || text.contains("NaN"), "{text}");
    let rows = text.trim_start_matches("[").trim_end_matches("]\n").trim();
    Ok((rows.split(",\n").filter(|row| !row.is_empty()).map(str::to_owned).collect(), found))
}

fn rows(json: &str, records: &[&str], added: &[Added]) -> Vec<String> {
    gathered(json, records, added).unwrap_or_else(|error| panic!("{json}: {error}")).0
}

const ORDERS: &str = r#"{"meta": {"page": 3}, "orders": [
    {"items": [{"sku": "a", "n": 1.50}, {"sku": "b"}], "id": 7, "who": {"name": "Ann"}},
    {"id": 8, "items": []},
    {"id": 9, "items": [{"sku": "c", "parts": [{"p": 1}, {"p": 2}]}]},
    {"id": 10}
]}"#;

#[test]
fn values_of_the_page_and_of_the_enclosing_elements_are_added() {
    let added = [at("page", "$.meta.page"), at("order_id", "orders[*].id"), at("who", "orders[*].who.name")];
    assert_eq!(
        rows(ORDERS, &["orders[*].items"], &added),
        [
            r#"{"sku": "a", "n": 1.50,"page":3,"order_id":7,"who":"Ann"}"#,
            r#"{"sku": "b","page":3,"order_id":7,"who":"Ann"}"#,
            r#"{"sku": "c", "parts": [{"p": 1}, {"p": 2}],"page":3,"order_id":9,"who":null}"#,
        ]
    );
    let added = [at("order_id", "orders[*].id"), at("sku", "orders[*].items[*].sku")];
    assert_eq!(
        rows(ORDERS, &["orders[*].items[*].parts"], &added),
        [r#"{"p": 1,"order_id":9,"sku":"c"}"#, r#"{"p": 2,"order_id":9,"sku":"c"}"#]
    );
}

#[test]
fn rows_of_several_paths_follow_each_other_and_what_is_missing_is_noted() {
    let json = r#"{"new": [{"a": 1}], "old": {"a": 2}, "none": null, "id": "x"}"#;
    let (rows, found) =
        gathered(json, &["old", "new[*]", "none", "mising"], &[at("id", "id"), at("nothing", "id.deeper")])
            .expect("rows");
    assert_eq!(rows, [r#"{"a": 2,"id":"x","nothing":null}"#, r#"{"a": 1,"id":"x","nothing":null}"#]);
    assert_eq!(found, Gathered { records: vec![true, true, true, false], added: vec![true, false] });
    let orders = gathered(ORDERS, &["orders[*].items"], &[at("x", "refunds[*].id")]).expect("rows").1;
    assert_eq!(orders.added, [false], "rows in no such element have null");
}

#[test]
fn rows_without_a_path_are_the_elements_or_the_values() {
    let one = [fixed("h", r#""x""#)];
    assert_eq!(rows("[{\"a\": NaN}, {}]", &[], &one), [r#"{"a": NaN,"h":"x"}"#, "{}"]);
    assert_eq!(rows("{\"a\": 1}\n{\"a\": 2}\n", &[], &one), [r#"{"a": 1,"h":"x"}"#, r#"{"a": 2,"h":"x"}"#]);
    assert_eq!(rows("[]", &[], &one), [""; 0]);
    assert_eq!(rows("{\"a\": 1}", &["$"], &one), [r#"{"a": 1,"h":"x"}"#]);
}

#[test]
fn elements_that_are_no_objects_become_values_and_stay_bad_beside_objects() {
    let one = [fixed("h", "1")];
    assert_eq!(
        rows("[null, 5, null, \"é\\u0041\"]", &["$"], &one),
        [r#"{"value":null,"h":1}"#, r#"{"value":5,"h":1}"#, r#"{"value":null,"h":1}"#, r#"{"value":"é\u0041","h":1}"#]
    );
    assert_eq!(rows("[null, {\"a\":1}, 5]", &["$"], &one), ["null", r#"{"a":1,"h":1}"#, "5"]);
    assert_eq!(rows("[null]", &[], &[]), [r#"{"value":null}"#]);
    assert!(matches!(gathered("[[1]]", &["$"], &one), Err(GatherError::NotRows(_))));
    assert!(matches!(gathered("{\"a\": 1}", &["a"], &one), Err(GatherError::NotRows(_))));
}

#[test]
fn a_name_that_a_row_has_is_an_error_however_it_is_written() {
    for json in [r#"[{"a": 1}, {"b": 2, "id": null}]"#, r#"[{"\u0069d": 1}]"#, "[1]"] {
        let name = if json == "[1]" { "value" } else { "id" };
        assert!(matches!(gathered(json, &[], &[fixed(name, "1")]), Err(GatherError::NameTaken(_))), "{json}");
    }
    assert_eq!(rows(r#"[{"a": {"id": 1}}]"#, &[], &[fixed("id", "2")]), [r#"{"a": {"id": 1},"id":2}"#]);
}

#[test]
fn documents_larger_than_the_window_are_copied_whole() {
    let text = "x".repeat(3 << 10);
    let rows_of = |from: u32| (from..from + 1_000).map(|n| format!(r#"{{"n":{n},"t":"{text}"}}"#)).collect::<Vec<_>>();
    let json = format!(
        r#"{{"a":[{{"r":[{}],"id":1}},{{"r":[{}],"id":2}}]}}"#,
        rows_of(0).join(", "),
        rows_of(1_000).join(",")
    );
    let copied = rows(&json, &["a[*].r"], &[at("id", "a[*].id")]);
    let expected: Vec<String> = [(0, 1), (1_000, 2)]
        .iter()
        .flat_map(|(from, id)| {
            rows_of(*from).into_iter().map(move |row| format!("{},\"id\":{id}}}", &row[..row.len() - 1]))
        })
        .collect();
    assert_eq!(copied, expected);
    let flat = format!("[{}]", rows_of(0).join(" ,\n"));
    assert_eq!(rows(&flat, &[], &[]), rows_of(0));
}

#[test]
fn what_is_added_and_what_is_written_is_bounded() {
    let json = format!(r#"{{"big": "{}", "rows": [{{"a": 1}}]}}"#, "x".repeat(2 << 20));
    assert!(matches!(gathered(&json, &["rows"], &[at("big", "big")]), Err(GatherError::LargeValue(_))));
    let document = TestFile::new("t.json", b"[{\"a\": 1}, {\"a\": 2}]");
    let mut file = RowsFile::create(&document.input.path.with_extension("rows"), 12).expect("a file");
    let failed = gather(&document.input, &Wanted::default(), &mut file);
    assert!(matches!(failed, Err(GatherError::NoRoom(12))));
}

#[test]
fn a_file_of_rows_goes_back_to_a_place() {
    let (good, bad) = (TestFile::new("g.json", b"[{\"a\": 1}]"), TestFile::new("b.json", b"[{\"a\": 2}, {\"id\": 1}]"));
    let path = good.input.path.with_extension("rows");
    let mut file = RowsFile::create(&path, 1 << 20).expect("a file");
    let wanted = Wanted { added: vec![fixed("id", "5")], ..Wanted::default() };
    for input in [&bad.input, &good.input, &bad.input, &good.input] {
        let mark = file.mark();
        if gather(input, &wanted, &mut file).is_err() {
            file.go_back(mark).expect("gone back");
        }
    }
    file.finish().expect("written");
    let text = std::fs::read_to_string(path).expect("a text");
    assert_eq!(text, "[\n{\"a\": 1,\"id\":5},\n{\"a\": 1,\"id\":5}\n]\n");
}
