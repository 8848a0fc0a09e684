//! What a user may store, what admins may delete, and what retention leaves.

use elt_shared::queue::retention::{self, Keep, Kind};
use serde_json::{Value, json};

use crate::support::TestApp;

fn yaml(pipeline: &str, number: usize) -> String {
    format!("name: {pipeline}\nsources: [{{type: local, path: ./p{number}}}]\ntarget: {{table: {pipeline}}}\n")
}

async fn upload(app: &TestApp, text: &str) -> Value {
    app.post("/upload-config").yaml(text).await.ok()["id"].clone()
}

#[tokio::test]
async fn an_analyst_stores_a_bounded_number_of_configs_and_an_admin_does_not() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.configs_per_user = 3;
        options.api.config_mib_per_user = 1;
    })
    .await;
    for number in 0..3 {
        app.post("/upload-config").as_user().yaml(&yaml("small", number)).await.ok();
    }
    let refused = app.post("/upload-config").as_user().yaml(&yaml("small", 3)).await.problem(403);
    assert_eq!(refused["code"], "quota_exceeded");
    assert!(refused["next_step"].as_str().is_some_and(|step| step.contains("ELT_CONFIGS_PER_USER")), "{refused}");
    app.post("/upload-config").as_user().yaml(&yaml("small", 0)).await.ok();
    let asked = json!({ "name": "mine", "scopes": ["upload"] });
    let token = app.post("/tokens").as_user().json(asked).await.ok()["token"].as_str().expect("a token").to_owned();
    let refused = app.post("/upload-config").bearer(&token).yaml(&yaml("small", 3)).await.problem(403);
    assert_eq!(refused["code"], "quota_exceeded", "a token stores in the name of its owner");
    for number in 0..5 {
        upload(&app, &yaml("more", number)).await;
    }
    assert_eq!(app.control("select id from config_history where created_by = 'user'").await.len(), 3);

    let first =
        app.control("select id from config_history where created_by = 'user' order by id").await[0]["id"].clone();
    assert_eq!(app.delete(&format!("/configs/{first}")).as_user().await.status, 403);
    assert_eq!(app.delete(&format!("/configs/{first}")).await.status, 204);
    app.post("/upload-config").as_user().yaml(&yaml("small", 3)).await.ok();
}

#[tokio::test]
async fn the_size_of_an_analysts_configs_is_bounded() {
    // A password counts although the text that people see has three characters in its place.
    let with_password = "target: {host: h, database: d, user: u, password: FILLING, table: large}\n";
    for filling in ["target: {table: large}\n# FILLING\n", with_password] {
        let app = TestApp::start_with(|options| {
            options.workers = 0;
            options.api.config_mib_per_user = 1;
        })
        .await;
        let filling = filling.replace("FILLING", &"x".repeat(240 << 10));
        let mut statuses = Vec::new();
        for number in 0..6 {
            let text = format!("name: large\nsources: [{{type: local, path: ./p{number}}}]\n{filling}");
            statuses.push(app.post("/upload-config").as_user().yaml(&text).await.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 200, 200, 403, 403]);
    }
}

#[tokio::test]
async fn only_a_version_that_nothing_needs_is_deleted() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let old = upload(&app, &yaml("kept", 0)).await;
    let ran = app.trigger(&yaml("kept", 1)).await["config_id"].clone();
    let newest = upload(&app, &yaml("kept", 2)).await;
    let code = async |id: &Value| app.delete(&format!("/configs/{id}")).await.problem(409)["code"].clone();
    assert_eq!(code(&ran).await, "config_in_use");
    assert_eq!(code(&newest).await, "config_newest");
    assert_eq!(app.delete(&format!("/configs/{old}")).await.status, 204);
    assert_eq!(app.delete(&format!("/configs/{old}")).await.status, 404);
    assert_eq!(app.get(&format!("/configs/{old}")).await.status, 404);
    let versions = app.control("select version from config_history order by version").await;
    upload(&app, &yaml("kept", 3)).await;
    let newer = app.control("select max(version) as version from config_history").await;
    assert!(newer[0]["version"].as_i64() > versions.last().and_then(|last| last["version"].as_i64()));
}

#[tokio::test]
async fn retention_ends_what_would_grow() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for number in 0..3 {
        upload(&app, &yaml("idle", number)).await;
    }
    let ran = app.trigger(&yaml("idle", 3)).await["config_id"].clone();
    let newest = upload(&app, &yaml("idle", 4)).await;
    app.execute("update config_history set \"timestamp\" = now() - interval '366 days'").await;
    let keep = Keep { most_log_lines: 1_000, ..Keep::default() };
    let delete = async |kind| retention::clean(&app.db, kind, &keep, None).await.expect("deleted").removed;
    assert_eq!(delete(Kind::Configs).await, 3);
    let left = app.control("select id from config_history order by id").await;
    assert_eq!(left.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), [ran, newest]);

    app.execute("delete from log_lines").await;
    app.execute(
        "insert into log_lines (at, level, target, message, process)
         select now(), 'WARN', 't', 'm' || n, 'p' from generate_series(1, 7500) n",
    )
    .await;
    assert_eq!(delete(Kind::LogLines).await, 6_500);
    assert_eq!(delete(Kind::LogLines).await, 0);
    let oldest = app.control("select message from log_lines order by id limit 1").await;
    assert_eq!(oldest[0]["message"], "m6501");

    app.execute(
        "insert into login_failures (username, ip, at)
         select 'u' || n, 'a', now() - make_interval(mins => n) from generate_series(50, 70) n",
    )
    .await;
    assert_eq!(delete(Kind::LoginFailures).await, 11);
}
