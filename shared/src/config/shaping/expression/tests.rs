use proptest::prelude::*;

use super::*;

fn type_of(text: &str) -> ValueType {
    match parse(text, &Scope::default()) {
        Ok(expression) => expression.value_type,
        Err(problem) => panic!("{text}: {}", problem.message),
    }
}

#[track_caller]
fn refused(text: &str) -> String {
    match parse(text, &Scope::default()) {
        Ok(expression) => panic!("{text} was read: {expression:?}"),
        Err(problem) => problem.message,
    }
}

#[test]
fn every_documented_expression_is_read_and_has_a_type() {
    use ValueType::{Boolean, Date, Number, Text, Timestamp};
    for (text, value_type) in [
        ("price", Text),
        ("\"Kunden-Nr.\"", Text),
        ("'it''s'", Text),
        ("12.50", Number),
        ("-3", Number),
        ("cast(price as decimal(18, 2)) * quantity", Number),
        ("price::numeric / 3 - 1 + 2 % 7", Number),
        ("a = b and not (c <> 'x' or d is null)", Boolean),
        ("a is not null and (b is distinct from c) and (d is not distinct from 'e')", Boolean),
        ("(a = 'x') is not true", Boolean),
        ("price > 10 and price <= '7.5'", Boolean),
        ("country in ('DE', 'AT') and n not in (1, 2.0)", Boolean),
        ("price between 1 and 5", Boolean),
        ("name like 'A%' or name not ilike '_b%'", Boolean),
        ("name ~ '^[A-Z]+$' and name !~* 'x'", Boolean),
        ("case when a = 'x' then 1 when b = 'y' then 2 else null end", Number),
        ("case kind when 'a' then 'first' else 'other' end", Text),
        ("a || ' ' || b || 1", Text),
        ("address ->> '$.city'", Text),
        ("address ->> 'city' = 'Wien'", Boolean),
        ("json_value(address, '$.lines[0].street')", Text),
        ("lower(trim(name))", Text),
        ("upper(ltrim(rtrim(btrim(a))))", Text),
        ("length(a) + char_length(b) + strpos(a, 'x') + position('x' in a)", Number),
        ("substr(a, 2) || substring(a, 2, 3) || substring(a from 2 for 3) || left(a, 2) || right(a, 2)", Text),
        ("replace(a, ',', '.')", Text),
        ("regexp_replace(a, '[^0-9]', '')", Text),
        ("regexp_extract(a, '(\\d+)-(\\d+)', 2)", Text),
        ("regexp_like(a, 'x')", Boolean),
        ("split_part(a, '-', -1)", Text),
        ("concat(a, 1, true, null)", Text),
        ("coalesce(a, b, 'none')", Text),
        ("nullif(a, '')", Text),
        ("nullif(cast(a as integer), 0)", Number),
        ("lpad(a, 5, '0') || rpad(a, 5, ' ')", Text),
        ("starts_with(a, 'x') or ends_with(a, 'y') or contains(a, 'z')", Boolean),
        ("abs(a) + round(a) + round(a, 2) + floor(a) + ceil(a) + ceiling(a)", Number),
        ("to_date(a, '%d.%m.%Y')", Date),
        ("to_timestamp(a, '%d.%m.%Y %H:%M')", Timestamp),
        ("a::date > '2024-01-31' and a::timestamp < date '2024-02-01'", Boolean),
        ("extract(year from a::date)", Number),
        ("cast(a as boolean)", Boolean),
        ("cast(a::date as text)", Text),
    ] {
        assert_eq!(type_of(text), value_type, "{text}");
    }
}

#[test]
fn what_is_not_on_the_list_is_refused_by_its_name() {
    for (text, sentence) in [
        (
            "sum(price)",
            "sum is not available: a shape computes each row from its own cells; write it in a model of `transform:`",
        ),
        ("row_number() over (order by id)", "row_number is not available"),
        ("now()", "now is not available: the same row must have the same values whenever it is read"),
        ("current_timestamp", "current_timestamp is not available"),
        ("random()", "random is not available"),
        ("read_csv('/etc/passwd')", "there is no function read_csv here"),
        ("pg_read_file('/etc/passwd')", "there is no function pg_read_file here"),
        ("uper(name)", "there is no function uper here, did you mean upper?"),
        ("(select 1)", "a subquery is not available"),
        ("exists (select 1)", "a subquery is not available"),
        ("a in (select 1)", "a subquery is not available"),
        ("t.price", "a name with a dot is written in double quotes: \"t.price\""),
        ("try_cast(a as integer)", "try_cast is not available"),
        ("a::double precision", "is not exact: write numeric"),
        ("a::bytea", "a value cannot be cast to BYTEA here"),
        ("a & b", "the operator & is not available"),
        ("a -> 'b'", "the operator -> is not available"),
        ("lower(a, b)", "lower takes 1 argument, found 2"),
        ("lower(distinct a)", "lower takes plain arguments only"),
        ("a ~ b", "must be a text in quotes"),
        ("a ~ '('", "is not a regular expression"),
        ("regexp_extract(a, '(x)', 2)", "the pattern has no group 2"),
        ("to_date(a, '%Q')", "is not a strftime format"),
        ("lpad(a, 100000, 'x')", "must be a whole number from 0 to 1000"),
        ("split_part(a, '-', 0)", "parts are counted from 1"),
        ("a ->> '$.b[*]'", "leads to several values"),
        ("a in (b)", "must be written out"),
        ("price > 'abc'::date", "`'abc'` is not a date"),
        ("a is distinct from b and c = 'x'", "write the right side of `is distinct from` in parentheses"),
        ("coalesce(a, 0)", "`0` is a number and another result is text: cast one of them"),
        ("(a = b) > true", "true and false have no order"),
        ("not a", "`a` is text, expected true or false"),
        ("123456789012345678901234567890123456789", "must be a decimal number of at most 38 digits"),
        ("1e5", "must be a decimal number"),
        ("a.*", ""),
        ("*", ""),
    ] {
        let told = refused(text);
        assert!(told.contains(sentence), "{text}: {told}");
    }
}

