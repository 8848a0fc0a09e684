//! Tells whether a file ends where a record ends. Then every record in it is whole, although more may follow.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::input::{Compression, Container, Format};

/// Bytes that are read at either end of a file.
const EDGE_BYTES: u64 = 64;

/// Whether a file is certain to end with a whole record. A file that is packed, or not in an encoding in which a line
/// end is one byte, is never certain.
pub(super) fn ends_with_a_record(file: &mut File, format: Format, compression: Compression) -> io::Result<bool> {
    if compression != Compression::None {
        return Ok(false);
    }
    let size = file.metadata()?.len();
    let start = edge(file, 0)?;
    let end = edge(file, size.saturating_sub(EDGE_BYTES))?;
    if matches!(format, Format::Parquet | Format::Arrow) {
        return Ok(is_whole(format, &start, &end));
    }
    let is_wide = start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) || end.contains(&0);
    let is_binary = matches!(format, Format::Workbook | Format::Container(_));
    Ok((!is_wide || is_binary) && is_whole(format, &start, &end))
}

fn edge(file: &mut File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(EDGE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_whole(format: Format, start: &[u8], end: &[u8]) -> bool {
    match format {
        Format::Csv | Format::Txt | Format::Ndjson | Format::FixedWidth => end.ends_with(b"\n"),
        // The writer of such a file writes its end last.
        Format::Parquet => start.starts_with(b"PAR1") && end.ends_with(b"PAR1"),
        Format::Arrow => start.starts_with(b"ARROW1") && end.ends_with(b"ARROW1"),
        // The directory of a zip container is at its end, and is written last.
        Format::Workbook | Format::Container(Container::Zip) => {
            start.starts_with(b"PK") && end.windows(4).any(|bytes| bytes == b"PK\x05\x06")
        }
        Format::Json => {
            let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
            let pair = (start.trim_ascii_start().first(), end.trim_ascii_end().last());
            matches!(pair, (Some(b'['), Some(b']')) | (Some(b'{'), Some(b'}')))
        }
        // Their end shows nothing: many elements of an XML document end with the same bytes as the last one.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_record_at_the_end_is_certain() {
        let whole = |format, text: &[u8]| is_whole(format, text, text);
        for (format, text, expected) in [
            (Format::Csv, "a\n1\n", true),
            (Format::Csv, "a\n1", false),
            (Format::Csv, "a\r\n1\r", false),
            (Format::Txt, "", false),
            (Format::Ndjson, "{\"a\": 1}\n", true),
            (Format::Ndjson, "{\"a\": 1}", false),
            (Format::Json, "\u{FEFF} [1, 2]\n", true),
            (Format::Json, "{\"a\": [1]", false),
            (Format::Json, "[{\"a\": 1}", false),
            (Format::Json, "[{\"a\": 1},\n", false),
            (Format::Workbook, "PK\u{3}\u{4}…PK\u{5}\u{6}\0\0", true),
            (Format::Workbook, "PK\u{3}\u{4}…", false),
            (Format::Workbook, "\u{D0}…PK\u{5}\u{6}", false),
            (Format::Parquet, "PAR1 PAR1", true),
            (Format::Parquet, "PAR1 ", false),
            (Format::Arrow, "ARROW1 ARROW1", true),
        ] {
            assert_eq!(whole(format, text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn packed_files_and_wide_characters_are_never_certain() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let certain = |bytes: &[u8], compression| {
            std::fs::write(&path, bytes).expect("a file");
            let mut file = File::open(&path).expect("a file");
            ends_with_a_record(&mut file, Format::Csv, compression).expect("readable")
        };
        assert!(certain(b"a\n1\n", Compression::None));
        assert!(!certain(b"a\n1\n", Compression::Gzip));
        assert!(!certain(b"\xFF\xFEa\0\n\0", Compression::None));
        assert!(!certain(b"\0a\0\n", Compression::None));
    }
}
