//! Combined CSVs: where they may be written, over what, and by which pipeline.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use elt_worker::error::PipelineError;
use elt_worker::roots::Roots;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::loader::{Loader, told};

/// The kinds of run that say whether a combined CSV may be written. Only the last one writes it.
const KINDS: [&str; 3] = ["check", "plan", "run"];

/// A loader with one file to load, in a folder without the outputs.
async fn loader() -> Loader {
    let loader = Loader::start().await;
    loader.folder.write("in/a.csv", "id\n1\n");
    loader
}

/// A config that loads the folder `in` into a table and writes the combined CSV to a path.
fn yaml(loader: &Loader, table: &str, output: &Path) -> String {
    let input = loader.folder.path().join("in");
    let output = output.display();
    format!(
        "sources: [{{type: local, settle_seconds: 0, path: {}}}]\ntarget: {{table: {table}}}\noutput_csv_path: {output}\n",
        input.display()
    )
}

async fn refused(loader: &Loader, kind: &str, table: &str, output: &Path) -> PipelineError {
    match loader.run(kind, &yaml(loader, table, output)).await {
        Ok(report) => panic!("{kind} of {}: {report:#?}", output.display()),
        Err(error) => error,
    }
}

async fn written(loader: &Loader, table: &str, output: &Path) {
    let ended = loader.run("run", &yaml(loader, table, output)).await;
    let report = ended.unwrap_or_else(|error| panic!("{}: {}", output.display(), told(&error)));
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!(fs::read_to_string(output).expect("the combined CSV"), "id\n1\n");
}

