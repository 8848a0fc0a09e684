//! Zip archives.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Case, ROWS, fixture, texts};
use crate::extract::containers::meter::UnpackLimits;

/// A zip archive with these files.
pub(super) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(*name, options).expect("started");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

#[test]
fn every_method_of_compression_gives_back_the_rows() {
    let case = Case::default();
    let rows = |method: &str, name: &str| (format!("{method}.csv"), format!("id,name\n{method},{name}\n"));
    let stored = [rows("0", "store"), rows("12", "bzip2"), rows("14", "lzma"), rows("8", "deflate")];
    assert_eq!(case.open("a.zip", &fixture("methods.zip")).expect("opened").files, stored);
    for (name, method, word) in
        [("deflate64.zip", "9", "deflate64"), ("xz.zip", "95", "xz"), ("zstd.zip", "93", "zstd")]
    {
        let opened = case.open(name, &fixture(name)).expect("opened");
        assert_eq!((opened.files.as_slice(), opened.said.as_str()), (&[rows(method, word)][..], ""), "{name}");
    }
    let zip64 = case.open("zip64.zip", &fixture("zip64.zip")).expect("opened");
    assert_eq!(
        zip64.files,
        texts(&[("a/1.csv", "id,name\n1,a/1.csv\n"), ("b/2.csv", "id,name\n2,b/2.csv\n")]),
        "in the order of their names"
    );
}

#[test]
fn a_method_that_few_programs_have_and_a_huge_dictionary_fail_their_file_alone() {
    let case = Case::default();
    for (name, expected) in [("ppmd.zip", "in a way that elt does not read"), ("dictionary.zip", "128 MiB")] {
        let opened = case.open(name, &fixture(name)).expect("opened");
        assert_eq!((opened.files.len(), opened.left_out[0].1), (0, "archive_broken"), "{name}");
        assert!(opened.said.contains(expected), "{}", opened.said);
    }
}

#[test]
fn what_is_no_input_is_left_out_with_the_reason() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    writer.add_directory("dir", options).expect("added");
    writer.add_symlink("link.csv", "dir/x.csv", options).expect("added");
    for name in ["dir/x.csv", "dir/.hidden.csv", "__MACOSX/dir/._x.csv", "readme.pdf", "z.csv.gz"] {
        writer.start_file(name, options).expect("started");
        let gzipped = [fixture("members.csv.gz"), ROWS.as_bytes().to_vec()];
        writer.write_all(&gzipped[usize::from(name != "z.csv.gz")]).expect("written");
    }
    let bytes = writer.finish().expect("finished").into_inner();
    let opened = Case::default().open("a.zip", &bytes).expect("opened");
    assert_eq!(opened.files, texts(&[("dir/x.csv", ROWS), ("z.csv.gz", ROWS)]));
    let skipped: Vec<_> = opened.left_out.iter().map(|(name, word)| (name.as_str(), *word)).collect();
    let names = ["__MACOSX/dir/._x.csv", "dir/.hidden.csv", "link.csv", "readme.pdf"];
    assert_eq!(skipped, names.map(|name| (name, "skipped")), "{}", opened.said);
    let wanted = Case::including("dir/*.csv").open("a.zip", &bytes).expect("opened");
    assert_eq!(wanted.files, texts(&[("dir/x.csv", ROWS)]));
    assert_eq!(wanted.left_out.len(), 1, "what does not match is not meant: {}", wanted.said);
}

#[test]
fn an_archive_inside_is_opened_and_one_inside_that_is_not() {
    let innermost = zip_of(&[("deep.csv", ROWS.as_bytes())]);
    let inner = zip_of(&[("x.csv", ROWS.as_bytes()), ("deeper.zip", &innermost)]);
    let outer = zip_of(&[("inner.zip", &inner), ("a.csv", ROWS.as_bytes()), ("bad.zip", b"PK no archive")]);
    let opened = Case::default().open("o.zip", &outer).expect("opened");
    assert_eq!(opened.files, texts(&[("a.csv", ROWS), ("inner.zip!x.csv", ROWS)]));
    let left_out: Vec<_> = opened.left_out.iter().map(|(name, word)| (name.as_str(), *word)).collect();
    assert_eq!(left_out, [("bad.zip", "archive_broken"), ("inner.zip!deeper.zip", "skipped")], "{}", opened.said);
    let within = Case::including("inner.zip/*.csv").open("o.zip", &outer).expect("opened");
    assert_eq!(within.files, texts(&[("inner.zip!x.csv", ROWS)]), "an archive counts as a folder");
}

