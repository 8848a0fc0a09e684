//! Values of rows, which PostgreSQL repeats in its messages: they are in no error and no line of the log. Of all answers
//! only the report of a run has them, in the reasons of its first rejected rows, as the quarantine has the rows.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::canary::api::Api;
use crate::support::{Folder, PASSWORD, up};

/// The value of a row. PostgreSQL repeats it where it refuses the row.
const VALUE: &str = "Kanarya7x";
/// The same where a number is expected.
const NUMBER: &str = "918273645546372819";

/// A table that refuses a row, and the row. `T` is the table.
struct Refusal {
    sqlstate: &'static str,
    table: String,
    csv: String,
    more: &'static str,
}

fn refusal(sqlstate: &'static str, table: impl Into<String>, csv: impl Into<String>, more: &'static str) -> Refusal {
    Refusal { sqlstate, table: table.into(), csv: csv.into(), more }
}

/// What PostgreSQL itself refuses, with the value in the message, the detail or the context.
fn natural() -> Vec<Refusal> {
    let text = format!("v\n{VALUE}\n");
    let number = format!("v\n{NUMBER}\n");
    let twice = "load: {dedupe: none}\n";
    let before = |body: &str| {
        format!(
            "create table T (v text);
             create function T_f() returns trigger language plpgsql as $$
                 declare n int; s varchar(3); d date; begin {body}; return new; end $$;
             create trigger T_t before insert on T for each row execute function T_f();"
        )
    };
    let there = |table: &str| format!("{table}; insert into T values ('{VALUE}');");
    vec![
        refusal("23505", there("create table T (v text unique)"), &text, twice),
        refusal("23505", there("create table T (v text); create unique index on T (lower(v))"), &text, twice),
        refusal("23514", "create table T (v text check (v = 'x'));", &text, ""),
        refusal("23514", "create domain T_d as text check (value = 'x'); create table T (v T_d);", &text, ""),
        refusal("23502", "create table T (v text, w text not null);", format!("v,w\n{VALUE},\n"), ""),
        refusal("23503", "create table T_p (v text primary key); create table T (v text references T_p);", &text, ""),
        refusal("23P01", there("create table T (v text, exclude (v with =))"), &text, twice),
        refusal("23514", "create table T (v text) partition by list (v);", &text, ""),
        refusal("22P02", "create table T (v text, w int generated always as (v::int) stored);", &text, ""),
        refusal("22P02", "create table T (v text); create index on T ((v::int));", &text, ""),
        refusal("22P02", before("n := new.v::int"), &text, ""),
        refusal("22P02", before("perform new.v::inet"), &text, ""),
        refusal("22P02", before("perform new.v::json"), &text, ""),
        refusal("22P02", before("perform new.v::int[]"), &text, ""),
        refusal("22003", before("n := new.v::int"), &number, ""),
        refusal("22001", before("s := new.v"), &text, ""),
        refusal("22007", before("d := new.v::date"), &text, ""),
        refusal("2201B", before("perform 'x' ~ ('(' || new.v)"), &text, ""),
        refusal("42601", before("execute 'select ' || new.v || ' from from'"), &text, ""),
        refusal("42703", before("execute 'select ' || quote_ident(new.v)"), &text, ""),
        refusal("42P01", before("execute 'select from ' || quote_ident(new.v)"), &text, ""),
        refusal("42883", before("execute 'select ' || quote_ident(new.v) || '()'"), &text, ""),
        refusal("P0004", before("assert new.v = 'x', new.v"), &text, ""),
        refusal(
            "22P02",
            "create table T (v text);",
            &text,
            "transform: [{name: T_m, materialized: table, sql: 'select v::inet from T'}]\n",
        ),
        refusal("00000", before("raise warning '%', new.v; raise notice '%', new.v; raise log '%', new.v"), &text, ""),
    ]
}

/// Codes of every class, with the value in every field that a trigger can fill.
const RAISED: [&str; 56] = [
    "01000", "02000", "03000", "08000", "08006", "09000", "0A000", "0B000", "0F000", "0L000", "0P000", "0Z000",
    "20000", "21000", "22000", "22001", "22003", "22021", "22P02", "22P05", "23000", "23502", "23503", "23505",
    "23514", "23P01", "24000", "25006", "26000", "27000", "28P01", "2B000", "2D000", "2F000", "34000", "38000",
    "39000", "3D000", "3F000", "40001", "42501", "42601", "42703", "42804", "44000", "53100", "54000", "55P03",
    "57014", "57P01", "58030", "72000", "F0000", "HV000", "P0001", "XX001",
];

