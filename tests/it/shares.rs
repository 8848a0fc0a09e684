//! Shared tables: what a user reads of a pipeline without its config, and everything that must stay unseen.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::Login;

/// An app in which an admin has loaded `orders` and shared it with the user.
async fn shared() -> TestApp {
    let app = TestApp::start().await;
    load_orders(&app).await;
    share(&app, "orders").await;
    app
}

async fn load_orders(app: &TestApp) -> Value {
    app.folder().write("a.csv", "id,name,amount\n1,Ann,2.50\n2,Bob,=1+1\n3,Cyd,4.00\n");
    app.load(&app.yaml("orders", "name: orders\n")).await
}

async fn share(app: &TestApp, pipeline: &str) {
    let granted = app.request("PUT", &format!("/pipelines/{pipeline}/shares/user")).await;
    assert_eq!(granted.status, 201, "{}", granted.text);
}

/// The 404 of a pipeline whose table the user does not read.
async fn unseen(app: &TestApp, path: &str, pipeline: &str) {
    let problem = app.get(path).as_user().await.problem(404);
    let words = format!("there is no table of the pipeline {pipeline} that is shared with you");
    assert_eq!(problem["detail"], words, "{path}");
}

fn names(rows: &Value) -> Vec<&str> {
    rows["rows"].as_array().expect("rows").iter().map(|row| row["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_user_reads_what_is_shared_and_nothing_else() {
    let app = shared().await;
    let listed = app.get("/shared-tables").as_user().await.ok();
    assert_eq!(listed["data"].as_array().expect("a list").len(), 1);
    let table = &listed["data"][0];
    assert_eq!(
        (&table["pipeline"], &table["table"], &table["has_tables"]),
        (&json!("orders"), &json!("orders"), &json!(false))
    );
    assert_eq!((&table["freshness"], &table["shared_by"]), (&Value::Null, &json!("admin")));
    assert!(table["loaded_at"].is_string());

    let rows = app.get("/shared-tables/orders/rows").as_user().await.ok();
    assert_eq!(rows["columns"], json!(["id", "name", "amount"]));
    assert_eq!(names(&rows), ["Ann", "Bob", "Cyd"]);
    let some = app.get("/shared-tables/orders/rows?sort=-id&filter=id:gt:1&limit=1").as_user().await.ok();
    assert_eq!((names(&some), &some["total"]), (vec!["Cyd"], &json!(2)));
    let next = format!("/shared-tables/orders/rows?sort=-id&limit=1&cursor={}", some["next"].as_str().expect("more"));
    assert_eq!(names(&app.get(&next).as_user().await.ok()), ["Bob"]);

    app.load(&app.yaml("secret_orders", "name: other\n")).await;
    unseen(&app, "/shared-tables/other/rows", "other").await;
    unseen(&app, "/shared-tables/nowhere/rows", "nowhere").await;
    for rest in ["tables", "filters", "export"] {
        unseen(&app, &format!("/shared-tables/other/{rest}"), "other").await;
    }
    // An admin has no share here either, and nothing of another user's.
    assert_eq!(app.get("/shared-tables").await.ok()["data"], json!([]));
    assert_eq!(app.get("/shared-tables/orders/rows").await.status, 404);
}

#[tokio::test]
async fn a_revoked_share_and_a_locked_user_read_nothing_from_the_next_request_on() {
    let app = shared().await;
    let view = json!({ "filter": ["id:gt:1"], "sort": null, "hide": [] });
    app.request("PUT", "/shared-tables/orders/filters/mine").as_user().json(view).await.ok();
    assert_eq!(app.delete("/pipelines/orders/shares/user").await.status, 204);
    unseen(&app, "/shared-tables/orders/rows", "orders").await;
    assert_eq!(app.get("/shared-tables").as_user().await.ok()["data"], json!([]));
    assert_eq!(app.delete("/pipelines/orders/shares/user").await.problem(404)["code"], "not_found");

    share(&app, "orders").await;
    assert_eq!(app.get("/shared-tables/orders/filters").as_user().await.ok()["data"], json!([]));
    let token = app.login("user", crate::support::database::USER_PASSWORD).await;
    let reads = async || app.get("/shared-tables/orders/rows").bearer(&token).await.status.as_u16();
    assert_eq!(reads().await, 200);
    app.execute("update users set disabled = true where username = 'user'").await;
    assert_eq!(reads().await, 401);
}

#[tokio::test]
async fn a_config_of_a_user_decides_nothing() {
    let app = shared().await;
    sqlx::raw_sql("create table salaries (name text); insert into salaries values ('secret')")
        .execute(&app.target)
        .await
        .expect("made a table");
    let elsewhere = [
        "name: orders\nsources: [{type: local, path: /data}]\ntarget: {table: salaries}\n".to_owned(),
        "name: orders\nsources: [{type: local, path: /data}]\ntarget: {url: \"postgres://u:p@192.0.2.1/x\", table: orders}\n"
            .to_owned(),
    ];
    for yaml in &elsewhere {
        app.post("/upload-config").as_user().yaml(yaml).await.ok();
        assert_eq!(names(&app.get("/shared-tables/orders/rows").as_user().await.ok()), ["Ann", "Bob", "Cyd"]);
    }
    // Nor does one that an admin has run without uploading it.
    let by_user = app.control("select id from config_history where not by_admin order by id limit 1").await;
    let run = app.post("/runs").json(json!({ "config_id": by_user[0]["id"] })).await.ok();
    app.finished(&run["id"]).await;
    assert_eq!(app.get("/shared-tables").as_user().await.ok()["data"][0]["table"], "orders");
    assert_eq!(names(&app.get("/shared-tables/orders/rows").as_user().await.ok()), ["Ann", "Bob", "Cyd"]);

    // Nor does a look at it: an admin who tests a user's text, which has run, must not hand out another table.
    for path in ["/configs/test-connection", "/configs/plan", "/configs/preview"] {
        let looked = app.post(path).yaml(&elsewhere[0]).await.ok();
        app.finished(&looked["id"]).await;
        let rows = app.get("/shared-tables/orders/rows").as_user().await.ok();
        assert_eq!(names(&rows), ["Ann", "Bob", "Cyd"], "{path}");
    }
    // Nor does a draft of an admin, until it runs.
    let draft = app.yaml("salaries", "name: orders\npriority: low\n");
    let looked = app.post("/configs/test-connection").yaml(&draft).await.ok();
    app.finished(&looked["id"]).await;
    assert_eq!(names(&app.get("/shared-tables/orders/rows").as_user().await.ok()), ["Ann", "Bob", "Cyd"]);
    app.post("/upload-config").as_user().yaml("name: own\ntarget: {table: salaries}\n").await.ok();
    let refused = app.request("PUT", "/pipelines/own/shares/user").await.problem(409);
    assert_eq!(refused["code"], "not_shareable");
    // An admin's newer version does decide.
    app.post("/upload-config").yaml(&app.yaml("salaries", "name: orders\n")).await.ok();
    assert_eq!(names(&app.get("/shared-tables/orders/rows").as_user().await.ok()), ["secret"]);
}

#[tokio::test]
async fn of_a_pipeline_with_a_table_for_each_file_only_its_own_tables_are_read() {
    let app = TestApp::start().await;
    app.folder().write("north.csv", "id,name\n1,Ann\n");
    app.folder().write("south.csv", "id,name\n2,Bob\n");
    let run = app.load(&app.yaml("\"raw_{file}\"", "name: shop\n")).await;
    assert_eq!(run["state"], "succeeded");
    sqlx::raw_sql("create table raw_foreign (name text); create table public.salaries (name text)")
        .execute(&app.target)
        .await
        .expect("made tables");
    share(&app, "shop").await;
    let listed = app.get("/shared-tables").as_user().await.ok();
    assert_eq!((&listed["data"][0]["table"], &listed["data"][0]["has_tables"]), (&Value::Null, &json!(true)));
    let tables = app.get("/shared-tables/shop/tables").as_user().await.ok();
    let names_of = |page: &Value| -> Vec<String> {
        page["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["table"].as_str().expect("a name").into())
            .collect()
    };
    assert_eq!(names_of(&tables), ["raw_north", "raw_south"]);
    let first = app.get("/shared-tables/shop/tables?limit=1").as_user().await.ok();
    assert_eq!(names_of(&first), ["raw_north"]);
    let next = format!("/shared-tables/shop/tables?limit=1&cursor={}", first["next"].as_str().expect("more"));
    let second = app.get(&next).as_user().await.ok();
    assert_eq!((names_of(&second), &second["next"]), (vec!["raw_south".to_owned()], &Value::Null));

    let rows = app.get("/shared-tables/shop/rows?table=raw_south").as_user().await.ok();
    assert_eq!(names(&rows), ["Bob"]);
    let unnamed = app.get("/shared-tables/shop/rows").as_user().await.problem(400);
    assert_eq!(unnamed["code"], "table_not_named");
    for table in ["raw_foreign", "salaries", "public.salaries", "other.raw_south", "pg_class", "raw_south%22--"] {
        unseen(&app, &format!("/shared-tables/shop/rows?table={table}"), "shop").await;
        unseen(&app, &format!("/shared-tables/shop/export?table={table}"), "shop").await;
    }
}

#[tokio::test]
async fn sql_in_parameters_is_a_name_or_a_value_and_the_columns_of_elt_stay_unseen() {
    let app = shared().await;
    let code = async |query: &str| {
        app.get(&format!("/shared-tables/orders/rows?{query}")).as_user().await.problem(400)["code"].clone()
    };
    for query in [
        "sort=id);drop+table+orders;--",
        "columns=id,(select+1)",
        "filter=id%22+or+true--:eq:1",
        "sort=_elt_run_id",
        "columns=_elt_run_id",
        "filter=_elt_run_id:not_null",
    ] {
        assert_eq!(code(query).await, "target_no_column", "{query}");
    }
    assert_eq!(code("filter=id:eq:1);drop+table+orders;--").await, "invalid_filter");
    assert_eq!(code("internal=true").await, "invalid_query");
    let none = app.get("/shared-tables/orders/rows?filter=name:eq:x'+or+'1'='1").as_user().await.ok();
    assert_eq!(none["total"], 0);
    assert_eq!(app.count("orders").await, 3);
    let file = app.get("/shared-tables/orders/export").as_user().await;
    assert!(!file.text.contains("_elt_"), "{}", file.text);
}

#[tokio::test]
async fn a_target_that_fails_is_not_described() {
    let app = shared().await;
    let away = "name: orders\nsources: [{type: local, path: /data}]\ntarget: {url: \"postgres://boss:hunter2@127.0.0.1:9/pay\", \
                table: orders}\n";
    app.post("/upload-config").yaml(away).await.ok();
    for rest in ["rows", "export", "export?format=xlsx"] {
        let answer = app.get(&format!("/shared-tables/orders/{rest}")).as_user().await;
        for word in ["boss", "hunter2", "127.0.0.1", "pay", "target:"] {
            assert!(!answer.text.contains(word), "{rest} says {word}: {}", answer.text);
        }
        assert_eq!(answer.problem(502)["code"], "shared_table_unavailable");
    }
    let unresolved =
        "name: orders\nsources: [{type: local, path: /data}]\ntarget: {url: \"${secret:pay-db}\", table: orders}\n";
    app.post("/upload-config").yaml(unresolved).await.ok();
    let answer = app.get("/shared-tables/orders/rows").as_user().await;
    assert!(!answer.text.contains("pay-db"), "{}", answer.text);
    assert_eq!(answer.problem(502)["code"], "shared_table_unavailable");
    let listed = app.get("/shared-tables").as_user().await;
    assert!(!listed.text.contains("pay"), "{}", listed.text);
}

#[tokio::test]
async fn an_export_that_is_cut_says_so_in_every_format() {
    let app = TestApp::start_with(|options| {
        options.api.export_rows = 2;
        options.api.export_mib = 1;
    })
    .await;
    load_orders(&app).await;
    share(&app, "orders").await;
    let export = async |query: &str| app.get(&format!("/shared-tables/orders/export?{query}")).as_user().await;
    let cut = export("sort=id").await;
    assert_eq!(cut.text, "id,name,amount\n1,Ann,2.50\n2,Bob,'=1+1\n");
    assert_eq!(cut.header("elt-export-cut"), "2");
    assert_eq!(cut.header("content-disposition"), "attachment; filename=\"orders-first-2-rows.csv\"");
    let whole = export("sort=id&filter=id:gt:1&raw=true").await;
    assert_eq!((whole.text.as_str(), whole.header("elt-export-cut")), ("id,name,amount\n2,Bob,=1+1\n3,Cyd,4.00\n", ""));
    assert_eq!(whole.header("content-disposition"), "attachment; filename=\"orders.csv\"");
    let bytes = app.get("/shared-tables/orders/export?format=xlsx").as_user().open().await;
    assert_eq!(bytes.headers()["elt-export-cut"], "2");
    assert_eq!(bytes.headers()["content-disposition"], "attachment; filename=\"orders-first-2-rows.xlsx\"");
    let bytes = app.get("/shared-tables/orders/export?format=parquet").as_user().open().await;
    assert_eq!(bytes.headers()["elt-export-cut"], "2");
    assert_eq!(bytes.headers()["content-disposition"], "attachment; filename=\"orders-first-2-rows.parquet\"");
    let admin = app.post("/data-view?format=csv").yaml("target: {table: orders}\n").await;
    assert_eq!(admin.header("elt-export-cut"), "2", "exports of the data view say so as well");
    assert_eq!(export("format=avro").await.problem(400)["code"], "invalid_query");

    sqlx::raw_sql("update orders set name = repeat('x', 700000) where id < 3")
        .execute(&app.target)
        .await
        .expect("changed");
    let broken = app.get("/shared-tables/orders/export?filter=id:lt:3").as_user().open().await;
    assert_eq!(broken.status(), 200);
    assert!(broken.bytes().await.is_err(), "a CSV with too many bytes does not end like a whole one");
    let long = export("format=xlsx&filter=id:eq:1").await.problem(422);
    assert_eq!(long["code"], "export_too_large");
    let detail = "the column name has a value of 700000 characters, and a cell of Excel holds 32767";
    assert_eq!(long["detail"], detail);
    for format in ["xlsx", "parquet"] {
        let large = export(&format!("format={format}&columns=name,amount&filter=id:lt:3")).await.problem(422);
        assert_eq!(large["code"], "export_too_large", "{format}");
    }
}

#[tokio::test]
async fn a_workbook_has_every_value_exactly_and_no_formula() {
    let app = TestApp::start().await;
    load_orders(&app).await;
    share(&app, "orders").await;
    sqlx::raw_sql(
        "drop table orders;
         create table orders (id bigint, big bigint, exact numeric(30,4), text text, flag boolean, day date);
         insert into orders values (1, 9007199254740993, 12345678901234567890.1234, '=cmd|x!A1', true, '2026-01-31'),
                                   (2, 5, 2.5, E' <a>\\n& \"b\"\\t', false, null)",
    )
    .execute(&app.target)
    .await
    .expect("made the table");
    let answer = app.get("/shared-tables/orders/export?format=xlsx&sort=id").as_user().open().await;
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    assert_eq!(answer.headers()["content-type"], kind);
    let workbook = answer.bytes().await.expect("a whole file");

    // Loading it again shows what a reader finds in its cells.
    let file = app.folder().write("again/orders.xlsx", &workbook);
    let yaml = format!(
        "name: again\nsources: [{{type: local, path: {}, settle_seconds: 0}}]\ntarget: {{table: again}}\nmonitor: {{enabled: \
         false}}\n",
        file.display()
    );
    app.load(&yaml).await;
    let rows = app.rows("select id, big::text, exact::text, text, flag, day::text from again order by id").await;
    assert_eq!(
        rows,
        [
            json!({ "id": 1, "big": "9007199254740993", "exact": "12345678901234567890.1234", "text": "=cmd|x!A1",
                    "flag": true, "day": "2026-01-31" }),
            json!({ "id": 2, "big": "5", "exact": "2.5", "text": " <a>\n& \"b\"\t", "flag": false, "day": null }),
        ]
    );
    let texts = String::from_utf8_lossy(&workbook);
    assert!(!texts.contains("<f>"), "there is no formula");
}

#[tokio::test]
async fn a_token_reads_shared_tables_with_the_scope_data_and_within_its_pipelines() {
    let app = shared().await;
    let user = app.token(Login::User).await.to_owned();
    let token = async |name: &str, scope: &str, pipelines: Value| {
        let request = json!({ "name": name, "scopes": [scope], "pipelines": pipelines });
        app.post("/tokens").bearer(&user).json(request).await.ok()["token"].as_str().expect("a token").to_owned()
    };
    let reads = async |token: &str| app.get("/shared-tables/orders/rows").bearer(token).await;
    let data = token("data", "data", Value::Null).await;
    assert_eq!(names(&reads(&data).await.ok()), ["Ann", "Bob", "Cyd"]);
    let bound = token("bound", "data", json!(["orders"])).await;
    assert_eq!(reads(&bound).await.status, 200);
    let other = token("other", "data", json!(["elsewhere"])).await;
    assert_eq!(reads(&other).await.problem(403)["code"], "other_pipeline");
    assert_eq!(app.get("/shared-tables").bearer(&other).await.ok()["data"], json!([]));
    let upload = token("upload", "upload", Value::Null).await;
    assert_eq!(reads(&upload).await.problem(403)["code"], "missing_scope");
    assert_eq!(app.request("PUT", "/pipelines/orders/shares/user").bearer(&data).await.status, 403);
    assert_eq!(app.request("PUT", "/pipelines/orders/shares/user").as_user().await.status, 403);
    app.delete("/pipelines/orders/shares/user").await;
    assert_eq!(reads(&data).await.status, 404);
}

#[tokio::test]
async fn shares_and_exports_leave_rows_in_the_audit() {
    let app = shared().await;
    let again = app.request("PUT", "/pipelines/orders/shares/user").await;
    assert_eq!((again.status.as_u16(), &again["granted_by"]), (200, &json!("admin")));
    assert_eq!(
        app.request("PUT", "/pipelines/orders/shares/nobody").await.problem(404)["detail"],
        "there is no user nobody"
    );
    let listed = app.get("/pipelines/orders/shares").await.ok();
    assert_eq!((&listed["data"][0]["user"], &listed["data"][0]["role"]), (&json!("user"), &json!("user")));
    app.get("/shared-tables/orders/export").as_user().await;
    app.delete("/pipelines/orders/shares/user").await;
    let rows = app
        .control(
            "select actor, action, object, outcome, detail ->> 'user' as \"user\" from audit
             where action like '%share%' order by at, id",
        )
        .await;
    let row = |actor, action, outcome, user: Value| {
        let object = if actor == "user" { "pipeline orders, table public.orders" } else { "pipeline orders" };
        json!({ "actor": actor, "action": action, "object": object, "outcome": outcome, "user": user })
    };
    let put = "PUT /pipelines/{name}/shares/{user}";
    assert_eq!(
        rows,
        [
            row("admin", put, "done", json!("user")),
            row("admin", put, "done", json!("user")),
            row("admin", put, "failed", json!("nobody")),
            row("user", "GET /shared-tables/{name}/export", "done", Value::Null),
            row("admin", "DELETE /pipelines/{name}/shares/{user}", "done", json!("user")),
        ]
    );
}

#[tokio::test]
async fn filters_are_saved_by_user_and_table_within_bounds() {
    let app = shared().await;
    let put = async |name: &str, view: Value| {
        app.request("PUT", &format!("/shared-tables/orders/filters/{name}")).as_user().json(view).await
    };
    let view = json!({ "filter": ["name:contains:a", "id:gt:1"], "sort": "-id", "hide": ["amount"] });
    put("large%20ones", view.clone()).await.ok();
    put("large%20ones", json!({ "filter": ["id:gt:2"] })).await.ok();
    put("b", view).await.ok();
    let saved = app.get("/shared-tables/orders/filters").as_user().await.ok();
    let shown: Vec<_> =
        saved["data"].as_array().expect("a list").iter().map(|one| (&one["name"], &one["filter"])).collect();
    assert_eq!(
        shown,
        [(&json!("b"), &json!(["name:contains:a", "id:gt:1"])), (&json!("large ones"), &json!(["id:gt:2"]))]
    );
    assert_eq!(put("c", json!({ "filter": ["id"] })).await.problem(422)["code"], "invalid_saved_filter");
    assert_eq!(put("%20", json!({})).await.problem(422)["code"], "invalid_saved_filter");
    assert_eq!(put("a%E2%80%AE", json!({})).await.problem(422)["code"], "invalid_saved_filter");
    assert_eq!(put(&"n".repeat(101), json!({})).await.problem(422)["code"], "invalid_saved_filter");
    let long = json!({ "hide": ["x".repeat(16_000)] });
    assert_eq!(put("c", long).await.problem(422)["code"], "invalid_saved_filter");
    let short = json!({ "hide": vec!["x"; 3_900] });
    put("many", short).await.ok();
    for number in 3..50 {
        put(&format!("n{number}"), json!({})).await.ok();
    }
    assert_eq!(put("one-more", json!({})).await.problem(409)["code"], "too_many_saved_filters");
    put("b", json!({})).await.ok();
    assert_eq!(app.delete("/shared-tables/orders/filters/b").as_user().await.status, 204);
    assert_eq!(app.delete("/shared-tables/orders/filters/b").as_user().await.status, 404);
    put("one-more", json!({})).await.ok();
}

#[tokio::test]
async fn a_table_is_fresh_until_the_time_of_its_config_is_over() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,name\n1,Ann\n");
    app.load(&app.yaml("orders", "name: orders\nfreshness: 2h\n")).await;
    share(&app, "orders").await;
    let freshness = async || app.get("/shared-tables").as_user().await.ok()["data"][0]["freshness"].clone();
    assert_eq!(freshness().await, "fresh");
    app.execute("update runs set finished_at = finished_at - interval '3 hours'").await;
    assert_eq!(freshness().await, "stale");
}
