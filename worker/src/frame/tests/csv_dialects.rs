//! Files in the dialects that `csv:` describes: escapes, comments, footers, headers in odd places, foreign numbers, and
//! encodings that are guessed.

use elt_shared::config::{CsvOptions, HeaderPlace, NumberFormat, Quote, TextEncoding, Thousands};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::{CellKind, Outcome, Row, TestFile};
use crate::frame::profile::{Profile, profile};

/// The rows of a file with these options as texts; NULL is `None`.
fn rows(text: &str, options: impl FnOnce(&mut CsvOptions)) -> Vec<Vec<Option<String>>> {
    let outcome = read(text, options);
    assert_eq!((outcome.error, &outcome.bad), (None, &vec![]), "{text}");
    outcome.rows.iter().map(Row::texts).collect()
}

fn read(text: &str, options: impl FnOnce(&mut CsvOptions)) -> Outcome {
    TestFile::new("t.csv", text.as_bytes()).with(options).read()
}

fn some<const N: usize>(cells: [&str; N]) -> Vec<Option<String>> {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}

fn profile_of(file: &TestFile) -> Profile {
    profile(std::slice::from_ref(&file.input), &[], &CancellationToken::new()).expect("nobody stops it")
}

#[test]
fn a_character_behind_an_escape_is_taken_as_it_is() {
    let text =
        "id,note\n1,\"say \\\"hi\\\", \\\\\"\n2,a\\,b\n3,two\\\nlines\n4,\"x\\\ny\"\n5,\\ \n6,\"a\"\"b\"\n7,tab\\t\n";
    let read = read(text, |csv| csv.escape = Some(b'\\'));
    let texts: Vec<_> = read.rows.iter().map(Row::texts).collect();
    let expected = [
        ["1", "say \"hi\", \\"],
        ["2", "a,b"],
        ["3", "two\nlines"],
        ["4", "x\ny"],
        ["5", " "],
        ["6", "a\"b"],
        ["7", "tabt"],
    ];
    assert_eq!(texts, expected.map(some));
    assert_eq!(read.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4, 6, 8, 9, 10]);
    assert_eq!(read.rows[2].raw, b"3,two\\\nlines");
    assert_eq!(rows("a\nx\\", |csv| csv.escape = Some(b'\\')), [some(["x\\"])], "an escape at the end of the file");
    assert_eq!(read_error("a,b\n1,\"x\\\"\n", |csv| csv.escape = Some(b'\\')), Some(("unclosed_quote", Some(2))));
}

fn read_error(text: &str, options: impl FnOnce(&mut CsvOptions)) -> Option<(&'static str, Option<u64>)> {
    read(text, options).error
}

#[test]
fn a_bare_escaped_n_is_null() {
    let escaped = |csv: &mut CsvOptions| csv.escape = Some(b'\\');
    assert_eq!(rows("a,b\n\\N,\"\\N\"\n", escaped), [vec![None, Some("N".into())]]);
    let other = |csv: &mut CsvOptions| {
        escaped(csv);
        csv.null_values = Some(vec!["-".into()]);
    };
    assert_eq!(rows("a,b\n\\N,-\n", other), [vec![Some("N".into()), None]]);
    let written = |csv: &mut CsvOptions| {
        escaped(csv);
        csv.null_values = Some(vec!["\\N".into()]);
    };
    assert_eq!(rows("a,b\n\\N,-\n", written), [vec![None, Some("-".into())]]);
}

#[test]
fn without_a_quote_every_quote_is_an_ordinary_character() {
    let text = "id,size\n1,6\"\n2,\"7\n3,\"a\" b\n";
    assert_eq!(rows(text, |csv| csv.quote = Quote::Never), [["1", "6\""], ["2", "\"7"], ["3", "\"a\" b"]].map(some));
}

