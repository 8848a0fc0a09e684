//! A verification says whether the table and the sources agree with what a run loaded.

use elt_shared::runs::{RunVerification, VerifiedState};
use serde_json::json;
use uuid::Uuid;

use crate::support::loader::Loader;

const ALL_TYPES: &str = "id,big,exact,double,flag,day,at,zoned,uid,note,json\n\
    1,9223372036854775807,12345678901234567890.123456789,1.5e-3,true,2024-02-29,2024-02-29 23:59:59.123456,2024-02-29T23:00:00+01:00,6f9619ff-8b86-d011-b42d-00c04fc964ff,\"a \"\"b\"\"\nc\",\"{\"\"b\"\": [1.50, null]}\"\n\
    2,-1,-0.10,1e300,FALSE,0001-01-01,0001-01-01 00:00:00,2024-02-29T22:00:00Z,,NA,\n\
    3,,,,,,,,,\"\",\n";

async fn verify(loader: &Loader, yaml: &str, run: Uuid) -> RunVerification {
    let verifying = loader.create("verify", yaml, json!({}), Some(run)).await;
    let begun = elt_shared::runs::lifecycle::begin(&loader.control, verifying.id, "tests").await.expect("asked");
    let context = loader.context(begun.expect("there to begin"), yaml);
    let report = loader.execute(&context).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.rows_read, report.rows_quarantined), (0, 0), "it loads and rejects nothing");
    report.verification.expect("a verification")
}

/// Loads the folder, and returns the run.
async fn load(loader: &Loader, yaml: &str) -> Uuid {
    let context = loader.begin("run", yaml).await;
    loader.execute(&context).await.unwrap_or_else(|error| panic!("{error}"));
    context.run.id
}

#[tokio::test]
async fn what_was_loaded_agrees_in_every_type_and_mode() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", ALL_TYPES);
    loader.folder.write("b.json", r#"[{"id": 7, "note": "x", "json": {"a": {"b": 1e2}}}, {"id": 8, "double": 0.1}]"#);
    for (table, more) in [
        ("appended", ""),
        ("merged", "load: {mode: merge, key: [id]}\n"),
        ("replaced", "load: {mode: replace}\n"),
        (
            "declared",
            "schema: {columns: {id: integer, exact: \"numeric(30,9)\", double: real, note: varchar(20), json: json}}\n",
        ),
        ("traced", "provenance: [file, row]\n"),
    ] {
        let yaml = loader.yaml(table, more);
        let run = load(&loader, &yaml).await;
        let found = verify(&loader, &yaml, run).await;
        assert!(found.agrees, "{table}: {found:#?}");
        assert_eq!((found.rows_there, found.rows_changed, found.rows_missing), (found.rows_written, 0, 0), "{table}");
        assert!(found.files.iter().all(|file| file.state == VerifiedState::Same), "{table}: {found:#?}");
    }
}

#[tokio::test]
async fn a_widened_type_and_a_later_load_change_nothing() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,n,note\n1,5,x\n2,6,y\n");
    let yaml = loader.yaml("t", "");
    let first = load(&loader, &yaml).await;
    loader.folder.write("b.csv", "id,n,note,more\n3,1.5,z,w\n4,abc,z,\n");
    let second = load(&loader, &yaml).await;
    assert_eq!(loader.columns("t").await[1], "n text");
    for (run, rows) in [(first, 2), (second, 2)] {
        let found = verify(&loader, &yaml, run).await;
        assert!(found.agrees && found.rows_there == rows, "{found:#?}");
    }
}

#[tokio::test]
async fn a_changed_value_a_deleted_row_and_a_changed_file_are_found() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,n\n1,5\n2,6\n3,7\n");
    loader.folder.write("b.csv", "id,n\n9,9\n");
    let yaml = loader.yaml("t", "");
    let run = load(&loader, &yaml).await;

    loader.sql("update t set n = 8 where id = 1").await;
    let found = verify(&loader, &yaml, run).await;
    assert_eq!((found.agrees, found.rows_changed, found.rows_missing), (false, 1, 0), "{found:#?}");
    let hash = loader.value("select _elt_row_hash from t where id = 1").await;
    assert_eq!(found.changed.iter().map(Uuid::to_string).collect::<Vec<_>>(), [hash]);

    loader.sql("update t set n = 5 where id = 1; delete from t where id = 2").await;
    let found = verify(&loader, &yaml, run).await;
    assert_eq!(
        (found.agrees, found.rows_there, found.rows_changed, found.rows_missing),
        (false, 3, 0, 1),
        "{found:#?}"
    );
    assert!(found.says.iter().any(|says| says.contains("other than elt did")), "{found:#?}");

    std::fs::remove_file(loader.folder.path().join("b.csv")).expect("removed");
    loader.folder.write("a.csv", "id,n\n1,5\n3,7\n");
    let found = verify(&loader, &yaml, run).await;
    let states: Vec<_> = found.files.iter().map(|file| file.state).collect();
    assert_eq!(states, [VerifiedState::Changed, VerifiedState::Gone]);
    assert_eq!((found.agrees, found.rows_missing), (false, 0), "the row is gone from the table all the same");
}

#[tokio::test]
async fn rows_that_a_later_merge_updated_are_no_disagreement() {
    let loader = Loader::start().await;
    let yaml = loader.yaml("t", "load: {mode: merge, key: [id]}\n");
    loader.only("a.csv", "id,n\n1,5\n2,6\n");
    let run = load(&loader, &yaml).await;
    loader.only("b.csv", "id,n\n2,7\n");
    load(&loader, &yaml).await;
    let found = verify(&loader, &yaml, run).await;
    assert_eq!((found.agrees, found.rows_written, found.rows_there), (true, 2, 1), "{found:#?}");
    assert!(found.says.iter().any(|says| says.contains("later runs updated or replaced")), "{found:#?}");
}

#[tokio::test]
async fn what_cannot_be_compared_is_said() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id\n1\n");
    let unhashed = loader.yaml("t", "load: {dedupe: none}\n");
    let run = load(&loader, &unhashed).await;
    let verifying = loader.create("verify", &unhashed, json!({}), Some(run)).await;
    let begun = elt_shared::runs::lifecycle::begin(&loader.control, verifying.id, "tests").await.expect("asked");
    let refused = loader.execute(&loader.context(begun.expect("there"), &unhashed)).await.expect_err("an error");
    assert_eq!(refused.code().as_str(), "cannot_verify");
    assert!(refused.to_string().contains("have no hashes"), "{refused}");
}
