use std::time::Duration;

use super::{Check, CheckRule, CheckScope, OnFail};
use crate::config::{Document, NoReferences};

/// A config with these checks and more.
fn text(checks: &str, more: &str) -> String {
    format!("sources: [{{type: local, path: in}}]\ntarget: {{table: t}}\n{more}checks:\n{checks}")
}

fn checks(checks: &str) -> Vec<Check> {
    let text = text(checks, "");
    let document = Document::parse(&text).expect("a document");
    document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {text}")).value.checks
}

/// The only problem of a config, with its place.
fn problem(checks: &str, more: &str) -> String {
    let text = text(checks, more);
    let document = Document::parse(&text).expect("a document");
    document.pipeline(&NoReferences).map(|_| text).expect_err("it is wrong").to_string()
}

#[test]
fn every_rule_is_read_with_its_defaults() {
    let read = checks(
        "  - not_null: [id, amount]\n  - unique: id\n  - accepted_values: {column: state, values: [new, 1]}\n  \
         - range: {column: amount, min: 0.5}\n  - relationships: {column: customer, to: crm.customers}\n  \
         - row_count: {min: 1}\n  - freshness_of: {column: at, within: 24h}\n  - sql: select * from {table};\n    \
         name: totals\n    on_fail: warn\n    time_limit: 10s\n",
    );
    let names: Vec<_> = read.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "not_null(id)",
            "not_null(amount)",
            "unique(id)",
            "accepted_values(state)",
            "range(amount)",
            "relationships(customer)",
            "row_count",
            "freshness_of(at)",
            "totals"
        ]
    );
    assert_eq!(
        read[3].rule,
        CheckRule::AcceptedValues { column: "state".into(), values: vec!["new".into(), "1".into()] }
    );
    assert_eq!(read[7].rule, CheckRule::FreshnessOf { column: "at".into(), within: Duration::from_secs(86_400) });
    assert_eq!(read[8].rule, CheckRule::Sql { query: "select * from {table}".into() });
    assert_eq!((read[8].on_fail, read[8].time_limit), (OnFail::Warn, Duration::from_secs(10)));
    assert_eq!((read[0].on_fail, read[0].scope, read[2].scope), (OnFail::Rollback, CheckScope::Run, CheckScope::Table));
    let CheckRule::Relationships { to, key, .. } = &read[5].rule else { panic!("{:?}", read[5]) };
    assert_eq!((to.to_string().as_str(), key.as_str()), ("crm.customers", "customer"));
    assert_eq!(read[8].at.to_string(), "checks[7] (line 11 column 5 of the config)");
}

#[test]
fn a_check_that_cannot_mean_anything_is_refused_at_its_place() {
    for (written, said) in [
        ("  - {name: x}\n", "checks[0]: expected what is checked: not_null, unique"),
        ("  - {unique: id, not_null: id}\n", "expected one rule, found not_null and unique: write a check for each"),
        ("  - unique: []\n", "checks[0].unique: expected 1 to 32 columns"),
        ("  - unique: [a, a]\n", "the column \"a\" is written twice"),
        ("  - unique: id\n  - unique: id\n", "the name \"unique(id)\" is taken by a check before it"),
        ("  - range: {column: a}\n", "checks[0].range: expected min, max or both"),
        ("  - range: {column: a, min: 2, max: 1}\n", "min is greater than max"),
        ("  - row_count: {}\n", "checks[0].row_count: expected min, max or both"),
        ("  - freshness_of: {column: a}\n", "missing key \"within\""),
        ("  - relationships: {column: a}\n", "missing key \"to\""),
        ("  - accepted_values: {column: a, values: []}\n", "expected 1 to 1000 values"),
        ("  - sql: delete from {table}\n", "checks[0].sql: expected one select"),
        ("  - {unique: id, on_fail: quarantine}\n", "checks[0].on_fail: only not_null, accepted_values and range say"),
        ("  - {not_null: id, scope: table, on_fail: quarantine}\n", "rows of earlier runs cannot be quarantined"),
        ("  - {row_count: {min: 1}, scope: run}\n", "checks[0].scope: row_count is always about the whole table"),
        ("  - {unique: id, on_fail: ignore}\n", "unknown variant \"ignore\", expected rollback, warn or quarantine"),
        ("  - {unique: id, time_limit: 0}\n", "expected a time_limit of at least 1s"),
        ("  - {unique: id, time_limit: 2h}\n", "at most 1h"),
        ("  - unique: ${secret:x}\n", "a secret cannot stand here"),
    ] {
        let found = problem(written, "");
        assert!(found.contains(said), "{written}: {found}");
    }
}

#[test]
fn the_schema_and_the_way_to_load_are_regarded() {
    let schema = "schema: {id: int64, name: text, at: date}\n";
    for (written, more, said) in [
        (
            "  - range: {column: NAME, min: 1}\n",
            schema,
            "checks[0].range.column: expected a column that is a number, a date or a time; the schema says that NAME is \
             text at line 5 column 21",
        ),
        ("  - range: {column: id, max: many}\n", schema, "checks[0].range.max"),
        ("  - freshness_of: {column: id, within: 1d}\n", schema, "expected a column that is a date or a timestamp"),
        ("  - {not_null: id, on_fail: quarantine}\n", "load: {dedupe: none}\n", "`load.dedupe: none` does not keep"),
        ("  - {not_null: id, on_fail: quarantine}\n", "on_bad_row: fail\n", "`on_bad_row: fail` says"),
    ] {
        let found = problem(written, more);
        assert!(found.contains(said), "{written}: {found}");
    }
    // A merge keeps hashes in any case.
    let merge = "load: {mode: merge, key: id, dedupe: none}\n";
    let text = text("  - {not_null: id, on_fail: quarantine}\n", merge);
    assert!(Document::parse(&text).expect("a document").pipeline(&NoReferences).is_ok());
}
