//! Any value of any column type, from CSV and from JSON, is in the table exactly as it came, or in quarantine.
//!
//! Every value is a row of its own with that one column. PostgreSQL decides, not elt: an SQL condition for each type
//! compares the stored value with the delivered text. `ELT_PROPERTY_VALUES` sets how many values are tried,
//! `ELT_PROPERTY_SEED` which ones.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use crate::support::loader::{Loader, told};

/// Values of one load.
const VALUES_A_LOAD: usize = 20_000;
/// Values the ordinary suite tries.
const ORDINARY_VALUES: usize = 6_000;

/// A column type, the maker of its values, and the condition under which the stored `s` is the delivered text `d`.
type Tried = (&'static str, fn(&mut Random) -> String, &'static str);

const NOT_FINER: &str = r"d !~ '[.,]\d{6}\d*[1-9]'";

/// The shortest digits that name the number. Two texts of that length may be equally near, and PostgreSQL reads both as
/// the number; so it does with 9 digits, which name any `real`.
const REAL: &str =
    "s::text::numeric = d::numeric or (d::real = s and ({digits} = {shown} or {digits} between 9 and 17))";
/// The same for a double, which 17 digits name.
const DOUBLE: &str = "s::text::numeric = d::numeric or (d::float8 = s and ({digits} = {shown} or {digits} >= 17))";
const DIGITS: &str = "length(btrim(replace(abs({}::numeric)::text, '.', ''), '0'))";

const TRIED: &[Tried] = &[
    ("text", any_text, "s = d"),
    ("varchar(4)", any_text, "s = d"),
    ("citext", any_text, "s::text = d"),
    ("char(4)", any_text, "rpad(s::text, 4) = rpad(d, 4) and length(d) <= 4"),
    ("bpchar", any_text, "s::text = rtrim(d, ' ')"),
    ("name", long_text, "s::text = d"),
    ("\"char\"", any_text, "s::text = d"),
    ("short_text", any_text, "s::text = d"),
    ("code", any_text, "rpad(s::text, 4) = rpad(d, 4) and length(d) <= 4"),
    ("varchar(3)[]", text_array, "s::text[] = d::text[]"),
    ("text[]", text_array, "s::text[] = d::text[]"),
    ("bit(4)", bits, "s::text = d"),
    ("varbit(4)", bits, "s::text = d"),
    ("bit(2)[]", bits_array, "s::text[] = d::text[]"),
    ("smallint", number, "s::numeric = d::numeric"),
    ("integer", number, "s::numeric = d::numeric"),
    ("bigint", number, "s::numeric = d::numeric"),
    ("numeric", number, "s = d::numeric"),
    ("numeric(7,2)", number, "s = d::numeric"),
    ("numeric(3,-2)", number, "s = d::numeric"),
    ("numeric(2,4)", number, "s = d::numeric"),
    ("positive", number, "s::numeric = d::numeric and s > 0"),
    ("price", number, "s::numeric = d::numeric"),
    ("real", number, REAL),
    ("double precision", number, DOUBLE),
    ("ratio", number, DOUBLE),
    ("int[]", number_array, "s::numeric[] = d::numeric[]"),
    ("numeric(7,2)[]", number_array, "s = d::numeric[]"),
    ("real[]", number_array, "s::text::numeric[] = d::numeric[]"),
    ("double precision[]", number_array, "s::text::numeric[] = d::numeric[]"),
    ("money", number, "s::numeric = d::numeric"),
    ("boolean", boolean, "s = d::boolean"),
    ("date", moment, "s::timestamp = d::timestamp and d !~ '[:].*[-+Zz]'"),
    ("day", moment, "s::timestamp = d::timestamp and d !~ '[:].*[-+Zz]'"),
    ("timestamp", moment, "s = (d::timestamptz at time zone 'UTC') and {finer}"),
    ("timestamp(0)", moment, "s = (d::timestamptz at time zone 'UTC') and {finer}"),
    ("timestamptz", moment, "s = d::timestamptz and {finer}"),
    ("timestamptz(3)", moment, "s = d::timestamptz and {finer}"),
    ("moment", moment, "s = (d::timestamptz at time zone 'UTC') and {finer}"),
    ("time", time, "s = d::time and d !~ '[-+Zz]' and {finer}"),
    ("time(0)", time, "s = d::time and d !~ '[-+Zz]' and {finer}"),
    ("timetz(2)", time, "s = d::timetz and {finer}"),
    (
        "timestamp(0)[]",
        moment_array,
        "s = (select array_agg(e::timestamptz at time zone 'UTC') from unnest(d::text[]) e) and {finer}",
    ),
    ("tsrange", moment_range, r"s = d::tsrange and d !~ '\d\d:\d\d(:\d\d(\.\d+)?)?[-+Zz]' and {finer}"),
    ("tstzrange", moment_range, "s = d::tstzrange and {finer}"),
    ("int4range", number_range, "s = d::int4range"),
    ("numrange", number_range, "s = d::numrange"),
    ("interval", interval, r"s = d::interval and d !~ '\.\d*[1-9]\d* (mon|year)' and {finer}"),
    ("interval(0)", interval, r"s = d::interval and d !~ '\.\d*[1-9]\d* (mon|year)'"),
    ("interval day", interval, r"s = d::interval and d !~ '\.\d*[1-9]\d* (mon|year)'"),
    ("inet", address, "s = d::inet"),
    ("cidr", address, "s = d::cidr"),
    ("macaddr", mac, "s = d::macaddr"),
    ("uuid", uuid, "s = d::uuid"),
    ("uuid[]", uuid_array, "s = d::uuid[]"),
    ("mood", label, "s::text = d"),
    ("mood[]", label_array, "s::text[] = d::text[]"),
    ("json", json, "s::text = d"),
    ("jsonb", json, "s = d::jsonb"),
    ("bytea", bytes, "s = d::bytea"),
];

