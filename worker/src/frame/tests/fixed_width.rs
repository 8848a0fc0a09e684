//! Fixed-width files through the whole reader.

use elt_shared::config::{FixedColumn, FixedWidth, Surplus, TextEncoding, WidthUnit};
use proptest::prelude::*;

use super::{Outcome, TestFile};
use crate::frame::CellKind;
use crate::frame::read::open;
use crate::input::Format;

/// `id` in places 1 to 4, `name` in 5 to 12 and `price` in 13 to 18.
fn options() -> FixedWidth {
    let column = |name: &str, start, width| FixedColumn { name: Some(name.to_owned()), start, width };
    FixedWidth {
        columns: vec![column("id", 0, 4), column("name", 4, 8), column("price", 12, 6)],
        header: false,
        skip_rows: 0,
        skip_footer: 0,
        comment: None,
        trim: true,
        unit: WidthUnit::Characters,
        record_length: None,
        encoding: TextEncoding::Utf8,
        null_values: None,
        surplus: Surplus::Reject,
    }
}

fn file(bytes: &[u8], change: impl FnOnce(&mut FixedWidth)) -> TestFile {
    let mut options = options();
    change(&mut options);
    TestFile::new("t.dat", bytes).read_as(Format::FixedWidth, |files| files.fixed_width = Some(options))
}

/// Reads a file through windows of several sizes, which must not show.
fn read(bytes: &[u8], change: impl FnOnce(&mut FixedWidth)) -> Outcome {
    let file = file(bytes, change);
    let outcome = file.read();
    for size in [7, 64, 77] {
        let narrow = file.read_with_window(size);
        if outcome.error.is_some() {
            assert_eq!(narrow.error, outcome.error, "a window of {size} bytes");
        } else {
            assert_eq!(narrow, outcome, "a window of {size} bytes");
        }
    }
    outcome
}

fn texts(outcome: &Outcome) -> Vec<String> {
    let shown = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
    outcome.rows.iter().map(|row| row.texts().into_iter().map(shown).collect::<Vec<_>>().join("|")).collect()
}

const LINES: &str = "1   Ann      12.50\n22  Bob Lee    3.5\n\n333 Cid\n";

#[test]
fn lines_become_rows_whatever_ends_them() {
    for end in ["\n", "\r\n", "\r", "\r\r\n"] {
        for text in [LINES.replace('\n', end), LINES.trim_end().replace('\n', end)] {
            let outcome = read(text.as_bytes(), |_| ());
            assert_eq!(outcome.names, ["id", "name", "price"]);
            assert_eq!(texts(&outcome), ["1|Ann|12.50", "22|Bob Lee|3.5", "333|Cid|NULL"], "{text:?}");
            assert_eq!(outcome.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 2, 4]);
            assert_eq!(outcome.rows[2].raw, b"333 Cid");
            assert_eq!((outcome.summary.filtered, &outcome.bad[..], outcome.error), (1, &[][..], None));
        }
    }
}

#[test]
fn places_are_those_of_characters_in_every_encoding() {
    let text = "1   Jürgen € 12.50\n22  Łódź       3.5\n";
    let utf16: Vec<u8> = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let expected = ["1|Jürgen €|12.50", "22|Łódź|3.5"];
    for bytes in [text.as_bytes(), utf16.as_slice(), format!("\u{FEFF}{text}").as_bytes()] {
        assert_eq!(texts(&read(bytes, |_| ())), expected);
    }
    let latin = b"1   J\xFCrgen   12.50\n2   Bj\xF6rk     1.00\n";
    for unit in [WidthUnit::Characters, WidthUnit::Bytes] {
        let outcome = read(latin, |options| {
            options.encoding = TextEncoding::Named("windows-1252".into());
            options.unit = unit;
        });
        assert_eq!(texts(&outcome), ["1|Jürgen|12.50", "2|Björk|1.00"]);
    }
    let wrong = read(latin, |_| ());
    assert_eq!(
        wrong.bad.iter().map(|bad| (bad.0, bad.1)).collect::<Vec<_>>(),
        [(1, "invalid_encoding"), (2, "invalid_encoding")]
    );
}

