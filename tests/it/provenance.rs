//! Where rows came from: elt's own columns about it, and columns whose values stand in the paths of files.

use std::time::{Duration, SystemTime};

use crate::support::loader::{Loader, told};

const PROVENANCE: &str = "provenance: [row, modified, file]\n";
const ORIGINS: &str = "select id, _elt_file as file, _elt_row as row from";

/// A source of every file below the folder, with the columns of its path.
fn with_path_columns(loader: &Loader, pattern: &str, more: &str) -> String {
    format!(
        "sources: [{{type: local, settle_seconds: 0, recursive: true, path: {}, path_columns: \"{pattern}\"}}]\n\
         target: {{table: sales}}\n{more}",
        loader.folder.path().display()
    )
}

#[tokio::test]
async fn a_row_says_which_file_and_line_it_came_from() {
    let loader = Loader::start().await;
    let a = loader.folder.write("a.csv", "id,name\n1,Ann\n\n2,\"Bob\nB\"\n3,Cy\n");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
    std::fs::File::options().write(true).open(a).expect("opened").set_modified(modified).expect("its time");
    loader.folder.write("b.json", "[{\"id\": 4, \"name\": \"Dee\"},\n {\"id\": 1, \"name\": \"Ann\"}]");

    let report = loader.load("people", PROVENANCE).await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (4, 1));
    assert_eq!(
        loader.rows(&format!("{ORIGINS} people order by id")).await,
        ["1|a.csv|2", "2|a.csv|4", "3|a.csv|6", "4|b.json|1"],
        "an equal row of a second file is the same row and keeps its first origin"
    );
    let at = "select distinct extract(epoch from _elt_modified)::text from people where _elt_file = 'a.csv'";
    assert_eq!(loader.rows(at).await, ["1700000000.123456"]);

    // Through the staging table.
    loader.folder.write("c.csv", "id,name\n3,Cy\n5,Eve\n");
    let report = loader.load("people", PROVENANCE).await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 6));
    let origins = loader.rows(&format!("{ORIGINS} people where id in (3, 5) order by id")).await;
    assert_eq!(origins, ["3|a.csv|6", "5|c.csv|3"]);
}

#[tokio::test]
async fn the_origin_is_no_part_of_a_row() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n2\n");
    loader.load("plain", "").await;
    let hashes = loader.rows("select id, _elt_row_hash from plain order by id").await;
    loader.load("with_origins", PROVENANCE).await;
    assert_eq!(loader.rows("select id, _elt_row_hash from with_origins order by id").await, hashes);

    // A table without these columns gets them; the rows that are there keep NULL, and are known.
    loader.only("b.csv", "id\n2\n3\n");
    let report = loader.load("plain", "provenance: file\n").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 1));
    assert_eq!(report.ddl.len(), 1, "{:?}", report.ddl);
    assert_eq!(loader.rows("select id, _elt_file from plain order by id").await, ["1|-", "2|-", "3|b.csv"]);

    // A later config without the key leaves the columns NULL.
    loader.only("c.csv", "id\n4\n");
    loader.load("plain", "").await;
    assert_eq!(loader.value("select _elt_file from plain where id = 4").await, "-");
    assert_eq!(loader.columns("plain").await, ["id bigint"]);
}

#[tokio::test]
async fn a_merge_takes_the_origin_of_the_row_that_won_and_a_replace_keeps_that_of_equal_rows() {
    let loader = Loader::start().await;
    let merge = format!("{PROVENANCE}load: {{mode: merge, key: [id]}}\n");
    loader.only("a.csv", "id,n\n1,1\n2,1\n");
    loader.load("merged", &merge).await;
    loader.only("b.csv", "id,n\n9,9\n2,2\n1,1\n");
    loader.load("merged", &merge).await;
    let origins = loader.rows(&format!("{ORIGINS} merged order by id")).await;
    assert_eq!(origins, ["1|a.csv|2", "2|b.csv|3", "9|b.csv|2"]);

    let replace = format!("{PROVENANCE}load: {{mode: replace}}\n");
    loader.only("a.csv", "id\n1\n2\n");
    loader.load("replaced", &replace).await;
    loader.only("b.csv", "id\n3\n2\n");
    loader.load("replaced", &replace).await;
    assert_eq!(loader.rows(&format!("{ORIGINS} replaced order by id")).await, ["2|a.csv|3", "3|b.csv|2"]);
}

