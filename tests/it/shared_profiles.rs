//! Profiles of shared tables: a user learns from them what the shared rows say, and nothing else.

use serde_json::{Value, json};

use crate::support::TestApp;

async fn shared(more: &str, csv: &str) -> (TestApp, Value) {
    let app = TestApp::start().await;
    app.folder().write("a.csv", csv);
    let run = app.load(&app.yaml("orders", &format!("name: orders\n{more}"))).await;
    assert_eq!(app.request("PUT", "/pipelines/orders/shares/user").await.status, 201);
    (app, run)
}

async fn profile(app: &TestApp) -> Value {
    app.get("/shared-tables/orders/profile").as_user().await.ok()
}

fn columns(view: &Value) -> Vec<&str> {
    let columns = view["profile"]["columns"].as_array().unwrap_or_else(|| panic!("a profile: {view:#}"));
    columns.iter().map(|column| column["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_user_sees_what_the_values_of_the_newest_load_look_like() {
    let (app, run) = shared("", "id,name\n1,Ann\n2,Bob\n3,\n").await;
    let view = profile(&app).await;
    assert_eq!((&view["loaded_at"], &view["profile"]["rows"]), (&run["finished_at"], &json!(3)), "{view:#}");
    assert_eq!(columns(&view), ["id", "name"]);
    let name = &view["profile"]["columns"][1];
    assert_eq!((&name["nulls"], &name["distinct"], &name["min"]), (&json!(1), &json!(2), &json!("Ann")));
    assert_eq!(name["top"][0], json!({ "value": "Ann", "count": 1 }));

    // A later load of nothing new leaves it, one of new rows has its own.
    let before = profile(&app).await;
    app.load(&app.yaml("orders", "name: orders\n")).await;
    assert_eq!(profile(&app).await["profile"], before["profile"]);
    app.folder().write("b.csv", "id,name\n4,Cyd\n");
    app.load(&app.yaml("orders", "name: orders\n")).await;
    assert_eq!(profile(&app).await["profile"]["columns"][1]["max"], "Cyd");

    // A column that is dropped is not shared any more.
    sqlx::raw_sql("alter table orders drop column name").execute(&app.target).await.expect("dropped");
    assert_eq!(columns(&profile(&app).await), ["id"]);

    app.delete("/pipelines/orders/shares/user").await;
    assert_eq!(app.get("/shared-tables/orders/profile").as_user().await.status, 404);
    assert_eq!(app.get("/shared-tables/nothing/profile").as_user().await.status, 404);
}

#[tokio::test]
async fn masked_values_are_masked_and_the_config_says_whether_values_are_kept() {
    let (app, _) = shared("load: {profile: counts}\n", "id,name\n1,Ann\n").await;
    let view = profile(&app).await;
    assert!(!view.to_string().contains("Ann"), "{view:#}");
    assert_eq!(view["profile"]["columns"][1]["distinct"], 1);

    let masked = "settle_seconds: 0\n    shape: {mask: {name: last4}}\n";
    let yaml = app.yaml("orders", "name: orders\n").replace("settle_seconds: 0\n", masked);
    app.folder().write("a.csv", "id,name\n1,Margaret\n");
    app.load(&yaml).await;
    let view = profile(&app).await;
    assert_eq!(view["profile"]["rows"], 1, "{view:#}");
    assert!(!view.to_string().contains("Margaret"), "{view:#}");
}

#[tokio::test]
async fn there_is_none_while_another_version_decides() {
    let (app, _) = shared("", "id,name\n1,Ann\n").await;
    // Another table of another server could have the same name.
    app.post("/upload-config").yaml(&app.yaml("orders", "name: orders\nfreshness: 1h\n")).await.ok();
    assert_eq!(profile(&app).await, json!({ "loaded_at": null, "profile": null }));
    app.post("/upload-config").as_user().yaml(&app.yaml("orders", "name: orders\nfreshness: 2h\n")).await.ok();
    app.folder().write("b.csv", "id,name\n2,Bob\n");
    app.load(&app.yaml("orders", "name: orders\nfreshness: 1h\n")).await;
    assert_eq!(columns(&profile(&app).await), ["id", "name"], "a version of a user decides nothing");
}

#[tokio::test]
async fn there_is_none_about_rows_that_an_undo_has_removed() {
    let (app, run) = shared("", "id,name\n1,secret\n").await;
    assert!(profile(&app).await.to_string().contains("secret"));
    let undo = app.post(&format!("/runs/{}/undo", run["id"].as_str().expect("an id"))).await.json;
    assert_eq!(app.finished(&undo["id"]).await["state"], "succeeded");
    assert_eq!(profile(&app).await["profile"], Value::Null);
}

#[tokio::test]
async fn there_is_none_about_rows_that_another_load_has_changed() {
    let (app, _) = shared("load: {mode: merge, key: [id]}\n", "id,name\n1,first\n2,Bob\n").await;
    assert_eq!(columns(&profile(&app).await), ["id", "name"]);
    app.folder().write("b.csv", "id,name\n1,second\n");
    let other = app.yaml("orders", "name: other\nload: {mode: merge, key: [id]}\n");
    app.load(&other).await;
    assert_eq!(app.rows("select name from orders where id = 1").await[0]["name"], "second");
    assert_eq!(profile(&app).await["profile"], Value::Null, "the first name of 1 is not in the table");
}

#[tokio::test]
async fn there_is_none_about_rows_that_a_merge_has_left_out() {
    let (app, _) = shared("load: {mode: merge, key: [id]}\n", "id,name\n1,secret\n1,Ann\n").await;
    assert_eq!(app.rows("select name from orders").await[0]["name"], "Ann");
    assert_eq!(profile(&app).await["profile"], Value::Null);
}

#[tokio::test]
async fn each_of_many_tables_has_its_own() {
    let app = TestApp::start().await;
    app.folder().write("north.csv", "id,name\n1,Ann\n");
    app.folder().write("south.csv", "id,name\n2,Bob\n");
    app.load(&app.yaml("\"raw_{file}\"", "name: orders\n")).await;
    assert_eq!(app.request("PUT", "/pipelines/orders/shares/user").await.status, 201);
    let south = app.get("/shared-tables/orders/profile?table=raw_south").as_user().await.ok();
    assert_eq!(south["profile"]["columns"][1]["min"], "Bob", "{south:#}");
    assert_eq!(app.get("/shared-tables/orders/profile").as_user().await.problem(400)["code"], "table_not_named");
    assert_eq!(app.get("/shared-tables/orders/profile?table=pg_class").as_user().await.status, 404);
}
