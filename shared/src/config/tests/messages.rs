//! What is said about a config that cannot run, word for word, and about one that says more than is understood.

use super::*;
use crate::config::{Reference, Resolve, Unresolved};
use crate::secret::Secret;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected);
}

#[test]
fn every_problem_is_told_at_its_place() {
    check(
        "sources:\n- type: gopher\ntarget: {table: t}\n",
        &[
            "sources[0].type: unknown variant \"gopher\", expected local, api, sftp, s3, http, ftp or inbox at line 2 column 9",
        ],
    );
    check(
        "target:\n  host: db\n  port: 70000\nsources:\n  - type: local\n  - type: api\n    url: ftp://x\n",
        &[
            "target: missing key \"database\" at line 2 column 3",
            "target: missing key \"user\" at line 2 column 3",
            "target.port: expected a whole number from 1 to 65535, found \"70000\" at line 3 column 9",
            "sources[0]: missing key \"path\" at line 5 column 5",
            "sources[1].url: expected a URL that begins with http:// or https://, found \"ftp://x\" at line 7 column 10",
        ],
    );
    check("name: x\n", &["missing key \"sources\" at line 1 column 1", "missing key \"target\" at line 1 column 1"]);
    check("sources: []\ntarget: {}\n", &["sources: expected at least one source at line 1 column 10"]);
    check("sources: x\ntarget: {}\n", &["sources: expected a list, found a text at line 1 column 10"]);
    check(
        "sources: [x]\ntarget: []\n",
        &[
            "sources[0]: expected a mapping, found a text at line 1 column 11",
            "target: expected a mapping, found a list at line 2 column 9",
        ],
    );
    check(
        "sources: [{path: x}]\ntarget: {}\n",
        &["sources[0]: missing key \"type\", expected local, api, sftp, s3, http, ftp or inbox at line 1 column 11"],
    );
    check(&source("type: local, path: ''"), &["sources[0].path: must not be empty at line 2 column 23"]);
    check(&source("type: local, path: [a]"), &["sources[0].path: expected a text, found a list at line 2 column 23"]);
}

#[test]
fn the_same_thing_written_twice_is_a_problem() {
    check(
        &source("type: local, path: a, folder: b"),
        &["sources[0].folder: the same thing is written at sources[0].path already at line 2 column 34"],
    );
    check(
        &source("type: sftp, host: a, user: b, password: c, path: d, sftp: {remote_path: e}"),
        &["sources[0].sftp.remote_path: the same thing is written at sources[0].path already at line 2 column 76"],
    );
    check(
        &with("output_csv_path: a\noutput: {csv_path: b}"),
        &["output.csv_path: the same thing is written at output_csv_path already at line 4 column 20"],
    );
    check(
        &with("load: {mode: append}").replace("table: t", "table: t, mode: merge"),
        &["target.mode: the same thing is written at load.mode already at line 2 column 26"],
    );
    check(
        &with("on_bad_row: fail\nschema: {id: int, on_mismatch: quarantine}"),
        &["on_bad_row: schema.on_mismatch says something else at line 3 column 13"],
    );
}

#[test]
fn times_zones_and_schedules_say_what_was_expected() {
    check(
        &with("start_time: 2025/07/15"),
        &[
            "start_time: expected YYYY-MM-DD HH:MM, YYYY-MM-DD HH:MM:SS or RFC 3339, found \"2025/07/15\" at line 3 column 13",
        ],
    );
    check(
        &with("start_time: 2026-01-02 10:00\nend_time: 2026-01-02 10:00"),
        &["end_time: must be after start_time, found \"2026-01-02 10:00\" at line 4 column 11"],
    );
    check(
        &with("timezone: Berlin"),
        &["timezone: expected an IANA time zone such as Europe/Berlin, found \"Berlin\" at line 3 column 11"],
    );
    check(
        &with("schedule: {cron: \"* * *\"}"),
        &["schedule.cron: a cron expression has five fields (minute hour day month weekday), this one has 3 \
             at line 3 column 18"],
    );
    check(
        &with("schedule: {cron: \"0 0 30 2 *\"}"),
        &["schedule.cron: this cron expression never fires at line 3 column 18"],
    );
    check(
        &with("schedule: {overlap: both}"),
        &[
            "schedule: missing key \"cron\" at line 3 column 11",
            "schedule.overlap: unknown variant \"both\", expected skip or queue at line 3 column 21",
        ],
    );
    check(
        &with("strict_mode: perhaps"),
        &["strict_mode: expected true or false, found \"perhaps\" at line 3 column 14"],
    );
}