#[tokio::test]
async fn a_file_that_no_run_wrote_is_never_replaced() {
    let loader = loader().await;
    let path = |name: &str| loader.folder.path().join(name);
    let kept = loader.folder.write("out/kept.csv", "kept");
    fs::hard_link(&kept, path("out/hard.csv")).expect("a link");
    symlink(&kept, path("out/link.csv")).expect("a link");
    symlink(path("out/nothing"), path("out/dangling.csv")).expect("a link");
    nix::unistd::mkfifo(&path("out/fifo.csv"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    loader.folder.write("out/empty.csv", "");
    for name in ["kept", "hard", "link", "dangling", "fifo", "empty"] {
        for kind in KINDS {
            let error = refused(&loader, kind, "things", &path(&format!("out/{name}.csv"))).await;
            assert_eq!(error.code(), "output_not_ours", "{kind} of {name}: {}", told(&error));
            assert!(!error.next_step().is_empty());
        }
    }
    assert_eq!(fs::read_to_string(&kept).expect("a file"), "kept");
    assert!(fs::symlink_metadata(path("out/dangling.csv")).expect("a link").is_symlink());
    let entries = fs::read_dir(path("out")).expect("a folder").count();
    assert_eq!(entries, 6, "nothing is left behind");
}

#[tokio::test]
async fn a_file_that_was_replaced_since_the_last_run_stays_and_a_restored_one_is_ours() {
    let loader = loader().await;
    let output = loader.folder.path().join("out/all.csv");
    written(&loader, "things", &output).await;
    written(&loader, "things", &output).await;

    // The same bytes in another file: a backup that was restored.
    fs::remove_file(&output).expect("removed");
    fs::write(&output, "id\n1\n").expect("a file");
    written(&loader, "things", &output).await;

    // Other bytes of the same length in another file, and in the same one.
    for text in ["id\n2\n", "id\n3\n"] {
        let edited = output.with_extension("edited");
        fs::write(&edited, text).expect("a file");
        fs::rename(&edited, &output).expect("replaced");
        let error = refused(&loader, "run", "things", &output).await;
        assert_eq!(error.code(), "output_not_ours", "{}", told(&error));
        assert_eq!(fs::read_to_string(&output).expect("a file"), text);
    }
    fs::remove_file(&output).expect("removed");
    written(&loader, "things", &output).await;
    fs::write(&output, "id\n4\n").expect("edited in place");
    assert_eq!(refused(&loader, "run", "things", &output).await.code(), "output_not_ours");

    // A file that a person moved away is no longer in the way.
    fs::rename(&output, output.with_extension("old")).expect("moved");
    written(&loader, "things", &output).await;
}

#[tokio::test]
async fn two_pipelines_never_share_a_file_however_its_path_is_spelled() {
    let loader = loader().await;
    let path = |name: &str| loader.folder.path().join(name);
    written(&loader, "one", &path("out/all.csv")).await;
    fs::create_dir(path("out/deep")).expect("a folder");
    symlink(path("out"), path("way")).expect("a link");
    symlink("..", path("out/deep/up")).expect("a link");
    fs::hard_link(path("out/all.csv"), path("out/hard.csv")).expect("a link");
    let spellings = [
        "out/all.csv",
        "out/./deep/../all.csv",
        "way/all.csv",
        "out/deep/up/all.csv",
        "out/hard.csv",
        "out/ALL.csv",
        "way/all.CSV",
    ];
    for spelling in spellings.map(path) {
        for kind in KINDS {
            let error = refused(&loader, kind, "two", &spelling).await;
            let told = told(&error);
            assert_eq!(error.code(), "output_taken", "{kind} of {}: {told}", spelling.display());
            assert!(told.contains("belongs to the pipeline one"), "{told}");
        }
    }
    assert_eq!(loader.folder.read("out/all.csv"), "id\n1\n");
    // The other pipeline goes on, and so does this one elsewhere.
    written(&loader, "one", &path("way/all.csv")).await;
    written(&loader, "two", &path("out/two.csv")).await;

    // With the file, the pipeline gives up the path.
    fs::remove_file(path("out/all.csv")).expect("removed");
    fs::remove_file(path("out/hard.csv")).expect("removed");
    written(&loader, "two", &path("out/all.csv")).await;
    assert_eq!(refused(&loader, "run", "one", &path("out/all.csv")).await.code(), "output_taken");
}

#[tokio::test]
async fn a_path_belongs_to_a_pipeline_while_its_first_run_goes_on() {
    let loader = loader().await;
    let output = loader.folder.path().join("out/all.csv");
    let first = loader.begin("run", &yaml(&loader, "one", &output)).await;
    // The run claims its path and stops before it reads anything.
    first.stop.cancel();
    let stopped = elt_worker::pipeline::run(&first).await;
    assert!(matches!(stopped, Err(PipelineError::Stopped)));
    assert!(!output.exists());

    let error = refused(&loader, "run", "two", &output).await;
    assert_eq!(error.code(), "output_taken", "{}", told(&error));
    loader.execute(&first).await.expect_err("it stops again, and that is noted");
    written(&loader, "two", &output).await;
}

#[tokio::test]
async fn a_file_of_a_version_that_did_not_note_them_is_known_by_its_report() {
    let loader = loader().await;
    let output = loader.folder.path().join("out/all.csv");
    written(&loader, "things", &output).await;
    sqlx::query("delete from output_paths").execute(&loader.control).await.expect("forgotten");
    assert_eq!(refused(&loader, "run", "others", &output).await.code(), "output_not_ours");
    written(&loader, "things", &output).await;
}

#[tokio::test]
async fn a_file_that_appears_during_a_run_stays_and_the_rows_are_loaded() {
    let loader = loader().await;
    let output = loader.folder.path().join("out/all.csv");
    written(&loader, "things", &output).await;
    fs::remove_file(&output).expect("removed");
    loader.folder.write("in/b.csv", "id\n2\n");
    // The load waits for this lock.
    let mut lock = loader.target.begin().await.expect("a transaction");
    sqlx::query("lock table things in share mode").execute(&mut *lock).await.expect("locked");
    let context = loader.begin("run", &yaml(&loader, "things", &output)).await;
    let appears = async {
        let claimed = "select exists (select from output_paths where run_id = $1)";
        while !sqlx::query_scalar::<_, bool>(claimed)
            .bind(context.run.id)
            .fetch_one(&loader.control)
            .await
            .expect("asked")
        {
            tokio::task::yield_now().await;
        }
        fs::write(&output, "somebody else's").expect("a file");
        lock.commit().await.expect("unlocked");
    };
    let (ended, ()) = tokio::join!(loader.execute(&context), appears);
    let report = ended.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((report.rows_inserted, report.combined_csv), (1, None));
    assert!(
        report.warnings.iter().any(|warning| warning.contains("the rows are loaded, but")),
        "{:?}",
        report.warnings
    );
    assert_eq!(fs::read_to_string(&output).expect("a file"), "somebody else's");
}

#[tokio::test]
async fn on_a_server_relative_paths_start_in_the_output_folder_and_nothing_else_is_written() {
    let app = TestApp::start().await;
    app.folder().write("in/a.csv", "id\n1\n");
    let config = |table: &str, output: &str| {
        format!(
            "sources: [{{type: local, settle_seconds: 0, path: in}}]\ntarget: {{table: {table}}}\n\
             monitor: {{enabled: false}}\noutput_csv_path: {output}\n"
        )
    };
    let run = app.load(&config("relative", "./combined/items.csv")).await;
    let output = app.data_dir().path().join("output/combined/items.csv");
    assert_eq!(fs::read_to_string(&output).expect("the combined CSV"), "id\n1\n");
    assert!(run["report"]["combined_csv"].as_str().is_some_and(|csv| csv.ends_with("/output/combined/items.csv")));
    let download = app.get(&format!("/runs/{}/csv", run["id"].as_str().expect("an id"))).await;
    assert_eq!((download.status, download.text.as_str()), (reqwest::StatusCode::OK, "id\n1\n"));

    let data_dir = app.data_dir().path().display();
    for (output, code) in [
        ("../keys.json".to_owned(), "outside_roots"),
        ("../output2/a.csv".to_owned(), "outside_roots"),
        (format!("{data_dir}/elt.log.1"), "outside_roots"),
        (format!("{data_dir}/spool/a.csv"), "outside_roots"),
        (format!("{data_dir}/a.csv"), "outside_roots"),
        ("/root/.ssh/authorized_keys".to_owned(), "outside_roots"),
        ("items".to_owned(), "output_suffix"),
        (".bashrc".to_owned(), "output_suffix"),
        ("a.csv.sh".to_owned(), "output_suffix"),
    ] {
        let run = app.trigger(&config("refused", &output)).await;
        let run = app.finished(&run["id"]).await;
        assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!(code)), "{output}: {run:#}");
    }
    assert_eq!(app.count("relative").await, 1);
    let there = app.rows("select to_regclass('refused') is null as missing").await;
    assert_eq!(there[0]["missing"], Value::Bool(true), "refused before anything is loaded");
}

#[tokio::test]
async fn folders_named_for_writing_are_written_to_and_those_for_reading_are_not() {
    let loader = loader().await;
    let path = |name: &str| loader.folder.path().join(name);
    let roots = Roots::new(vec![loader.folder.path().into()], loader.data.path()).writing_to(&[path("named")]);
    let execute = async |output: PathBuf| {
        let context = loader.begin("run", &yaml(&loader, "things", &output)).await;
        loader.execute(&elt_worker::run_context::RunContext { roots: roots.clone(), ..context }).await
    };
    execute(path("named/new/a.csv")).await.expect("written");
    assert_eq!(loader.folder.read("named/new/a.csv"), "id\n1\n");
    symlink(path("in"), path("named/link")).expect("a link");
    for outside in ["in/a.csv", "b.csv", "named/link/b.csv", "named/../b.csv"] {
        let error = execute(path(outside)).await.expect_err(outside);
        assert_eq!(error.code(), "outside_roots", "{outside}: {}", told(&error));
    }
    assert_eq!(loader.folder.read("in/a.csv"), "id\n1\n");
}