#[test]
fn places_can_be_those_of_bytes() {
    let outcome = read("1   Jürgen  12.50\n".as_bytes(), |options| options.unit = WidthUnit::Bytes);
    assert_eq!(texts(&outcome), ["1|Jürgen|12.50"], "ü has two bytes, so that there is one blank less");
    let cut = read("1   Łódź   ü 12.50\n".as_bytes(), |options| options.unit = WidthUnit::Bytes);
    assert_eq!(cut.bad.len() + cut.rows.len(), 1);
    let inside = read("123ü5678      1.5\n".as_bytes(), |options| options.unit = WidthUnit::Bytes);
    assert_eq!(inside.bad[0].1, "invalid_encoding");

    let (sjis, _, _) = encoding_rs::SHIFT_JIS.encode("1   東京     12.50\n");
    let outcome = read(&sjis, |options| {
        options.encoding = TextEncoding::Named("shift_jis".into());
        options.unit = WidthUnit::Bytes;
    });
    assert_eq!(texts(&outcome), ["1|東京|12.50"], "each of these characters has two bytes");
    assert_eq!(outcome.rows[0].raw, "1   東京     12.50".as_bytes());
    let wide = read(b"\xFF\xFE1\0\n\0", |options| options.unit = WidthUnit::Bytes);
    assert_eq!(wide.error, Some(("invalid_encoding", None)));
}

#[test]
fn header_ruler_comments_and_footer_are_no_rows() {
    let text = "Stock\n\nid  name    price \n--- ------- ------\n1   Ann      12.50\n* a note\n2   Bob       1.00\n2 rows      13.50\nend\n\n";
    let outcome = read(text.as_bytes(), |options| {
        options.columns.iter_mut().for_each(|column| column.name = None);
        options.header = true;
        options.skip_rows = 1;
        options.skip_footer = 2;
        options.comment = Some("*".into());
    });
    assert_eq!(outcome.names, ["id", "name", "price"]);
    assert_eq!(texts(&outcome), ["1|Ann|12.50", "2|Bob|1.00"]);
    assert_eq!(outcome.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 7]);
    assert_eq!(outcome.summary.filtered, 7, "title, two blank lines, ruler, comment and two lines of the footer");
    let all = read(text.as_bytes(), |options| options.skip_footer = 100);
    assert_eq!((all.rows.len(), all.summary.filtered), (0, 10));
}

#[test]
fn a_footer_is_found_far_behind_a_window() {
    let rows: String = (0..500).map(|n| format!("{n:<4}row {n:<4}{:>6}\n", n * 2)).collect();
    let outcome = read(format!("{rows}{}", "total\n".repeat(40)).as_bytes(), |options| options.skip_footer = 40);
    assert_eq!((outcome.rows.len(), outcome.summary.filtered), (500, 40));
    assert_eq!(texts(&outcome)[499], "499|row 499|998");
}

#[test]
fn what_does_not_fit_is_rejected_with_its_place() {
    let text = "1   Ann      12.50  \t \n2   Bob       1.00 x\n3\tCid       1.00\n4   Dan\u{1}     1.00\n5   Eve\0     1.00\n6   Fay       1.00\n\u{1A}";
    let outcome = read(text.as_bytes(), |_| ());
    assert_eq!(texts(&outcome), ["1|Ann|12.50", "6|Fay|1.00"]);
    let bad: Vec<_> = outcome.bad.iter().map(|(line, code, _)| (*line, *code)).collect();
    assert_eq!(bad, [(2, "surplus_text"), (3, "control_character"), (4, "control_character"), (5, "nul_byte")]);
    let mut reader = open(0, &file(text.as_bytes(), |_| ()).input).expect("readable");
    let mut reasons = Vec::new();
    while let Some(piece) = reader.next().expect("readable") {
        if let crate::frame::Piece::Bad(bad) = piece {
            reasons.push(bad.reason);
        }
    }
    assert_eq!(reasons[0], "it has text at character 20, and the last column ends with character 18");
    assert!(reasons[1].starts_with("character 2 is a tab"), "{}", reasons[1]);
    assert!(reasons[2].contains("COMP-3") && reasons[3].contains("COMP-3"), "{reasons:?}");
    let ignored = read(text.as_bytes(), |options| options.surplus = Surplus::Ignore);
    assert_eq!(texts(&ignored)[1], "2|Bob|1.00");
}

