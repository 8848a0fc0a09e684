//! The fast reader against a slow one that reads byte by byte.

use elt_shared::config::{HeaderPlace, TextEncoding};
use proptest::prelude::*;

use super::{CellKind, Row, TestFile};
use crate::frame::Piece;
use crate::frame::delimited::dialect;
use crate::frame::delimited::split::Dialect;

/// What the slow reader makes of a file.
#[derive(Debug, Default, PartialEq)]
struct Slow {
    rows: Vec<Row>,
    bad: Vec<(u64, &'static str, Vec<u8>)>,
    filtered: u64,
    unclosed: Option<u64>,
    width: usize,
}

/// A record the slow reader found.
#[derive(Default)]
struct Record {
    cells: Vec<(CellKind, Vec<u8>)>,
    raw: Vec<u8>,
    stray: bool,
}

/// Reads one record from the front of `text`. Returns it and what follows; `Err`: line of the quote that never closes.
fn slow_record(text: &[u8], dialect: Dialect, line: &mut u64) -> Result<(Record, usize), u64> {
    #[derive(PartialEq)]
    enum State {
        Start,
        Bare,
        Quoted,
        Closed,
    }
    let mut record = Record::default();
    let mut cell = Vec::new();
    let (mut state, mut at, mut opened) = (State::Start, 0, *line);
    let mut since_close = Vec::new();
    loop {
        let byte = text.get(at).copied();
        let next = text.get(at + 1).copied();
        let line_end = byte == Some(b'\n') || (byte == Some(b'\r') && dialect.bare_cr);
        if state == State::Quoted {
            match byte {
                None => return Err(opened),
                Some(byte) if Some(byte) == dialect.quote && next == dialect.quote => {
                    cell.push(byte);
                    at += 1;
                }
                Some(byte) if Some(byte) == dialect.quote => {
                    state = State::Closed;
                    since_close.clear();
                }
                Some(byte) => {
                    *line += u64::from(byte == b'\n' || (line_end && next != Some(b'\n')));
                    cell.push(byte);
                }
            }
            at += 1;
            continue;
        }
        if byte.is_none() || line_end || byte == Some(dialect.delimiter) {
            let ends_line = byte != Some(dialect.delimiter);
            let kind = match state {
                State::Closed => {
                    record.stray |= !since_close.iter().all(|&byte| byte == b'\r' && ends_line);
                    CellKind::Quoted
                }
                _ => {
                    while ends_line && cell.last() == Some(&b'\r') {
                        cell.pop();
                    }
                    if cell.is_empty() { CellKind::Null } else { CellKind::Bare }
                }
            };
            record.cells.push((kind, std::mem::take(&mut cell)));
            state = State::Start;
            if ends_line {
                let end = at - text[..at].iter().rev().take_while(|&&byte| byte == b'\r').count();
                record.raw = text[..end].to_vec();
                *line += 1;
                let crlf = byte == Some(b'\r') && next == Some(b'\n');
                return Ok((record, (at + 1 + usize::from(crlf)).min(text.len())));
            }
            at += 1;
            continue;
        }
        let byte = byte.expect("checked above");
        match state {
            State::Start if Some(byte) == dialect.quote => {
                state = State::Quoted;
                opened = *line;
            }
            State::Closed => since_close.push(byte),
            _ => {
                state = State::Bare;
                cell.push(byte);
            }
        }
        at += 1;
    }
}

/// Whether a surplus cell is more than nothing: a quoted text, or anything but spaces and tabs.
fn holds_something((kind, bytes): &(CellKind, Vec<u8>)) -> bool {
    match kind {
        CellKind::Quoted => !bytes.is_empty(),
        _ => !bytes.iter().all(|byte| matches!(byte, b' ' | b'\t')),
    }
}

fn slow(text: &[u8], dialect: Dialect) -> Slow {
    let mut slow = Slow::default();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let first = line;
        let (mut record, used) = match slow_record(&text[at..], dialect, &mut line) {
            Ok(found) => found,
            Err(opened) => {
                slow.unclosed = Some(opened);
                return slow;
            }
        };
        at += used;
        let spaces = record.raw.iter().all(|&byte| byte != dialect.delimiter && (byte == b' ' || byte == b'\t'));
        if record.cells.len() == 1 && (record.raw.is_empty() || (spaces && slow.width != 1)) {
            slow.filtered += 1;
            continue;
        }
        if slow.width == 0 {
            slow.width = record.cells.len();
        }
        let code = if record.raw.contains(&0) {
            Some("nul_byte")
        } else if std::str::from_utf8(&record.raw).is_err() {
            Some("invalid_encoding")
        } else if record.stray {
            Some("stray_quote")
        } else if record.cells.iter().skip(slow.width).any(holds_something) {
            Some("too_many_cells")
        } else {
            None
        };
        match code {
            Some(code) => slow.bad.push((first, code, record.raw)),
            None => {
                record.cells.resize(slow.width, (CellKind::Null, Vec::new()));
                slow.rows.push(Row { line: first, raw: record.raw, cells: record.cells });
            }
        }
    }
    slow.bad.sort();
    slow
}