const TYPES: &str = "create type mood as enum ('sad', 'happy', 'NA', '');
    create domain inner_text as varchar(4); create domain short_text as inner_text; create domain code as char(4);
    create domain positive as int check (value > 0); create domain price as numeric(7,2);
    create domain ratio as double precision; create domain day as date; create domain moment as timestamp(0)";

/// Types in which an empty cell is an empty text.
const TEXTS: &[&str] =
    &["text", "varchar(4)", "citext", "char(4)", "bpchar", "name", "\"char\"", "short_text", "code", "mood"];

#[tokio::test]
async fn any_value_is_stored_exactly_or_quarantined() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let values = setting("ELT_PROPERTY_VALUES").unwrap_or(ORDINARY_VALUES);
    let mut random = Random(setting("ELT_PROPERTY_SEED").unwrap_or(1) as u64);
    let mut loader = Loader::start().await;
    let admin = loader.admin().await;
    sqlx::raw_sql("create extension citext").execute(&admin).await.expect("citext");
    loader.sql(TYPES).await;
    let modes = ["{mode: append}", "{mode: merge, key: [id]}", "{mode: replace}", "{mode: append, dedupe: none}"];
    let (mut stored, mut rejected) = (0, 0);
    for (round, first) in (0..values).step_by(VALUES_A_LOAD).enumerate() {
        let count = VALUES_A_LOAD.min(values - first);
        // Every mode loads both while and after the first pass is reading.
        loader.early_load_bytes = if (round / modes.len()).is_multiple_of(2) { 0 } else { u64::MAX };
        let (kept, refused) = one_load(&loader, &mut random, count, modes[round % modes.len()]).await;
        stored += kept;
        rejected += refused;
    }
    println!("{values} values of {} types: {stored} stored exactly, {rejected} in quarantine", TRIED.len());
    assert_eq!(stored + rejected, values as u64);
    assert!(stored > values as u64 / 4 && rejected > values as u64 / 10, "{stored} stored, {rejected} rejected");
}