#[test]
fn records_without_line_ends_have_one_length() {
    let text = "1   Jürgen   12.50  2   Bob       1.00  ";
    let outcome = read(text.as_bytes(), |options| options.record_length = Some(20));
    assert_eq!(texts(&outcome), ["1|Jürgen|12.50", "2|Bob|1.00"]);
    assert_eq!(outcome.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 2]);
    let ended = read(format!("{text}\r\n").as_bytes(), |options| options.record_length = Some(20));
    assert_eq!(texts(&ended), texts(&outcome), "a line end at the end of the file is no record");
    let cut = read(&text.as_bytes()[..text.len() - 5], |options| options.record_length = Some(20));
    assert_eq!(cut.error, Some(("truncated", Some(2))));
    let latin = read(b"1   J\xFCrgen   12.50  2   Bob       1.00  ", |options| {
        options.record_length = Some(20);
        options.unit = WidthUnit::Bytes;
        options.encoding = TextEncoding::Named("windows-1252".into());
    });
    assert_eq!(texts(&latin), texts(&outcome));
    let with_lines = read(b"1   Ann      12.50\n2   Bob       1.00\n", |options| options.record_length = Some(18));
    assert_eq!(with_lines.error, Some(("truncated", Some(3))));
}

#[test]
fn blanks_are_kept_when_they_are_not_trimmed() {
    let outcome = read(b"1   Ann      12.50\n2            NA   \n", |options| {
        options.trim = false;
        options.null_values = Some(vec![" NA   ".into()]);
    });
    assert_eq!(texts(&outcome), ["1   |Ann     | 12.50", "2   |        |NULL"]);
    let trimmed = read(b"1   -        12.50\n", |options| options.null_values = Some(vec!["-".into()]));
    assert_eq!(trimmed.rows[0].cells[1].0, CellKind::Null);
}

#[test]
fn columns_may_overlap_and_leave_gaps() {
    let outcome = read(b"2026-11-30 x 42\n", |options| {
        let column = |name: &str, start, width| FixedColumn { name: Some(name.to_owned()), start, width };
        options.columns = vec![column("n", 13, 2), column("day", 0, 10), column("year", 0, 4)];
    });
    assert_eq!(texts(&outcome), ["42|2026-11-30|2026"]);
}

#[test]
fn an_empty_file_has_no_rows() {
    for text in ["", "\n", "\r\n\r\n", "\u{FEFF}", "   \n\t\n"] {
        for header in [true, false] {
            let outcome = read(text.as_bytes(), |options| options.header = header);
            assert_eq!((outcome.rows.len(), outcome.error), (0, None), "{text:?}");
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(rows in proptest::collection::vec(("[ -~ä€😀]{0,4}", "[ -~ä€😀]{0,8}", "[ -~]{0,6}"), 0..40), crlf in any::<bool>()) {
        let end = if crlf { "\r\n" } else { "\n" };
        let text: String = rows.iter().map(|(a, b, c)| format!("{a:<4}{b:<8}{c:>6}{end}")).collect();
        let outcome = read(text.as_bytes(), |_| ());
        let trimmed = |cell: &str| Some(cell.trim_matches(' ').to_owned()).filter(|cell| !cell.is_empty());
        let expected: Vec<Vec<Option<String>>> = rows
            .iter()
            .map(|(a, b, c)| vec![trimmed(a), trimmed(b), trimmed(c)])
            .filter(|row| row.iter().any(Option::is_some))
            .collect();
        prop_assert_eq!(outcome.rows.iter().map(super::Row::texts).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn no_bytes_stop_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300), length in proptest::option::of(1_u32..40), bytes_unit in any::<bool>()) {
        let outcome = read(&bytes, |options| {
            options.record_length = length;
            options.skip_footer = 1;
            if bytes_unit {
                options.unit = WidthUnit::Bytes;
                options.encoding = TextEncoding::Named("shift_jis".into());
            }
        });
        prop_assert!(outcome.rows.iter().all(|row| row.cells.len() == 3));
    }
}
