//! The data view: what people see of a target table.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::Login;

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

async fn sql(app: &TestApp, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&app.target).await.expect("ran the statements");
}

const PEOPLE: &str = "target:\n  table: people\n";

#[tokio::test]
async fn both_roles_see_the_same_rows() {
    let app = app().await;
    sql(
        &app,
        "create table people (id bigint, name text, joined date, big bigint, exact numeric(20,2), extra jsonb,
            _elt_row_hash uuid, _elt_run_id uuid);
        insert into people values (1, 'Ann', '2025-01-31', 9007199254740993, 12345678901234567.80, '{\"a\": [1]}'),
                                  (2, null, null, 5, 0.10, null)",
    )
    .await;
    let by = async |login| app.post("/data-view").by(Some(login)).yaml(PEOPLE).await.ok();
    let view = by(Login::Admin).await;
    assert_eq!(view, by(Login::User).await);
    assert_eq!(view["columns"], json!(["id", "name", "joined", "big", "exact", "extra"]));
    assert_eq!(view["types"][4], "numeric(20,2)");
    assert_eq!(
        view["rows"],
        json!([
            { "id": 1, "name": "Ann", "joined": "2025-01-31", "big": "9007199254740993", "exact": "12345678901234567.80",
              "extra": { "a": [1] } },
            { "id": 2, "name": null, "joined": null, "big": 5, "exact": "0.10", "extra": null },
        ])
    );
    assert_eq!((&view["total"], &view["next"]), (&json!(2), &Value::Null));
    let internal = app.post("/data-view?internal=true").yaml(PEOPLE).await.ok();
    assert_eq!(internal["columns"][6], "_elt_row_hash");
}

#[tokio::test]
async fn rows_are_paged_sorted_and_filtered() {
    let app = app().await;
    sql(
        &app,
        "create table people as select n as id, 'name ' || n as name, nullif(n % 3, 0) as third
        from generate_series(1, 250) n",
    )
    .await;
    let view = async |query: &str| app.post(&format!("/data-view?{query}")).yaml(PEOPLE).await.ok();
    let ids = |view: &Value| -> Vec<i64> {
        view["rows"].as_array().expect("rows").iter().map(|row| row["id"].as_i64().expect("an id")).collect()
    };
    let first = view("sort=-id").await;
    assert_eq!((ids(&first).len(), ids(&first)[0], &first["total"]), (100, 250, &json!(250)));
    let second = view(&format!("sort=-id&cursor={}", first["next"].as_str().expect("more"))).await;
    assert_eq!((ids(&second)[0], ids(&second)[99]), (150, 51));
    assert_eq!(ids(&view("filter=id:gt:240&filter=third:null&sort=id").await), [243, 246, 249]);
    assert_eq!(ids(&view("filter=name:contains:AME+77").await), [77]);
    assert_eq!(view("columns=name&limit=1&filter=id:eq:7").await["rows"], json!([{ "name": "name 7" }]));

    let refused =
        async |query: &str| app.post(&format!("/data-view?{query}")).yaml(PEOPLE).await.problem(400)["code"].clone();
    assert_eq!(refused("sort=nothing").await, "target_no_column");
    assert_eq!(refused("sort=id);drop+table+people;--").await, "target_no_column");
    assert_eq!(refused("filter=id:eq:seven").await, "invalid_filter");
    assert_eq!(refused("filter=id").await, "invalid_query");
    assert_eq!(refused("limit=all").await, "invalid_query");
    assert_eq!(refused("cursor=x").await, "invalid_cursor");
    assert_eq!(app.count("people").await, 250);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_no_job() {
    let app = app().await;
    let missing = app.post("/data-view").as_user().yaml(PEOPLE).await.problem(404);
    assert_eq!(missing["code"], "target_no_table");
    assert!(missing["error"].as_str().is_some_and(|error| error.contains("people")), "{missing}");
    assert_eq!(app.get("/runs").await.ok()["data"], json!([]));
    assert_eq!(app.post("/data-view").await.problem(400)["error"], "No file uploaded");
    assert_eq!(app.post("/data-view").yaml("{ this: [invalid: yaml").await.problem(400)["code"], "invalid_yaml");
}

#[tokio::test]
async fn a_page_shows_the_beginning_of_a_long_cell_and_how_long_it_is() {
    let app = app().await;
    sql(
        &app,
        "create table people as select n as id, repeat('ä', n) as name, array_fill(n, array[20000]) as list,
                jsonb_build_object('k', repeat('x', n)) as extra from generate_series(1, 300000, 100000) n",
    )
    .await;
    let view = app.post("/data-view?sort=id").yaml(PEOPLE).await.ok();
    let cell = |row: usize, column: &str| view["rows"][row][column].clone();
    assert_eq!((cell(0, "name"), cell(0, "extra")), (json!("ä"), json!({ "k": "x" })));
    let long = cell(2, "name");
    let long = long.as_str().expect("a text");
    assert!(long.starts_with("ää") && long.ends_with("ä… [cut: 200001 characters in all]"), "{}", long.len());
    assert!(long.chars().count() < 66_000);
    assert!(cell(2, "extra").as_str().is_some_and(|text| text.ends_with("characters in all]")), "cut JSON is a text");
    assert!(cell(1, "list").as_str().is_some_and(|text| text.ends_with("characters in all]")));
    let narrow = app.post("/data-view?sort=-id&limit=1&columns=id").yaml(PEOPLE).await.ok();
    assert_eq!(narrow["rows"], json!([{ "id": 200001 }]));
}

#[tokio::test]
async fn names_with_quotes_and_schemas_are_read_as_they_are() {
    let app = app().await;
    sql(
        &app,
        "create schema shop; create table shop.\"Odd; name--\" (\"a;--\"\"\" integer);
        insert into shop.\"Odd; name--\" values (1)",
    )
    .await;
    let view = app.post("/data-view").yaml("target:\n  table: 'shop.Odd; name--'\n").await.ok();
    assert_eq!(view["rows"], json!([{ "a;--\"": 1 }]));
}

#[tokio::test]
async fn the_control_database_is_never_shown() {
    let app = app().await;
    let control = app.control_url().await;
    for (table, status) in
        [("elt.users", 404), ("apalis.jobs", 404), ("pg_catalog.pg_authid", 400), ("information_schema.tables", 400)]
    {
        let answer = app.post("/data-view").yaml(&format!("target:\n  table: {table}\n  url: {control}\n")).await;
        answer.problem(status);
    }
}

#[tokio::test]
async fn an_analyst_learns_nothing_about_servers() {
    let app = app().await;
    let unreachable = "target: {host: 127.0.0.1, port: 1, user: u, password: p, database: d, table: t}\n";
    let metadata = "target: {host: 169.254.169.254, user: u, password: p, database: d, table: t}\n";
    let told = async |login, yaml: &str| {
        let answer = app.post("/data-view").by(Some(login)).yaml(yaml).await;
        (answer.status.as_u16(), answer["code"].clone(), answer["detail"].clone())
    };
    assert_eq!(told(Login::User, unreachable).await, told(Login::User, metadata).await);
    assert_eq!(told(Login::User, unreachable).await.1, "target_unusable");
    assert_eq!(told(Login::Admin, unreachable).await.1, "target_unreachable");
    assert_eq!(told(Login::Admin, metadata).await.1, "target_host");
    let socket = "target: {host: /var/run/postgresql, user: u, database: d, table: t}\n";
    assert_eq!(told(Login::User, socket).await.0, 400);
}

#[tokio::test]
async fn an_analysts_yaml_refers_to_nothing() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.env_allow = vec!["PATH".into()];
    })
    .await;
    let yaml = "target: {host: 127.0.0.1, port: 1, user: u, password: p, database: '${env:PATH}', table: t}\n";
    let path = std::env::var("PATH").expect("a PATH");
    let told = app.post("/data-view").as_user().yaml(yaml).await;
    assert!(!told.text.contains(&path));
    let told = app.post("/data-view").yaml(yaml).await;
    assert!(told.text.contains(&path), "an admin's may: {}", told.text);
}