#[test]
fn spaces_around_cells_are_dropped_and_those_inside_of_quotes_are_kept() {
    let text = " id ,\tname \n 1 , \" kept \" \r\n2,  \n3,a b\t\n   \n";
    let trim = |csv: &mut CsvOptions| csv.trim = true;
    let outcome = read(text, trim);
    assert_eq!(outcome.names, ["id", "name"]);
    let texts: Vec<_> = outcome.rows.iter().map(Row::texts).collect();
    assert_eq!(texts, [some(["1", " kept "]), vec![Some("2".into()), None], some(["3", "a b"])]);
    assert_eq!(outcome.rows[0].cells[1].0, CellKind::Quoted);
    assert_eq!(outcome.summary.filtered, 1);
    assert_eq!(read("a,b\n1,\"x\" y\n", trim).bad, [(2, "stray_quote", b"1,\"x\" y".to_vec())]);
    let tabs = TestFile::new("t.txt", b"a\tb\tc\n 1\t\t x\n").with(trim).read();
    assert_eq!(tabs.rows[0].texts(), [Some("1".into()), None, Some("x".into())], "a tab that separates is no space");
}

#[test]
fn comments_are_filtered_wherever_they_are() {
    let text = "# made by, \"a program\nid,name\n1,#not\n# between\n2,\"b\n#within\"\n#end";
    let outcome = read(text, |csv| csv.comment = Some("#".into()));
    let texts: Vec<_> = outcome.rows.iter().map(Row::texts).collect();
    assert_eq!(texts, [["1", "#not"], ["2", "b\n#within"]].map(some));
    assert_eq!((outcome.summary.filtered, outcome.rows[1].line), (3, 5));
    assert_eq!(outcome.summary.dialect.expect("a dialect").header_line, Some(2));
    let txt =
        TestFile::new("t.txt", b"// a|b\n// c|d\nid;n\n// x\n1;2\n").with(|csv| csv.comment = Some("//".into())).read();
    assert_eq!((txt.names, txt.rows.len(), txt.summary.filtered), (vec!["id".to_owned(), "n".into()], 1, 3));
}

#[test]
fn the_last_records_are_not_rows() {
    let footer = |lines| move |csv: &mut CsvOptions| csv.skip_footer = lines;
    let text = "id,amount\n1,5\n2,6\nTotal,11\n\nprinted, by Ann, on Monday\n\n";
    let outcome = read(text, footer(2));
    assert_eq!(outcome.rows.iter().map(Row::texts).collect::<Vec<_>>(), [["1", "5"], ["2", "6"]].map(some));
    assert_eq!((outcome.summary.filtered, outcome.bad), (4, vec![]));
    let outcome = read("id,amount\n1,5\n2,6\n", footer(9));
    assert_eq!((outcome.rows.len(), outcome.summary.filtered), (0, 2));
    let outcome = read("id,amount\n1,5\n\"x\ny\",\"\n\"\n", footer(1));
    assert_eq!((outcome.rows.len(), outcome.summary.filtered), (1, 1), "a record of several lines is one");
}

#[test]
fn the_header_is_where_the_config_says() {
    let text = "Sales of May\n\nyear,north\n2025,1\n";
    let outcome = read(text, |csv| csv.header = HeaderPlace::Line(3));
    assert_eq!(
        (outcome.names, outcome.rows[0].texts()),
        (vec!["year".to_owned(), "north".into()], some(["2025", "1"]))
    );
    assert_eq!((outcome.rows[0].line, outcome.summary.filtered), (4, 2));
    let dialect = outcome.summary.dialect.expect("a dialect");
    assert_eq!((dialect.header_line, dialect.skipped_lines), (Some(3), 2));
    let names = |csv: &mut CsvOptions| csv.header = HeaderPlace::Names(vec!["id".into(), "name".into()]);
    let outcome = read("1,Ann\n2\n3,c,d\n", names);
    assert_eq!(outcome.names, ["id", "name"]);
    assert_eq!(
        outcome.rows.iter().map(Row::texts).collect::<Vec<_>>(),
        [some(["1", "Ann"]), vec![Some("2".into()), None]]
    );
    assert_eq!(outcome.bad, [(3, "too_many_cells", b"3,c,d".to_vec())]);
    let outcome = read("a\nb\n", |csv| csv.header = HeaderPlace::Line(9));
    assert_eq!((outcome.rows.len(), outcome.summary.warnings.len()), (0, 1));
}

