//! What expressions compute, and the rows that they reject.

use super::*;

#[test]
fn every_function_computes_what_it_promises() {
    let mut wrong = Vec::new();
    for (text, expression, result) in [
        ("x", "lower('ÄB') || upper('ß')", "äbSS"),
        ("  x ", "'[' || trim(a) || '|' || ltrim(a) || '|' || rtrim(a) || ']'", "[x|x |  x]"),
        ("äöü", "length(a)", "3"),
        ("äöüß", "substring(a, 2, 2) || left(a, 1) || right(a, 1) || substr(a, 4)", "öüäßß"),
        ("a.b.c", "replace(a, '.', '$1')", "a$1b$1c"),
        ("+49 (0)30-12", "regexp_replace(a, '[^0-9+]', '')", "+4903012"),
        ("2024-05", "regexp_replace(a, '(\\d+)-(\\d+)', '$2/$1')", "05/2024"),
        ("DE-123", "regexp_extract(a, '([A-Z]+)-(\\d+)', 2)", "123"),
        ("none", "regexp_extract(a, '\\d+')", "-"),
        ("a-b-c", "split_part(a, '-', 2) || split_part(a, '-', -1)", "bc"),
        ("a", "split_part(a, '-', 2)", "-"),
        ("7", "lpad(a, 3, '0') || rpad(a, 3, 'x') || lpad('1234', 3, '0')", "0077xx1234"),
        ("abc", "starts_with(a, 'ab') and ends_with(a, 'bc') and contains(a, 'b') and not contains(a, 'B')", "true"),
        ("xäb", "strpos(a, 'b') + position('z' in a)", "3"),
        ("x", "concat(a, null, 1, true)", "x1true"),
        ("x", "a || c", "-"),
        ("x", "coalesce(c, a, 'z')", "x"),
        ("n/a", "nullif(a, 'n/a')", "-"),
        ("x", "nullif(a, c)", "x"),
        ("5", "case when a::int > 4 then 'big' else 'small' end", "big"),
        ("b", "case a when 'a' then 1 when 'b' then 2.50 end", "2.50"),
        ("z", "case a when 'a' then 1 end", "-"),
        ("1.10", "a + 0.2", "1.30"),
        ("10", "a / 4", "2.5"),
        ("1", "a / 3", "0.3333333333333333"),
        ("7", "a % 4 - 0.5", "2.5"),
        ("-2.5", "abs(a) + round(a) + floor(a) + ceil(a)", "-5.5"),
        ("2.345", "round(a, 2)", "2.35"),
        ("12345678901234567890.123456789", "a * 2", "24691357802469135780.246913578"),
        ("10", "a > 9", "true"),
        ("10", "a > '9'", "false"),
        ("1.0", "a in (1, 2)", "true"),
        ("x", "a in ('1', 'x') and a not in ('y')", "true"),
        ("1.0", "a::numeric in (1, 2)", "true"),
        ("1.0", "a::numeric = 1 and a <> '1'", "true"),
        ("5", "a::int between 1 and 5 and a::int not between 6 and 7", "true"),
        ("Anna", "a like 'A%a' and a not like '_' and a ilike 'a__a' and a ~ '^A' and a !~* 'x'", "true"),
        ("x", "c is null and a is not null and (c is distinct from a) and (c is not distinct from null)", "true"),
        ("x", "(c = 'x') is null and ((c = 'x') is not true) and not ((c = 'x') is false)", "true"),
        ("x", "c = 'x' or true", "true"),
        ("x", "c = 'x' and false", "false"),
        (
            r#"{"city": "Wien", "n": [1, 2.50]}"#,
            "a ->> '$.city' || json_value(a, '$.n[1]') || coalesce(a ->> 'zip', '?')",
            "Wien2.50?",
        ),
        ("31.12.2024", "to_date(a, '%d.%m.%Y')", "2024-12-31"),
        ("31.12.2024 23:59", "to_timestamp(a, '%d.%m.%Y %H:%M')", "2024-12-31T23:59:00"),
        ("2024-02-29", "a::date < '2024-03-01' and a::date = a::timestamp", "true"),
        ("2024-02-29 08:05:07.5", "a::timestamp", "2024-02-29T08:05:07.5"),
        ("2024-02-29 08:05:07.5", "a::timestamp::date::text || 'x'", "2024-02-29x"),
        (
            "2024-02-09T08:05:07",
            "extract(year from a) * 10000 + extract(month from a) * 100 + extract(day from a)",
            "20240209",
        ),
        ("2024-02-09", "extract(hour from a::date) + extract(second from a::date)", "0"),
        ("yes", "a::boolean", "true"),
        ("12.0", "a::integer", "12"),
        ("12.5", "cast(a as decimal(4, 2))", "12.50"),
        ("x", "1 + 2 * 3", "7"),
        ("x", "'plain'", "plain"),
        ("x", "null", "-"),
    ] {
        let found = value(text, expression);
        if found != result {
            wrong.push(format!("{expression} of {text:?} is {found}, expected {result}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_fails_rejects_the_row_and_is_never_null() {
    for (text, expression, reason) in [
        ("12 EUR", "cast(a as integer)", "`CAST(a AS INTEGER)` fails: the value is not a valid integer"),
        ("", "cast(a as integer)", "fails: the value is not a valid integer"),
        ("40000", "a::smallint", "is not a valid smallint"),
        ("1.5", "a::bigint", "is not a valid bigint"),
        ("1.239", "a::decimal(18, 2)", "is not a valid decimal(18, 2)"),
        ("x", "a + 1", "`a` fails: the value is not a number of at most 38 digits"),
        ("x", "a > 1", "`a` fails: the value is not a number"),
        ("0", "b / a", "`b / a` fails: the divisor is zero"),
        ("99999999999999999999999999999999999999", "a * 10", "fails: the result has more than 38 digits"),
        ("31.02.2024", "to_date(a, '%d.%m.%Y')", "is not a date in the format %d.%m.%Y"),
        ("maybe", "a::boolean", "is not a valid boolean"),
        ("{city: Wien}", "a ->> 'city'", "the value is not JSON"),
        ("x", "coalesce(c, a::int::text)", "is not a valid integer"),
        ("x", "case when b = '2.50' then a::int else 0 end", "is not a valid integer"),
        ("x", "b = '2.50' and a::int > 1", "is not a valid integer"),
        ("x", "length(lower((a::int)::text)) > 0", "is not a valid integer"),
    ] {
        let found = value(text, expression);
        assert!(found.starts_with("rejected: ") && found.contains(reason), "{expression} of {text:?}: {found}");
    }
    // A branch that is not taken does not count.
    for expression in [
        "case when a ~ '^[0-9]+$' then a::int else 0 end = 0",
        "(a ~ '^[0-9]+$' and a::int > 5) is not true",
        "a = 'x' or a::int > 5",
        "coalesce(b, a::int::text) = '2.50'",
    ] {
        assert_eq!(value("x", expression), "true", "{expression}");
    }
}

#[test]
fn a_rejected_row_has_its_line_and_column_and_the_others_go_on() {
    let outcome = read(
        "a.csv",
        "id,price\n1,2\n2,x\n\n3,4,5\n4,y\n5,6\n",
        "columns: {twice: price * 2, more: twice + 1}\nwhere: id <> '4'",
    );
    assert_eq!(outcome.rows, ["1\t2\t4\t5", "5\t6\t12\t13"]);
    let bad: Vec<_> = outcome.bad.iter().map(|(line, column, _)| (*line, column.as_deref())).collect();
    assert!(bad.contains(&(3, Some("twice"))) && bad.contains(&(5, None)) && bad.len() == 2, "{bad:?}");
    // The blank line, and the row that `where` leaves out although a column of it cannot be computed.
    assert_eq!(outcome.filtered, 2);
    let outcome = read("a.csv", "id,price\n1,x\n2,3\n", "where: price > 2");
    assert_eq!((outcome.rows.len(), outcome.filtered), (1, 0));
    assert_eq!(outcome.bad[0].1, None);
    assert!(outcome.bad[0].2.starts_with("where: `price` fails"), "{}", outcome.bad[0].2);
}

/// What polars' own SQL makes of a text. NULL is `-`.
fn polars_says(text: &str, expression: &str) -> String {
    use polars::prelude::{Column, DataFrame, DataType};
    use polars_lazy::frame::IntoLazy;
    let columns = vec![
        Column::new("a".into(), [Some(text)]),
        Column::new("b".into(), [Some("2.50")]),
        Column::new("c".into(), [None::<&str>]),
    ];
    let frame = DataFrame::new(1, columns).unwrap();
    let computed = polars_sql::sql_expr(expression).unwrap().alias("x").cast(DataType::String);
    let frame = frame.lazy().with_columns([computed]).collect().unwrap();
    let found = frame.column("x").unwrap().as_materialized_series().str().unwrap().get(0).map(str::to_owned);
    found.unwrap_or_else(|| "-".to_owned())
}

#[test]
fn what_polars_own_sql_has_as_well_has_the_same_result_there() {
    let mut wrong = Vec::new();
    for expression in [
        "upper(a)",
        "lower(a)",
        "a || b",
        "a || c",
        "concat(a, b)",
        "left(a, 2)",
        "right(a, 2)",
        "substr(a, 2, 2)",
        "replace(a, 'n', 'm')",
        "starts_with(a, 'A')",
        "ends_with(a, 'a')",
        "a like 'A%a'",
        "a not like '_'",
        "a ilike 'an%'",
        "a ~ '^[A-Z]'",
        "a !~ 'x'",
        "a in ('Anna', 'x')",
        "a not in ('x')",
        "a between 'A' and 'B'",
        "a is null or c is null",
        "c = 'x'",
        "c = 'x' or a <> 'x'",
        "not (a = 'Anna')",
        "coalesce(c, a)",
        "nullif(a, 'Anna')",
        "case when a = 'Anna' then b else c end",
        "case a when 'Otto' then 'o' when 'Anna' then 'a' end",
    ] {
        for text in ["Anna", "x", "", "Änne-ß", "a-b"] {
            let (ours, theirs) = (value(text, expression), polars_says(text, expression));
            if ours != theirs {
                wrong.push(format!("{expression} of {text:?} is {ours}, and {theirs} for polars"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
