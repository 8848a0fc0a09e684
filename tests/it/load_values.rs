//! Values and rows that an existing table cannot store unchanged: each is quarantined with its place, or fails the run.

use crate::support::loader::{Loader, told};

const MERGE: &str = "load: {mode: merge, key: [k]}\n";
const REPLACE: &str = "load: {mode: replace}\n";

/// A type, a value that its column keeps, that value as PostgreSQL shows it, and a value that the column would change
/// or refuse.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("char(3)", "XY", "XY", "ABCDE"),
    ("char(3)", "ABC", "ABC", "AB  "),
    ("name", "ä", "ä", "ääääääääääääääääääääääääääääääää"),
    ("varchar(3)", "abc", "abc", "abcd"),
    ("varchar(3)", "äöü", "äöü", "abc "),
    ("varchar(3)[]", "{abc,d}", "{abc,d}", "{abcd}"),
    ("char(2)[]", "{a,bc}", "{\"a \",bc}", "{abc}"),
    ("name", "n", "n", "0123456789012345678901234567890123456789012345678901234567890123456789"),
    ("\"char\"", "x", "x", "xy"),
    ("bit(3)", "101", "101", "1011"),
    ("bit(3)", "000", "000", "10"),
    ("varbit(3)", "10", "10", "1011"),
    ("bit(2)[]", "{10}", "{10}", "{101}"),
    ("numeric(5,2)", "123.45", "123.45", "1.239"),
    ("numeric(3,-2)", "12300", "12300", "12345"),
    ("numeric(2,4)", "0.0012", "0.0012", "0.00123"),
    ("numeric(5,2)[]", "{1.5}", "{1.50}", "{1.555}"),
    ("smallint", "7", "7", "7.5"),
    ("int[]", "{1,2}", "{1,2}", "{1.5}"),
    ("real", "0.5", "0.5", "16777217"),
    ("real[]", "{0.5}", "{0.5}", "{0.123456789}"),
    ("double precision", "0.1", "0.1", "0.12345678901234567891"),
    ("timestamp(0)", "2024-01-01 10:00:00", "2024-01-01 10:00:00", "2024-01-01 23:59:59.6"),
    ("timestamptz(3)", "2024-01-01 10:00:00.5Z", "2024-01-01 10:00:00.5+00", "2024-01-01 10:00:00.0006Z"),
    ("time(0)", "10:00", "10:00:00", "10:00:00.6"),
    ("timetz(0)", "10:00:00+02", "10:00:00+02", "10:00:00.6+02"),
    ("timestamp(0)[]", "{2024-01-01}", "{\"2024-01-01 00:00:00\"}", "{2024-01-01 10:00:00.6}"),
    ("timestamp[]", "{2024-01-01 10:00}", "{\"2024-01-01 10:00:00\"}", "{2024-01-01 10:00+02}"),
    ("date[]", "{2024-01-01}", "{2024-01-01}", "{2024-01-01 10:00}"),
    ("interval(0)", "1 day", "1 day", "1.5 seconds"),
    ("interval year to month", "1 year", "1 year", "1 day 10:00"),
    ("interval", "1.5 seconds", "00:00:01.5", "1.1 months"),
    ("double precision[]", "{0.25}", "{0.25}", "{0x1F}"),
    ("money", "1234.50", "$1,234.50", "1.239"),
    ("money", "1,234.50", "$1,234.50", "1,5"),
    ("inet", "10.0.0.1", "10.0.0.1/32", "10.0.0.256"),
    ("cidr", "10.0.0.0/8", "10.0.0.0/8", "10"),
    ("macaddr", "08002B:010203", "08:00:2b:01:02:03", "08:00"),
    ("int4range", "[1,3]", "[1,4)", "[3,1]"),
    ("tsrange", "[2024-01-01 10:00,)", "[\"2024-01-01 10:00:00\",)", "[2024-01-01 10:00+02,)"),
    ("int4multirange", "{[1,2)}", "{[1,2)}", "{[1}"),
    ("numrange", "[1.5,2.50]", "[1.5,2.50]", "[a,b]"),
    ("json", "{\"b\": 1, \"a\": 1.0}", "{\"b\": 1, \"a\": 1.0}", "{a}"),
    ("xml", "<a>1</a>", "<a>1</a>", "<a>"),
    ("bytea", "\\xAB01", "\\xab01", "\\x0"),
    ("uuid[]", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "{1}"),
    ("tsvector", "b a", "'a' 'b'", "a a"),
    ("point", "(1.5, 2)", "(1.5,2)", "(1)"),
    ("box", "(0,0),(1,1)", "(1,1),(0,0)", "(0,0),(1,0.12345678901234567891)"),
    ("mood", "happy", "happy", "angry"),
    ("mood[]", "{happy}", "{happy}", "{angry}"),
    ("short_text", "abc", "abc", "abcd"),
    ("code", "AB ", "AB", "ABCDE"),
    ("positive", "1", "1", "-1"),
    ("moment", "2024-01-01 10:00:00", "2024-01-01 10:00:00", "2024-01-01 10:00:00+02:00"),
    ("small[]", "{1}", "{1}", "{70000}"),
];