#[test]
fn encrypted_files_need_the_right_password() {
    let with = Case::with_password;
    for name in ["aes.zip", "zipcrypto.zip"] {
        let bytes = fixture(name);
        let opened = with("open sesame").open(name, &bytes).expect("opened");
        assert_eq!(opened.files.last(), Some(&("secret.csv".to_owned(), ROWS.to_owned())), "{name}");
        assert_eq!(opened.said, "");
        for case in [Case::default(), with("wrong"), with("")] {
            let opened = case.open(name, &bytes).expect("opened");
            assert_eq!(opened.left_out, [("secret.csv".to_owned(), "archive_encrypted")], "{name}");
            assert!(opened.said.contains("password"), "{}", opened.said);
        }
    }
    let plain = Case::default().open("zipcrypto.zip", &fixture("zipcrypto.zip")).expect("opened");
    assert_eq!(plain.files[0].0, "plain.csv", "the others are read");
}

#[test]
fn damage_is_never_read_as_something_else() {
    let bytes = fixture("methods.zip");
    let case = Case::default();
    let whole = case.open("a.zip", &bytes).expect("opened").files;
    let contents: Vec<&String> = whole.iter().map(|(_, text)| text).collect();
    for end in (0..bytes.len()).step_by(3) {
        assert!(case.open("a.zip", &bytes[..end]).is_err(), "cut after {end} bytes");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= if at % 2 == 0 { 0x01 } else { 0x80 };
        let Ok(opened) = case.open("a.zip", &damaged) else { continue };
        for (name, text) in &opened.files {
            assert!(contents.contains(&text), "byte {at}: {name} is {text:?}");
        }
    }
}

#[test]
fn names_that_count_differently_from_program_to_program_are_refused() {
    let bytes = zip_of(&[("a.csv", b"id\n1\n"), ("b.csv", b"id\n2\n")]);
    // The name of the second file is changed to that of the first, in both places where it stands.
    let mut twice = bytes.clone();
    for at in memchr::memmem::find_iter(&bytes, b"b.csv") {
        twice[at] = b'a';
    }
    assert_eq!(Case::default().code("a.zip", &twice), "archive_broken");
    let slashes = zip_of(&[("d/a.csv", b"id\n1\n"), ("d//a.csv", b"id\n2\n")]);
    assert_eq!(Case::default().code("a.zip", &slashes), "archive_broken");
    let cases = zip_of(&[("A.csv", b"id\n1\n"), ("a.csv", b"id\n2\n")]);
    assert_eq!(Case::default().open("a.zip", &cases).expect("opened").files.len(), 2, "these are two names");
}

#[test]
fn an_archive_may_have_only_so_many_files() {
    let bytes = zip_of(&[("a.csv", b"id\n1\n"), ("b.csv", b"id\n2\n"), ("c.txt", b"id\n")]);
    let limit = |entries| Case { limits: UnpackLimits { entries, ..UnpackLimits::default() }, ..Case::default() };
    assert_eq!(limit(2).code("a.zip", &bytes), "archive_too_large");
    assert_eq!(limit(3).open("a.zip", &bytes).expect("opened").files.len(), 3);
    // A directory that claims more files than there is room for in memory.
    let mut claims = fixture("zip64.zip");
    let end = memchr::memmem::find(&claims, b"PK\x06\x06").expect("the end of a zip64 directory");
    claims[end + 24..end + 40].fill(0x11);
    assert_eq!(Case::default().code("a.zip", &claims), "archive_too_large");
}