#[test]
fn a_joined_file_may_have_a_byte_order_mark_before_each_header() {
    let outcome = read("\u{feff}id,name\n1,Ann\n\u{feff}id,name\n2,Bo\n\u{feff}x,name\n", |_| {});
    let texts: Vec<_> = outcome.rows.iter().map(Row::texts).collect();
    assert_eq!(texts, [["1", "Ann"], ["2", "Bo"], ["\u{feff}x", "name"]].map(some));
    assert_eq!(outcome.summary.filtered, 1);
    let quoted =
        read("\u{feff}\"id\",\"name\"\r\n\"1\",\"Ann\"\r\n\u{feff}\"id\",\"name\"\r\n\"2\",\"Bo\"\r\n", |_| {});
    assert_eq!(quoted.rows.iter().map(Row::texts).collect::<Vec<_>>(), [["1", "Ann"], ["2", "Bo"]].map(some));
}

#[test]
fn a_header_that_comes_again_is_filtered() {
    let outcome = read("id,amount\n1,10.50\nid,amount\n3,4.00\n\"id\",\"amount\"\n", |_| {});
    assert_eq!(outcome.rows.iter().map(Row::texts).collect::<Vec<_>>(), [["1", "10.50"], ["3", "4.00"]].map(some));
    assert_eq!(outcome.summary.filtered, 2);
    let [warning] = &outcome.summary.warnings[..] else { panic!("{:?}", outcome.summary.warnings) };
    assert!(warning.contains("2 times") && warning.starts_with("t.csv:3: "), "{warning}");
    for (text, rows) in [
        // A row could be so: one column, a value among the names, another case, other columns.
        ("word\nid\nword\n", 2),
        ("id,1\n1,2\nid,1\n", 2),
        ("2024,2025\n1,2\n2024,2025\n", 2),
        ("id,amount\nID,amount\n1,2\n", 2),
        ("id,amount\nid\n1,2\n", 2),
    ] {
        let outcome = read(text, |_| {});
        assert_eq!((outcome.rows.len(), outcome.summary.warnings.len()), (rows, 0), "{text}");
    }
    let null_names = read("id,x\n1,2\nid,x\nid,\n", |csv| csv.null_values = Some(vec!["x".into()]));
    assert_eq!((null_names.rows.len(), null_names.summary.filtered), (2, 1), "an empty cell is not a name");
    let unnamed = read(",a,b\n1,2,3\n,a,b\n\"\",\"a\",\"b\"\n", |_| {});
    assert_eq!((unnamed.rows.len(), unnamed.summary.filtered), (1, 2));
    let outcome = read("id,n\nid,n\n1,2\nid,n\n", |csv| csv.skip_footer = 1);
    assert_eq!((outcome.rows.len(), outcome.summary.filtered, outcome.summary.warnings.len()), (1, 2, 1));
    let named = read("id,n\nid,n\n", |csv| csv.header = HeaderPlace::Names(vec!["id".into(), "n".into()]));
    assert_eq!(named.rows.len(), 2, "the file has no header that could come again");
}

/// The types of the columns of a semicolon file, and the proposals for them.
fn types(text: &str, numbers: Option<NumberFormat>) -> Vec<(String, Option<&'static str>)> {
    let file = TestFile::new("t.csv", text.as_bytes()).with(|csv| {
        csv.delimiter = Some(b';');
        csv.numbers = numbers;
    });
    profile_of(&file).columns.iter().map(|column| (column.inferred().to_string(), column.proposal())).collect()
}

#[test]
fn numbers_are_read_in_the_format_of_the_config() {
    let german = Some(NumberFormat { decimal: b',', thousands: Some(Thousands::Point) });
    for (cells, numbers, expected) in [
        (["1.234,5", "0,25"], german, "numeric"),
        (["1.234", "7"], german, "bigint"),
        (["1,5e-3", "2"], german, "double precision"),
        (["1,5", "NA"], german, "numeric"),
        (["1.5", "2"], german, "text"),
        (["007", "1"], german, "text"),
        (["2024-01-31", "2024-02-01"], german, "date"),
        (["true", "false"], german, "boolean"),
        (["1,5", "x"], german, "text"),
        (["1 234,5", "1\u{A0}234"], Some(NumberFormat { decimal: b',', thousands: Some(Thousands::Space) }), "numeric"),
        (["1'234.5", "1"], Some(NumberFormat { decimal: b'.', thousands: Some(Thousands::Apostrophe) }), "numeric"),
        (["1.234", "1,5"], Some(NumberFormat { decimal: b',', thousands: None }), "text"),
        (["1.234", "1.5"], None, "numeric"),
    ] {
        let text = format!("a;b\n{};x\n{};x\n", cells[0], cells[1]);
        assert_eq!(types(&text, numbers)[0], (expected.to_owned(), None), "{cells:?}");
    }
}