const TYPES: &str = "create type mood as enum ('sad', 'happy');
    create domain inner_text as varchar(3); create domain short_text as inner_text;
    create domain code as char(3); create domain positive as int check (value > 0);
    create domain moment as timestamp(0); create domain small as smallint;";

/// A JSON array of objects, and the table they are for: column `c3` is of the type of the third case.
fn table_of_cases() -> String {
    let columns: Vec<_> = CASES.iter().enumerate().map(|(n, case)| format!("c{n} {}", case.0)).collect();
    format!("{TYPES} create table t (id int, {})", columns.join(", "))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("JSON")
}

#[tokio::test]
async fn no_column_type_changes_a_value_silently() {
    let loader = Loader::start().await;
    loader.sql(&table_of_cases()).await;
    let good: Vec<_> = CASES.iter().enumerate().map(|(n, case)| format!("\"c{n}\": {}", quoted(case.1))).collect();
    let mut rows = format!("{{\"id\": 0, {}}}\n", good.join(", "));
    for (n, case) in CASES.iter().enumerate() {
        rows.push_str(&format!("{{\"id\": {}, \"c{n}\": {}}}\n", n + 1, quoted(case.3)));
    }
    loader.only("a.ndjson", rows);
    let report = loader.load("t", "").await;
    for (n, case) in CASES.iter().enumerate() {
        assert_eq!(
            loader.value(&format!("select c{n}::text collate \"C\" from t where id = 0")).await,
            case.2,
            "{}",
            case.0
        );
        let place = loader.rows(&format!("select column_name, line from _elt_quarantine where line = {}", n + 2)).await;
        assert_eq!(place, [format!("c{n}|{}", n + 2)], "{} {}", case.0, case.3);
    }
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, CASES.len() as u64));
}

#[tokio::test]
async fn the_reason_names_the_length_and_the_limit() {
    let loader = Loader::start().await;
    loader.sql("create table t (id int, code char(3), at timestamp(0), price numeric(6,2), b bit(4))").await;
    loader.only(
        "a.csv",
        "id,code,at,price,b\n1,ABCDE,,,\n2,,2024-01-01 10:00:00.25,,\n3,,,1.239,\n4,,,,10101\n5,NA,2024-01-01,1.5,1010\n",
    );
    loader.load("t", "").await;
    assert_eq!(
        loader.rows("select line, column_name, code, reason from _elt_quarantine order by line").await,
        [
            "2|code|does_not_fit|\"ABCDE\" has 5 characters; the column holds 3 (character(3))",
            "3|at|does_not_fit|\"2024-01-01 10:00:00.25\" has 2 digits of a second; the column holds 0 (timestamp(0) without time zone)",
            "4|price|wrong_type|\"1.239\" is not a valid numeric(6,2): it has 3 digits behind the point; the column holds 2 (numeric(6,2))",
            "5|b|does_not_fit|\"10101\" has 5 bits; the column holds exactly 4 (bit(4))",
        ]
    );
    assert_eq!(loader.rows("select id, code from t").await, ["5|NA "], "Namibia is not a missing value");
    let error = loader.fail("t", "on_bad_row: fail\n").await;
    assert_eq!(
        error.to_string(),
        "a.csv:2: the value of code has 5 characters; the column holds 3 (character(3))",
        "{}",
        told(&error)
    );
}

