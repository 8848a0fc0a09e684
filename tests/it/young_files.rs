//! Files that are being written while they are loaded: each row arrives whole.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use elt_worker::roots::Roots;

use crate::support::TestApp;
use crate::support::app::PATIENCE;
use crate::support::loader::{Loader, told, unique};

fn append(path: &PathBuf, text: &str) {
    let mut file = std::fs::File::options().create(true).append(true).open(path).expect("the file");
    file.write_all(text.as_bytes()).expect("written");
}

/// Writes rows `number,whole`, each in two pieces.
fn write_in_pieces(path: &PathBuf, rows: u32) {
    for number in 0..rows {
        append(path, &format!("{number},wh"));
        std::thread::sleep(Duration::from_millis(40));
        append(path, "ole\n");
        if number % 7 == 0 {
            std::thread::sleep(Duration::from_millis(40));
        }
    }
}

#[tokio::test]
async fn runs_load_only_whole_rows_of_a_file_that_is_being_written() {
    let loader = Loader::start().await;
    let path = loader.folder.write("a.csv", "id,state\n");
    // Much longer than the pause between the two halves of a row, because a busy machine makes pauses of its own.
    let yaml = loader.yaml("things", "").replace("settle_seconds: 0", "settle_seconds: 4");
    let writer = tokio::task::spawn_blocking({
        let path = path.clone();
        move || write_in_pieces(&path, 40)
    });
    loop {
        let finished = writer.is_finished();
        loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        if finished {
            break;
        }
    }
    writer.await.expect("the writer");
    assert_eq!(loader.rows("select distinct state from things").await, ["whole"]);
    assert_eq!(loader.count("things").await, 40);
}

#[tokio::test]
async fn a_run_by_hand_waits_for_the_end_of_the_last_row() {
    let loader = Loader::start().await;
    let yaml = loader.yaml("things", "").replace("settle_seconds: 0", "settle_seconds: 5");
    for (name, half, rest) in
        [("a.csv", "id,name\n1,Ann\n2,Bo", "b\n"), ("b.ndjson", "{\"id\": 3, \"name\": \"C", "id\"}")]
    {
        let path = loader.folder.write(name, half);
        let writer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            append(&path, rest);
        });
        loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        writer.await.expect("the writer");
    }
    let names = loader.rows("select name from things order by name").await;
    assert_eq!(names, ["Ann", "Bob", "Cid"]);
}

#[tokio::test]
async fn a_monitored_file_is_loaded_once_it_stops_changing() {
    let app = TestApp::start().await;
    let path = app.folder().write("a.csv", "id,name\n1,Ann\n2,Bo");
    let yaml = app.yaml("people", "").replace("settle_seconds: 0", "settle_seconds: 5");
    let yaml = yaml.replace("enabled: false", "interval_seconds: 1");
    let run = app.trigger(&yaml).await;
    append(&path, "b\n3,C");
    app.finished(&run["id"]).await;
    append(&path, "y\n4,D");
    append(&path, "an\n");
    let arrived = app.eventually(async || (app.count("people").await >= 4).then_some(())).await;
    assert!(arrived.is_some(), "the rows that came later are loaded");
    let names = app.rows("select string_agg(name, ',' order by name) as names from people").await;
    let names = names[0]["names"].as_str().expect("names").to_owned();
    // Only rows written later are checked, because the run by hand may have read a last row that was cut.
    assert!(names.contains("Ann,Bob,C") && names.ends_with("Cy,Dan") && !names.contains("Bo,"), "{names}");
}

#[tokio::test]
async fn a_required_file_that_keeps_changing_fails_its_source() {
    let loader = Loader::start().await;
    let path = loader.folder.write("a.csv", "id,name\n");
    let single = |table: &str, settle: &str| {
        let folder = loader.folder.path().display().to_string();
        loader.yaml(table, "").replace(&folder, &format!("{folder}/a.csv")).replace("settle_seconds: 0", settle)
    };
    append(&path, "1,hal");
    let error =
        loader.run("run", &single("things", "settle_seconds: 3600")).await.expect_err("it may still be written");
    assert_eq!(error.code(), "source_changed", "{}", told(&error));

    append(&path, "f\n");
    let writing = tokio_util::sync::CancellationToken::new();
    let writer = tokio::task::spawn_blocking({
        let (path, writing) = (path.clone(), writing.clone());
        move || {
            while !writing.is_cancelled() {
                append(&path, "2,more\n");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    // A busy machine may let a run read the file between two writes. The next run then meets one of them.
    let deadline = Instant::now() + PATIENCE;
    let (table, error) = loop {
        assert!(Instant::now() < deadline, "the file changes all the time, and every run reads it");
        let table = unique("things");
        if let Err(error) = loader.run("run", &single(&table, "settle_seconds: 0")).await {
            break (table, error);
        }
    };
    writing.cancel();
    writer.await.expect("the writer");
    assert_eq!(error.code(), "source_changed", "{}", told(&error));
    assert_eq!(loader.value(&format!("select to_regclass('{table}') is null")).await, "true");
    assert_eq!(loader.value("select to_regclass('things') is null").await, "true");
}

#[tokio::test]
async fn a_check_writes_nothing() {
    let loader = Loader::start().await;
    loader.folder.write("in/a.csv", "id\n1\n");
    let output = loader.folder.path().join("out/deep/all.csv");
    let folder = loader.folder.path().display().to_string();
    let yaml = loader.yaml("things", &format!("output_csv_path: {}\n", output.display()));
    let yaml = yaml.replace(&format!("path: {folder}}}"), &format!("path: {folder}/in}}"));
    loader.run("check", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(!loader.folder.path().join("out").exists(), "no folder is made");
    assert_eq!(loader.value("select to_regclass('things') is null").await, "true");
}

#[tokio::test]
async fn elts_own_output_folder_may_always_be_written_and_checks_say_what_a_run_would() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id\n1\n");
    let roots = Roots::new(vec![loader.folder.path().into()], loader.data.path());
    let execute = async |kind: &str, yaml: &str| {
        let context = loader.begin(kind, yaml).await;
        loader.execute(&elt_worker::run_context::RunContext { roots: roots.clone(), ..context }).await
    };
    let default = loader.yaml("things", "");
    for kind in ["check", "plan", "run"] {
        execute(kind, &default).await.unwrap_or_else(|error| panic!("{kind}: {}", told(&error)));
    }
    let tried = execute("test_connection", &default).await.expect("a test");
    assert!(tried.connections.iter().all(|connection| connection.usable), "{tried:#?}");
    let beside = loader.yaml("things", &format!("output_csv_path: {}/mine.csv\n", loader.data.path().display()));
    for kind in ["check", "plan", "run"] {
        let error = execute(kind, &beside).await.expect_err("it is outside");
        assert_eq!(error.code(), "outside_roots", "{kind}");
    }
    let tried = execute("test_connection", &beside).await.expect("a test");
    let last = tried.connections.last().expect("what was tried");
    assert_eq!((last.what.as_str(), last.usable), ("combined CSV", false), "{last:#?}");
}
