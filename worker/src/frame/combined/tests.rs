//! Tests of `combined.rs`.

use super::*;

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

#[test]
fn the_file_appears_whole_and_replaces_the_last_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/out.csv");
    for round in ["1", "2"] {
        let mut csv = CombinedCsv::create(&path).expect("writable");
        for _ in 0..2 {
            csv.header(["id", "na,me"]).expect("written");
        }
        csv.value(round.as_bytes());
        csv.value(b"a \"b\"\r\nc");
        csv.end_row().expect("written");
        csv.null();
        csv.value(b"");
        csv.end_row().expect("written");
        csv.sync().expect("synced");
        assert_eq!(path.exists(), round == "2", "nothing shows before it is published");
        csv.publish().expect("published");
    }
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text, "id,\"na,me\"\n2,\"a \"\"b\"\"\r\nc\"\n,\"\"\n");
    assert_eq!(entries(&folder.path().join("deep")), 1);
}

#[test]
fn a_row_of_one_null_is_no_blank_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    let mut csv = CombinedCsv::create(&path).expect("writable");
    csv.header(["a"]).expect("written");
    csv.null();
    csv.end_row().expect("written");
    csv.publish().expect("published");
    assert_eq!(fs::read_to_string(&path).expect("a file"), "a\n\"\"\n");
}

#[test]
fn nothing_is_left_behind_by_a_run_that_failed_or_a_worker_that_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    let abandoned = folder.path().join(format!(".out.csv.0123{UNFINISHED}"));
    fs::write(&abandoned, "id").expect("a file");
    let mut other = CombinedCsv::create(&path).expect("writable");
    other.value(b"1");
    assert!(!abandoned.exists());
    let mine = CombinedCsv::create(&path).expect("writable");
    assert_eq!(entries(folder.path()), 2, "what somebody is writing stays");
    drop(mine);
    drop(other);
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn no_worker_removes_the_file_another_one_has_just_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let csv = CombinedCsv::create(&path).expect("writable");
                    assert!(csv.unfinished().exists(), "another worker swept it away");
                }
            });
        }
    });
}

#[test]
fn a_check_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    check(&folder.path().join("deep/er/out.csv")).expect("writable");
    assert_eq!(entries(folder.path()), 0);
    fs::write(folder.path().join("file"), "").expect("a file");
    assert!(check(folder.path()).is_err());
    assert!(check(&folder.path().join("file/out.csv")).is_err());
}

#[test]
fn only_an_unfinished_file_of_the_same_output_is_published_for_a_lost_worker() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    let token = "0123456789abcdef0123456789abcdef";
    let own = format!(".out.csv.{token}{UNFINISHED}");
    let others = [
        "keys.json".to_owned(),
        format!(".other.csv.{token}{UNFINISHED}"),
        format!(".out.csv.{}{UNFINISHED}", &token[1..]),
        format!(".out.csv.{token}"),
        format!(".out.csv.{}{UNFINISHED}", "z".repeat(32)),
    ];
    let elsewhere = tempfile::tempdir().expect("a folder");
    fs::write(elsewhere.path().join(&own), "secret").expect("a file");
    for name in &others {
        fs::write(folder.path().join(name), "secret").expect("a file");
        assert!(!CombinedCsv::publish_left_behind(&folder.path().join(name), &path).expect("asked"), "{name}");
        assert!(folder.path().join(name).exists(), "{name}");
    }
    assert!(!CombinedCsv::publish_left_behind(&elsewhere.path().join(&own), &path).expect("asked"));
    assert!(elsewhere.path().join(&own).exists() && !path.exists());
    std::os::unix::fs::symlink(elsewhere.path().join(&own), folder.path().join(&own)).expect("a link");
    assert!(!CombinedCsv::publish_left_behind(&folder.path().join(&own), &path).expect("asked"));
    fs::remove_file(folder.path().join(&own)).expect("removed");
    fs::write(folder.path().join(&own), "id\n1\n").expect("a file");
    assert!(CombinedCsv::publish_left_behind(&folder.path().join(&own), &path).expect("published"));
    assert_eq!(fs::read_to_string(&path).expect("a file"), "id\n1\n");
}

#[test]
fn a_path_that_cannot_be_written_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = CombinedCsv::create(folder.path()).expect_err("a folder");
    assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    fs::write(folder.path().join("file"), "").expect("a file");
    assert!(CombinedCsv::create(&folder.path().join("file/out.csv")).is_err());
}