#[tokio::test]
async fn all_rows_come_as_a_file_that_no_spreadsheet_runs() {
    let app = app().await;
    sql(&app, "create table people as select n as id, case when n = 2 then '=cmd()' else 'a \"quoted\", name' end as name, -1.5 as amount
        from generate_series(1, 1200) n").await;
    let file = app.post("/data-view?format=csv&sort=id").as_user().yaml(PEOPLE).await;
    assert_eq!(file.status, 200);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"people.csv\"");
    let lines: Vec<&str> = file.text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (1201, "id,name,amount"));
    assert_eq!(lines[1], "1,\"a \"\"quoted\"\", name\",-1.5");
    assert_eq!(lines[2], "2,'=cmd(),-1.5");
    let raw = app.post("/data-view?format=csv&sort=id&raw=true&filter=id:eq:2").yaml(PEOPLE).await;
    assert_eq!(raw.text, "id,name,amount\n2,=cmd(),-1.5\n");
    let noted =
        app.control("select actor from elt.audit where action = 'POST /data-view?format=csv' order by id").await;
    assert_eq!(noted, [json!({ "actor": "user" }), json!({ "actor": "admin" })]);
    let missing = app.post("/data-view?format=csv").yaml("target: {table: nothing}\n").await;
    assert_eq!(missing.problem(404)["code"], "target_no_table");
}

#[tokio::test]
async fn no_cell_and_no_column_name_of_a_file_is_a_formula() {
    let app = app().await;
    sql(
        &app,
        r#"create type mood as enum ('=1+1', 'fine');
        create type realm as enum ('-1+1', 'open');
        create domain code as text;
        create domain height as numeric;
        create table people ("=HYPERLINK(""x"")" int, "a,b" mood, "+c" code, d height, "@e" varchar(9)[], f realm);
        insert into people values (-1, '=1+1', '@sum', -2.5, '{-x}', '-1+1'), (2, 'fine', '-', 3, null, 'open')"#,
    )
    .await;
    let file = app.post("/data-view?format=csv").yaml(PEOPLE).await;
    let lines: Vec<&str> = file.text.lines().collect();
    assert_eq!(lines[0], r#""'=HYPERLINK(""x"")","a,b",'+c,d,'@e,f"#);
    assert_eq!(lines[1..], ["-1,'=1+1,'@sum,-2.5,{-x},'-1+1", "2,fine,'-,3,,open"]);
    let raw = app.post("/data-view?format=csv&raw=true").yaml(PEOPLE).await;
    assert_eq!(raw.text.lines().next(), Some(r#""=HYPERLINK(""x"")","a,b",+c,d,@e,f"#));
}

#[tokio::test]
async fn an_admin_looks_at_the_target_of_a_kept_version() {
    let app = app().await;
    sql(&app, "create table people as select 1 as id").await;
    let id = app.post("/upload-config").yaml(PEOPLE).await.ok()["id"].clone();
    let path = format!("/data-view?config_id={id}");
    assert_eq!(app.post(&path).await.ok()["rows"], json!([{ "id": 1 }]));
    assert_eq!(app.post(&path).as_user().await.status, 403);
}
