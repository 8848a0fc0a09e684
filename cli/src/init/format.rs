//! What the source of one file needs beside its path, when its suffix does not say everything: the format, the columns of a
//! fixed-width file, the path of the rows of an XML file.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use elt_shared::config::{FileFormat, FileOptions, NamePrefixes, XmlOptions};
use elt_worker::extract::http::propose::quoted;
use elt_worker::frame::read::{self, FileError};
use elt_worker::frame::{fixed_width, xml};
use elt_worker::input::{Compression, InputFile, format_of};

/// Bytes at the beginning of a file by which its format is recognised.
const HEAD_BYTES: u64 = 64 << 10;

/// Further lines of the source of a file. Empty: its path is enough, or it is a folder. It blocks its thread.
///
/// # Errors
/// When the file is XML by its suffix, but cannot be read as such.
pub fn lines(path: &str) -> Result<String, FileError> {
    let file = Path::new(path);
    if !file.is_file() {
        return Ok(String::new());
    }
    let by_suffix = format_of(path, &FileOptions::default()).map(|found| found.0);
    let any = FileOptions { format: Some(FileFormat::Txt), ..FileOptions::default() };
    let compression = format_of(path, &any).map_or(Compression::None, |found| found.1);
    let Ok(input) = InputFile::at(path.to_owned(), file.to_owned(), FileFormat::Txt, compression) else {
        return Ok(String::new());
    };
    let head = beginning(&input);
    let with_xml = FileOptions { xml: Some(XmlOptions::default()), ..FileOptions::default() };
    let is_xml = format_of(path, &with_xml).is_some_and(|found| found.0 == FileFormat::Xml);
    if is_xml || (by_suffix.is_none() && head.first() == Some(&b'<')) {
        return of_xml(&input, is_xml);
    }
    if !matches!(by_suffix, None | Some(FileFormat::Txt)) {
        return Ok(String::new());
    }
    let without_suffix =
        |format: &str| if by_suffix.is_none() { format!("    format: {format}\n") } else { String::new() };
    if matches!(head.first(), Some(b'{' | b'[')) {
        return Ok(without_suffix("json # as found: it begins like JSON"));
    }
    // A file of which a delimiter makes several columns is not one of fixed width.
    let is_delimited = read::open(0, &input).is_ok_and(|reader| reader.names().len() > 1);
    match fixed_width::propose::propose(&input) {
        Ok(Some(proposal)) if !is_delimited => Ok(of_fixed_width(&proposal, &head, compression)),
        _ => Ok(without_suffix("txt # as found: it is a text")),
    }
}

/// The first bytes that are not white space, as they are on disk; empty for a compressed file.
fn beginning(input: &InputFile) -> Vec<u8> {
    let mut head = Vec::new();
    let read = || input.open()?.take(HEAD_BYTES).read_to_end(&mut head);
    if input.compression != Compression::None || { read }().is_err() {
        return Vec::new();
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
    text.trim_ascii_start().to_vec()
}

fn of_xml(input: &InputFile, has_suffix: bool) -> Result<String, FileError> {
    let Some(proposal) = xml::propose::propose(input)? else { return Ok(String::new()) };
    let mut lines = String::new();
    if !has_suffix {
        lines.push_str("    format: xml\n");
    }
    lines.push_str("    xml:\n");
    comments(&mut lines, &proposal.reasons);
    let _ = writeln!(lines, "      records: {}", quoted(&proposal.records()));
    if !proposal.options.attribute_prefix.is_empty() {
        let _ = writeln!(lines, "      attribute_prefix: {}", quoted(&proposal.options.attribute_prefix));
    }
    if proposal.options.prefixes == NamePrefixes::Keep {
        lines.push_str("      prefixes: keep\n");
    }
    Ok(lines)
}

fn of_fixed_width(proposal: &fixed_width::propose::Proposal, head: &[u8], compression: Compression) -> String {
    let mut lines = String::from("    fixed_width:\n");
    comments(&mut lines, &proposal.reasons);
    lines.push_str("      # Check the widths: a longer value further down would be cut or shifted.\n");
    if proposal.skip_rows > 0 {
        let _ = writeln!(lines, "      skip_rows: {}", proposal.skip_rows);
    }
    if proposal.header {
        lines.push_str("      header: true\n");
    }
    if compression == Compression::None && std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some()) {
        lines.push_str("      encoding: windows-1252 # it is not UTF-8; check the umlauts and accents\n");
    }
    lines.push_str("      columns:\n");
    for column in &proposal.columns {
        let name = quoted(column.name.as_deref().unwrap_or_default());
        let _ = writeln!(lines, "        - {{ name: {name}, start: {}, width: {} }}", column.start + 1, column.width);
    }
    lines
}

fn comments(lines: &mut String, reasons: &[String]) {
    for reason in reasons {
        let _ = writeln!(lines, "      # {}", reason.replace(char::is_control, " "));
    }
}
