//! Every file of the corpus with small damages: a reader ends with rows or with a sentence, in bounded memory.

use std::io::{Cursor, Read, Write};

use elt_shared::config::{FileOptions, FixedColumn, FixedWidth, XmlOptions};
use zip::write::SimpleFileOptions;

use super::TestFile;
use crate::damaged_files::{DamageGenerator, files, peak_bytes};
use crate::frame::{Piece, read};
use crate::input::{Format, format_of};

/// Rows after which no more are read of a damaged file, which may repeat one row a million times.
const MOST_ROWS: usize = 100_000;
/// Most bytes by which the memory of the process may grow. Other tests, which run at the same time, hold records of 64 MiB.
const MOST_GROWN: u64 = 2 << 30;

/// Reads a file to its end, and checks that each batch is a rectangle of UTF-8.
fn read_to_the_end(name: &str, file: &TestFile) {
    let mut reader = match read::open(0, &file.input) {
        Ok(reader) => reader,
        Err(error) => return assert!(error.message.contains(&file.input.name), "{name}: {error}"),
    };
    let mut rows = 0;
    while rows < MOST_ROWS {
        let batch = match reader.next() {
            Ok(Some(Piece::Rows(batch))) => batch,
            Ok(Some(Piece::Bad(_))) => {
                rows += 1;
                continue;
            }
            Ok(None) => break,
            Err(error) => return assert!(error.message.contains(&file.input.name), "{name}: {error}"),
        };
        assert_eq!(batch.names.len(), batch.columns.len(), "{name}");
        for column in &batch.columns {
            assert_eq!((column.ends.len(), column.kinds.len()), (batch.rows(), batch.rows()), "{name}");
            assert!((0..batch.rows()).all(|row| std::str::from_utf8(column.cell(row).1).is_ok()), "{name}");
        }
        rows += batch.rows();
        reader.recycle(batch);
    }
}

/// Reads each of some files with a number of damages, and says by which seed it failed.
fn read_damaged(
    files: &[(String, Vec<u8>)],
    rounds: u64,
    damage: impl Fn(&mut DamageGenerator, &[u8]) -> Vec<u8>,
    open: impl Fn(&str, &[u8]) -> TestFile,
) {
    assert!(!files.is_empty());
    let before = peak_bytes();
    for (name, bytes) in files {
        for seed in 0..rounds {
            let damaged = damage(&mut DamageGenerator::new(seed), bytes);
            read_to_the_end(&format!("{name} with the seed {seed}"), &open(name, &damaged));
        }
    }
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < MOST_GROWN, "the memory grew by {} MiB", grown >> 20);
}

fn anywhere(generator: &mut DamageGenerator, bytes: &[u8]) -> Vec<u8> {
    generator.damaged(bytes)
}

fn known(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = files(folder);
    all.retain(|(name, _)| format_of(name, &FileOptions::default()).is_some());
    all
}

#[test]
fn damaged_text_files_are_read_or_refused() {
    read_damaged(&known("corpus"), 10, anywhere, TestFile::new);
}

#[test]
fn damaged_fixed_width_and_xml_files_are_read_or_refused() {
    let mut all = files("corpus/formats");
    all.retain(|(name, _)| name.starts_with("fw_"));
    let column = |start| FixedColumn { name: Some(format!("c{start}")), start, width: 5 };
    let fixed_width = FixedWidth { columns: vec![column(0), column(5)], ..fixed_width_defaults() };
    read_damaged(&all, 40, anywhere, |_, bytes| {
        let fixed_width = Some(fixed_width.clone());
        TestFile::new("f.dat", bytes).read_as(Format::FixedWidth, |options| options.fixed_width = fixed_width)
    });
    let mut all = files("corpus/formats");
    all.retain(|(name, _)| name.starts_with("x_"));
    read_damaged(&all, 40, anywhere, |_, bytes| {
        let records = first_two_names(bytes);
        TestFile::new("f.xml", bytes)
            .read_as(Format::Xml, |options| options.xml = Some(XmlOptions { records, ..XmlOptions::default() }))
    });
}

fn fixed_width_defaults() -> FixedWidth {
    FixedWidth {
        columns: Vec::new(),
        header: false,
        skip_rows: 1,
        skip_footer: 1,
        comment: None,
        trim: true,
        unit: Default::default(),
        record_length: None,
        encoding: Default::default(),
        null_values: None,
        surplus: Default::default(),
    }
}

/// The names of the first element of a document and of the first one in it.
fn first_two_names(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let starts = text.split('<').skip(1).filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()));
    let name = |tag: &str| tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
    starts.map(name).take(2).collect()
}

/// Damages one part of a zip, which is packed again, so that its checksum is right.
fn inside(generator: &mut DamageGenerator, bytes: &[u8]) -> Vec<u8> {
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return generator.damaged(bytes) };
    let chosen = generator.below(archive.len());
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).expect("a part");
        let (name, mut content) = (part.name().expect("a name").into_owned(), Vec::new());
        part.read_to_end(&mut content).expect("whole");
        if index == chosen {
            content = generator.damaged(&content);
        }
        out.start_file(name, SimpleFileOptions::default()).expect("a part");
        out.write_all(&content).expect("written");
    }
    out.finish().expect("written").into_inner()
}

#[test]
fn damaged_workbooks_are_read_or_refused() {
    let all = known("fixtures/excel");
    read_damaged(&all, 40, anywhere, TestFile::new);
    read_damaged(&all, 60, inside, TestFile::new);
}

#[test]
fn damaged_parquet_and_arrow_files_are_read_or_refused() {
    read_damaged(&known("fixtures/parquet"), 80, anywhere, TestFile::new);
}
