//! Tests of `answer.rs`.

use super::super::walk::TEXT_BYTES;
use super::*;

fn inspected(body: &str, wanted: &Wanted) -> Result<Contents, Flaw> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), body).expect("written");
    inspect(file.path(), wanted).expect("readable")
}

/// Rows, whether there is something to read, and the cursor.
type Seen = (u64, bool, Option<String>);

fn look(body: &str, wanted: &Wanted) -> Result<Seen, Flaw> {
    inspected(body, wanted).map(|contents| (contents.rows, contents.readable, contents.cursor))
}

fn wanted(records: &str, cursor: &str) -> Wanted {
    let path = |text: &str| (!text.is_empty()).then(|| text.parse().expect(text));
    Wanted { records: path(records), cursor: path(cursor), paged: true, ..Wanted::default() }
}

fn found(rows: u64, cursor: Option<&str>) -> Result<Seen, Flaw> {
    Ok((rows, true, cursor.map(str::to_owned)))
}

#[test]
fn rows_are_counted_where_they_are() {
    assert_eq!(look("\u{feff} [{\"a\":1},{\"a\":2}]", &wanted("", "")), found(2, None));
    assert_eq!(look("{\"a\":1}\n{\"a\":2}\n", &wanted("", "")), found(2, None));
    assert_eq!(look(r#"{"d":[1,2,3],"n":"c"}"#, &wanted("d[*]", "n")), found(3, Some("c")));
    assert_eq!(look(r#"{"d":[],"n":null}"#, &wanted("d", "n")), found(0, None));
    assert_eq!(look(r#"{"g":[{"i":[1]},{"i":[2,3]}],"n":42}"#, &wanted("g[*].i", "n")), found(3, Some("42")));
    assert_eq!(look(r#"{"d":null,"n":""}"#, &wanted("d", "n")), Ok((0, false, None)));
    assert_eq!(look("null", &wanted("", "")), Ok((0, false, None)));
    assert_eq!(look("{}", &Wanted::default()), found(1, None));
    assert_eq!(look(r#"[{"a":NaN},{"a":-Infinity}]"#, &wanted("", "")), found(2, None));
}

#[test]
fn a_body_that_cannot_be_used_says_why_and_repeats_nothing_of_it() {
    let not_json = |reason: &str| Err(Flaw::NotJson(reason.to_owned()));
    let plain = Wanted::default();
    assert_eq!(look(" \n", &plain), not_json("it is empty"));
    assert_eq!(look("<!doctype html><p>canary", &plain), not_json("it is an HTML or XML page"));
    assert_eq!(look("canary", &plain), not_json("it is not JSON at line 1 column 1"));
    assert_eq!(look("7", &plain), Err(Flaw::NoRows("it is a single value".into())));
    assert_eq!(
        look("[{\"a\":1},\n{\"a\"", &plain),
        Err(Flaw::CutShort("its JSON ends in the middle of line 2".into()))
    );
    assert_eq!(look("{\"a\":1}\n{\"a\":", &plain), Err(Flaw::CutShort("its JSON ends in the middle of line 2".into())));
    assert_eq!(look("{\"a\":1}\nbroken\n{\"a\":2}", &plain), found(1, None), "a bad line is a bad row");
    assert_eq!(look(r#"{"d":[]}"#, &wanted("rows", "")), Err(Flaw::NothingAt("rows".parse().unwrap())));
    assert!(look(r#"{"d":[]}"#, &wanted("", "")).is_err());
}

#[test]
fn a_cursor_is_what_is_written_or_the_end_or_an_error() {
    let at = |next: &str, end_value: Option<&str>| {
        let wanted = Wanted { end_value: end_value.map(str::to_owned), ..wanted("d", "n") };
        look(&format!(r#"{{"d":[1],"n":{next}}}"#), &wanted).map(|(.., cursor)| cursor)
    };
    let cursor = |text: &str| Ok(Some(text.to_owned()));
    for end in ["null", "\"\"", "false", "0", "\"0\"", "0.0", "-0"] {
        assert_eq!(at(end, None), Ok(None), "{end}");
    }
    assert_eq!(at("0", Some("-1")), cursor("0"), "the config says what the end is");
    assert_eq!(at("-1", Some("-1")), Ok(None));
    assert_eq!(at("null", Some("-1")), Ok(None));
    assert_eq!(at("\"END\"", Some("END")), Ok(None));
    for exact in ["12345678901234567890123", "1732780800.12345678901234567890", "-7"] {
        assert_eq!(at(exact, None), cursor(exact));
    }
    for text in ["0e1234", "00", "0x0", "FALSE"] {
        assert_eq!(at(&format!("\"{text}\""), None), cursor(text));
    }
    let long = "x".repeat(TEXT_BYTES);
    assert_eq!(at(&format!("\"{long}\""), None), cursor(&long));
    for bad in [format!("\"{long}x\""), "{}".into(), "[]".into(), "true".into()] {
        assert!(matches!(at(&bad, None), Err(Flaw::BadCursor(_))), "{}", &bad[..2]);
    }
    assert_eq!(look(r#"{"d":[],"n":{}}"#, &wanted("d", "n")), found(0, None), "a page without rows is the last");
}

#[test]
fn elements_without_rows_do_not_end_the_pages() {
    let nested = || wanted("g[*].i", "n");
    let first = inspected(r#"{"g":[{"id":1,"i":[7]}],"n":"b"}"#, &nested()).expect("a page");
    let later = Wanted { before: first.envelope, in_arrays: first.in_arrays, ..nested() };
    for body in [r#"{"g":[{"id":2},{"id":3}],"n":"c"}"#, r#"{"g":[{"id":2,"i":[]},{"id":3,"i":null}],"n":"c"}"#] {
        let page = inspected(body, &later).expect(body);
        assert_eq!((page.rows, page.entries, page.cursor.as_deref()), (0, 2, Some("c")), "{body}");
    }
    let one = |body: &str| inspected(body, &nested()).expect(body);
    let (a, b) = (one(r#"{"g":[{"id":1,"i":[7,8]}],"n":"b"}"#), one(r#"{"g":[{"id":2,"i":[7,8]}],"n":"b"}"#));
    assert_eq!((a.rows, a.entries), (2, 1));
    assert_ne!(a.rows_hash, b.rows_hash, "other elements with the same rows are another page");
    assert_eq!(look(r#"{"g":[],"n":"c"}"#, &nested()), found(0, None));
    assert_eq!(look(r#"{"g":[{"id":1}],"n":"c"}"#, &nested()), Err(Flaw::NothingAt("g[*].i".parse().unwrap())));
}

#[test]
fn pages_are_compared_by_their_rows() {
    let hash = |body: &str| inspected(body, &wanted("d", "")).expect("rows").rows_hash.expect("a hash");
    let first = hash(r#"{"page":1,"d":[{"a":1}],"at":"10:00"}"#);
    assert_eq!(first, hash(r#"{"page":2,"d":[{"a":1}],"at":"10:01"}"#));
    assert_ne!(first, hash(r#"{"page":1,"d":[{"a":2}],"at":"10:00"}"#));
    let array = |body: &str| inspected(body, &wanted("", "")).expect("rows").rows_hash.expect("a hash");
    assert_ne!(array("[1.00000000000000001]"), array("[1.00000000000000002]"), "to the last digit");
}

#[test]
fn a_later_page_without_its_rows_is_the_last_one_unless_it_is_an_error() {
    let page = inspected(r#"{"items":[{"a":1}],"links":{}}"#, &wanted("items", "")).expect("a page");
    let later = Wanted { before: page.envelope, ..wanted("items", "") };
    assert_eq!(look(r#"{"links":{}}"#, &later), Ok((0, false, None)));
    let nothing = Err(Flaw::NothingAt("items".parse().unwrap()));
    assert_eq!(look(r#"{"links":{},"error":"limit"}"#, &later), nothing);
    assert_eq!(look(r#"{"message":"limit"}"#, &later), nothing);
    assert_eq!(look(r#"{"links":{}}"#, &wanted("items", "")), nothing, "on the first page");
}

#[test]
fn an_error_beside_empty_rows_is_never_the_last_page() {
    let page = inspected(r#"{"items":[{"a":1}],"count":4}"#, &wanted("items", "")).expect("a page");
    let later = Wanted { before: page.envelope, in_arrays: page.in_arrays, ..wanted("items", "") };
    let error = |member: &str| Err(Flaw::SaysError(member.into()));
    for (body, member) in [
        (r#"{"count":4,"items":null,"error":"quota exceeded"}"#, "error"),
        (r#"{"items":[],"error":{"code":104}}"#, "error"),
        (r#"{"message":"API rate limit exceeded","items":[]}"#, "message"),
        (r#"{"items":[],"success":false}"#, "success"),
        (r#"{"status":429,"items":null}"#, "status"),
    ] {
        for wanted in [&later, &wanted("items", ""), &Wanted { paged: false, ..wanted("items", "") }] {
            assert_eq!(look(body, wanted), error(member), "{body}");
        }
    }
    let nested = r#"{"data":{"items":[],"error":"limit"}}"#;
    assert_eq!(look(nested, &wanted("data.items", "")), error("error"), "beside the rows");
    assert_eq!(look(r#"{"items":[],"error":null,"message":"ok"}"#, &later), found(0, None));
    assert_eq!(look(r#"{"items":null,"errors":[]}"#, &later), Ok((0, false, None)));
    assert_eq!(look(r#"{"items":[{"a":2}],"error":"partial"}"#, &later), found(1, None), "a page with rows");
    assert!(matches!(look(r#"{"items":{"message":"rate limited"}}"#, &later), Err(Flaw::NoRows(_))));
    assert_eq!(look(r#"{"items":{"a":1}}"#, &wanted("items", "")), found(1, None), "on the first page");
}

#[test]
fn a_member_of_the_whole_name_counts_when_the_path_finds_nothing() {
    let next = |body: &str, path: &str| {
        let contents = inspected(body, &wanted("value", path)).expect(body);
        (contents.names_next, contents.cursor)
    };
    let odata = r#"{"@odata.nextLink":"/p?n=2","odata.nextLink":null,"a":{"b":"deep"},"a.b":"flat","value":[1]}"#;
    assert_eq!(next(odata, "@odata.nextLink"), (true, Some("/p?n=2".into())));
    assert_eq!(next(odata, "odata.nextLink"), (true, None));
    assert_eq!(next(odata, "$.a.b"), (true, Some("deep".into())), "the path comes first");
    assert_eq!(next(odata, "a.c"), (false, None));
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("[{}{}]", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(look(&deep, &wanted("", "")), found(1, None));
    assert_eq!(
        look(&"[".repeat(100_000), &Wanted::default()),
        Err(Flaw::CutShort("its JSON ends in the middle of line 1".into()))
    );
}

#[test]
fn a_cursor_of_the_last_row_must_be_there() {
    let last_row = |rows: &str| {
        let contents = inspected(&format!(r#"{{"d":{rows}}}"#), &wanted("d", "d[-1].id"))?;
        Ok::<_, Flaw>((contents.cursor, contents.cursor_is_json))
    };
    assert_eq!(last_row(r#"[{"id":1},{"id":"b"}]"#), Ok((Some("b".into()), false)));
    assert_eq!(last_row(r#"[{"id":"a"},{"id":0}]"#), Ok((Some("0".into()), true)), "0 is a row's id");
    assert_eq!(last_row("[]"), Ok((None, false)));
    for without in
        [r#"[{"id":1},{}]"#, r#"[{"id":1},{"id":null}]"#, r#"[{"id":1},{"id":""}]"#, r#"[{"id":1},{"id":false}]"#]
    {
        assert_eq!(
            last_row(without),
            Err(Flaw::BadCursor("the last row has no value at $.d[-1].id".into())),
            "{without}"
        );
    }
    let elsewhere = look(r#"{"d":[1],"cursors":[]}"#, &wanted("d", "cursors[-1]"));
    assert_eq!(elsewhere, found(1, None), "it is not in a row, so that it may be missing");
}

#[test]
fn a_cursor_may_be_json_where_a_placeholder_stands() {
    let at = |next: &str, cursor_is_placed| {
        let wanted = Wanted { cursor_is_placed, ..wanted("d", "n") };
        inspected(&format!(r#"{{"d":[1],"n":{next}}}"#), &wanted)
            .map(|contents| (contents.cursor, contents.cursor_is_json))
    };
    for json in [r#"[1, "b", {"c": null}]"#, r#"{"a":[1.50]}"#, "12345678901234567890123", "-7"] {
        assert_eq!(at(json, true), Ok((Some(json.to_owned()), true)), "{json}");
    }
    assert_eq!(at("\"7\"", true), Ok((Some("7".into()), false)));
    for bad in [r#"[1]"#, r#"{"a":1}"#] {
        assert!(matches!(at(bad, false), Err(Flaw::BadCursor(_))), "{bad}");
    }
    let long = format!("[\"{}\"]", "x".repeat(TEXT_BYTES));
    for bad in ["[]", "{}", "true", &long] {
        assert!(matches!(at(bad, true), Err(Flaw::BadCursor(_))), "{}", &bad[..bad.len().min(9)]);
    }
}

#[test]
fn an_answer_says_whether_there_is_more() {
    let at = |body: &str| {
        let wanted = Wanted { has_more: Some("m".parse().expect("a path")), ..wanted("d", "n") };
        inspected(body, &wanted).map(|contents| (contents.has_more, contents.cursor))
    };
    let cursor = || Some("c".to_owned());
    assert_eq!(at(r#"{"d":[1],"n":"c","m":true}"#), Ok((Some(true), cursor())));
    assert_eq!(at(r#"{"d":[1],"n":"c","m":12}"#), Ok((Some(true), cursor())));
    assert_eq!(
        at(r#"{"d":[],"n":"c","m":true}"#),
        Ok((Some(true), cursor())),
        "a page without rows may be in the middle"
    );
    for unsaid in [r#"{"d":[1],"n":"c","m":null}"#, r#"{"d":[1],"n":"c"}"#] {
        assert_eq!(at(unsaid), Ok((None, cursor())), "{unsaid}");
    }
    for end in ["false", "0", "\"\"", "\" No\"", "\"False\""] {
        assert_eq!(at(&format!(r#"{{"d":[1],"n":"c","m":{end}}}"#)), Ok((Some(false), None)), "{end}");
    }
    for bad in [r#"{"d":[1],"m":true}"#, r#"{"d":[],"n":null,"m":true}"#, r#"{"d":[1],"n":"c","m":[1]}"#] {
        assert!(matches!(at(bad), Err(Flaw::BadCursor(_))), "{bad}");
    }
}
