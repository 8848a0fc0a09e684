//! All kinds of source in one config, loaded through the pipeline: every row once, or nothing at all.

use elt_shared::runs::ProbeReport;

use crate::support::http_source::HttpSource;
use crate::support::loader::Loader;
use crate::support::sshd::{PASSWORD, Sshd, is_root};

/// The nested shape of the first clients.
fn sftp(sshd: &Sshd, name: &str, more: &str) -> String {
    let login = match is_root() {
        true => format!("password: \"{PASSWORD}\""),
        false => format!("private_key: {:?}", sshd.key()),
    };
    let (port, user, path) = (sshd.address.port(), sshd.user(), sshd.remote(name));
    format!(
        "{{type: sftp, sftp: {{host: 127.0.0.1, port: {port}, username: {user}, {login}, remote_path: \"{path}\"{more}}}}}"
    )
}

#[tokio::test]
async fn local_api_and_sftp_rows_are_loaded_once_each() {
    let (loader, api, sshd) = (Loader::start().await, HttpSource::start().await, Sshd::start());
    loader.folder.write("in/people.csv", "id,name\n10,Local\n2,Bob\n");
    sshd.write("sample.csv", "id,name,city\n20,Remote,Rome\n");
    let yaml = format!(
        "sources:\n- {{type: local, path: {folder}/in}}\n\
         - {{type: api, url: \"{url}\", auth_token: xyz123}}\n\
         - {{type: api, url: \"{pages}\", pagination: {{type: page, page_param: page}}}}\n\
         - {sftp}\n\
         target: {{table: together}}\noutput_csv_path: {folder}/out.csv\n",
        folder = loader.folder.path().display(),
        url = api.url("/token"),
        pages = api.url("/pages"),
        sftp = sftp(&sshd, "sample.csv", ""),
    );
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{error}"));
    let rows = loader.rows("select id, name, city from together order by id, name").await;
    insta::assert_snapshot!(rows.join("\n"), @"
    0|-|-
    1|Ann|-
    1|-|-
    2|Bob|-
    2|-|-
    3|-|-
    4|-|-
    10|Local|-
    20|Remote|Rome
    ");

    let server = format!("sftp://{}", sshd.address);
    let mut receipts = String::new();
    for file in &report.files {
        let name = file.name.replace(&api.address.to_string(), "API").replace(&server, "SFTP");
        let name =
            name.replace(&sshd.remote(""), "/upload/").replace(loader.folder.path().to_str().expect("a path"), "");
        receipts.push_str(&format!(
            "{name}: {} read, {} inserted, {} duplicate\n",
            file.rows_read, file.rows_inserted, file.rows_duplicate
        ));
        assert!(file.balances());
    }
    insta::assert_snapshot!(receipts, @"
    in/people.csv: 2 read, 2 inserted, 0 duplicate
    http://API/token: 2 read, 1 inserted, 1 duplicate
    http://API/pages page 1: 2 read, 2 inserted, 0 duplicate
    http://API/pages page 2: 2 read, 2 inserted, 0 duplicate
    http://API/pages page 3: 1 read, 1 inserted, 0 duplicate
    SFTP/upload/sample.csv: 1 read, 1 inserted, 0 duplicate
    ");

    let combined = loader.folder.read("out.csv");
    assert_eq!(combined.lines().filter(|line| line.starts_with("id,")).count(), 1, "one header: {combined}");
    let again = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.rows_inserted, 0, "the same sources again add nothing");
}

#[tokio::test]
async fn one_failing_source_fails_them_all() {
    let (loader, api, sshd) = (Loader::start().await, HttpSource::start().await, Sshd::start());
    loader.folder.write("in/people.csv", "id\n1\n");
    sshd.write("sample.csv", "id\n2\n");
    for bad in [
        format!("{{type: api, url: \"{}\"}}", api.url("/status/401")),
        sftp(&sshd, "missing.csv", ""),
        format!("{{type: local, path: {}/missing}}", loader.folder.path().display()),
    ] {
        let yaml = format!(
            "sources: [{{type: local, path: {}/in}}, {bad}, {}]\ntarget: {{table: nothing}}\n",
            loader.folder.path().display(),
            sftp(&sshd, "sample.csv", "")
        );
        let failed = loader.run("run", &yaml).await.expect_err("one source is bad");
        assert!(["source_login", "source_missing"].contains(&failed.code()), "{failed}");
        assert!(!failed.is_retryable());
        let there = loader.value("select to_regclass('nothing') is not null").await;
        assert_eq!(there, "false", "nothing of the good sources is loaded");
    }
}

#[tokio::test]
async fn json_of_any_kind_is_loaded_right() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    api.set_content(
        r#"{"meta": {"total": 2}, "data": [
            {"id": 9223372036854775808, "ok": true, "ratio": 1.5e-3, "tags": ["a", {"b": null}], "when": "2026-01-02"},
            {"id": 1, "ok": false, "ratio": 2.0e0, "tags": {"deep": [1, 2]}, "note": "new"}]}"#,
        &[],
    );
    let yaml = format!(
        "sources: [{{type: api, url: \"{}\", records: \"$.data[*]\"}}]\ntarget: {{table: api_json}}\n",
        api.url("/content")
    );
    loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{error}"));
    insta::assert_snapshot!(loader.columns("api_json").await.join(", "), @"id numeric, ok boolean, ratio double precision, tags jsonb, when date, note text");
    let rows = loader.rows("select id::text, tags, note from api_json order by id").await;
    insta::assert_snapshot!(rows.join("\n"), @r#"
    1|{"deep": [1, 2]}|new
    9223372036854775808|["a", {"b": null}]|-
    "#);

    let deep = format!("sources: [{{type: api, url: \"{}\"}}]\ntarget: {{table: api_deep}}\n", api.url("/deep"));
    let report = loader.run("run", &deep).await.unwrap_or_else(|error| panic!("{error}"));
    let counts = (report.rows_read, report.rows_inserted, report.rows_quarantined);
    assert_eq!(counts, (2, 1, 1), "ten thousand levels are one bad row");
}

