//! Tests of the combined CSV.

use std::fs;

use super::*;
use crate::roots::{PlaceError, Roots};

fn place(path: &Path) -> Arc<OutputPlace> {
    Arc::new(OutputPlace::make(&Roots::default(), path).expect("a place"))
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

#[test]
fn the_file_appears_whole_and_replaces_the_last_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/out.csv");
    for round in ["1", "2"] {
        let mut csv = CombinedCsv::create(&place(&path)).expect("writable");
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
        csv.publish(round == "2").expect("published");
    }
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text, "id,\"na,me\"\n2,\"a \"\"b\"\"\r\nc\"\n,\"\"\n");
    assert_eq!(entries(&folder.path().join("deep")), 1);
}

#[test]
fn a_row_of_one_null_is_no_blank_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    let mut csv = CombinedCsv::create(&place(&path)).expect("writable");
    csv.header(["a"]).expect("written");
    csv.null();
    csv.end_row().expect("written");
    csv.publish(false).expect("published");
    assert_eq!(fs::read_to_string(&path).expect("a file"), "a\n\"\"\n");
}

#[test]
fn nothing_is_left_behind_by_a_run_that_failed_or_a_worker_that_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    let abandoned = folder.path().join(format!(".out.csv.{}{UNFINISHED}", "0123".repeat(8)));
    fs::write(&abandoned, "id").expect("a file");
    let mut other = CombinedCsv::create(&place(&path)).expect("writable");
    other.value(b"1");
    assert!(!abandoned.exists());
    let mine = CombinedCsv::create(&place(&path)).expect("writable");
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
                    let csv = CombinedCsv::create(&place(&path)).expect("writable");
                    assert!(csv.unfinished().exists(), "another worker swept it away");
                }
            });
        }
    });
}

#[test]
fn a_look_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let look = |path: &str| OutputPlace::look(&Roots::default(), &folder.path().join(path));
    assert!(look("deep/er/out.csv").expect("writable").is_none());
    assert_eq!(entries(folder.path()), 0);
    fs::write(folder.path().join("file"), "").expect("a file");
    fs::create_dir(folder.path().join("folder.csv")).expect("a folder");
    for refused in ["folder.csv", "file/out.csv", "out.txt", "csv", ".csv"] {
        assert!(look(refused).is_err(), "{refused}");
    }
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
    let place = place(&path);
    let found = |named: &Path| CombinedCsv::left_behind(named, &place);
    for name in &others {
        fs::write(folder.path().join(name), "secret").expect("a file");
        assert_eq!(found(&folder.path().join(name)), None, "{name}");
    }
    assert_eq!(found(&elsewhere.path().join(&own)), None);
    std::os::unix::fs::symlink(elsewhere.path().join(&own), folder.path().join(&own)).expect("a link");
    assert_eq!(found(&folder.path().join(&own)), None);
    fs::remove_file(folder.path().join(&own)).expect("removed");
    let file = File::create(folder.path().join(&own)).expect("a file");
    file.lock().expect("locked");
    assert_eq!(found(&folder.path().join(&own)), None, "another worker is writing it");
    drop(file);
    assert_eq!(found(&elsewhere.path().join(&own)), Some(own.into()), "only the name counts");
}

#[test]
fn what_appeared_at_the_final_name_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    let mut csv = CombinedCsv::create(&place(&path)).expect("writable");
    csv.header(["a"]).expect("written");
    csv.sync().expect("synced");
    fs::write(&path, "somebody else's").expect("a file");
    assert_eq!(csv.publish(false).expect_err("it is there").kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "somebody else's");
    assert_eq!(entries(folder.path()), 1);
}

#[test]
fn a_file_keeps_its_identity_under_its_final_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.csv");
    let place = place(&path);
    let mut csv = CombinedCsv::create(&place).expect("writable");
    csv.header(["a"]).expect("written");
    csv.sync().expect("synced");
    let before = csv.identity().expect("an identity");
    csv.publish(false).expect("published");
    let hash = place.content_hash().expect("readable").as_u128();
    assert_eq!(place.identity(OsStr::new("out.csv"), Some(hash)).expect("an identity"), before);
}

#[test]
fn a_path_that_cannot_be_written_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("out.csv")).expect("a folder");
    let make = |path: &str| OutputPlace::make(&Roots::default(), &folder.path().join(path)).expect_err("refused");
    assert!(matches!(make("out.csv"), PlaceError::Io(error) if error.kind() == io::ErrorKind::IsADirectory));
    fs::write(folder.path().join("file"), "").expect("a file");
    assert!(matches!(make("file/out.csv"), PlaceError::Io(_)));
}