#[test]
fn a_schema_is_checked_column_by_column() {
    check(
        &with("schema:\n  columns:\n    a: strng\n    b: {nullable: maybe}\n    c: {type: int, format: \"%Y\"}"),
        &[
            "schema.columns.a: unknown type \"strng\", did you mean \"string\"? at line 5 column 8",
            "schema.columns.b: missing key \"type\" at line 6 column 8",
            "schema.columns.c.format: a bigint column has no format, only dates and times have at line 7 column 28",
        ],
    );
    check(
        &with("schema: {a: {type: date, format: \"%Q\"}, b: {type: text, min: 1, pattern: \"(\"}, _elt_x: int}"),
        &[
            "schema.a.format: expected a strftime format such as %d/%m/%Y, found \"%Q\" at line 3 column 34",
            "schema.b.min: a text column has no min or max, only numbers, dates and times have at line 3 column 62",
            "schema.b.pattern: expected a regular expression, found \"(\" at line 3 column 74",
            "schema._elt_x: a column needs a name that does not begin with _elt_ at line 3 column 88",
        ],
    );
    check(
        &with("schema: {a: int, max_rejected: {percent: 101}}"),
        &["schema.max_rejected.percent: expected a number from 0 to 100, found \"101\" at line 3 column 42"],
    );
}

#[test]
fn a_target_is_reached_by_tcp_and_by_its_own_credentials() {
    let target = |target: &str| format!("sources: [{{type: local, path: a}}]\ntarget: {{{target}}}\n");
    for host in ["/var/run/postgresql", "@abstract", "%2Fvar%2Frun", "./sock"] {
        check(
            &target(&format!("host: \"{host}\", user: a, database: d")),
            &["target.host: a Unix socket is not a host here, expected a host name or an address at line 2 column 16"],
        );
    }
    for url in ["postgres:///db?host=/var/run", "postgres://a@%2Fvar%2Frun/db", "postgres://a@db/x?hostaddr=1.2.3.4"] {
        let problems = problems(&target(&format!("url: \"{url}\"")));
        assert!(problems[0].contains("Unix socket") || problems[0].contains("expected a URL"), "{problems:?}");
    }
    check(
        &target("url: \"postgres://db/x\""),
        &["target.url: the URL names no user, expected postgres://user:password@host/database at line 2 column 15"],
    );
    check(
        &target("url: \"postgres://a@db/x\", password: hunter2"),
        &["target.password: write it in the url, or leave the url out at line 2 column 46"],
    );
    for (url, path) in [("postgres://a@db", ""), ("postgres://a@db/", ""), ("postgres://a@db?sslmode=require", "")] {
        check(
            &target(&format!("url: \"{url}{path}\"")),
            &["target.url: the URL names no database, expected postgres://user:password@host/database \
               at line 2 column 15"],
        );
    }
    check(
        &target("type: mysql"),
        &["target.type: unknown variant \"mysql\", expected postgres or postgresql at line 2 column 16"],
    );
    check(
        &target("table: a.b.c"),
        &["target.table: expected table or schema.table, a name with a dot in double quotes, found \"a.b.c\" \
           at line 2 column 17"],
    );
    check(
        &target(&format!("table: {}", "x".repeat(64))),
        &[&format!(
            "target.table: expected a name of 1 to 63 bytes, found \"{}…\" at line 2 column 17",
            "x".repeat(60)
        )],
    );
    check(
        &target("table: pg_catalog.pg_class"),
        &[
            "target.table: expected a schema that is not PostgreSQL's own, found \"pg_catalog.pg_class\" at line 2 column 17",
        ],
    );
    check(
        &target("table: _elt_loads"),
        &["target.table: expected a table that is not elt's own (_elt_…), found \"_elt_loads\" at line 2 column 17"],
    );
}