/// Text made of what matters.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[a-z0-9é]{1,9}".prop_map(String::into_bytes),
        6 => Just(b",".to_vec()),
        3 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        4 => Just(b"\"".to_vec()),
        3 => "\"[a-z ,\n]{0,6}\"".prop_map(String::into_bytes),
        1 => Just(b"\"\"".to_vec()),
        1 => Just(b" ".to_vec()),
        1 => Just(b"\t".to_vec()),
        1 => Just(vec![0]),
        1 => Just(vec![0xFF]),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn file(text: &[u8]) -> TestFile {
    TestFile::new("t.csv", text).with(|csv| csv.header = HeaderPlace::Missing)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_fast_reader_reads_what_the_slow_one_reads(text in text(), window in 1_usize..200) {
        let bom = text.starts_with(&[0xEF, 0xBB, 0xBF]);
        prop_assume!(!bom);
        let fast = file(&text).read_with_window(window.max(64));
        let bare_cr = dialect::detect(&text, true, &file(&text).input, None).expect("it has ended").dialect.bare_cr;
        let slow = slow(&text, Dialect { delimiter: b',', quote: Some(b'"'), bare_cr, ..Dialect::default() });
        if let Some(line) = slow.unclosed {
            prop_assert_eq!(fast.error, Some(("unclosed_quote", Some(line))));
            return Ok(());
        }
        prop_assert_eq!(fast.error, None);
        prop_assert_eq!(&fast.rows, &slow.rows);
        prop_assert_eq!(&fast.bad, &slow.bad);
        prop_assert_eq!(fast.summary.filtered, slow.filtered);
    }

    #[test]
    fn the_window_does_not_show(text in text(), small in 1_usize..100, header: bool) {
        let file = TestFile::new("t.csv", &text).with(|csv| csv.header = if header { HeaderPlace::First } else { HeaderPlace::Missing });
        let (narrow, wide) = (file.read_with_window(small.max(64)), file.read());
        if wide.error.is_none() {
            prop_assert_eq!(narrow, wide);
        } else {
            prop_assert_eq!(narrow.error, wide.error);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), name in "t\\.(csv|txt|csv\\.gz|csv\\.zst)") {
        let _ = TestFile::new(&name, &bytes).read();
        let _ = TestFile::new(&name, &bytes).with(|csv| csv.encoding = TextEncoding::Named("utf-16le".into())).read();
    }

    #[test]
    fn what_a_csv_writer_writes_comes_back(cells in proptest::collection::vec(proptest::collection::vec("[^\u{0}]{0,12}", 3), 1..30)) {
        let quote = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let lines: Vec<String> = cells.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(",")).collect();
        let outcome = TestFile::new("t.csv", format!("a,b,c\r\n{}\r\n", lines.join("\r\n")).as_bytes()).read();
        prop_assert_eq!(outcome.error, None);
        let read: Vec<Vec<String>> = outcome.rows.iter().map(|row| row.texts().into_iter().flatten().collect()).collect();
        prop_assert_eq!(read, cells);
    }
}

#[test]
fn a_record_larger_than_a_window_is_read() {
    let cell = "x\"\"\r\n".repeat(700_000);
    let outcome = TestFile::new("t.csv", format!("a,b\n1,\"{cell}\"\n2,y\n").as_bytes()).read();
    assert_eq!(outcome.rows.len(), 2);
    assert_eq!(outcome.rows[0].cells[1].1.len(), 700_000 * 4);
    assert_eq!(outcome.rows[1].line, 700_003);
}

#[test]
fn a_record_without_end_is_refused_in_bounded_memory() {
    let mut text = b"a,b\n1,\"".to_vec();
    text.resize(70 << 20, b'x');
    assert_eq!(TestFile::new("t.csv", &text).read().error, Some(("record_too_large", Some(2))));
}

#[test]
fn short_rows_of_many_columns_are_read_in_bounded_memory() {
    let header: Vec<_> = (0..1_500).map(|n| n.to_string()).collect();
    let text = format!("{}\n{}", header.join(","), "1\n".repeat(20_000));
    let file = TestFile::new("t.csv", text.as_bytes());
    let mut reader = crate::frame::read::open(0, &file.input).expect("a file");
    let (mut rows, mut largest) = (0, 0);
    while let Some(Piece::Rows(batch)) = reader.next().expect("readable") {
        rows += batch.rows();
        largest = largest.max(batch.rows());
        reader.recycle(batch);
    }
    assert_eq!(rows, 20_000);
    assert!(largest < 1_000, "{largest} rows at once");
}

#[test]
fn null_values_replace_the_default_tokens() {
    let file = TestFile::new("t.csv", b"a,b\n-,NA\n\"-\",x\n").with(|csv| csv.null_values = Some(vec!["-".into()]));
    let rows: Vec<_> = file.read().rows.iter().map(Row::texts).collect();
    assert_eq!(rows, [[None, Some("NA".into())], [None, Some("x".into())]]);
}

#[test]
fn a_declared_encoding_is_decoded() {
    let file = |label: &str, bytes: &[u8]| {
        let label = label.to_owned();
        TestFile::new("t.csv", bytes).with(|csv| csv.encoding = TextEncoding::Named(label)).read()
    };
    let texts = |outcome: &super::Outcome| outcome.rows[0].texts();
    assert_eq!(texts(&file("windows-1252", b"a\n\x80 caf\xE9\n")), [Some("€ café".into())]);
    assert_eq!(texts(&file("ISO_8859_15", b"a\n\xA4\n")), [Some("€".into())]);
    assert_eq!(texts(&file("shift_jis", b"a\n\x83\x65\n")), [Some("テ".into())]);
    assert_eq!(file("klingon", b"a\n").error, Some(("unknown_encoding", None)));
    assert_eq!(file("shift_jis", b"a\n\xFF\xFF\nb\n").bad, [(2, "invalid_encoding", vec![0xFF, 0xFF])]);
}