#[test]
fn the_cell_that_decided_is_shown_as_it_is_written() {
    let file = TestFile::new("t.csv", b"a;b\n1;1\n1.234,5;1.5\n").with(|csv| {
        csv.delimiter = Some(b';');
        csv.numbers = Some(NumberFormat { decimal: b',', thousands: Some(Thousands::Point) });
    });
    let profile = profile_of(&file);
    let deciding: Vec<_> = profile.columns.iter().filter_map(|column| column.deciding()).collect();
    assert_eq!(
        deciding.iter().map(|cell| (cell.line, cell.value.as_str())).collect::<Vec<_>>(),
        [(3, "1.234,5"), (3, "1.5")]
    );
    assert_eq!(profile.columns[1].inferred().to_string(), "text");
}

#[test]
fn a_number_format_is_proposed_and_never_taken() {
    for (cells, proposed) in [
        (["1,5", "20", "-0,25"], Some("{decimal: \",\"}")),
        (["7", "1.234,50", "12,00"], Some("{decimal: \",\", thousands: \".\"}")),
        (["1,234,567", "12", "1,000"], Some("{thousands: \",\"}")),
        (["1,234", "5", "6,789"], Some("when they group digits")),
        (["1,5", "x", "2"], None),
        (["1,5", "1.5", "2"], None),
        (["1,5", "1,234.5", "2"], None),
        (["a, b", "c", "d"], None),
    ] {
        let text = format!("a;b\n{}", cells.map(|cell| format!("{cell};x\n")).concat());
        let (sql_type, proposal) = types(&text, None).remove(0);
        assert_eq!(sql_type, "text", "{cells:?}");
        assert_eq!(proposal.is_some(), proposed.is_some(), "{cells:?}: {proposal:?}");
        assert!(proposed.is_none_or(|keys| proposal.is_some_and(|proposal| proposal.contains(keys))), "{proposal:?}");
    }
}

#[test]
fn an_encoding_is_guessed_where_the_first_letter_shows_it() {
    let guessed = |bytes: &[u8]| TestFile::new("t.csv", bytes).with(|csv| csv.encoding = TextEncoding::Guessed).read();
    let name = |outcome: &Outcome| outcome.summary.dialect.as_ref().expect("a dialect").encoding.clone();
    // The letter comes long after the first window.
    let ascii = "id,name\n".to_owned() + &"1,plain\n".repeat(200_000);
    let late = guessed(&[ascii.as_bytes(), b"2,M\xFCller\n3,Wei\xDF\n"].concat());
    assert_eq!((late.rows.len(), late.rows[200_000].texts()), (200_002, some(["2", "Müller"])));
    assert_eq!((name(&late), late.summary.warnings.len()), ("windows-1252".to_owned(), 1));
    let utf_8 = guessed("id,name\n1,Müller\n".as_bytes());
    assert_eq!((name(&utf_8), utf_8.summary.warnings), ("utf-8".to_owned(), vec![]));
    assert_eq!(utf_8.rows[0].texts(), some(["1", "Müller"]));
    let wide: Vec<u8> = "id,name\n1,Müller\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = guessed(&wide);
    assert_eq!(
        (wide.rows[0].texts(), name(&wide), wide.summary.warnings.len()),
        (some(["1", "Müller"]), "utf-16le".into(), 1)
    );
    let marked: Vec<u8> = "\u{FEFF}id\nü\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = guessed(&marked);
    assert_eq!(
        (marked.rows[0].texts(), name(&marked), marked.summary.warnings.len()),
        (some(["ü"]), "utf-16be".into(), 0)
    );
    // As DOS wrote it: not guessed, and the row is rejected.
    let dos = guessed(b"id,name\n1,Ann\n2,M\x81ller\n");
    assert_eq!((dos.rows.len(), dos.bad.len(), dos.summary.warnings.len()), (1, 1, 1));
}

