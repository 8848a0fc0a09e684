//! Links of downloads: a ticket opens one file of rows for a minute, in the name of the session that asked for it.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::Login;

async fn shared() -> (TestApp, Value) {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,name\n1,Ann\n2,O'Neil\n");
    let run = app.load(&app.yaml("orders", "name: orders\n")).await;
    assert_eq!(app.request("PUT", "/pipelines/orders/shares/user").await.status, 201);
    (app, run)
}

async fn link(app: &TestApp, login: Login, address: &str) -> String {
    let request = app.post("/downloads").by(Some(login)).json(json!({ "address": address }));
    request.await.ok()["address"].as_str().expect("an address").to_owned()
}

#[tokio::test]
async fn a_link_opens_its_file_without_a_token_and_nothing_else() {
    let (app, run) = shared().await;
    let address = "/shared-tables/orders/export?format=csv&sort=-id&filter=name:contains:%27";
    let opened = link(&app, Login::User, address).await;
    assert!(opened.starts_with(&format!("{address}&ticket=")), "{opened}");
    let file = app.get(&opened).as_nobody().await;
    assert_eq!((file.status.as_u16(), file.text.as_str()), (200, "id,name\n2,O'Neil\n"));

    let ticket = opened.rsplit_once("ticket=").expect("a ticket").1.to_owned();
    let other = app.get(&format!("/shared-tables/orders/export?format=csv&ticket={ticket}")).as_nobody().await;
    assert_eq!(other.problem(401)["code"], "unauthorized");
    let page = app.get(&format!("/shared-tables/orders/rows?ticket={ticket}")).as_nobody().await;
    assert_eq!(page.problem(400)["code"], "invalid_query", "a page of rows takes no ticket");
    assert_eq!(app.get("/shared-tables/orders/rows").bearer(&ticket).await.status, 401, "a ticket is not a token");
    let token = app.token(Login::User).await.to_owned();
    assert_eq!(app.get(&format!("{address}&ticket={token}")).as_nobody().await.status, 401, "nor a token a ticket");

    // A link can do no more than who asked for it.
    let config = run["config_id"].as_i64().expect("an id");
    let rows = format!("/data-view?config_id={config}&sort=-id");
    let of_admin = link(&app, Login::Admin, &rows).await;
    assert_eq!(app.get(&of_admin).as_nobody().await.text, "id,name\n2,O'Neil\n1,Ann\n");
    let of_user = link(&app, Login::User, &rows).await;
    assert_eq!(app.get(&of_user).as_nobody().await.status, 403);
    let actions = app.control("select actor, outcome from audit where action = 'GET /data-view' order by id").await;
    let expected = [json!({ "actor": "admin", "outcome": "done" }), json!({ "actor": "user", "outcome": "denied" })];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn a_link_ends_with_its_session_and_is_made_for_files_of_rows_only() {
    let (app, _) = shared().await;
    for address in [
        "/users",
        "/config/1",
        "https://example.com/quarantine/export",
        "/shared-tables/orders/rows",
        "/shared-tables/orders/export?filter=name:eq:ä",
        "/shared-tables/orders/export#x",
        "",
    ] {
        let refused = app.post("/downloads").json(json!({ "address": address })).await.problem(400);
        assert_eq!(refused["code"], "invalid_query", "{address}");
    }
    let program = app.api_token("program", &["data"], json!({})).await;
    let request = json!({ "address": "/quarantine/export" });
    assert_eq!(
        app.post("/downloads").bearer(program["token"].as_str().expect("a token")).json(request).await.problem(403)["code"],
        "session_only"
    );

    let opened = link(&app, Login::User, "/shared-tables/orders/export").await;
    assert_eq!(app.get(&opened).as_nobody().await.status, 200);
    app.post("/auth/logout").as_user().await;
    assert_eq!(app.get(&opened).as_nobody().await.problem(401)["code"], "unauthorized");
}