#[test]
fn a_problem_has_the_place_of_what_is_wrong() {
    for (text, at) in [
        ("lower(name) || uper(name)", Some((1, 16))),
        ("price >", Some((1, 8))),
        ("price > > 3", Some((1, 9))),
        ("a = 'x' b", Some((1, 9))),
        ("a = 'x", Some((1, 5))),
        ("a + sum(b)", Some((1, 5))),
        ("a = 1 and\n  b ~ '('", Some((2, 7))),
    ] {
        let problem = parse(text, &Scope::default()).unwrap_err();
        assert_eq!(problem.at, at, "{text}: {}", problem.message);
    }
}

#[test]
fn hostile_expressions_are_refused_quickly() {
    let deep = format!("{}a{}", "(".repeat(1_500), ")".repeat(1_500));
    assert!(refused(&deep).contains("nested deeper"));
    let long = vec!["a"; 1_000].join("||");
    assert!(refused(&long).contains("nested deeper than 60 levels"), "{}", refused(&long));
    let wide = format!("concat({})", vec!["concat(a,b,c,d,e,f,g,h,i,j)"; 45].join(","));
    assert!(refused(&wide).contains("more than 400 parts"), "{}", refused(&wide));
    type_of(&vec!["a"; 50].join("||"));
    type_of(&format!("{}a{}", "lower(".repeat(10), ")".repeat(10)));
    assert!(
        refused(&format!("{}a{}", "lower (".repeat(11), ")".repeat(11)))
            .contains("functions are nested deeper than 10")
    );
    let inside = format!("lower({})", vec!["a"; 200].join("||"));
    assert!(refused(&inside).contains("nested deeper than 60 levels"));
    type_of(&format!("{}a = 'lower(lower(' {}", "not (".repeat(20), ")".repeat(20)));
    assert!(refused(&"x".repeat(5_000)).contains("longer than 4000 characters"));
    let nested = format!("{}a{}", "lower(".repeat(600), ")".repeat(600));
    refused(&nested);
    assert!(refused("a ~ '(((((x{50}){50}){50}){50}){50})'").contains("too large"));
}

#[test]
fn columns_may_have_the_names_of_words() {
    for name in [
        "user",
        "date",
        "timestamp",
        "value",
        "values",
        "type",
        "name",
        "key",
        "year",
        "day",
        "position",
        "status",
        "count",
        "comment",
        "text",
        "zone",
        "level",
        "index",
        "left",
        "replace",
        "order",
        "group",
        "from",
        "case",
        "sum",
        "table",
    ] {
        let read =
            parse(&format!("{name} = 'x'"), &Scope::default()).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
        let Operation::Call(_, arguments) = read.operation else { panic!("{name}: {read:?}") };
        assert_eq!(arguments[0].operation, Operation::Column(name.to_owned()));
    }
}

#[test]
fn a_computed_column_is_found_exactly_else_in_any_case() {
    let mut scope = Scope::default();
    scope.add("Total", ValueType::Number);
    scope.add("total", ValueType::Text);
    let operation = |text| parse(text, &scope).unwrap().operation;
    assert_eq!(operation("\"Total\""), Operation::Computed(0));
    assert_eq!(operation("total"), Operation::Computed(1));
    assert_eq!(operation("TOTAL"), Operation::Computed(1));
    assert_eq!(operation("other"), Operation::Column("other".into()));
}

/// Parts of expressions, which make sense in some order.
const PARTS: [&str; 40] = [
    "a",
    "\"b c\"",
    "'x'",
    "''",
    "12.50",
    "-3",
    "null",
    "true",
    "(",
    ")",
    ",",
    "||",
    "+",
    "*",
    "/",
    "%",
    "=",
    "<>",
    "<=",
    "and",
    "or",
    "not",
    "is",
    "in",
    "like",
    "between",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast(",
    "as numeric)",
    "::date",
    "->>",
    "'$.a'",
    "coalesce(",
    "substring(a from",
    "extract(year from",
    "~",
];

proptest! {
    #[test]
    fn no_text_panics(parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..25), odd: String) {
        let _ = parse(&parts.join(" "), &Scope::default());
        let _ = parse(&format!("{}{odd}{}", parts.concat(), parts.join(" ")), &Scope::default());
    }
}