/// Delivers values in two files, and lets PostgreSQL compare. Returns how many are stored and how many rejected.
async fn one_load(loader: &Loader, random: &mut Random, count: usize, mode: &str) -> (u64, u64) {
    loader.sql("drop table if exists t, delivered, _elt_quarantine, _elt_files, _elt_loads, _elt_columns").await;
    let columns: Vec<_> = TRIED.iter().enumerate().map(|(n, tried)| format!("c{n} {}", tried.0)).collect();
    loader.sql(&format!("create table t (id bigint, {})", columns.join(", "))).await;
    let delivered: Vec<_> = (0..count)
        .map(|id| {
            let column = id % TRIED.len();
            (id as i64, column as i32, (TRIED[column].1)(random))
        })
        .collect();
    write_files(loader, &delivered);
    let yaml = format!(
        "sources: [{{type: local, path: {}, csv: {{null_values: []}}}}]\ntarget: {{table: t}}\nload: {mode}\n",
        loader.folder.path().display()
    );
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(report.files.iter().all(|file| file.balances()), "{report:#?}");
    assert_eq!(report.rows_read, count as u64);
    assert_eq!(loader.count("t").await, report.rows_inserted);
    judge(loader, &delivered).await;
    (report.rows_inserted, report.rows_quarantined)
}

fn write_files(loader: &Loader, delivered: &[(i64, i32, String)]) {
    let names: Vec<_> = (0..TRIED.len()).map(|n| format!("c{n}")).collect();
    let mut csv = format!("id,{}\n", names.join(","));
    let mut ndjson = String::new();
    for (id, column, value) in delivered {
        if id % 2 == 0 {
            let before = ",".repeat(*column as usize + 1);
            let after = ",".repeat(TRIED.len() - 1 - *column as usize);
            let _ = writeln!(csv, "{id}{before}\"{}\"{after}", value.replace('"', "\"\""));
        } else {
            let is_number = value.trim() == value && serde_json::from_str::<serde_json::Number>(value).is_ok();
            let shown = if is_number && id % 3 == 0 { value.clone() } else { serde_json::json!(value).to_string() };
            let _ = writeln!(ndjson, "{{\"id\": {id}, \"c{column}\": {shown}}}");
        }
    }
    loader.only("a.csv", csv);
    loader.folder.write("b.ndjson", ndjson);
}

/// Every delivered value is in the table as it came, or in quarantine, once.
async fn judge(loader: &Loader, delivered: &[(i64, i32, String)]) {
    loader.sql("create table delivered (id bigint primary key, c int, d text)").await;
    for part in delivered.chunks(10_000) {
        sqlx::query("insert into delivered select * from unnest($1::bigint[], $2::int[], $3::text[])")
            .bind(part.iter().map(|value| value.0).collect::<Vec<_>>())
            .bind(part.iter().map(|value| value.1).collect::<Vec<_>>())
            .bind(part.iter().map(|value| value.2.as_str()).collect::<Vec<_>>())
            .execute(&loader.target)
            .await
            .expect("kept what was delivered");
    }
    let twice_or_never = loader
        .rows(
            "select id, d from delivered left join t using (id)
             left join (select (cell ->> 'text')::bigint as id from _elt_quarantine, jsonb_array_elements(cells) cell
                        where cell ->> 'name' = 'id') q using (id)
             group by id, d having count(t.*) + count(q.id) <> 1 limit 20",
        )
        .await;
    assert_eq!(twice_or_never, [""; 0]);
    for (n, (sql_type, _, same)) in TRIED.iter().enumerate() {
        // An empty cell of a type that has no empty value is a missing value.
        let missing = if TEXTS.contains(sql_type) { "false" } else { "d = ''" };
        let same = same
            .replace("{finer}", NOT_FINER)
            .replace("{digits}", &DIGITS.replace("{}", "d"))
            .replace("{shown}", &DIGITS.replace("{}", "s::text"));
        let query = format!(
            "select d, s::text from (select t.c{n} as s, d from delivered join t using (id) where c = {n}) value
             where case when s is null then not ({missing}) else not ({same}) end limit 20"
        );
        let mut tx = loader.target.begin().await.expect("a transaction");
        sqlx::query("set local timezone = 'UTC'").execute(&mut *tx).await.expect("UTC");
        let changed: Vec<(String, Option<String>)> = sqlx::query_as(AssertSqlSafe(query))
            .fetch_all(&mut *tx)
            .await
            .unwrap_or_else(|error| panic!("{sql_type}: {error}"));
        assert_eq!(changed, [], "{sql_type}: delivered, stored");
    }
}

