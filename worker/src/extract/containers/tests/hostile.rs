//! Archives that are made to harm.

use tar::{Builder, EntryType};

use super::tar_archives::{add, tar_of};
use super::zip_archives::zip_of;
use super::{Case, ROWS, fixture};
use crate::extract::containers::meter::UnpackLimits;

/// Limits that a small bomb exceeds.
fn small() -> Case {
    Case { limits: UnpackLimits { first: 1 << 20, ratio: 100, ..UnpackLimits::default() }, ..Case::default() }
}

/// Rows that compress to hardly anything.
fn rows(bytes: usize) -> Vec<u8> {
    b"a,b\n".iter().chain(b"0,0\n".iter().cycle()).take(bytes).copied().collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gzip, bytes).expect("written");
    gzip.finish().expect("finished")
}

#[test]
fn bombs_are_refused_by_what_comes_out_of_them() {
    let rows = rows(8 << 20);
    let archive = tar_of(&[("a.csv", &rows)]);
    assert_eq!(small().code("a.zip", &zip_of(&[("a.csv", &rows)])), "archive_too_large");
    assert_eq!(small().code("a.tar.gz", &gzipped(&archive)), "archive_too_large");
    // A file that is not wanted is not written, but its bytes are unpacked on the way to the next one.
    assert_eq!(small().code("a.tar.gz", &gzipped(&tar_of(&[("a.bin", &rows)]))), "archive_too_large");
    // Two bombs, one inside the other: what comes out is compared with the outermost.
    let nested = zip_of(&[("inner.zip", &zip_of(&[("a.csv", &rows)]))]);
    assert_eq!(small().code("a.zip", &nested), "archive_too_large");
    // The same rows are fine where the limits allow them.
    assert_eq!(Case::default().open("a.tar.gz", &gzipped(&archive)).expect("opened").files.len(), 1);
}

#[test]
fn files_that_share_their_bytes_are_refused() {
    let problem = Case::default().open("a.zip", &fixture("overlapping.zip")).expect_err("a bomb");
    assert!(problem.reason.contains("share the same bytes"), "{}", problem.reason);
    assert_eq!(problem.code.as_str(), "archive_too_large");
}

#[test]
fn archives_full_of_archives_end_after_the_second() {
    // As 42.zip, and as an archive that holds itself: at each level there is another archive.
    let mut archive = zip_of(&[("rows.csv", ROWS.as_bytes())]);
    for _ in 0..5 {
        archive = zip_of(&[("1.zip", &archive), ("2.zip", &archive), ("rows.csv", ROWS.as_bytes())]);
    }
    let opened = Case::default().open("42.zip", &archive).expect("opened");
    let names: Vec<_> = opened.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1.zip!rows.csv", "2.zip!rows.csv", "rows.csv"]);
    let left_out: Vec<_> = opened.left_out.iter().map(|(name, word)| (name.as_str(), *word)).collect();
    assert_eq!(left_out, ["1.zip!1.zip", "1.zip!2.zip", "2.zip!1.zip", "2.zip!2.zip"].map(|name| (name, "skipped")));
}

#[test]
fn names_never_lead_anywhere() {
    let tricks: [&[u8]; 6] = [b"../x.csv", b"/etc/x.csv", b"..\\x.csv", b"C:\\x.csv", b"a/../../x.csv", b"ok/x.csv"];
    let mut builder = Builder::new(Vec::new());
    for name in tricks {
        add(&mut builder, name, EntryType::Regular, ROWS.as_bytes());
    }
    add(&mut builder, b"line\nend\x1b[31m.csv", EntryType::Regular, ROWS.as_bytes());
    add(&mut builder, b"caf\xe9.csv", EntryType::Regular, ROWS.as_bytes());
    let opened = Case::default().open("a.tar", &builder.into_inner().expect("finished")).expect("opened");
    let names: Vec<_> = opened.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["caf\\xe9.csv", "line\\u{a}end\\u{1b}[31m.csv", "ok/x.csv"]);
    assert_eq!(opened.left_out.len(), 5, "{}", opened.said);
    assert!(opened.left_out.iter().all(|(_, word)| *word == "archive_name"), "{}", opened.said);
    let names = ["../x.csv", "/x.csv", "d\\..\\..\\x.csv", "x\0.csv"];
    let zipped = zip_of(&names.map(|name| (name, ROWS.as_bytes())));
    let opened = Case::default().open("a.zip", &zipped).expect("opened");
    assert_eq!((opened.files.len(), opened.left_out.len()), (0, 4), "{}", opened.said);
}

#[test]
fn headers_take_only_so_much_memory() {
    let mut builder = Builder::new(Vec::new());
    add(&mut builder, b"././@LongLink", EntryType::GNULongName, &vec![b'a'; 8 << 20]);
    add(&mut builder, b"a.csv", EntryType::Regular, ROWS.as_bytes());
    let bytes = builder.into_inner().expect("finished");
    let problem = Case::default().open("a.tar", &bytes).expect_err("a name of 8 MiB");
    assert!(problem.reason.contains("headers"), "{}", problem.reason);
}

#[test]
fn a_compressed_file_that_unpacks_to_itself_is_no_archive() {
    // What a gzip quine looks like after it is unpacked: gzip again.
    let once = gzipped(&gzipped(ROWS.as_bytes()));
    assert_eq!(Case::default().code("q.tar.gz", &once), "archive_broken");
}