/// Writes a cell as Python's `csv` does with an escape and without doubled quotes.
fn escaped(cell: &str, quoted: bool) -> String {
    let special = |c: char| match quoted {
        true => matches!(c, '"' | '\\'),
        false => matches!(c, '"' | '\\' | ',' | '\n' | '\r' | '#' | 'N'),
    };
    let text: String = cell.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect();
    if quoted { format!("\"{text}\"") } else { text }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The header has other letters than the cells, because a row that repeats it is left out.
    #[test]
    fn what_is_written_with_escapes_comes_back(
        cells in proptest::collection::vec(proptest::collection::vec(("[ab,\"\\\\\n\r N#é]{0,8}", any::<bool>()), 2), 1..20),
        window in 64_usize..200,
    ) {
        let cell = |(cell, quoted): &(String, bool)| escaped(cell, *quoted || cell.is_empty() || cell == "N");
        let lines: Vec<_> = cells.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",")).collect();
        let file = TestFile::new("t.csv", format!("x,y\r\n{}\r\n", lines.join("\r\n")).as_bytes()).with(|csv| {
            csv.escape = Some(b'\\');
            csv.comment = Some("#".into());
        });
        let outcome = file.read_with_window(window);
        prop_assert_eq!(outcome.error, None);
        let read: Vec<Vec<String>> = outcome.rows.iter().map(|row| row.texts().into_iter().map(Option::unwrap_or_default).collect()).collect();
        let expected: Vec<Vec<String>> = cells.iter().map(|row| row.iter().map(|(cell, _)| cell.clone()).collect()).collect();
        prop_assert_eq!(read, expected);
    }

    /// Whatever the dialect, a narrow window reads what a wide one reads, and everything is accounted for.
    #[test]
    fn no_window_shows_in_any_dialect(
        text in "(a,b\n)?([ab1,;\"\\\\# \t\n]|1,2\n|#x\n|\r\n){0,80}",
        (escape, trim, comment, footer) in (any::<bool>(), any::<bool>(), any::<bool>(), 0_u16..4),
        window in 64_usize..130,
    ) {
        let file = TestFile::new("t.csv", text.as_bytes()).with(|csv| {
            csv.escape = escape.then_some(b'\\');
            csv.trim = trim;
            csv.comment = comment.then(|| "#".into());
            csv.skip_footer = footer;
            csv.header = HeaderPlace::First;
        });
        let (narrow, wide) = (file.read_with_window(window), file.read());
        if wide.error.is_none() {
            prop_assert_eq!(narrow, wide);
        } else {
            prop_assert_eq!(narrow.error, wide.error);
        }
    }

    /// A footer takes the last records from what is read without it.
    #[test]
    fn a_footer_takes_the_last_records(text in "([ab,\"\n]|a,b\n){0,60}", footer in 1_u16..5, window in 64_usize..100) {
        let file = |footer: u16| {
            TestFile::new("t.csv", format!("x,y\n{text}").as_bytes()).with(|csv| {
                csv.header = HeaderPlace::First;
                csv.skip_footer = footer;
            })
        };
        let whole = file(0).read();
        prop_assume!(whole.error.is_none());
        let outcome = file(footer).read_with_window(window);
        let mut lines: Vec<_> = whole.rows.iter().map(|row| row.line).chain(whole.bad.iter().map(|bad| bad.0)).collect();
        lines.sort_unstable();
        lines.truncate(lines.len().saturating_sub(footer.into()));
        let rows: Vec<_> = whole.rows.iter().filter(|row| lines.contains(&row.line)).cloned().collect();
        prop_assert_eq!(outcome.rows, rows);
        let dropped = whole.rows.len() + whole.bad.len() - lines.len();
        prop_assert_eq!(outcome.summary.filtered, whole.summary.filtered + dropped as u64);
    }
}