#[tokio::test]
async fn a_row_that_a_constraint_refuses_is_quarantined_with_its_place() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table kinds (kind text primary key); insert into kinds values ('a');
             create table t (id int primary key, v int check (v > 0), kind text references kinds deferrable initially deferred,
                             during int4range, at_least int, at_most int, check (at_least <= at_most),
                             exclude using gist (during with &&));
             create function no_13() returns trigger language plpgsql
                 as 'begin if new.id = 13 then raise ''unlucky %'', new.id; end if; return new; end';
             create trigger no_13 before insert on t for each row execute function no_13()",
        )
        .await;
    let csv = "id,v,kind,during,at_least,at_most\n\
               1,1,a,\"[1,3)\",1,2\n2,-5,a,,,\n3,1,b,,,\n1,2,a,,,\n5,1,a,\"[2,4)\",,\n6,1,a,,3,2\n13,1,a,,,\n8,1,a,,,\n";
    for more in ["", REPLACE, "load: {dedupe: none}\n"] {
        loader.sql("truncate t; drop table if exists _elt_quarantine, _elt_files, _elt_loads, _elt_columns").await;
        loader.only("a.csv", csv);
        let report = loader.load("t", more).await;
        assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 6), "{more}");
        assert_eq!(loader.rows("select id from t order by id").await, ["1", "8"], "{more}");
        assert_eq!(
            loader.rows("select file, line, coalesce(column_name, '-'), code from _elt_quarantine order by line").await,
            [
                "a.csv|3|v|check",
                "a.csv|4|kind|foreign_key",
                "a.csv|5|id|unique",
                "a.csv|6|during|exclusion",
                "a.csv|7|at_least|check",
                "a.csv|8|-|trigger"
            ],
            "{more}"
        );
    }
    assert_eq!(
        loader.rows("select reason from _elt_quarantine where line in (3, 4) order by line").await,
        [
            "breaks the constraint t_v_check: CHECK ((v > 0))",
            "has no matching row in kinds (the constraint t_kind_fkey: FOREIGN KEY (kind) REFERENCES kinds(kind) \
             DEFERRABLE INITIALLY DEFERRED)"
        ]
    );
    loader.sql("truncate t").await;
    let error = loader.fail("t", "on_bad_row: fail\n").await;
    assert_eq!(error.code().as_str(), "bad_row", "{}", told(&error));
    assert!(error.to_string().starts_with("a.csv:3: the value of v breaks"), "{error}");
}

#[tokio::test]
async fn a_row_that_a_constraint_refuses_is_quarantined_by_a_merge() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t (k int primary key, v int check (v > 0), mail text unique);
             insert into t values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')",
        )
        .await;
    loader.only("a.csv", "k,v,mail\n1,10,a\n2,-1,b\n3,30,a\n4,40,d\n5,-5,e\n6,60,d\n");
    let report = loader.load("t", MERGE).await;
    assert_eq!((report.rows_inserted, report.rows_updated, report.rows_quarantined), (1, 1, 4), "{report:#?}");
    assert_eq!(loader.rows("select k, v, mail from t order by k").await, ["1|10|a", "2|2|b", "3|3|c", "4|40|d"]);
    assert_eq!(
        loader.rows("select line, column_name, code from _elt_quarantine order by line").await,
        ["3|v|check", "4|mail|unique", "6|v|check", "7|mail|unique"]
    );
}

