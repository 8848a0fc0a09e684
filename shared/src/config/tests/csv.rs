//! `csv:`, and the formats of dates.

use super::*;
use crate::config::{CsvOptions, HeaderPlace, NumberFormat, Quote, SourceConfig, TextEncoding, Thousands};

/// The options of a text.
#[track_caller]
fn read(csv: &str) -> CsvOptions {
    let config = pipeline(&source(&format!("type: local, path: a, csv: {{{csv}}}")));
    let SourceConfig::Local(local) = config.sources.into_iter().next().unwrap() else { panic!("files") };
    local.files.csv
}

/// The sentences about options, without their key path and place.
#[track_caller]
fn refused(csv: &str) -> Vec<String> {
    let sentence = |problem: String| {
        let problem = problem.strip_prefix("sources[0].csv").map_or(problem.clone(), str::to_owned);
        problem.split(" at line ").next().unwrap().trim_start_matches('.').to_owned()
    };
    problems(&source(&format!("type: local, path: a, csv: {{{csv}}}"))).into_iter().map(sentence).collect()
}

#[test]
fn every_key_has_the_meaning_that_is_written() {
    let default = CsvOptions::default;
    for (csv, expected) in [
        ("", default()),
        ("delimiter: auto, quote: auto, header: true", CsvOptions { header: HeaderPlace::First, ..default() }),
        ("quote: none", CsvOptions { quote: Quote::Never, ..default() }),
        ("quote: \"'\"", CsvOptions { quote: Quote::Byte(b'\''), ..default() }),
        ("escape: \"\\\\\"", CsvOptions { escape: Some(b'\\'), ..default() }),
        ("escapechar: \"^\"", CsvOptions { escape: Some(b'^'), ..default() }),
        ("escape: none", default()),
        ("escape: '\"'", default()),
        ("comment: \"#\"", CsvOptions { comment: Some("#".into()), ..default() }),
        ("comment: //", CsvOptions { comment: Some("//".into()), ..default() }),
        ("encoding: auto", CsvOptions { encoding: TextEncoding::Guessed, ..default() }),
        ("encoding: latin1", CsvOptions { encoding: TextEncoding::Named("latin1".into()), ..default() }),
        ("header: false", CsvOptions { header: HeaderPlace::Missing, ..default() }),
        ("header: none", CsvOptions { header: HeaderPlace::Missing, ..default() }),
        ("header: 1", CsvOptions { header: HeaderPlace::First, ..default() }),
        ("header: 0", CsvOptions { header: HeaderPlace::Missing, ..default() }),
        ("header: 3", CsvOptions { header: HeaderPlace::Line(3), ..default() }),
        ("header: [id, \"1\"]", CsvOptions { header: HeaderPlace::Names(vec!["id".into(), "1".into()]), ..default() }),
        ("skip_rows: 2, skip_footer: 100", CsvOptions { skip_rows: 2, skip_footer: 100, ..default() }),
        ("skip_lines: 2, skipfooter: 1", CsvOptions { skip_rows: 2, skip_footer: 1, ..default() }),
        ("trim: yes", CsvOptions { trim: true, ..default() }),
        ("decimal: \".\", thousands: none", default()),
    ] {
        assert_eq!(read(csv), expected, "{csv}");
    }
    for (csv, decimal, thousands) in [
        ("decimal: \",\"", b',', None),
        ("decimal: comma, thousands: point", b',', Some(Thousands::Point)),
        ("decimal: \",\", thousands: \" \"", b',', Some(Thousands::Space)),
        ("decimal: \",\", thousands: \"\u{A0}\"", b',', Some(Thousands::Space)),
        ("thousands: \",\"", b'.', Some(Thousands::Comma)),
        ("thousands_separator: \"'\", decimal_separator: .", b'.', Some(Thousands::Apostrophe)),
    ] {
        assert_eq!(read(csv).numbers, Some(NumberFormat { decimal, thousands }), "{csv}");
    }
}

#[test]
fn what_means_nothing_is_refused_with_what_was_expected() {
    for (csv, expected) in [
        ("delimiter: \"^\", quote: \"^\"", "quote: the quote must not be the delimiter"),
        ("delimiter: '\"'", "delimiter: the quote must not be the delimiter"),
        ("delimiter: \"^\", escape: \"^\"", "escape: the escape must not be the delimiter"),
        ("escape: \"\\\\\\\\\"", "escape: expected one ASCII character or \"auto\", found \"\\\\\\\\\""),
        ("comment: \"\"", "comment: expected the first 1 to 8 characters of a comment, \"#\", found \"\""),
        (
            "header: first",
            "header: expected true, false, a line of the file from 1 to 10000, or a list of names, found \"first\"",
        ),
        (
            "header: 20000",
            "header: expected true, false, a line of the file from 1 to 10000, or a list of names, found \"20000\"",
        ),
        ("header: 3, skip_rows: 3", "header: line 3 is one of the 3 lines that skip_rows passes over"),
        ("header: []", "header: expected 1 to 1600 names of columns"),
        ("header: [a, b, a]", "header: two columns are named \"a\""),
        ("header: [a, \" \"]", "header: a column needs a name"),
        ("skip_footer: 101", "skip_footer: expected a whole number from 0 to 100, found \"101\""),
        ("decimal: \";\"", "decimal: expected \".\" or \",\", found \";\""),
        ("thousands: \"_\"", "thousands: expected \".\", \",\", \" \", \"'\" or none, found \"_\""),
        (
            "thousands: \".\"",
            "thousands: \".\" is the decimal separator, too; write `decimal: \",\"` if it separates groups of digits",
        ),
        (
            "decimal: \",\", thousands: \",\"",
            "thousands: \",\" is the decimal separator, too; write `decimal: \".\"` if it separates groups of digits",
        ),
    ] {
        assert_eq!(refused(csv), [expected], "{csv}");
    }
}

#[test]
fn a_column_may_have_several_date_formats() {
    let schema = |format: &str| with(&format!("schema: {{columns: {{d: {{type: date, format: {format}}}}}}}"));
    let format = |text: &str| pipeline(&schema(text)).schema.unwrap().columns[0].format.clone();
    assert_eq!(format("\"%d.%m.%Y\"").as_deref(), Some("%d.%m.%Y"));
    assert_eq!(format("[\"%d.%m.%Y\", \"%Y%m%d\"]").as_deref(), Some("%d.%m.%Y\n%Y%m%d"));
    let refused = |text: &str| problems(&schema(text));
    assert!(
        refused("[\"%d\", \"%Q\"]")[0].contains("format[1]: expected a strftime format such as %d/%m/%Y, found \"%Q\"")
    );
    assert!(refused("[]")[0].contains("expected 1 to 20 strftime formats"));
}
