//! Delimited files as people have them: read as intended, or refused with the key to write into the config.

use elt_worker::error::PipelineError;

use crate::support::loader::{Loader, told};

/// The config of the loader's folder with these options for text files.
fn with_csv(loader: &Loader, csv: &str) -> String {
    loader.yaml("things", "").replace("settle_seconds: 0,", &format!("settle_seconds: 0, csv: {{{csv}}},"))
}

fn next_step(error: &PipelineError, code: &str) -> String {
    assert_eq!(error.code().as_str(), code, "{}", told(error));
    error.next_step()
}

#[tokio::test]
async fn a_file_whose_rows_are_all_rejected_fails_its_source_and_says_what_to_write() {
    let loader = Loader::start().await;
    for (name, content, fix) in [
        ("prices.csv", &b"id;price\n1;0,20\n2;0,15\n"[..], "csv: {delimiter: \";\"}"),
        ("pairs.csv", b"a,b\n1,2,3\n4,5,6\n", "csv.delimiter"),
        ("people.csv", b"id,name\n1,Jos\xE9\n2,Andr\xE9\n", "csv: {encoding: windows-1252}"),
    ] {
        loader.only(name, content);
        let error = loader.fail("things", "").await;
        assert!(next_step(&error, "source_unreadable_rows").contains(fix), "{}", told(&error));
        let message = error.to_string();
        assert!(message.starts_with("nothing of ") && message.contains(name), "{message}");
        let check =
            loader.run("check", &loader.yaml("things", "")).await.expect_err("a check says what a run would say");
        assert_eq!(check.to_string(), message);
    }
    loader.only("prices.csv", "id;price\n1;0,20\n2;0,15\n");
    let report = loader.run("run", &with_csv(&loader, "delimiter: \";\"")).await.expect("loaded");
    assert_eq!((report.rows_inserted, report.files[0].delimiter.as_deref()), (2, Some("\";\"")));
    // NDJSON does not fail its source, because each line is broken by itself: all are quarantined, with a warning.
    loader.only("lines.ndjson", "{\"id\": 1\n{\"id\": 2\n");
    let report = loader.load("things", "").await;
    assert_eq!(report.rows_quarantined, 2);
    assert!(report.warnings.iter().any(|warning| warning.contains("all of its rows were rejected")), "{report:#?}");
    // One row that can be read is enough.
    loader.only("mixed.csv", "id,price\n3,1\n4,5,6\n");
    assert_eq!(loader.load("things", "").await.rows_quarantined, 1);
}

#[tokio::test]
async fn a_line_above_the_header_is_refused_with_the_key_that_skips_it() {
    let loader = Loader::start().await;
    for (name, content, skip) in [
        ("sunshine.csv", "Hours of sunshine\n\nyear,north\n1990,1.5\n1991,1.4\n", "skip_rows: 2"),
        ("station.csv", "Station,Berlin\nHeight,34 m\nyear,north,south\n1990,1.5,2\n1991,1.4,3\n", "skip_rows: 2"),
        ("export.csv", "# made by a program\nyear,north\n1990,1.5\n1991,1.4\n", "skip_rows: 1"),
    ] {
        loader.only(name, content);
        let error = loader.fail("things", "").await;
        let next_step = next_step(&error, "header_not_first");
        assert!(next_step.contains(&format!("csv: {{{skip}}}")), "{next_step}");
        assert!(error.to_string().contains(&format!("{name}:1: ")), "{error}");
    }
    assert_eq!(loader.value("select to_regclass('things') is null").await, "true", "no table is made of a title");
    loader.only("sunshine.csv", "Hours of \"sunshine\n\nyear,north\n1990,1.5\n1991,x,y\n");
    let report = loader.run("run", &with_csv(&loader, "skip_rows: 2")).await.expect("loaded");
    assert_eq!((report.rows_read, report.rows_inserted, report.rows_filtered), (4, 1, 2));
    assert_eq!(loader.rows("select line from _elt_quarantine").await, ["5"], "lines are counted from the top");
}

#[tokio::test]
async fn messages_name_a_file_once() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,id\n1,2\n");
    loader.folder.write("cut.csv", "id\n\"1\n");
    let report = loader.load("things", "").await;
    assert_eq!(
        report.warnings.iter().filter(|warning| warning.matches("a.csv").count() == 1).count(),
        1,
        "{report:#?}"
    );
    assert!(!report.left_out[0].reason.contains("cut.csv"), "{:?}", report.left_out);
}

#[tokio::test]
async fn a_txt_file_is_cut_as_its_rows_are_written() {
    let loader = Loader::start().await;
    for (table, content, columns, first) in [
        ("commas", "id,t\n1,9.8,\n2,10.1,\n", "id,t", "1|9.8"),
        ("semicolons", "id;t\n1;9,8;\n2;10,1;\n", "id,t", "1|9,8"),
        ("quoted", "\"name\"\n\"Ann\"\n\"Bob\"\n", "name", "Ann"),
        ("partly_quoted", "name\n\"Smith, John\"\n\"O\"\"Neil\"\n", "name", "Smith, John"),
    ] {
        loader.only("things.txt", content);
        loader.load(table, "").await;
        let rows = loader.rows(&format!("select {columns} from {table}")).await;
        assert!(rows.len() == 2 && rows.iter().any(|row| row == first), "{content}: {rows:?}");
    }
}

#[tokio::test]
async fn a_title_that_is_as_wide_as_the_rows_is_refused_unless_the_config_says_that_it_is_the_header() {
    let loader = Loader::start().await;
    loader.only("created.csv", "Created,2026-01-01\nid,name\n1,x\n2,y\n");
    let error = loader.fail("things", "").await;
    let next_step = next_step(&error, "header_not_first");
    assert!(next_step.contains("skip_rows: 1") && next_step.contains("header: true"), "{next_step}");
    let report = loader.run("run", &with_csv(&loader, "header: true")).await.expect("loaded as the config says");
    assert_eq!(report.rows_inserted, 3);
    loader.only("report.csv", "Report,2026\nid,name\n1,x\n2,y\n");
    let report = loader.load("reports", "").await;
    assert!(report.warnings.iter().any(|text| text.contains("report.csv") && text.contains("line 2")), "{report:#?}");
}

#[tokio::test]
async fn lines_to_skip_that_leave_nothing_are_a_warning() {
    let loader = Loader::start().await;
    loader.only("short.csv", "id,name\n1,x\n2,y\n");
    for skip_rows in [3, 5] {
        let report =
            loader.run("run", &with_csv(&loader, &format!("skip_rows: {skip_rows}"))).await.expect("nothing to load");
        assert_eq!((report.rows_read, report.rows_filtered, report.rows_inserted), (3, 3, 0), "{report:#?}");
        let names_it = |text: &&String| text.contains("short.csv") && text.contains("csv.skip_rows");
        assert_eq!(report.warnings.iter().filter(names_it).count(), 1, "{report:#?}");
    }
}