#[tokio::test]
async fn a_row_may_refer_to_a_later_row_of_its_load() {
    let loader = Loader::start().await;
    loader.sql("create table t (id int primary key, parent int references t, v int check (v > 0))").await;
    loader.only("a.csv", "id,parent,v\n1,2,1\n2,3,1\n3,1,1\n4,9,1\n5,,-1\n6,5,1\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (3, 3), "{report:#?}");
    assert_eq!(loader.rows("select id from t order by id").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn equal_rows_are_refused_together_and_the_combined_csv_leaves_them_out() {
    let loader = Loader::start().await;
    loader.sql("create type mood as enum ('sad', 'happy'); create table t (id int, m mood, v int check (v < 9))").await;
    loader.only("a.csv", "id,m,v\n1,happy,1\n2,angry,1\n2,angry,1\n3,sad,9\n3,sad,9\n4,,\n1,happy,1\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate, report.rows_quarantined), (2, 1, 4), "{report:#?}");
    let csv = std::fs::read_to_string(report.combined_csv.expect("a combined CSV")).expect("it is there");
    assert!(!csv.contains("angry") && csv.lines().count() == 4, "{csv}");
}

#[tokio::test]
async fn a_table_that_refuses_very_many_rows_fails_the_run_at_the_first() {
    let loader = Loader::start().await;
    loader.sql("create table t (id int, v int check (v > 0))").await;
    let rows: String = (0..12_000).map(|id| format!("{id},-1\n")).collect();
    loader.only("a.csv", format!("id,v\n{rows}"));
    let error = loader.fail("t", "").await;
    assert_eq!(error.code().as_str(), "too_many_refused");
    assert!(error.to_string().contains("10000 rows or more; the first is a.csv:2: the value of v breaks"), "{error}");
    assert_eq!(loader.count("t").await, 0);
}

#[tokio::test]
async fn merge_compares_keys_as_their_column_does() {
    let loader = Loader::start().await;
    let admin = loader.admin().await;
    sqlx::raw_sql("create extension citext").execute(&admin).await.expect("citext");
    loader.sql("create collation no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)").await;
    for (sql_type, stored, delivered, shown) in [
        ("citext", "Ann", "ANN,x\nann,y\n", "ann|y"),
        ("text collate no_case", "Ann", "ANN,x\nann,y\n", "ann|y"),
        ("char(5)", "ab", "ab,x\n\"ab \",y\n", "ab   |y"),
        ("numeric", "1.0", "1,x\n1.00,y\n", "1.00|y"),
        (
            "timestamptz",
            "2024-01-01 10:00Z",
            "2024-01-01T11:00:00+01:00,x\n2024-01-01T10:00:00Z,y\n",
            "2024-01-01T10:00:00+00:00|y",
        ),
        ("inet", "10.0.0.1", "10.0.0.1/32,x\n10.0.0.1,y\n", "10.0.0.1|y"),
    ] {
        loader.sql("drop table if exists t, _elt_quarantine, _elt_files, _elt_loads, _elt_columns").await;
        loader
            .sql(&format!(
                "create table t (k {sql_type} primary key, v text); insert into t values ('{stored}', 'old')"
            ))
            .await;
        loader.only("a.csv", format!("k,v\n{delivered}"));
        let report = loader.load("t", MERGE).await;
        assert_eq!((report.rows_inserted, report.rows_updated, report.rows_duplicate), (0, 1, 1), "{sql_type}");
        assert_eq!(loader.rows("select k, v from t").await, [shown], "{sql_type}");
    }
}

#[tokio::test]
async fn a_merge_over_a_key_that_is_not_unique_says_so_and_how_to_find_the_rows() {
    let loader = Loader::start().await;
    loader.sql("create table t (k int, v text); insert into t values (1, 'a'), (1, 'b'), (2, 'c'), (null, 'd'), (null, 'e')").await;
    loader.only("a.csv", "k,v\n1,new\n");
    let error = loader.fail("t", MERGE).await;
    assert_eq!(
        told(&error),
        "target_unique: the key of the merge (k) is not unique in public.t: 1 key occurs more than once; nothing was changed → \
         Find these rows with: select \"k\", count(*) from \"public\".\"t\" where \"k\" is not null group by \"k\" having \
         count(*) > 1; then delete or correct the repeated rows, or name the columns that identify a row under `load.key`."
    );
    assert_eq!(loader.columns("t").await, ["k integer", "v text"]);
    assert_eq!(loader.count("t").await, 5);
}

#[tokio::test]
async fn a_key_that_is_too_long_for_an_index_is_quarantined() {
    let loader = Loader::start().await;
    let long: String = (0..600_u32).map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761))).collect();
    // Columns may have the names that elt's own statements use.
    loader.only("a.csv", format!("place,bytes\na,1\n{long},2\nb,3\n"));
    let report = loader.load("t", "load: {mode: merge, key: [place]}\n").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 1));
    assert_eq!(
        loader.rows("select line, column_name, code, reason from _elt_quarantine").await,
        ["3|place|key_too_long|has 4800 bytes, which is too long for a key: an index entry holds at most 2704"]
    );
}

#[tokio::test]
async fn a_character_that_the_database_encoding_lacks_is_quarantined() {
    let loader = Loader::in_encoding("LATIN1").await;
    loader.sql("create table t (id int, name text, extra jsonb, tags text[])").await;
    loader.only(
        "a.csv",
        "id,name,extra,tags\n1,Zoë,\"{\"\"a\"\": \"\"é\"\"}\",{ü}\n2,Łódź,,\n3,a,\"{\"\"a\"\": \"\"€\"\"}\",\n4,b,,{€}\n5,ok,,\n",
    );
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 3), "{report:#?}");
    assert_eq!(
        loader.rows("select id, name, extra ->> 'a' as extra, tags[1] as tag from t order by id").await,
        ["1|Zoë|é|ü", "5|ok|-|-"]
    );
    assert_eq!(
        loader.rows("select line, column_name, code, raw from _elt_quarantine order by line").await,
        ["3|name|encoding|2,??d?,,", "4|extra|encoding|3,a,\"{\"\"a\"\": \"\"?\"\"}\",", "5|tags|encoding|4,b,,{?}"]
    );
    loader.only("b.csv", "id,name\n1,Łódź\n2,Köln\n");
    let report = loader.load("made_by_elt", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1), "{report:#?}");
    assert_eq!(loader.value("select name from made_by_elt").await, "Köln");
}

