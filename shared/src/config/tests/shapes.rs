//! Every way to write a section, and what it means.

use std::time::Duration;

use super::*;
use crate::config::template::Template;
use crate::config::*;
use crate::runs::Priority;

#[test]
fn every_shape_people_use_is_read() {
    for (name, text) in fixtures() {
        let document = Document::parse(&text).unwrap();
        let runnable = document.pipeline(&NoReferences);
        assert_eq!(
            runnable.is_ok(),
            !["not_runnable.yaml", "only_a_target.yaml"].contains(&name.as_str()),
            "{name}: {runnable:?}"
        );
        let expected = match name.as_str() {
            "not_runnable.yaml" => vec!["source: unknown key \"source\", did you mean \"sources\"? at 2:1"],
            _ => vec![],
        };
        assert_eq!(warnings(&text), expected, "{name}");
        assert!(!document.masked().contains("canary"), "{name}:\n{}", document.masked());
        assert!(!format!("{document:?}{runnable:?}").contains("canary"), "{name}");
    }
}

#[test]
fn the_examples_for_users_run_without_a_warning() {
    for (name, text) in project_examples() {
        pipeline(&text);
        assert_eq!(warnings(&text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_folder_and_an_api_with_a_strict_schema() {
    let config = pipeline(&fixture("folder_and_api_strict.yaml"));
    assert_eq!(config.name, "staff");
    let [SourceConfig::Local(local), SourceConfig::Api(api)] = &config.sources[..] else {
        panic!("{:?}", config.sources)
    };
    assert_eq!((local.path.as_str(), local.recursive, local.settle_seconds), ("./data/staff", false, 5));
    assert_eq!(api.url.written(), "http://localhost:5055/api/staff");
    assert_eq!(api.auth_token.as_ref().unwrap().expose(), "canary-token-1");
    assert_eq!((&api.auth_scheme, api.folder_param.as_deref()), (&AuthScheme::Auto, Some("./data/staff_api")));
    let TargetDatabase::Server { host, port, database, user, password, sslmode } = &config.target.database else {
        panic!("{:?}", config.target)
    };
    assert_eq!((host.as_str(), *port, database.as_str(), user.as_str()), ("localhost", 5432, "warehouse", "loader"));
    assert_eq!((password.as_ref().unwrap().expose(), *sslmode), ("canary-password", SslMode::Prefer));
    let columns: Vec<_> =
        config.schema.unwrap().columns.into_iter().map(|column| (column.name, column.column_type)).collect();
    assert_eq!(
        columns,
        [
            ("badge".to_owned(), ColumnType::BigInt),
            ("full_name".to_owned(), ColumnType::Text),
            ("since".to_owned(), ColumnType::Timestamp),
        ]
    );
    assert!(config.strict);
    assert_eq!(config.on_bad_row, None);
    assert_eq!(
        config.load,
        LoadConfig { mode: LoadMode::Append, key: vec![], dedupe: Dedupe::RowHash, profile: ProfileLevel::Full }
    );
    assert_eq!(config.monitor, MonitorConfig { enabled: true, interval: None });
    assert_eq!((config.retry.max_attempts, config.retry.initial), (3, Duration::from_secs(2)));
    assert_eq!((config.window.start, config.window.end, config.schedule, config.output.path), (None, None, None, None));
}

#[test]
fn an_sftp_source_is_flat_or_nested() {
    let SourceConfig::Sftp(nested) = pipeline(&fixture("sftp_nested.yaml")).sources.remove(0) else { panic!("SFTP") };
    assert_eq!(
        (nested.server.host.as_str(), nested.server.port, nested.path.as_str()),
        ("files.example.com", 2222, "/outgoing/daily.csv")
    );
    assert_eq!(nested.server.login, SshLogin::password("canary-password"));
    assert_eq!(nested.settle_seconds, 5);
    assert_eq!((nested.server.trust, nested.after_load), (HostTrust::FirstUse, AfterLoad::Keep));
    let both = "sources: [{type: sftp, host: a, user: b, path: c, password: d, private_key: e, passphrase: f, settle_seconds: 0}]\n\
                target: {table: t}\n";
    let SourceConfig::Sftp(both) = pipeline(both).sources.remove(0) else { panic!("SFTP") };
    let login = SshLogin::private_key("e", Some("f".into())).and_password("d");
    assert_eq!((both.server.login, both.settle_seconds), (login, 0));
    let SourceConfig::Sftp(flat) = pipeline(&fixture("sftp_flat.yaml")).sources.remove(0) else { panic!("SFTP") };
    assert_eq!((flat.server.port, flat.server.trust), (2222, HostTrust::Strict));
    let Some(SshKey::Private { key, passphrase }) = flat.server.login.key else { panic!("a key") };
    assert!(key.expose().starts_with("-----BEGIN") && key.expose().ends_with("KEY-----\n"));
    assert_eq!(passphrase.unwrap().expose(), "canary-passphrase");
}

#[test]
fn an_sftp_source_may_be_reached_through_another_server() {
    let text = "sources: [{type: sftp, host: a, user: b, path: c, agent: true, certificate: d, password: e, \
                host_ca: \"SHA256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg\", \
                jump: {host: f, port: 2200, username: g, private_key: h, trust: strict}}]\n\
                target: {table: t}\n";
    let SourceConfig::Sftp(sftp) = pipeline(text).sources.remove(0) else { panic!("SFTP") };
    assert_eq!(sftp.server.login, SshLogin::agent().and_certificate("d").and_password("e"));
    assert_eq!(sftp.server.trust, HostTrust::Authority("SHA256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg".into()));
    let jump = SshServer {
        host: "f".into(),
        port: 2200,
        username: "g".into(),
        login: SshLogin::private_key("h", None),
        trust: HostTrust::Strict,
    };
    assert_eq!(sftp.jump, Some(jump));
}

#[test]
fn everything_at_once() {
    let config = pipeline(&fixture("everything.yaml"));
    assert_eq!(config.name, "customers_nightly");
    let [SourceConfig::Local(local), SourceConfig::Api(api), SourceConfig::Sftp(sftp)] = &config.sources[..] else {
        panic!("{:?}", config.sources)
    };
    let null_values = Some(vec!["".to_owned(), "NULL".to_owned(), "NA".to_owned()]);
    let csv = CsvOptions {
        quote: Quote::Byte(b'"'),
        encoding: TextEncoding::Named("windows-1252".into()),
        header: HeaderPlace::First,
        null_values,
        skip_rows: 2,
        ..CsvOptions::default()
    };
    assert_eq!((&local.files.csv, local.recursive, local.settle_seconds), (&csv, true, 5));
    assert_eq!(
        (local.glob.as_deref(), local.files.records.as_deref()),
        (Some("**/*.{csv,json}{,.gz}"), Some("$.rows[*]"))
    );
    assert_eq!(api.auth_scheme, AuthScheme::Header("X-Api-Key".into()));
    assert_eq!(api.auth_token.as_ref().unwrap().expose(), "${env:CUSTOMERS_TOKEN}");
    let names = |pairs: &[(String, Template)]| {
        pairs.iter().map(|(name, value)| format!("{name}={}", value.written())).collect::<Vec<_>>()
    };
    assert_eq!(names(&api.headers), ["Accept=application/json", "X-Tenant=canary-tenant"]);
    assert_eq!(names(&api.params), ["limit=500", "fields=id", "fields=name", "key=canary-key"]);
    let cursor = Pagination::Cursor {
        path: "$.next".into(),
        param: Some("after".into()),
        next_is: None,
        end_value: None,
        has_more: None,
        max_pages: 500,
    };
    assert_eq!((api.pagination.as_ref(), api.records.as_deref()), (Some(&cursor), Some("$.data[*]")));
    assert_eq!(sftp.server.trust, HostTrust::Pinned("SHA256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg".into()));
    assert_eq!(sftp.after_load, AfterLoad::Move("/out/archive".into()));
    assert_eq!(config.target.table.to_string(), "analytics.customers");
    let schema = config.schema.unwrap();
    assert_eq!((schema.on_extra_column, config.on_bad_row), (Some(OnExtraColumn::Ignore), Some(OnBadRow::Quarantine)));
    assert_eq!(schema.max_rejected, Some(RejectLimit { rows: Some(1000), percent: Some(1.5) }));
    let [id, _, signup, balance, grade] = &schema.columns[..] else { panic!("{schema:?}") };
    assert!(!id.nullable && signup.nullable);
    assert_eq!((signup.column_type, signup.format.as_deref()), (ColumnType::Date, Some("%d/%m/%Y")));
    assert_eq!((balance.min.as_deref(), balance.max.as_deref()), (Some("0"), Some("1000000")));
    assert_eq!((grade.column_type, grade.pattern.as_deref()), (ColumnType::Varchar(1), Some("[a-c]")));
    assert_eq!(grade.allowed.as_deref(), Some(&["a".to_owned(), "b".to_owned(), "c".to_owned()][..]));
    assert_eq!(
        config.load,
        LoadConfig {
            mode: LoadMode::Merge,
            key: vec!["id".into()],
            dedupe: Dedupe::RowHash,
            profile: ProfileLevel::Full
        }
    );
    let schedule = config.schedule.unwrap();
    assert_eq!(
        (schedule.cron.as_str(), schedule.overlap, schedule.catch_up),
        ("0 2 * * 1-5", Overlap::Queue, CatchUp::None)
    );
    assert_eq!((schedule.timezone.name(), config.window.timezone.name()), ("Europe/Berlin", "Europe/Vienna"));
    assert_eq!(config.window.start.unwrap().to_rfc3339(), "2027-01-01T01:00:00+00:00");
    assert_eq!(config.monitor, MonitorConfig { enabled: false, interval: Some(Duration::from_secs(120)) });
    assert_eq!(config.start_rules, StartRules { concurrency: Some(2), priority: Priority::Low });
    let retry = RetryConfig {
        max_attempts: 5,
        initial: Duration::from_secs(4),
        max: Duration::from_secs(30),
        names_pauses: true,
        outages: Outages::CountAsAttempts,
    };
    assert_eq!(config.retry, retry);
    let [model] = &config.transform[..] else { panic!("{:?}", config.transform) };
    assert_eq!((model.name.as_str(), model.materialized), ("analytics.rich_customers", Materialized::Table));
    assert_eq!(model.sql, "select id, name from analytics.customers where balance > 1000");
}

#[test]
fn a_target_that_names_nobody_uses_the_default_one() {
    let target = |text: &str| Document::parse(text).unwrap().target(&NoReferences).unwrap().value;
    let default = target(&fixture("only_a_target.yaml"));
    assert_eq!(default.database, TargetDatabase::Default { database: Some("warehouse".into()) });
    assert_eq!(target("target: {}").table.to_string(), "raw_data");
    let url = target("target: {url: \"postgresql://a:b@[::1]:5433/db?sslmode=require\", table: '\"My.Table\"'}");
    assert_eq!(url.database, TargetDatabase::Url("postgresql://a:b@[::1]:5433/db?sslmode=require".into()));
    assert_eq!(url.table, TableName { schema: None, table: "My.Table".into() });
    assert_eq!(url.table.to_string(), "\"My.Table\"");
    let own = target("target: {user: ann, host: db, database: shop}");
    assert!(matches!(own.database, TargetDatabase::Server { port: 5432, password: None, .. }));
}

#[test]
fn a_missing_schema_is_made_for_a_plain_name_or_when_the_config_says_so() {
    let creates = |target: &str| {
        Document::parse(&format!("target: {{{target}}}")).unwrap().target(&NoReferences).unwrap().value.create_schema
    };
    for plain in ["table: t", "table: sales.t", "table: Öre_2.t", "table: '\"s\".\"odd name\"'"] {
        assert!(creates(plain), "{plain}");
        assert!(!creates(&format!("{plain}, create_schema: false")), "{plain}");
    }
    for odd in ["table: -1.00", "table: 2026.t", "table: 'my shop.t'", "table: '\"a.b\".t'"] {
        assert!(!creates(odd), "{odd}");
        assert!(creates(&format!("{odd}, create_schema: true")), "{odd}");
    }
}

#[test]
fn a_table_name_reads_back_what_it_prints() {
    for text in
        ["t", "s.t", "\"a.b\".c", "\"a\"\"b\"", "Öre.Tisch", "it's", "a b.c;--", "\\t", "a\u{200b}b", "\"\"\"\""]
    {
        let name: TableName = text.parse().unwrap();
        assert_eq!(name.to_string(), text);
    }
    for text in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"\"", "information_schema.t"] {
        assert!(text.parse::<TableName>().is_err(), "{text}");
    }
}

#[test]
fn a_table_name_is_taken_as_written_or_refused_and_never_becomes_another_one() {
    let refused = |text: &str| text.parse::<TableName>().expect_err(text);
    for text in [" leading", "trailing ", "\u{a0}t", "t\u{2003}", " ", "s .t", "s. t", "\" s\".t", "\u{3000}"] {
        assert_eq!(refused(text), "a name without white space at its ends", "{text:?}");
    }
    for text in ["a\u{7}b", "a\tb", "a\nb", "t\r\n", "\u{85}", "a\u{7f}"] {
        assert_eq!(refused(text), "a name without line breaks, tabs and other control characters", "{text:?}");
    }
    for text in ["System(\"ls\")", "a\"b", "a\"", "s.a\"b\"c", "s.\"a\"b", "\"a\" .b", "\"a\"\"", "\"a\".\"b"] {
        refused(text);
    }
    assert_eq!("\"System(\"\"ls\"\")\"".parse::<TableName>().unwrap().table, "System(\"ls\")");
    // White space at the ends of the YAML text counts as well.
    let problems = problems("sources: [{type: local, path: a}]\ntarget: {table: \" t\"}\n");
    assert_eq!(
        problems,
        ["target.table: expected a name without white space at its ends, found \" t\" at line 2 column 17"]
    );
}

#[test]
fn texts_stay_as_they_were_written() {
    let config = pipeline(
        "sources: [{type: local, path: 012}]\ntarget: {table: no, host: h, database: d, user: 1e3, password: 0x10}\nname: 1.50\n",
    );
    let SourceConfig::Local(local) = &config.sources[0] else { panic!("local") };
    assert_eq!((local.path.as_str(), config.target.table.table.as_str(), config.name.as_str()), ("012", "no", "1.50"));
    let TargetDatabase::Server { user, password, .. } = config.target.database else { panic!("a server") };
    assert_eq!((user.as_str(), password.unwrap().expose()), ("1e3", "0x10"));
}

#[test]
fn true_and_false_come_in_many_spellings() {
    for (written, expected) in
        [("True", true), ("\"False\"", false), ("yes", true), ("'No'", false), ("ON", true), ("0", false)]
    {
        assert_eq!(pipeline(&with(&format!("strict_mode: {written}"))).strict, expected, "{written}");
    }
}

#[test]
fn a_schema_is_nested_or_flat() {
    let columns = |more: &str| {
        let schema = pipeline(&with(more)).schema.unwrap();
        schema.columns.into_iter().map(|column| format!("{} {}", column.name, column.column_type)).collect::<Vec<_>>()
    };
    assert_eq!(columns("schema: {columns: {id: int, at: timestamptz}}"), ["id bigint", "at timestamptz"]);
    assert_eq!(columns("schema: {id: int, at: {type: date}, on_mismatch: fail}"), ["id bigint", "at date"]);
    // A column may be called like a key of the nested shape.
    assert_eq!(columns("schema: {columns: text, type: int}"), ["columns text", "type bigint"]);
    assert_eq!(pipeline(&with("")).schema, None);
}

#[test]
fn a_token_is_sent_as_the_config_says() {
    let api = |keys: &str| match pipeline(&source(&format!("type: api, url: \"http://a\", {keys}"))).sources.remove(0) {
        SourceConfig::Api(api) => (api.auth_scheme, api.auth_token.map(|token| token.expose().to_owned())),
        other => panic!("{other:?}"),
    };
    assert_eq!(api("auth_token: t"), (AuthScheme::Auto, Some("t".into())));
    assert_eq!(api("token: t, auth_scheme: raw"), (AuthScheme::Raw, Some("t".into())));
    assert_eq!(api("auth: {type: basic, username: a, password: b}"), (AuthScheme::Basic, Some("a:b".into())));
    assert_eq!(api("auth: {username: a, password: b}"), (AuthScheme::Basic, Some("a:b".into())));
    assert_eq!(api("token: t, auth_scheme: header"), (AuthScheme::Header("X-API-Key".into()), Some("t".into())));
    assert_eq!(
        api("token: t, auth_scheme: header, auth_header: X-T"),
        (AuthScheme::Header("X-T".into()), Some("t".into()))
    );
    assert_eq!(api("auth_token: ''"), (AuthScheme::Auto, None));
}

#[test]
fn pages_are_asked_for_in_four_ways() {
    let pages = |keys: &str| match pipeline(&source(&format!("type: api, url: \"http://a\", pagination: {{{keys}}}")))
        .sources
        .remove(0)
    {
        SourceConfig::Api(api) => api.pagination.unwrap(),
        other => panic!("{other:?}"),
    };
    let page = |param: &str, start, size: Option<u64>, max_pages| Pagination::Page {
        param: param.into(),
        start,
        size: size.map(|size| ("page_size".into(), size)),
        end_status: Vec::new(),
        max_pages,
    };
    assert_eq!(pages("type: page"), page("page", 1, None, 10_000));
    assert_eq!(pages("type: page, param: p, start: 0, size: 50, max_pages: 7"), page("p", 0, Some(50), 7));
    let offset = Pagination::Offset {
        param: "offset".into(),
        limit_param: "limit".into(),
        limit: 100,
        end_status: vec![400, 416],
        max_pages: 10_000,
    };
    assert_eq!(pages("type: offset, end_status: [400, \"416\"]"), offset);
    let cursor = Pagination::Cursor {
        path: "next".into(),
        param: None,
        next_is: Some(NextIs::Link),
        end_value: Some("-1".into()),
        has_more: Some("meta.more".into()),
        max_pages: 10_000,
    };
    assert_eq!(
        pages("type: cursor, cursor_path: next, next_is: link, end_value: -1, has_more_path: meta.more"),
        cursor
    );
    assert_eq!(pages("type: link_header"), Pagination::LinkHeader { max_pages: 10_000 });
}

#[test]
fn merge_keys_share_what_is_written_once() {
    let config = pipeline(&fixture("anchors.yaml"));
    let TargetDatabase::Server { host, user, password, .. } = &config.target.database else { panic!("a server") };
    assert_eq!((host.as_str(), user.as_str()), ("localhost", "other"));
    assert_eq!(password.as_ref().unwrap().expose(), "canary-password");
}

#[test]
fn a_pipeline_has_a_name_without_being_runnable() {
    let name = |text: &str| Document::parse(text).unwrap().name();
    assert_eq!(name("name: orders\n"), "orders");
    assert_eq!(name("target: {table: s.t}\n"), "s.t");
    assert_eq!(name("a: b\n"), "raw_data");
    assert_eq!(name("name: \"a\\nb\"\n"), "ab");
    assert_eq!(name("name: [a]\n"), "raw_data");
}

#[test]
fn a_total_is_at_a_path_at_the_usual_places_or_nowhere() {
    let total = |keys: &str| {
        let yaml = format!("sources: [{{type: api, url: \"http://h/\"{keys}}}]\ntarget: {{table: t}}\n");
        match pipeline(&yaml).sources.remove(0) {
            SourceConfig::Api(api) => api.total,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(total(""), Total::Usual);
    assert_eq!(total(", total_path: none"), Total::Nowhere);
    assert_eq!(total(", total_path: meta.count"), Total::At("meta.count".into()));
    let wrong = "sources: [{type: api, url: \"http://h/\", total_path: a b}]\ntarget: {table: t}\n";
    assert!(problems(wrong)[0].contains("is not a path into JSON"), "{:?}", problems(wrong));
}
