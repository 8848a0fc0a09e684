//! Compressed files, archives and encrypted files, from the folder or server that they lie in to the rows of the table.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use elt_shared::config::{AfterLoad, Document, NoReferences, PipelineConfig, SourceConfig};
use elt_shared::runs::report::RunReport;
use elt_worker::extract::containers::UnpackLimits;
use elt_worker::extract::{self, Extracted};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::extraction::{Extraction, texts};
use crate::support::loader::{Loader, told};
use crate::support::sshd::Sshd;

/// A file of `tests/fixtures/archives`, made by another program.
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("started");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

fn tar_gz_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut builder = tar::Builder::new(gzip);
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).expect("added");
    }
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).expect("finished")
}

/// The last bytes of a file's contents are damaged.
fn with_a_broken_file(mut archive: Vec<u8>, content: &[u8]) -> Vec<u8> {
    let at = archive.windows(content.len()).position(|bytes| bytes == content).expect("stored as it is");
    archive[at + content.len() - 2] ^= 1;
    archive
}

fn stored(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(*name, options).expect("started");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

/// Names below the loader's folder, with the number of rows of each.
fn receipts(loader: &Loader, report: &RunReport) -> Vec<String> {
    let folder = format!("{}/", loader.folder.path().display());
    report.files.iter().map(|file| format!("{} {}", file.name.replace(&folder, ""), file.rows_read)).collect()
}

fn left_out(loader: &Loader, report: &RunReport) -> String {
    let folder = format!("{}/", loader.folder.path().display());
    report.left_out.iter().map(|file| format!("{}: {}\n", file.name.replace(&folder, ""), file.reason)).collect()
}

/// Whether nothing is left in the data folder of what runs had unpacked.
fn spool_is_empty(loader: &Loader) -> bool {
    std::fs::read_dir(loader.data.path().join("spool")).map_or(true, |mut entries| entries.next().is_none())
}

#[tokio::test]
async fn what_is_packed_is_loaded_like_what_is_not() {
    let loader = Loader::start().await;
    let inner = zip_of(&[("deep.csv", b"id,name\n7,Gil\n")]);
    let zip = [
        ("b/2.json", &br#"[{"id": 3, "name": "Cem"}]"#[..]),
        ("b/1.csv", b"id,name\n4,Dee\n5,\"E, F\"\n"),
        ("inner.zip", &inner),
        ("notes.pdf", b"no rows"),
        (".hidden.csv", b"id,name\n99,Nobody\n"),
    ];
    loader.folder.write("a.zip", zip_of(&zip));
    loader.folder.write("b.tar.gz", tar_gz_of(&[("dir/3.csv", b"id,name\n6,Fay\n")]));
    for suffix in ["bz2", "gz", "xz", "zst"] {
        loader.folder.write(&format!("members.csv.{suffix}"), fixture(&format!("members.csv.{suffix}")));
    }
    loader.folder.write("orders.csv.gz.pgp", fixture("rsa.csv.gz.pgp"));
    loader.folder.write("keys/rsa.asc", fixture("rsa.key.asc"));
    let yaml =
        loader.yaml("people", "").replace("settle_seconds: 0,", "settle_seconds: 0, pgp: {private_key: keys/rsa.asc},");
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(
        receipts(&loader, &report),
        [
            "a.zip!b/1.csv 2",
            "a.zip!b/2.json 1",
            "a.zip!inner.zip!deep.csv 1",
            "b.tar.gz!dir/3.csv 1",
            "members.csv.bz2 2",
            "members.csv.gz 2",
            "members.csv.xz 2",
            "members.csv.zst 2",
            "orders.csv.gz.pgp 2",
        ]
    );
    assert_eq!((report.rows_read, report.rows_inserted, report.rows_duplicate), (15, 7, 8));
    assert_eq!(
        loader.rows("select id, name from people order by id").await,
        ["1|Ann", "2|Bob", "3|Cem", "4|Dee", "5|E, F", "6|Fay", "7|Gil"]
    );
    assert_eq!(report.left_out.len(), 2, "{}", left_out(&loader, &report));
    let again = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 15));
    assert!(spool_is_empty(&loader), "what was unpacked and decrypted is gone");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_the_archive_that_the_config_names_and_itself_in_a_folder() {
    let loader = Loader::start().await;
    let (good, bad) = (&b"id,name\n1,Ann\n"[..], &b"id,name\n2,Bob\n"[..]);
    let archive = with_a_broken_file(stored(&[("good.csv", good), ("bad.csv", bad)]), bad);
    loader.folder.write("a.zip", archive);
    let folder = loader.yaml("people", "");
    let named = folder.replace("}]", "/a.zip}]");
    let error = loader.run("run", &named).await.expect_err("half of an archive is not loaded");
    assert_eq!(error.code().as_str(), "archive_broken", "{}", told(&error));
    assert!(error.to_string().contains("a.zip!bad.csv: it cannot be unpacked"), "{error}");
    assert_eq!(loader.value("select to_regclass('people') is null").await, "true");
    let report = loader.load("people", "").await;
    assert_eq!(receipts(&loader, &report), ["a.zip!good.csv 1"]);
    assert!(left_out(&loader, &report).starts_with("a.zip!bad.csv: it cannot be unpacked: "), "{:?}", report.left_out);
    // A replace would lose the rows that cannot be read.
    let error = loader.fail("people", "load: {mode: replace}\n").await;
    assert_eq!(error.code().as_str(), "replace_incomplete", "{}", told(&error));
    loader.only("a.zip", zip_of(&[("readme.pdf", b"no rows")]));
    let error = loader.run("run", &named).await.expect_err("nothing of it is loaded");
    assert_eq!(error.code().as_str(), "archive_empty", "{}", told(&error));
    assert!(spool_is_empty(&loader));
}

#[tokio::test]
async fn bombs_and_cut_off_archives_are_left_out_and_the_others_go_on() {
    let mut loader = Loader::start().await;
    loader.unpack = UnpackLimits { first: 1 << 20, ratio: 20, entries: 64, ..UnpackLimits::default() };
    let zeros = [b"a,b\n".to_vec(), b"0,0\n".repeat(1 << 20)].concat();
    let whole = zip_of(&[("a.csv", b"id\n1\n")]);
    let names: [String; 65] = std::array::from_fn(|number| format!("{number}.bin"));
    for (name, content) in [
        ("bomb.zip", zip_of(&[("zeros.csv", &zeros)])),
        ("cut.tar.gz", tar_gz_of(&[("a.csv", &zeros[..50_000])])[..100].to_vec()),
        ("cut.zip", whole[..whole.len() - 30].to_vec()),
        ("empty.zip", zip_of(&[])),
        ("many.zip", zip_of(&names.each_ref().map(|name| (name.as_str(), &b""[..])))),
        ("not.zip", b"id\n1\n".to_vec()),
        ("overlapping.zip", fixture("overlapping.zip")),
        ("secret.zip", fixture("aes.zip")),
        ("secret.csv.pgp", fixture("rsa.csv.pgp")),
        ("tricks.zip", zip_of(&[("../../x.csv", b"id\n9\n"), ("line\nend.csv", b"id\n2\n")])),
        ("good.csv", b"id\n3\n".to_vec()),
    ] {
        loader.folder.write(name, content);
    }
    let report = loader.load("ids", "").await;
    assert_eq!(receipts(&loader, &report), ["good.csv 1", "tricks.zip!line\\u{a}end.csv 1"]);
    let said = left_out(&loader, &report);
    let (bomb, others) = said.split_once('\n').expect("lines");
    assert!(bomb.contains("bomb.zip: its ") && bomb.contains("over 20 bytes for each one"), "{bomb}");
    insta::assert_snapshot!(others, @r#"
    cut.tar.gz: it cannot be unpacked: its data ends in the middle, as if it was cut off. Copy the file again. If that does not help, ask its sender to pack it again
    cut.zip: it cannot be unpacked: its directory is missing or damaged, as if it was cut off, or it is not a zip archive. Copy the file again. If that does not help, ask its sender to pack it again
    empty.zip: it holds no file that is wanted
    many.zip: it has more than 64 files and folders. Find out whether the file is what it should be. If it is, unpack it by hand, split it, or let the operator of the workers raise ELT_UNPACK_ENTRIES
    not.zip: it cannot be unpacked: its directory is missing or damaged, as if it was cut off, or it is not a zip archive. Copy the file again. If that does not help, ask its sender to pack it again
    overlapping.zip: its files share the same bytes, as in a zip bomb. Find out who made it; no ordinary program packs files in this way
    secret.csv.pgp: it is encrypted, and the source has no key: write `pgp: {private_key: "${secret:NAME}"}`. Store the key with `elt secret`
    secret.zip!secret.csv: it is encrypted, and the source has no password. Write `archive: {password: "${secret:NAME}"}` in the source, and store the secret with `elt secret`
    tricks.zip!../../x.csv: its name leads out of the archive by `..`, as in an archive that is made to harm. Find out who made the archive. To load the file, pack it again with a name below the archive
    "#);
    assert!(spool_is_empty(&loader));
    assert!(!loader.folder.path().join("../../x.csv").exists());
}

#[tokio::test]
async fn passwords_open_archives_and_are_never_shown() {
    let loader = Loader::start().await;
    loader.folder.write("aes.zip", fixture("aes.zip"));
    loader.folder.write("old.zip", fixture("zipcrypto.zip"));
    loader.folder.write("note.csv.gpg", fixture("passphrase.csv.gpg"));
    let with = |password: &str| {
        let keys = format!(
            "settle_seconds: 0, archive: {{include: \"**/s*.csv\", password: {password}}}, pgp: {{passphrase: {password}}},"
        );
        loader.yaml("people", "").replace("settle_seconds: 0,", &keys)
    };
    let report = loader.run("run", &with("open sesame")).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(receipts(&loader, &report), ["aes.zip!secret.csv 2", "note.csv.gpg 2", "old.zip!secret.csv 2"]);
    assert_eq!(loader.rows("select id, name from people order by id").await, ["1|Ann", "2|Bob"]);
    let report = loader.run("run", &with("zq-wrong-zq")).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((report.files.len(), report.left_out.len()), (0, 3), "{report:#?}");
    let said = serde_json::to_string(&report).expect("JSON");
    assert!(!said.contains("sesame") && !said.contains("zq-wrong"), "{said}");
}

#[tokio::test]
async fn a_test_of_the_source_shows_the_files_in_archives() {
    let loader = Loader::start().await;
    loader.folder.write("a.zip", fixture("methods.zip"));
    loader.folder.write("b.csv", "id,name\n1,Ann\n");
    let report = loader.run("test_connection", &loader.yaml("t", "")).await.expect("a test");
    let names: Vec<_> = report.connections[0].files.iter().map(|file| file.name.rsplit('/').next()).collect();
    let expected = ["a.zip!0.csv", "a.zip!12.csv", "a.zip!14.csv", "a.zip!8.csv", "b.csv"];
    assert_eq!(names, expected.map(Some));
    assert_eq!(report.connections[0].columns, ["id", "name"]);
}

/// A config with this source alone.
fn config_of(source: SourceConfig) -> PipelineConfig {
    let document = Document::parse("sources: [{type: local, path: x}]\ntarget: {table: t}\n").expect("a document");
    let config = document.pipeline(&NoReferences).expect("a config").value;
    PipelineConfig { sources: vec![source], ..config }
}

#[tokio::test]
async fn an_archive_on_a_server_is_moved_once_and_only_when_all_of_it_was_loaded() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let (good, bad) = (&b"id,name\n1,Ann\n"[..], &b"id,name\n2,Bob\n"[..]);
    let two = stored(&[("1.csv", good), ("2.csv", bad)]);
    let mut source = sshd.source("*.zip");
    source.after_load = AfterLoad::Move(sshd.remote("done"));
    source.settle_seconds = 0;
    let config = config_of(SourceConfig::Sftp(source));
    let act = async |extracted: &Extracted, is_loaded: fn(usize) -> bool| {
        let loaded = extract::loaded(&extracted.files, is_loaded);
        extract::after_load(&config.sources, &loaded, &lab.context).await
    };
    sshd.write("a.zip", &two);
    let extracted = extract::extract(&config, &lab.context).await.expect("extracted");
    let found: Vec<_> = texts(&extracted)
        .into_iter()
        .map(|(name, text)| (name.rsplit('/').next().unwrap_or_default().to_owned(), text))
        .collect();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(found, [("a.zip!1.csv".to_owned(), text(good)), ("a.zip!2.csv".to_owned(), text(bad))]);
    assert_eq!(act(&extracted, |index| index == 0).await, [""; 0]);
    assert!(sshd.local("a.zip").exists(), "the second file of the archive was not loaded");
    assert_eq!(act(&extracted, |_| true).await, [""; 0], "it is moved once, without a warning");
    assert!(sshd.local("done/a.zip").exists() && !sshd.local("a.zip").exists());

    sshd.write("b.zip", with_a_broken_file(two, bad));
    let extracted = extract::extract(&config, &lab.context).await.expect("extracted");
    assert_eq!((extracted.files.len(), extracted.left_out.len()), (1, 1));
    assert_eq!(act(&extracted, |_| true).await, [""; 0]);
    assert!(sshd.local("b.zip").exists(), "a file in it could not be read");
}

#[tokio::test]
async fn an_archive_of_which_a_part_may_hold_rows_that_were_not_loaded_stays_on_its_server() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let rows = &b"id,name\n1,Ann\n"[..];
    let config = |more: &str| {
        let text = format!("sources: [{{type: local, path: x{more}}}]\ntarget: {{table: t}}\n");
        let config = Document::parse(&text).expect("a document").pipeline(&NoReferences).expect("a config").value;
        let SourceConfig::Local(options) = &config.sources[0] else { panic!("a local source") };
        let mut source = sshd.source("*.zip");
        source.files = options.files.clone();
        source.after_load = AfterLoad::Delete;
        source.settle_seconds = 0;
        config_of(SourceConfig::Sftp(source))
    };
    let act = async |config: &PipelineConfig| {
        let extracted = extract::extract(config, &lab.context).await.expect("extracted");
        assert_eq!((extracted.files.len(), extracted.left_out.len()), (1, 1), "{:?}", extracted.left_out);
        let loaded = extract::loaded(&extracted.files, |_| true);
        assert_eq!(extract::after_load(&config.sources, &loaded, &lab.context).await, [""; 0]);
    };
    let deep = zip_of(&[("in.zip", &zip_of(&[("in.zip", &zip_of(&[("2.csv", rows)]))])), ("1.csv", rows)]);
    for (archive, more) in [
        // The path of one file lacks the columns.
        (zip_of(&[("2026/1.csv", rows), ("2.csv", rows)]), ", path_columns: '{year:int}/*.csv'"),
        (zip_of(&[("1.csv", rows), ("2.csv.pgp", &fixture("rsa.csv.pgp"))]), ""),
        (deep, ""),
    ] {
        sshd.write("a.zip", archive);
        act(&config(more)).await;
        assert!(sshd.local("a.zip").exists(), "{more}");
    }
    // A file that is no input keeps nothing from being done.
    sshd.write("a.zip", zip_of(&[("1.csv", rows), ("notes.pdf", b"no rows")]));
    act(&config("")).await;
    assert!(!sshd.local("a.zip").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_written_meanwhile_is_read_as_it_was_at_one_time() {
    let lab = Extraction::new().await;
    let version = |number: u32| {
        let rows: String = (0..2_000).map(|row| format!("{row},{number}\n")).collect();
        zip_of(&[
            ("1.csv", format!("row,version\n{rows}").as_bytes()),
            ("2.csv", format!("row,version\n{rows}").as_bytes()),
        ])
    };
    let path = lab.folder.write("a.zip", version(0));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (path, stop) = (path.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                std::fs::write(&path, version(number)).expect("written");
            }
        })
    };
    let document =
        format!("sources: [{{type: local, settle_seconds: 0, path: {}}}]\ntarget: {{table: t}}\n", path.display());
    let config = Document::parse(&document).expect("a document").pipeline(&NoReferences).expect("a config").value;
    for _ in 0..15 {
        match extract::extract(&config, &lab.context).await {
            Ok(extracted) => {
                let texts: Vec<_> = texts(&extracted).into_iter().map(|(_, text)| text).collect();
                assert_eq!(texts.len(), 2);
                assert_eq!(texts[0], texts[1], "both files are of one version");
                assert_eq!(texts[0].lines().count(), 2_001);
            }
            Err(error) => {
                let code = error.code().as_str();
                assert!(["source_changed", "archive_broken"].contains(&code), "{}", told(&error));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer");
    extract::extract(&config, &lab.context).await.expect("it rests");
}