#[tokio::test]
async fn a_file_that_is_named_must_be_readable_and_one_of_many_need_not() {
    let (loader, sshd) = (Loader::start().await, Sshd::start());
    loader.folder.write("in/good.csv", "id\n1\n");
    loader.folder.write("in/bad.json", "[{\"id\": 2}, {\"id\"");
    sshd.write("good.csv", "id\n3\n");
    sshd.write("bad.json.gz", "not packed");
    let local = |path: &str| format!("{{type: local, path: {}/{path}}}", loader.folder.path().display());
    let yaml = |source: &str| format!("sources: [{source}]\ntarget: {{table: one_of_many}}\n");
    for (named, folder) in [(local("in/bad.json"), local("in")), (sftp(&sshd, "bad.json.gz", ""), sftp(&sshd, "", ""))]
    {
        let failed = loader.run("run", &yaml(&named)).await.expect_err("the named file is bad");
        assert!(failed.to_string().contains("bad.json"), "{failed}");
        let report = loader.run("run", &yaml(&folder)).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((report.rows_inserted, report.left_out.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_remote_file_is_moved_only_after_its_load() {
    let (loader, sshd) = (Loader::start().await, Sshd::start());
    sshd.write("sample.csv", "id\n1\n");
    sshd.write("bad.csv.gz", "not packed");
    let yaml = |schema: &str| {
        let move_to = format!(", after_load: {{action: move, to: \"{}\"}}", sshd.remote("archive"));
        format!("sources: [{}]\ntarget: {{table: moved}}\n{schema}", sftp(&sshd, "*.csv*", &move_to))
    };
    loader.run("run", &yaml("schema: {other: int}\n")).await.expect_err("the contract is broken");
    assert!(sshd.local("sample.csv").exists(), "nothing was loaded, so nothing is moved");
    loader.run("plan", &yaml("")).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(sshd.local("sample.csv").exists(), "a plan moves nothing");
    let report = loader.run("run", &yaml("")).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.rows_inserted, report.warnings), (1, Vec::<String>::new()));
    assert!(!sshd.local("sample.csv").exists() && sshd.local("archive/sample.csv").exists());
    assert!(sshd.local("bad.csv.gz").exists(), "what could not be read was not loaded and stays");
}

#[tokio::test]
async fn a_test_of_the_connections_says_what_is_there() {
    let (loader, api, sshd) = (Loader::start().await, HttpSource::start().await, Sshd::start());
    loader.folder.write("in/people.csv", "id,name\n1,Ann\n");
    loader.folder.write("in/more.txt", "id|name\n2|Bob\n");
    sshd.write("a.csv", format!("id,city\n{}", "1,Rome\n".repeat(200_000)));
    sshd.write("b.json", "[]");
    let yaml = format!(
        "sources:\n- {{type: local, path: {folder}/in}}\n\
         - {{type: api, url: \"{pages}\", pagination: {{type: page, page_param: page}}}}\n\
         - {{type: api, url: \"{login}\"}}\n\
         - {sftp}\n\
         - {{type: local, path: {folder}/missing}}\n\
         target: {{table: tested}}\n",
        folder = loader.folder.path().display(),
        pages = api.url("/pages"),
        login = api.url("/token"),
        sftp = sftp(&sshd, "", ""),
    );
    let report = loader.run("test_connection", &yaml).await.unwrap_or_else(|error| panic!("{error}"));
    let line = |probe: &ProbeReport| {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let problem = probe.problem.as_ref().map(|problem| problem.code.as_str()).unwrap_or("none");
        format!(
            "{}: reachable {}, login {}, usable {}, found {:?}, columns {:?}, problem {problem}",
            probe.what,
            yes(probe.reachable),
            yes(probe.authenticated),
            yes(probe.usable),
            probe.found,
            probe.columns
        )
    };
    let lines: Vec<String> = report.connections.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    source 1 (local): reachable yes, login yes, usable yes, found "2 files, 28 bytes", columns ["id", "name"], problem none
    source 2 (api): reachable yes, login yes, usable yes, found "a first page of 19 bytes", columns ["id"], problem none
    source 3 (api): reachable yes, login no, usable no, found "", columns [], problem source_login
    source 4 (sftp): reachable yes, login yes, usable yes, found "2 files, 1.3 MiB", columns ["id", "city"], problem none
    source 5 (local): reachable yes, login yes, usable no, found "", columns [], problem source_missing
    target: reachable yes, login yes, usable yes, found "no table public.tested yet: the first run creates it", columns [], problem none
    "#);
    assert!(report.connections.iter().all(|probe| probe.seconds > 0.0));
    assert_eq!(loader.value("select to_regclass('tested') is null").await, "true", "nothing is made");

    let elsewhere = "sources: [{type: local, path: .}]\ntarget: {host: 127.0.0.1, port: 1, user: u, password: canary, database: d, table: t}\n";
    let report = loader.run("test_connection", elsewhere).await.unwrap_or_else(|error| panic!("{error}"));
    let target = report.connections.last().expect("the target");
    assert_eq!((target.reachable, target.usable), (false, false));
    assert!(!format!("{report:?}").contains("canary"));
}