/// A sequence of numbers that looks random and is the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn digits(&mut self, most: u64) -> String {
        let length = self.below(most) + 1;
        (0..length).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }
}

fn any_text(random: &mut Random) -> String {
    const PARTS: &[&str] = &[
        "a", "B", "c", " ", "  ", "ä", "€", "😀", ",", "\"", "'", "\\", "\n", "\t", "NA", "null", "0", ";", "{", "}",
        "\u{a0}", "e\u{301}",
    ];
    let length = random.below(7);
    (0..length).map(|_| random.of(PARTS)).collect()
}

fn long_text(random: &mut Random) -> String {
    let text = any_text(random);
    let times = random.below(25) as usize;
    text.repeat(times)
}

fn bits(random: &mut Random) -> String {
    let length = random.below(7);
    (0..length)
        .map(|_| random.of(if random.0.is_multiple_of(16) { &["0", "1", "2"][..] } else { &["0", "1"] }))
        .collect()
}

fn number(random: &mut Random) -> String {
    let sign = random.of(&["", "", "", "-", "+"]);
    let whole = if random.one_in(4) { random.digits(25) } else { random.digits(4) };
    let fraction = match random.below(6) {
        0 => format!(".{}", random.digits(3)),
        1 => format!(".{}", random.digits(20)),
        2 => ".00".to_owned(),
        _ => String::new(),
    };
    let exponent =
        if random.one_in(10) { format!("e{}{}", random.of(&["", "-", "+"]), random.digits(2)) } else { String::new() };
    match random.below(40) {
        0 => any_text(random),
        1 => random
            .of(&["NaN", "Infinity", "-inf", "1e400", "1e-400", "0x1F", "1_000", "1,5", "16777217", "-0"])
            .to_owned(),
        _ => format!("{sign}{whole}{fraction}{exponent}"),
    }
}

fn boolean(random: &mut Random) -> String {
    random.of(&["true", "false", "t", "F", "yes", "No", "on", "off", "1", "0", "2", "maybe", "TRUE", ""]).to_owned()
}

fn moment(random: &mut Random) -> String {
    let date = format!("{:04}-{:02}-{:02}", 1900 + random.below(200), random.below(13) + 1, random.below(31) + 1);
    match random.below(12) {
        0 => date,
        1 => any_text(random),
        2 => random
            .of(&["infinity", "now", "epoch", "2024-02-30", "10000-01-01", "0044-03-15 BC", "20240101"])
            .to_owned(),
        _ => format!("{date}{}{}", random.of(&[" ", "T"]), time(random)),
    }
}

fn time(random: &mut Random) -> String {
    let seconds = if random.one_in(5) { String::new() } else { format!(":{:02}", random.below(60)) };
    let fraction = match random.below(5) {
        0 if !seconds.is_empty() => format!(".{}", random.digits(8)),
        1 if !seconds.is_empty() => ".500".to_owned(),
        _ => String::new(),
    };
    let zone = random.of(&["", "", "", "", "Z", "+02", "+02:00", "-0330", "+05:45"]);
    format!("{:02}:{:02}{seconds}{fraction}{zone}", random.below(25), random.below(61))
}

fn interval(random: &mut Random) -> String {
    const UNITS: &[&str] = &["year", "mons", "month", "weeks", "days", "hours", "min", "seconds", "ms"];
    if random.one_in(30) {
        return any_text(random);
    }
    let parts = random.below(3) + 1;
    let part = |random: &mut Random| {
        let fraction = if random.one_in(4) { format!(".{}", random.digits(8)) } else { String::new() };
        format!("{}{fraction} {}", random.digits(2), random.of(UNITS))
    };
    (0..parts).map(|_| part(random)).collect::<Vec<_>>().join(" ")
}

