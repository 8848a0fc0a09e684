//! Archives that are made to harm.

use std::io::{Cursor, Write};

use tar::{Builder, EntryType};
use zip::write::SimpleFileOptions;
use zip::{AesMode, CompressionMethod, ZipWriter};

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
    gzip.write_all(bytes).expect("written");
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
fn gaps_that_nobody_wants_are_not_read_for_ever() {
    for name in ["a.bin", "a.csv"] {
        let mut header = tar::Header::new_gnu();
        let gnu = header.as_gnu_mut().expect("a header");
        gnu.name[..name.len()].copy_from_slice(name.as_bytes());
        gnu.sparse[0].set_offset(1 << 60);
        gnu.sparse[0].set_length(0);
        gnu.set_real_size(1 << 60);
        header.set_size(0);
        header.set_entry_type(EntryType::GNUSparse);
        header.set_cksum();
        let mut builder = Builder::new(Vec::new());
        builder.append(&header, &b""[..]).expect("added");
        let bytes = builder.into_inner().expect("finished");
        assert_eq!(small().code("a.tar", &bytes), "archive_too_large", "{name}");
    }
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

#[test]
fn a_directory_of_zip64_claims_no_more_files_than_are_looked_at_wherever_it_lies() {
    // A record whose end is long, in an archive with a byte in front: it lies neither where it is said to be, nor in the last
    // bytes, so that the reader finds it by searching.
    let claims = |sector: usize| {
        let mut bytes = fixture("zip64.zip");
        let end = memchr::memmem::find(&bytes, b"PK\x06\x06").expect("the end of a zip64 directory");
        let length = u64::from_le_bytes(bytes[end + 4..end + 12].try_into().expect("eight bytes")) + sector as u64;
        bytes[end + 4..end + 12].copy_from_slice(&length.to_le_bytes());
        for number in [end + 24, end + 32, end + 40] {
            bytes[number..number + 8].copy_from_slice(&20_000_u64.to_le_bytes());
        }
        bytes.splice(end + 56..end + 56, vec![0; sector]);
        bytes.insert(0, 0);
        bytes
    };
    assert_eq!(Case::default().code("a.zip", &claims(1 << 20)), "archive_too_large");
    let far = Case::default().open("a.zip", &claims(8 << 20)).expect_err("a record that is too far from the end");
    assert!(far.reason.contains("not where it says"), "{}", far.reason);
    // A place beyond the file, and one that no number of eight bytes can follow.
    for place in [u64::MAX, u64::MAX - 7, 1 << 40] {
        let mut bytes = fixture("zip64.zip");
        let locator = memchr::memmem::find(&bytes, b"PK\x06\x07").expect("a locator");
        bytes[locator + 8..locator + 16].copy_from_slice(&place.to_le_bytes());
        match Case::default().open("a.zip", &bytes) {
            Err(problem) => assert_eq!(problem.code.as_str(), "archive_broken", "{place}"),
            // The directory may also be found by the record of a plain zip, which says the same.
            Ok(outcome) => assert_eq!(outcome.files.len(), 2, "{place}"),
        }
    }
}

#[test]
fn an_encrypted_file_whose_dictionary_nobody_knows_is_not_unpacked() {
    let encrypted = |method| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file("a.csv", options.with_aes_encryption(AesMode::Aes256, "open sesame")).expect("started");
        writer.write_all(ROWS.as_bytes()).expect("written");
        writer.finish().expect("finished").into_inner()
    };
    let case = Case::with_password("open sesame");
    let said = |bytes: &[u8]| {
        let opened = case.open("a.zip", bytes).expect("opened");
        assert_eq!((opened.files.len(), opened.left_out[0].1), (0, "archive_encrypted"), "{}", opened.said);
        opened.said
    };
    assert!(said(&encrypted(CompressionMethod::Xz)).contains("compressed with xz"));
    // LZMA, which the writer does not have: the method is written into both headers, and the size into the directory.
    let mut lzma = encrypted(CompressionMethod::Stored);
    let headers: Vec<usize> = memchr::memmem::find_iter(&lzma, b"\x01\x99\x07\x00").collect();
    headers.iter().for_each(|at| lzma[at + 9] = 14);
    assert!(said(&lzma).contains("does not open it, or it is damaged"), "its dictionary is as small as its contents");
    let directory = memchr::memmem::find(&lzma, b"PK\x01\x02").expect("a directory");
    lzma[directory + 24..directory + 28].copy_from_slice(&(129_u32 << 20).to_le_bytes());
    assert!(said(&lzma).contains("larger than 128 MiB"));
}
