//! Tar archives.

use std::io::Write;

use tar::{Builder, EntryType, Header};

use super::{Case, ROWS, fixture, texts};

/// A tar archive with these files.
pub(super) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        add(&mut builder, name.as_bytes(), EntryType::Regular, content);
    }
    builder.into_inner().expect("finished")
}

/// Adds an entry under any name, which the builder itself would refuse.
pub(super) fn add(builder: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_gnu_mut().expect("a header").name[..name.len()].copy_from_slice(name);
    header.set_size(content.len() as u64);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, content).expect("added");
}

/// The same bytes in every compression, with the suffix of each.
fn compressed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).expect("written");
    let gzip = gzip.finish().expect("finished");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(bytes).expect("written");
    vec![
        ("a.tar", bytes.to_vec()),
        ("a.tar.gz", gzip.clone()),
        ("a.TGZ", gzip),
        ("a.tar.bz2", bzip2.finish().expect("finished")),
        ("a.tar.zst", zstd::encode_all(bytes, 0).expect("compressed")),
    ]
}

#[test]
fn every_compression_gives_back_the_rows_in_the_order_of_their_names() {
    let bytes =
        tar_of(&[("b.csv", b"id\n2\n"), ("./dir/a.csv", ROWS.as_bytes()), ("c.csv.gz", &fixture("members.csv.gz"))]);
    for (name, bytes) in compressed(&bytes) {
        let opened = Case::default().open(name, &bytes).expect("opened");
        assert_eq!(opened.files, texts(&[("./dir/a.csv", ROWS), ("b.csv", "id\n2\n"), ("c.csv.gz", ROWS)]), "{name}");
    }
}

#[test]
fn archives_of_gnu_tar_are_read_with_their_long_names_and_gaps() {
    let long = "a-folder-with-a-long-name/".repeat(6) + "1.csv";
    let gnu = Case::default().open("a.tar.xz", &fixture("sparse-gnu.tar.xz")).expect("opened");
    let names: Vec<_> = gnu.files.iter().map(|(name, text)| (name.as_str(), text.len())).collect();
    assert_eq!(names, [("2.csv", 1 << 20), (long.as_str(), 14)]);
    assert_eq!(gnu.left_out, [("3.csv".to_owned(), "skipped")], "a link is not followed");
    let posix = Case::default().open("a.tar.xz", &fixture("sparse-posix.tar.xz")).expect("opened");
    assert_eq!(posix.files.len(), 1, "what would be read differently than it was written is not read");
    assert!(posix.said.contains("--sparse"), "{}", posix.said);
}

#[test]
fn only_files_are_read_and_of_equal_names_the_last() {
    let mut builder = Builder::new(Vec::new());
    add(&mut builder, b"dir/", EntryType::Directory, b"");
    add(&mut builder, b"old.csv/", EntryType::Regular, b"");
    add(&mut builder, b"a.csv", EntryType::Regular, b"id\n1\n");
    add(&mut builder, b"hard.csv", EntryType::Link, b"");
    add(&mut builder, b"pipe.csv", EntryType::Fifo, b"");
    add(&mut builder, b"odd.csv", EntryType::new(b'Z'), b"id\n9\n");
    add(&mut builder, b"global", EntryType::XGlobalHeader, b"");
    add(&mut builder, b"./a.csv", EntryType::Regular, b"id\n2\n");
    let bytes = builder.into_inner().expect("finished");
    let opened = Case::default().open("a.tar", &bytes).expect("opened");
    assert_eq!(opened.files, texts(&[("./a.csv", "id\n2\n")]));
    let skipped: Vec<_> = opened.left_out.iter().map(|(name, word)| (name.as_str(), *word)).collect();
    assert_eq!(
        skipped,
        [("./a.csv", "skipped"), ("hard.csv", "skipped"), ("odd.csv", "skipped"), ("pipe.csv", "skipped")],
        "{}",
        opened.said
    );
}

#[test]
fn an_archive_that_was_cut_off_is_not_read_in_part() {
    let bytes = tar_of(&[("a.csv", ROWS.as_bytes()), ("b.csv", &[b'x'; 700])]);
    let whole = 512 + 512 + 512 + 1024 + 512;
    for (name, bytes) in compressed(&bytes) {
        let needed = if name == "a.tar" { whole } else { bytes.len() };
        // Both ends of each block of the plain archive, and a few more.
        let near_an_end = |end: &usize| name != "a.tar" || matches!(end % 512, 0 | 1 | 200 | 511);
        for end in (0..needed).step_by(if name == "a.tar" { 1 } else { 11 }).filter(near_an_end) {
            let problem = Case::default().open(name, &bytes[..end]).expect_err("cut off");
            assert_eq!(problem.code.as_str(), "archive_broken", "{name} {end}");
        }
    }
    // The checksum itself may be written in several ways.
    for flip in (0..512).step_by(5).filter(|at| !(148..156).contains(at)) {
        let mut damaged = bytes.clone();
        damaged[flip] ^= 0x10;
        assert!(Case::default().open("a.tar", &damaged).is_err(), "byte {flip} of the first header");
    }
}