fn address(random: &mut Random) -> String {
    let four = [256, 256, 300, 256].map(|end| random.below(end).to_string()).join(".");
    let mask = if random.one_in(2) { String::new() } else { format!("/{}", random.below(34)) };
    match random.below(10) {
        0 => format!("2001:db8::{:x}{mask}", random.below(65_536)),
        1 => format!("{}{mask}", random.below(256)),
        2 => format!("{}.0{mask}", random.below(256)),
        3 => any_text(random),
        _ => format!("{four}{mask}"),
    }
}

fn mac(random: &mut Random) -> String {
    let bytes = (0..6).map(|_| format!("{:02x}", random.below(256))).collect::<Vec<_>>();
    let text = bytes.join(random.of(&[":", "-", "", "."]));
    if random.one_in(3) { text.to_uppercase() } else { text }
}

fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    let plain = format!("{high:016x}{low:016x}");
    match random.below(8) {
        0 => plain,
        1 => plain.to_uppercase(),
        2 => plain[1..].to_owned(),
        _ => [&plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]].join("-"),
    }
}

fn label(random: &mut Random) -> String {
    random.of(&["sad", "happy", "NA", "", "angry", "Sad", " sad"]).to_owned()
}

fn json(random: &mut Random) -> String {
    let text = |random: &mut Random| serde_json::json!(any_text(random)).to_string();
    match random.below(8) {
        0 => text(random),
        1 => number(random),
        2 => format!("[{}, {}, null]", number(random), text(random)),
        3 => format!("{{\"b\": {}, \"a\": {}}}", text(random), number(random)),
        4 => format!("{{\"a\": {}, \"a\": 2}}", random.digits(2)),
        5 => any_text(random),
        6 => format!("{{\"x\": [true, {{\"y\": {}}}]}}", text(random)),
        _ => random.of(&["null", "true", "{}", "[]", "\"\\u0000\"", "\"\\ud800\"", "{\"a\"}"]).to_owned(),
    }
}

fn bytes(random: &mut Random) -> String {
    let length = random.below(6);
    let hex = (0..length).map(|_| format!("{:02x}", random.below(256))).collect::<String>();
    match random.below(6) {
        0 => hex,
        1 => format!("\\x{}", hex.to_uppercase()),
        2 => format!("\\x{hex}f"),
        3 => random.of(&["\\001\\002", "abc", "a\\\\b", "ä", "\\x zz"]).to_owned(),
        _ => format!("\\x{hex}"),
    }
}

fn array(random: &mut Random, element: fn(&mut Random) -> String) -> String {
    let length = random.below(4);
    let quoted = |text: String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let elements: Vec<_> = (0..length).map(|_| quoted(element(random))).collect();
    let null = if random.one_in(6) && length > 0 { ",NULL" } else { "" };
    let end = if random.one_in(40) { "" } else { "}" };
    format!("{{{}{null}{end}", elements.join(","))
}

fn text_array(random: &mut Random) -> String {
    array(random, any_text)
}

fn bits_array(random: &mut Random) -> String {
    array(random, bits)
}

fn number_array(random: &mut Random) -> String {
    array(random, number)
}

fn moment_array(random: &mut Random) -> String {
    array(random, moment)
}

fn uuid_array(random: &mut Random) -> String {
    array(random, uuid)
}

fn label_array(random: &mut Random) -> String {
    array(random, label)
}

fn range(random: &mut Random, element: fn(&mut Random) -> String) -> String {
    let bound = |random: &mut Random| if random.one_in(5) { String::new() } else { element(random) };
    let (from, to) = (bound(random), bound(random));
    format!("{}{from},{to}{}", random.of(&["[", "("]), random.of(&["]", ")"]))
}

fn number_range(random: &mut Random) -> String {
    range(random, |random| {
        let from = random.below(1_000);
        if random.one_in(3) { format!("{from}.5") } else { from.to_string() }
    })
}

fn moment_range(random: &mut Random) -> String {
    range(random, |random| {
        let date = format!("20{:02}-0{}-1{}", random.below(100), random.below(9) + 1, random.below(10));
        if random.one_in(4) { date } else { format!("\"{date} {}\"", time(random)) }
    })
}