fn raised() -> impl Iterator<Item = Refusal> {
    let text = format!("v\n{VALUE}\n");
    let messages = ["new.v", "'permission denied for table ' || new.v", "'must be owner of table ' || new.v"];
    let codes =
        RAISED.iter().map(move |code| (*code, messages[0])).chain([("42501", messages[1]), ("42501", messages[2])]);
    let fails = ["", "on_bad_row: fail\n"];
    codes.flat_map(move |(code, message)| fails.map(|more| (code, message, more))).map(move |(code, message, more)| {
        let table = format!(
            "create table T (v text);
             create function T_f() returns trigger language plpgsql as $$ begin
                 raise exception using errcode = '{code}', message = {message}, detail = new.v, hint = new.v,
                     constraint = new.v, column = new.v, table = new.v, schema = new.v, datatype = new.v; end $$;
             create trigger T_t before insert on T for each row execute function T_f();"
        );
        refusal(code, table, &text, more)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_a_row_is_nowhere_but_in_the_reason_of_its_rejection() {
    let folder = Folder::new();
    let up = up(&folder, &[("ELT_LOG", "trace"), ("ELT_CONCURRENCY", "8")]);
    let admin = Api::log_in(&up.url, "admin", PASSWORD).await;
    admin.follow("/logs/follow").await;
    let mut target = target(&folder).await;
    let mut runs = Vec::new();
    for (number, refusal) in natural().into_iter().chain(raised()).enumerate() {
        let name = format!("refused_{number}");
        let sql = refusal.table.replace("T_", &format!("{name}_")).replace("T ", &format!("{name} "));
        let made = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut target).await;
        made.unwrap_or_else(|error| panic!("{sql}: {error}"));
        folder.write(&format!("in/{name}/rows.csv"), &refusal.csv);
        let more = refusal.more.replace("T_", &format!("{name}_")).replace(" T'", &format!(" {name}'"));
        let yaml = format!(
            "name: {name}\nsources: [{{type: local, settle_seconds: 0, path: in/{name}}}]\ntarget: {{table: {name}}}\n\
             monitor: {{enabled: false}}\nretry: {{max_attempts: 1}}\n{more}"
        );
        let run = admin.post_yaml("/trigger-job", &yaml).await;
        runs.push((refusal.sqlstate, run["run_id"].as_str().unwrap_or_else(|| panic!("{yaml}: {run}")).to_owned()));
    }
    for (sqlstate, run) in &runs {
        let ended = admin.finished(run).await;
        // A refused row fails the run or is put into quarantine, and a model that fails is a warning.
        let refused = ended["outcome"] != "clean";
        assert_eq!(refused, *sqlstate != "00000", "{sqlstate}: {ended:#}");
        for path in ["attempts", "logs"] {
            admin.get(&format!("/runs/{run}/{path}")).await;
        }
    }
    for path in ["/runs", "/logs", "/logs/search?limit=250", "/overview", "/pipelines", "/audit", "/metrics"] {
        admin.get_all(path).await;
    }
    let said = up.stop();
    admin.streams_ended().await;
    let log = std::fs::read_to_string(folder.path().join("data/elt.log")).expect("the log");
    assert!(log.contains("run failed: "), "failures are told");
    let texts = [("stderr".to_owned(), said), ("elt.log".to_owned(), log)];
    for (what, text) in admin.answers().into_iter().chain(texts) {
        let text = without_rejected_places(&text);
        let line = text.lines().find(|line| line.contains(VALUE) || line.contains(NUMBER)).unwrap_or_default();
        assert_eq!(line, "", "{what}");
    }
}

/// The text without the lists of rejected rows in the reports of runs.
fn without_rejected_places(text: &str) -> String {
    let mut parts = text.split("\"places\":[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| shown + part.split_once("}]").map_or("", |(_, after)| after))
}

async fn target(folder: &Folder) -> PgConnection {
    let beside = |name: &str| std::fs::read_to_string(folder.path().join("data/postgres").join(name)).expect("a file");
    let passwords: Value = serde_json::from_str(&beside("passwords.json")).expect("JSON");
    let (password, port) = (passwords["target"].as_str().expect("a password"), beside("port"));
    let url = format!("postgres://elt_target:{password}@127.0.0.1:{}/elt_db", port.trim());
    PgConnection::connect(&url).await.expect("connected to the target")
}
