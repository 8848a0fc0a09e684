//! Files that write numbers in a format of their own: it holds for their cells, and for nothing that was computed.

use elt_shared::config::{NumberFormat, Thousands};

use super::*;

/// A file with a decimal comma and points between groups of digits.
fn german(text: &str, shape: &str) -> TestFile {
    let mut file = file("a.csv", text, shape);
    let options = Arc::make_mut(&mut file.input.options);
    options.csv.delimiter = Some(b';');
    options.csv.numbers = Some(NumberFormat { decimal: b',', thousands: Some(Thousands::Point) });
    file
}

/// The only column, top to bottom.
#[track_caller]
fn values(expression: &str) -> Vec<String> {
    let file = german("a;b\n1.234,5;x\n2,50;\n", &format!("columns:\n  x: {expression:?}\nselect: [x]"));
    let outcome = try_read(&file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outcome.bad, [], "{expression}");
    outcome.rows
}

#[test]
fn a_text_of_the_file_is_read_in_its_format() {
    for (expression, expected) in [
        ("cast(a as numeric)", ["1234.5", "2.50"]),
        ("a + 1", ["1235.5", "3.50"]),
        ("cast(trim(a) as numeric)", ["1234.5", "2.50"]),
        ("cast(a || '0' as numeric)", ["1234.50", "2.500"]),
        ("cast(coalesce(a, '0') as numeric)", ["1234.5", "2.50"]),
        ("cast(case when b is null then a else '7' end as numeric)", ["7", "2.50"]),
        ("cast(cast(a as text) as numeric)", ["1234.5", "2.50"]),
    ] {
        assert_eq!(values(expression), expected, "{expression}");
    }
}

#[test]
fn a_text_that_was_computed_is_read_in_the_plain_format() {
    for (expression, expected) in [
        ("cast(cast(cast(a as numeric) as text) as numeric)", ["1234.5", "2.50"]),
        ("cast(trim(cast(a + 0.001 as text)) as numeric)", ["1234.501", "2.501"]),
        ("cast(concat(cast(a as numeric), '1') as numeric)", ["1234.51", "2.501"]),
        ("cast(coalesce(b, cast(length(a) as text)) = '4' as text)", ["false", "true"]),
        // Which of the two it is is another one in each row.
        ("cast(case when b is null then a else cast(a + 0.125 as text) end as numeric)", ["1234.625", "2.50"]),
        ("cast(coalesce(nullif(a, '2,50'), cast(1.125 as text)) as numeric)", ["1234.5", "1.125"]),
    ] {
        assert_eq!(values(expression), expected, "{expression}");
    }
    // A column that was computed before.
    let file = german(
        "a;b\n1.234,5;x\n2,50;\n",
        "columns:\n  one: cast(cast(a as numeric) as text)\n  other: case when b is null then a else one end\n  \
         x: cast(one as numeric) + other\nselect: [x]",
    );
    assert_eq!(try_read(&file).expect("readable").rows, ["2469.0", "5.00"]);
}

#[test]
fn a_computed_text_does_not_become_another_number_when_it_is_loaded() {
    let file = german(
        "a;b\n1,125;x\n2,5;\n",
        "columns:\n  plain: cast(cast(a as numeric) as text)\n  list: concat(cast(length(a) as text), ',5')\n  \
         own: trim(a)\nselect: [plain, list, own]",
    );
    let outcome = try_read(&file).expect("readable");
    assert_eq!(outcome.rows, ["1.125\t5,5\t1,125", "2.5\t3,5\t2,5"]);
    assert_eq!(outcome.kinds[0], [CellKind::Number, CellKind::String, CellKind::Quoted]);
    let types: Vec<String> = profiled(&file).columns.iter().map(|column| format!("{}", column.inferred())).collect();
    assert_eq!(types, ["numeric", "text", "numeric"]);
}