#[test]
fn a_source_says_what_it_lacks() {
    check(
        &source("type: sftp, host: a, user: b, path: c"),
        &["sources[0]: missing key \"password\" or \"private_key\" at line 2 column 3"],
    );
    check(
        &source(
            "type: sftp, host: a, user: b, path: c, password: d, host_key: \"SHA256:abc\", after_load: {action: move}",
        ),
        &[
            "sources[0].host_key: expected a fingerprint such as SHA256:… of 43 characters, as `ssh-keygen -lf` prints it, \
         found \"SHA256:abc\" at line 2 column 66",
            "sources[0].after_load: missing key \"to\" at line 2 column 92",
        ],
    );
    check(
        &source("type: api, url: \"http://a\", headers: {\"a b\": c}, pagination: {type: pages}"),
        &[
            "sources[0].headers.a b: \"a b\" is not a name of an HTTP header at line 2 column 49",
            "sources[0].pagination.type: unknown variant \"pages\", expected page, offset, cursor or link_header \
         at line 2 column 72",
        ],
    );
    check(
        &source("type: api, url: \"http://a\", pagination: {type: page, end_status: [400, 429]}"),
        &["sources[0].pagination.end_status: expected HTTP statuses from 400 to 599, without 401, 403, 407, 408, 425 \
         and 429 at line 2 column 69"],
    );
    check(
        &source("type: local, path: a, csv: {delimiter: \"||\", quote: \";\", encoding: latin-99}"),
        &[
            "sources[0].csv.delimiter: expected one ASCII character or \"auto\", found \"||\" at line 2 column 43",
            "sources[0].csv.encoding: unknown encoding \"latin-99\", expected a name such as utf-8 or windows-1252 \
         at line 2 column 71",
        ],
    );
    check(
        &source("type: local, path: a, records: data..x"),
        &[
            "sources[0].records: `data..x` is not a path into JSON: `..` is not supported; write it like `$.data.items[*]` \
             at line 2 column 35",
        ],
    );
    check(
        &with("load: {mode: merge}"),
        &["load.mode: merge needs load.key, the columns a row is recognised by at line 3 column 14"],
    );
    check(
        &with("transform: [{name: a, sql: drop table b}, {name: c, sql: select 1}, {name: c, sql: select 2}]"),
        &[
            "transform[0].sql: expected one select at line 3 column 28",
            "transform[2]: the name \"c\" is taken by a model before it at line 3 column 69",
        ],
    );
}

#[test]
fn no_problem_tells_a_secret() {
    let told =
        problems(&with("x-pw: &pw hunter2\nretry: {max_attempts: *pw}\nmonitor: {enabled: hunter2}\npassword: *pw"));
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|problem| problem.contains("***") && !problem.contains("hunter2")), "{told:?}");
    let told = problems(&source("type: api, url: \"htp://ann:hunter2@x/?token=abc\""));
    assert_eq!(
        told,
        ["sources[0].url: expected a URL that begins with http:// or https://, found \"htp://***@x/?token=***\" \
         at line 2 column 20",]
    );
}