#[tokio::test]
async fn a_name_that_the_database_cannot_write_is_written_in_ascii() {
    let loader = Loader::in_encoding("LATIN1").await;
    loader.folder.write("größe ł.csv", "id\n1\n");
    loader.load("t", "provenance: [file]\n").await;
    assert_eq!(loader.value("select _elt_file from t").await, "gr\\u{f6}\\u{df}e \\u{142}.csv");
    loader.only("größe.csv", "id\n2\n");
    loader.load("t", "provenance: [file]\n").await;
    assert_eq!(loader.count("t where id = 2 and _elt_file like 'gr%e.csv'").await, 1);
}

#[tokio::test]
async fn columns_come_from_the_paths_of_files() {
    let loader = Loader::start().await;
    loader.folder.write("region=north/year=2025/a.csv", "id\n1\n2\n");
    loader.folder.write("region=south/year=2026/b.json", r#"[{"id": 3}, {"id": 4, "note": "late"}]"#);
    loader.folder.write("region=__HIVE_DEFAULT_PARTITION__/year=2026/c.csv", "id\n1\n");
    loader.folder.write("other/d.csv", "id\n9\n");
    let yaml = with_path_columns(&loader, "region={region}/year={year:int}/*", "");

    let report = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!(loader.columns("sales").await, ["region text", "year bigint", "id bigint", "note text"]);
    assert_eq!(
        loader.rows("select region, year, id, note from sales order by id, region").await,
        ["north|2025|1|-", "-|2026|1|-", "north|2025|2|-", "south|2026|3|-", "south|2026|4|late"]
    );
    let [left] = report.left_out.as_slice() else { panic!("{:?}", report.left_out) };
    assert_eq!(left.name, "other/d.csv");
    assert!(left.reason.contains("does not end as path_columns says"), "{}", left.reason);

    let again = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 5));
}

#[tokio::test]
async fn an_entry_of_an_archive_has_the_columns_of_its_path_in_the_archive() {
    let loader = Loader::start().await;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("north/a.csv", "id\n1\n"), ("south/a.csv", "id\n2\n")] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
        std::io::Write::write_all(&mut archive, content.as_bytes()).expect("its bytes");
    }
    loader.folder.write("box.zip", archive.finish().expect("an archive").into_inner());
    let yaml = with_path_columns(&loader, "{region}/*.csv", "provenance: [file]\n");
    loader.run("run", &yaml).await.expect("loaded");
    assert_eq!(
        loader.rows("select region, id, _elt_file from sales order by id").await,
        ["north|1|box.zip!north/a.csv", "south|2|box.zip!south/a.csv"]
    );
}

#[tokio::test]
async fn a_column_of_the_path_does_not_take_the_place_of_one_in_the_file() {
    let loader = Loader::start().await;
    loader.folder.write("north/a.csv", "id,Region\n1,x\n");
    loader.folder.write("south/b.csv", "id\n2\n");
    let report = loader.run("run", &with_path_columns(&loader, "{region}/*.csv", "")).await.expect("loaded");
    assert_eq!(loader.rows("select region, id from sales").await, ["south|2"]);
    let [left] = report.left_out.as_slice() else { panic!("{:?}", report.left_out) };
    assert!(left.name == "north/a.csv" && left.reason.contains("\"Region\""), "{left:?}");
}

#[tokio::test]
async fn a_rejected_row_keeps_the_columns_of_its_path_for_a_replay() {
    let loader = Loader::start().await;
    loader.folder.write("north/a.csv", "id,n\n1,x\n2,5\n");
    let schema = "schema: {columns: {n: integer}}\non_bad_row: quarantine\n";
    let report = loader.run("run", &with_path_columns(&loader, "{region}/*.csv", schema)).await.expect("loaded");
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1));
    let cells = "select (cells -> 0) ->> 'name' || '=' || ((cells -> 0) ->> 'text') from _elt_quarantine";
    assert_eq!(loader.value(cells).await, "region=north");
}

#[tokio::test]
async fn a_name_that_is_not_utf_8_is_a_value_of_its_own() {
    use std::os::unix::ffi::OsStrExt;
    let loader = Loader::start().await;
    for name in [&b"\xf6.csv"[..], b"\xdf.csv", b"\\xf6.csv"] {
        let path = loader.folder.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(path, "id\n1\n").expect("written");
    }
    let yaml = with_path_columns(&loader, "{name}.csv", "provenance: [file]\n");
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((report.rows_inserted, report.rows_duplicate), (3, 0), "three different rows");
    assert_eq!(loader.rows("select name from sales order by name collate \"C\"").await, [r"\\xf6", r"\xdf", r"\xf6"]);
    assert_eq!(loader.value("select count(distinct _elt_file) from sales").await, "3");
    let names: std::collections::HashSet<_> = report.files.iter().map(|file| &file.name).collect();
    assert_eq!(names.len(), 3, "each has a receipt that names it");
}