#[tokio::test]
async fn a_type_that_elt_does_not_know_must_give_back_the_text_that_came() {
    let loader = Loader::start().await;
    let admin = loader.admin().await;
    sqlx::raw_sql(
        "create schema gis; grant usage on schema gis to public;
         create type gis.cut; create type gis.geometry;
         create function gis.cut_in(cstring) returns gis.cut language internal immutable strict as 'namein';
         create function gis.cut_out(gis.cut) returns cstring language internal immutable strict as 'nameout';
         create type gis.cut (input = gis.cut_in, output = gis.cut_out, like = name);
         create function gis.geometry_in(cstring) returns gis.geometry language internal immutable strict as 'textin';
         create function gis.geometry_out(gis.geometry) returns cstring language internal immutable strict as 'textout';
         create type gis.geometry (input = gis.geometry_in, output = gis.geometry_out, like = text);
         create function gis.st_astext(gis.geometry) returns text language sql as
             $$ select case $1::text when 'SRID=1;point(1 2.50)' then 'POINT(1 2.5)' else 'POINT(9 9)' end $$",
    )
    .execute(&admin)
    .await
    .expect("made types");
    loader.sql("create table t (id int, c gis.cut, place gis.geometry)").await;
    loader.only(
        "a.csv",
        format!("id,c,place\n1,short,\n2,{},\n3,,SRID=1;point(1 2.50)\n4,,point(1 3)\n", "x".repeat(64)),
    );
    let report = loader.load("t", "").await;
    // A point is shown in another way than it was written: it is the same value because its coordinates are.
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 2), "{report:#?}");
    assert_eq!(
        loader.rows("select line, column_name, code, reason from _elt_quarantine order by line").await,
        [
            "3|c|does_not_fit|has 64 characters that the column would change (gis.cut)",
            "5|place|does_not_fit|has 10 characters that the column would change (gis.geometry)"
        ]
    );
}