#[test]
fn a_hundred_problems_are_enough() {
    let columns: String = (0..300).map(|index| format!("  c{index}: nonsense\n")).collect();
    let told = problems(&with(&format!("schema:\n{columns}")));
    assert_eq!((told.len(), told[100].as_str()), (101, "there are more problems than these"));
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_known_one() {
    assert_eq!(
        warnings(&with("schedul: {cron: x}\nwhatever: 1\nx-mine: 2")),
        [
            "schedul: unknown key \"schedul\", did you mean \"schedule\"? at 3:1",
            "whatever: unknown key \"whatever\", it has no effect at 4:1",
        ]
    );
    assert_eq!(
        warnings(&source("type: local, pth: a, delimiter: x, csv: {delimeter: x}, type_: y")),
        [
            "sources[0].pth: unknown key \"pth\", did you mean \"path\"? at 2:17",
            "sources[0].delimiter: unknown key \"delimiter\", did you mean \"csv.delimiter\"? at 2:25",
            "sources[0].type_: unknown key \"type_\", it has no effect at 2:60",
            "sources[0].csv.delimeter: unknown key \"delimeter\", did you mean \"delimiter\"? at 2:45",
        ]
    );
    assert_eq!(
        warnings("source: {local: {path: a}}\n"),
        ["source: unknown key \"source\", did you mean \"sources\"? at 1:1"]
    );
    assert_eq!(warnings(&with("Retry: {}")), ["Retry: unknown key \"Retry\", did you mean \"retry\"? at 3:1"]);
}

#[test]
fn what_has_no_effect_is_a_warning() {
    assert_eq!(warnings(&with("load: {key: [id]}")), ["load.key: has an effect with mode merge only at 3:13"]);
    assert_eq!(warnings(&with("schema: {}")), ["schema: names no column, so it has no effect at 3:9"]);
    assert_eq!(
        warnings("sources: [{type: local, path: a}]\ntarget: {sslmode: require}\n"),
        ["target.sslmode: has no effect on the default target at 2:19",]
    );
}

/// Knows a few names.
struct Known;

impl Resolve for Known {
    fn resolve(&self, reference: &Reference) -> Result<Option<Secret>, Unresolved> {
        match reference {
            Reference::Env(name) if name == "PORT" => Ok(Some("2222".into())),
            Reference::Env(name) if name == "WORD" => Ok(Some("hunter2".into())),
            Reference::Secret(name) => Ok(Some(Secret::new(format!("secret {name}")))),
            Reference::Env(name) => Err(format!("the environment variable {name} is not in ELT_ENV_ALLOW").into()),
        }
    }
}

#[test]
fn references_are_resolved_by_the_worker_and_never_told() {
    let text = source(
        "type: sftp, host: \"${env:WORD}.example.com\", user: b, port: \"${env:PORT}\", password: \"${secret:pw}\", path: c",
    );
    let document = Document::parse(&text).unwrap();
    let crate::config::SourceConfig::Sftp(sftp) = document.pipeline(&Known).unwrap().value.sources.remove(0) else {
        panic!("an SFTP source");
    };
    assert_eq!((sftp.server.host.as_str(), sftp.server.port), ("hunter2.example.com", 2222));
    assert_eq!(sftp.server.login, crate::config::SshLogin::password("secret pw"));
    // At upload they are left open, whatever the type.
    let crate::config::SourceConfig::Sftp(sftp) = pipeline(&text).sources.remove(0) else { panic!("an SFTP source") };
    assert_eq!((sftp.server.host.as_str(), sftp.server.port), ("${env:WORD}.example.com", 22));

    let wrong = with("retry: {max_attempts: \"${env:WORD}\", max_seconds: \"${env:NOPE}\"}\ntimezone: \"${env:x y}\"");
    let error = Document::parse(&wrong).unwrap().pipeline(&Known).unwrap_err();
    let ConfigError::NotRunnable(problems) = error else { panic!("not runnable") };
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "retry.max_attempts: \"${env:WORD}\" resolves to a value that is not accepted here at line 3 column 23",
            "retry.max_seconds: the environment variable NOPE is not in ELT_ENV_ALLOW at line 3 column 51",
            "timezone: a reference needs a name of letters, digits, `_`, `-` or `.`, as in ${env:NAME} at line 4 column 11",
        ]
    );
}

#[test]
fn an_output_file_has_the_suffix_of_its_format() {
    check(
        &with("output: {path: a.csv, format: parquet}"),
        &["output.path: expected a path that ends in .parquet, the suffix of its format at line 3 column 16"],
    );
    check(
        &with("output: {path: a.txt}"),
        &["output.path: expected a path that ends in .csv, the suffix of its format at line 3 column 16"],
    );
    check(
        &with("output_csv_path: a.csv\noutput: {format: ndjson}"),
        &[
            "output: a combined CSV is neither of another format nor compressed: write output.path instead at line 4 column 9",
        ],
    );
    check(
        &with("output: {csv_path: a.csv, path: b.csv}"),
        &["output.path: the combined CSV has a path already: write one of them at line 3 column 33"],
    );
    for (text, suffix) in [
        ("", "csv"),
        ("output: {path: x/A.PARQUET}", "parquet"),
        ("output: {path: a.ndjson.zst}", "ndjson.zst"),
        ("output: {format: ndjson, compression: gz}", "ndjson.gz"),
        ("output: {path: a.csv.gz, format: csv}", "csv.gz"),
        ("output: {path: a.parquet, compression: gz}", "parquet"),
        ("output_csv_path: a.csv\noutput: {format: csv, compression: none}", "csv"),
    ] {
        assert_eq!(pipeline(&with(text)).output.suffix(), suffix, "{text}");
    }
}
