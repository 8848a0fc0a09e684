//! Local sources all the way into the table: every format, odd files beside good ones, and the whole corpus at once.

use elt_shared::runs::report::LeftOutKind;

use crate::support::loader::{Loader, told};

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text.as_bytes()).expect("compressed");
    out.finish().expect("compressed")
}

#[tokio::test]
async fn a_folder_of_every_format_becomes_one_table() {
    let loader = Loader::start().await;
    let write = |name: &str, bytes: &[u8]| drop(loader.folder.write(name, bytes));
    write("a.csv", b"id,name\n1,Ann\n");
    write("b.JSON", br#"[{"id": 2, "name": "Bob", "tags": ["x"]}]"#);
    write("c.txt", b"id|name\n3|5\" pipe\n");
    write("d.ndjson", b"{\"id\": 4}\n\n{\"id\": 5, \"name\": \"E\"}\n");
    write("e.csv.gz", &gzip("id,name\n6,F\n"));
    write(
        "f.csv",
        &[&b"\xFF\xFE"[..], &"id,name\n7,Größe\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()]
            .concat(),
    );
    write("g.json", br#"{"page": 1, "rows": [{"id": 8}, {"id": 9}]}"#);
    write("report.pdf", b"%PDF");

    let report = loader.load("things", "output_csv_path: ../things.csv\n").await;

    assert_eq!(loader.columns("things").await, ["id bigint", "name text", "tags jsonb"]);
    assert_eq!(
        loader.rows("select id, name, tags from things order by id").await,
        ["1|Ann|-", "2|Bob|[\"x\"]", "3|5\" pipe|-", "4|-|-", "5|E|-", "6|F|-", "7|Größe|-", "8|-|-", "9|-|-"]
    );
    let skipped: Vec<_> = report.left_out.iter().map(|left| (left.name.rsplit('/').next(), left.kind)).collect();
    assert_eq!(skipped, [(Some("report.pdf"), LeftOutKind::Skipped)]);
    assert_eq!((report.rows_read, report.rows_filtered), (10, 1));
    let text = loader.folder.read("../things.csv");
    assert_eq!(text.lines().count(), 10);
    assert!(text.starts_with("id,name,tags\n1,Ann,\n2,Bob,\"[\"\"x\"\"]\"\n"), "{text}");
    std::fs::remove_file(loader.folder.path().join("../things.csv")).expect("the combined CSV");
}

#[tokio::test]
async fn a_bad_file_is_reported_and_the_others_go_on() {
    let loader = Loader::start().await;
    loader.folder.write("broken.json", r#"[{"id": 1}, {"id": "#);
    loader.folder.write("cut.csv", "id,name\n1,\"Ann\n");
    loader.folder.write("good.csv", "id\n7\n");
    let report = loader.load("things", "").await;
    assert_eq!(loader.rows("select * from (select id from things) rows").await, ["7"]);
    assert_eq!(loader.columns("things").await, ["id bigint"], "columns of a file that failed do not count");
    let failed: Vec<_> = report.left_out.iter().map(|left| (left.kind, left.reason.as_str())).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|(kind, reason)| *kind == LeftOutKind::Failed && reason.contains(":")), "{failed:?}");
}

#[tokio::test]
async fn bad_records_are_kept_with_their_line_and_reason() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", b"id,name\n1,Ann\n2,Bob,x\n3,\"C\"y\n4,D\x00\n5,Jos\xE9\n6,F\n");
    loader.folder.write("b.ndjson", "{\"id\": 7}\n{\"id\": 8\n");
    let report = loader.load("things", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (3, 5));
    assert_eq!(
        loader.rows("select line, code from _elt_quarantine order by file, line").await,
        ["3|too_many_cells", "4|stray_quote", "5|nul_byte", "6|invalid_encoding", "2|broken_json"]
    );
}

#[tokio::test]
async fn a_missing_path_fails_the_run() {
    let loader = Loader::start().await;
    let yaml = loader.yaml("things", "").replace(&loader.folder.path().display().to_string(), "gone/*.csv");
    let error = loader.run("run", &yaml).await.expect_err("nothing is there");
    assert_eq!(error.code(), "source_missing", "{}", told(&error));
}

/// Nearly 300 odd files in one folder: nothing panics, every row is accounted for, and the second run finds nothing new.
#[tokio::test]
async fn the_whole_corpus_loads_and_loads_again() {
    let loader = Loader::start().await;
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let table = std::fs::read_to_string(corpus.join("cases.tsv")).expect("the table of the corpus");
    let cases: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    // Files that fail their source are left out, because they would fail the load of the whole folder.
    let fails = |case: &[&str]| {
        let all_rejected = case[2].starts_with("0 rows") && case[2].contains("bad") && !case[0].contains("json");
        all_rejected || case[2].contains("header_not_first")
    };
    let plain = || cases.iter().filter(|case| case[1].is_empty() && !fails(case));
    for case in plain() {
        loader.folder.write(case[0], std::fs::read(corpus.join(case[0])).expect("a file"));
    }

    let report = loader.load("corpus", "").await;

    let failing = plain().filter(|case| case[2].starts_with("error ")).count();
    assert_eq!(report.left_out.len(), failing, "{:#?}", report.left_out);
    let expected: u64 = plain().filter_map(|case| case[2].split_once(" rows")?.0.parse::<u64>().ok()).sum();
    assert_eq!(report.rows_inserted + report.rows_duplicate, expected);
    assert_eq!(loader.count("corpus").await, report.rows_inserted);

    let again = loader.load("corpus", "").await;
    assert_eq!((again.rows_inserted, again.rows_read), (0, report.rows_read));
}

#[tokio::test]
async fn the_combined_csv_is_never_written_over_a_source() {
    let loader = Loader::start().await;
    let folder = loader.folder.path().display().to_string();
    loader.folder.write("mine.csv", "id\n1\n");
    let output =
        |name: &str| format!("output_csv_path: {folder}/../{}/{name}\n", folder.rsplit('/').next().expect("a name"));
    let whole_folder = loader.yaml("things", &output("mine.csv"));
    let one_file = whole_folder.replace(&format!("{folder}}}"), &format!("{folder}/mine.csv}}"));
    for yaml in [one_file, whole_folder] {
        for kind in ["check", "run"] {
            let error = loader.run(kind, &yaml).await.expect_err("it would lose the file");
            assert_eq!(error.code(), "output_is_input", "{kind}: {}", told(&error));
        }
    }
    assert_eq!(loader.folder.read("mine.csv"), "id\n1\n");
    // What a run wrote there, the next one writes again, however the path is spelled.
    let report = loader.load("things", &output("all.csv")).await;
    assert_eq!(report.rows_inserted, 1);
    loader.folder.write("more.csv", "id\n2\n");
    let report = loader.load("things", &format!("output_csv_path: {folder}/all.csv\n")).await;
    assert_eq!((report.rows_read, report.rows_inserted), (2, 1));
    assert_eq!(loader.folder.read("all.csv"), "id\n1\n2\n");
}
