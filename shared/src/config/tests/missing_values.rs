//! A key that was written without its value, and a target of which only a part was written, are never filled in.

use super::*;

/// The one problem is a missing value, at this key.
#[track_caller]
fn no_value(text: &str, key: &str, line: usize, column: usize) {
    let expected = format!("{key}: has no value: write one, or remove the key at line {line} column {column}");
    assert_eq!(problems(text), [expected], "{text}");
}

#[test]
fn a_target_that_names_a_part_of_a_server_needs_the_whole_of_it() {
    let target = |target: &str| problems(&format!("sources: [{{type: local, path: a}}]\ntarget: {{{target}}}\n"));
    for (written, missing) in [
        ("user: ann", &["host", "database"][..]),
        ("username: ann, dbname: shop", &["host"]),
        ("host: db, user: ann", &["database"]),
        ("password: hunter2", &["host", "database", "user"]),
        ("port: 5432, database: shop", &["host", "user"]),
    ] {
        let expected: Vec<String> =
            missing.iter().map(|key| format!("target: missing key {key:?} at line 2 column 9")).collect();
        assert_eq!(target(written), expected, "{written}");
    }
    assert_eq!(
        target("host: db, user: ann, database: ' '"),
        ["target.database: must not be empty at line 2 column 41"]
    );
    assert_eq!(target("database: ''"), ["target.database: must not be empty at line 2 column 20"]);
    assert_eq!(target("host: db, user: ann, database: shop"), Vec::<String>::new());
    assert_eq!(target("database: shop"), Vec::<String>::new());
}

#[test]
fn a_key_of_the_document_without_a_value_is_a_problem() {
    no_value("sources: [{type: local, path: a}]\ntarget:\n", "target", 2, 1);
    no_value("sources:\ntarget: {table: t}\n", "sources", 1, 1);
    for key in [
        "name",
        "schema",
        "strict_mode",
        "on_bad_row",
        "load",
        "start_time",
        "end_time",
        "timezone",
        "schedule",
        "monitor",
        "retry",
        "output_csv_path",
        "output",
        "transform",
        "notify",
    ] {
        for nothing in ["", " ~", " null", " Null", " NULL", " # later"] {
            no_value(&with(&format!("{key}:{nothing}")), key, 3, 1);
        }
    }
}

#[test]
fn a_key_of_a_section_without_a_value_is_a_problem() {
    no_value("sources: [{type: local, path: a}]\ntarget:\n  host:\n  user: ann\n  database: d\n", "target.host", 3, 3);
    no_value("sources: [{type: local, path: a}]\ntarget: {host: db, user: a, database: ~}\n", "target.database", 2, 29);
    no_value("sources: [{type: local, path: a}]\ntarget: {table: }\n", "target.table", 2, 10);
    for (section, key, column) in [
        ("load: {mode: }", "load.mode", 8),
        ("load: {mode: merge, key: }", "load.key", 21),
        ("load: {dedupe: }", "load.dedupe", 8),
        ("monitor: {enabled: }", "monitor.enabled", 11),
        ("retry: {max_attempts: }", "retry.max_attempts", 9),
        ("output: {csv_path: }", "output.csv_path", 10),
        ("schedule: {cron: }", "schedule.cron", 12),
        ("schema: {id: int, on_mismatch: }", "schema.on_mismatch", 19),
        ("schema: {id: int, max_rejected: {rows: }}", "schema.max_rejected.rows", 34),
        ("schema: {id: int, name: }", "schema.name", 19),
        ("schema: {columns: {id: int, name: }}", "schema.columns.name", 29),
        ("schema: {columns: {id: {type: int, nullable: }}}", "schema.columns.id.nullable", 36),
        ("schema: {columns: {id: {type: }}}", "schema.columns.id.type", 25),
        ("transform: [{name: a, sql: }]", "transform[0].sql", 23),
    ] {
        no_value(&with(section), key, 3, column);
    }
    // What a mapping overrides with nothing is not taken from the anchor either.
    no_value(
        "x-db: &db {host: h, user: u, database: d}\nsources: [{type: local, path: a}]\ntarget: {<<: *db, host: }\n",
        "target.host",
        3,
        19,
    );
}

#[test]
fn a_key_of_a_source_without_a_value_is_a_problem() {
    no_value("sources: [{type: }]\ntarget: {table: t}\n", "sources[0].type", 1, 12);
    for (keys, key, column) in [
        ("type: local, path: ", "path", 17),
        ("type: local, path: a, csv: {delimiter: }", "csv.delimiter", 32),
        ("type: local, path: a, csv: ", "csv", 26),
        ("type: api, url: \"http://a\", headers: {X-A: }", "headers.X-A", 42),
        ("type: api, url: \"http://a\", params: {a: ~}", "params.a", 41),
        ("type: api, url: \"http://a\", auth: {token: }", "auth.token", 39),
        ("type: api, url: \"http://a\", pagination: {type: }", "pagination.type", 45),
        ("type: sftp, host: h, user: u, password: p, path: a, sftp: {port: }", "sftp.port", 63),
        ("type: sftp, host: h, user: u, password: p, path: a, sftp: ", "sftp", 56),
    ] {
        no_value(&source(keys), &format!("sources[0].{key}"), 2, column);
    }
}

#[test]
fn an_item_of_a_list_without_a_value_is_a_problem_and_null_in_a_list_of_texts_is_a_text() {
    assert_eq!(
        problems(&with("load:\n  mode: merge\n  key:\n    -\n    - id")),
        ["load.key[0]: has no value: write one, or remove the item at line 6 column 6"]
    );
    assert_eq!(problems(&source("type: local, path: a, csv: {null_values: [null, ~, NULL]}")), Vec::<String>::new());
}
