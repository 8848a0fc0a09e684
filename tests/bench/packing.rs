//! The rows of [`work`](crate::work) as files of other formats, and packed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::work::{COLUMNS, row};

/// Copies a file through a compressor or into an archive that its name asks for.
pub fn pack(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, name) = (File::open(from)?, to.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    if name.ends_with(".tar.gz") {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(out, flate2::Compression::default()));
        tar.append_file("rows.csv", &mut from)?;
        return tar.into_inner()?.finish()?.flush();
    }
    if name.ends_with(".zip") {
        let mut zip = ZipWriter::new(out);
        zip.start_file("rows.csv", SimpleFileOptions::default())?;
        io::copy(&mut from, &mut zip)?;
        return zip.finish()?.flush();
    }
    if name.ends_with(".gz") {
        let mut gzip = flate2::write::GzEncoder::new(out, flate2::Compression::default());
        io::copy(&mut from, &mut gzip)?;
        return gzip.finish()?.flush();
    }
    assert!(name.ends_with(".zst"), "{name}: a known packing");
    zstd::stream::copy_encode(&mut from, out, 3)
}

/// Writes rows `1..=count` as an XML document with an element `row` for each.
pub fn xml(path: &Path, count: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(b"<?xml version=\"1.0\"?><rows>")?;
    for id in 1..=count {
        out.write_all(b"<row>")?;
        for (name, cell) in COLUMNS.iter().zip(row(id)) {
            if let Some(cell) = cell {
                write!(out, "<{name}>{}</{name}>", escaped(&cell))?;
            }
        }
        out.write_all(b"</row>")?;
    }
    out.write_all(b"</rows>")?;
    out.flush()
}

/// Writes rows `1..=count` as a workbook of one sheet. All texts are in its table of shared strings, as Excel writes them;
/// numbers of more than 15 digits, and days and times, are texts.
pub fn xlsx(path: &Path, count: u64) -> io::Result<()> {
    let mut zip = ZipWriter::new(BufWriter::with_capacity(1 << 20, File::create(path)?));
    let options = SimpleFileOptions::default();
    for (name, content) in XLSX_PARTS {
        zip.start_file(*name, options)?;
        zip.write_all(content.as_bytes())?;
    }
    let is_text = |name: &str| matches!(name, "big" | "day" | "seen_at" | "short" | "long");
    zip.start_file("xl/sharedStrings.xml", options)?;
    write!(zip, "<sst xmlns=\"{MAIN}\">")?;
    for name in COLUMNS {
        write!(zip, "<si><t>{name}</t></si>")?;
    }
    for id in 1..=count {
        let texts = COLUMNS.iter().zip(row(id)).filter(|(name, _)| is_text(name));
        let items: String = texts
            .map(|(_, cell)| format!("<si><t xml:space=\"preserve\">{}</t></si>", escaped(&cell.unwrap_or_default())))
            .collect();
        zip.write_all(items.as_bytes())?;
    }
    zip.write_all(b"</sst>")?;
    zip.start_file("xl/worksheets/sheet1.xml", options)?;
    write!(zip, "<worksheet xmlns=\"{MAIN}\"><sheetData><row r=\"1\">")?;
    for (index, letter) in ('A'..='J').enumerate() {
        write!(zip, "<c r=\"{letter}1\" t=\"s\"><v>{index}</v></c>")?;
    }
    zip.write_all(b"</row>")?;
    let mut shared = COLUMNS.len();
    for id in 1..=count {
        let number = id + 1;
        let mut line = format!("<row r=\"{number}\">");
        for ((letter, name), cell) in ('A'..='J').zip(COLUMNS).zip(row(id)) {
            let Some(cell) = cell else { continue };
            if is_text(name) {
                line.push_str(&format!("<c r=\"{letter}{number}\" t=\"s\"><v>{shared}</v></c>"));
                shared += 1;
            } else if name == "active" {
                line.push_str(&format!("<c r=\"{letter}{number}\" t=\"b\"><v>{}</v></c>", u8::from(cell == "true")));
            } else {
                line.push_str(&format!("<c r=\"{letter}{number}\"><v>{cell}</v></c>"));
            }
        }
        line.push_str("</row>");
        zip.write_all(line.as_bytes())?;
    }
    zip.write_all(b"</sheetData></worksheet>")?;
    zip.finish()?.flush()
}

/// Text as XML may hold it. A carriage return would become a line feed when it is read.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

/// The namespace of sheets and workbooks.
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/// The parts of a workbook beside its sheet and its texts.
const XLSX_PARTS: &[(&str, &str)] = &[
    (
        "[Content_Types].xml",
        "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Override PartName=\"/xl/workbook.xml\" \
         ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/><Override \
         PartName=\"/xl/worksheets/sheet1.xml\" \
         ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/><Override \
         PartName=\"/xl/sharedStrings.xml\" \
         ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml\"/></Types>",
    ),
    (
        "_rels/.rels",
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
         Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
         Target=\"xl/workbook.xml\"/></Relationships>",
    ),
    (
        "xl/workbook.xml",
        "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets><sheet name=\"rows\" \
         sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
    ),
    (
        "xl/_rels/workbook.xml.rels",
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
         Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" \
         Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"rId2\" \
         Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings\" \
         Target=\"sharedStrings.xml\"/></Relationships>",
    ),
];
