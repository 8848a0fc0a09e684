//! `target.table` with placeholders, and what cannot stand beside it.

use super::*;

/// A config with a table for each file, with these keys of its source and more lines.
fn config(table: &str, source: &str, more: &str) -> String {
    format!("sources:\n- {{type: local, path: ./in{source}}}\ntarget: {{table: \"{table}\"}}\n{more}")
}

#[test]
fn placeholders_are_those_of_files_and_of_the_paths_of_every_source() {
    let target = pipeline(&config("staging.raw_{folder}_{file}", "", "")).target;
    assert!(target.has_tables());
    assert_eq!(target.table.to_string(), "staging.raw_{folder}_{file}");
    let one = target.of_run("staging.raw_a_b");
    assert_eq!((one.table.to_string().as_str(), one.has_tables()), ("staging.raw_a_b", false));
    assert!(target.of_run(&target.table.to_string()).has_tables(), "the run of all tables keeps the pattern");
    assert!(!pipeline(&config("orders", "", "")).target.has_tables());
    pipeline(&config("{region}", ", path_columns: \"{region}/*.csv\"", ""));

    for (table, source, expected) in [
        ("raw_{name}", "", "target.table: unknown placeholder {name}, expected {file}, {folder}, {sheet} or a column"),
        ("{file}", ", path_columns: \"{file}/*.csv\"", "target.table: {file} could be that of the file or the column"),
        ("raw_{file", "", "target.table: expected a { with a } behind it"),
        ("raw_{}", "", "target.table: expected a placeholder between { and }"),
        ("{folder}.orders", "", "target.table: the schema has to be written out"),
        ("${env:X}_{file}", "", "target.table: a reference such as ${env:NAME} and a placeholder"),
    ] {
        let problems = problems(&config(table, source, ""));
        assert!(problems.first().is_some_and(|problem| problem.starts_with(expected)), "{table}: {problems:?}");
    }
}

#[test]
fn what_is_made_of_one_table_is_refused_at_its_place() {
    let one = |more: &str| problems(&config("raw_{file}", "", more)).join("\n");
    assert_eq!(
        one("output_csv_path: x.csv\n"),
        "output_csv_path: a pipeline with a table for each file writes no output file: leave it out, or name one table at line 4 \
         column 18"
    );
    assert!(one("output: {path: x.parquet}\n").starts_with("output: a pipeline with a table for each file"));
    assert!(
        one("transform:\n- {name: v, sql: \"select 1\"}\n")
            .starts_with("transform: models cannot be made of a table for each")
    );
    let api = "sources:\n- {type: api, url: \"https://h/x\"}\ntarget: {table: \"raw_{file}\"}\n";
    let api = problems(api).join("\n");
    assert!(api.starts_with("sources[0]: the answers of an API are no files") && api.contains("line 2"), "{api}");
    for source in [
        "- {type: sftp, host: h, username: u, password: p, path: /out, after_load: {action: delete}}",
        "- {type: sftp, sftp: {host: h, username: u, password: p, path: /out, after_load: {action: delete}}}",
    ] {
        let problems = problems(&format!("sources:\n{source}\ntarget: {{table: \"raw_{{file}}\"}}\n")).join("\n");
        assert!(
            problems.contains("after_load: a file cannot be moved, deleted or tagged") && problems.contains("line 2")
        );
    }
}
