//! The cursors of incremental sources over the API: shown, set, cleared, and audited.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::changing_api::{Behaviour, ChangingApi, second};

fn config(source: &str) -> String {
    format!("name: changes\nsources: [{source}]\ntarget: {{table: changes}}\nmonitor: {{enabled: false}}\n")
}

#[tokio::test]
async fn an_admin_shows_sets_and_clears_where_the_next_run_begins() {
    let (app, api) = (TestApp::start().await, ChangingApi::start(Behaviour::default()).await);
    for id in 0..5 {
        api.add(id, second(id));
    }
    let yaml = config(&api.source("cursor: at, param: since, lookback: 1s", ""));
    let run = app.load(&yaml).await;
    let shown = app.get("/pipelines/changes/state").await.ok();
    assert_eq!(shown["table"], "public.changes");
    let source = &shown["sources"][0];
    assert_eq!(
        (&source["number"], &source["cursor"], &source["run_id"]),
        (&json!(1), &json!("at"), &run["id"]),
        "{shown:#}"
    );
    assert_eq!((&source["value"], &source["since"]), (&json!(second(4)), &json!(second(3))));

    let set = app.request("PUT", "/pipelines/changes/state").json(json!({ "value": second(2) })).await.ok();
    let source = &set["sources"][0];
    assert_eq!(
        (&source["value"], &source["run_id"], &source["set_by"]),
        (&json!(second(2)), &Value::Null, &json!("admin"))
    );
    let before = api.requests();
    let run = app.load(&yaml).await;
    assert_eq!(api.params("since", before)[0], Some(second(1)));
    assert_eq!((&run["rows_inserted"], &run["rows_read"]), (&json!(0), &json!(4)));

    let cleared = app.delete("/pipelines/changes/state").await.ok();
    assert_eq!((&cleared["sources"][0]["value"], &cleared["sources"][0]["since"]), (&Value::Null, &Value::Null));
    let before = api.requests();
    app.load(&yaml).await;
    assert_eq!(api.params("since", before)[0], None);

    let audited = app
        .control(
            "select action, object, detail ->> 'value' as value from elt.audit where action like '%/state' order by id",
        )
        .await;
    let actions: Vec<_> =
        audited.iter().map(|row| (row["action"].clone(), row["object"].clone(), row["value"].clone())).collect();
    let row = |action: &str, value: Value| {
        (json!(format!("{action} /pipelines/{{name}}/state")), json!("pipeline changes"), value)
    };
    assert_eq!(actions, [row("PUT", json!(second(2))), row("DELETE", Value::Null)]);
}

#[tokio::test]
async fn a_cursor_that_cannot_be_noted_in_the_audit_is_neither_set_nor_cleared() {
    let (app, api) = (TestApp::start().await, ChangingApi::start(Behaviour::default()).await);
    for id in 0..5 {
        api.add(id, second(id));
    }
    app.load(&config(&api.source("cursor: at, param: since, lookback: 1s", ""))).await;
    let before = app.get("/pipelines/changes/state").await.ok();
    app.execute(
        "create function elt.full() returns trigger language plpgsql as \
                 $$ begin raise exception 'disk full' using errcode = '53100'; end $$",
    )
    .await;
    app.execute("create trigger audit_is_full before insert on elt.audit for each row execute function elt.full()")
        .await;
    for request in [
        app.request("PUT", "/pipelines/changes/state").json(json!({ "value": second(2) })),
        app.delete("/pipelines/changes/state"),
        app.delete("/pipelines/changes/state?source=1"),
    ] {
        let answer = request.await;
        assert_eq!(answer.status, 503, "{}", answer.text);
    }
    assert_eq!(app.get("/pipelines/changes/state").await.ok(), before);
    app.execute("drop trigger audit_is_full on elt.audit").await;
    app.request("PUT", "/pipelines/changes/state").json(json!({ "value": second(2) })).await.ok();
}

#[tokio::test]
async fn what_cannot_be_shown_or_set_is_refused() {
    let (app, api) = (TestApp::start().await, ChangingApi::start(Behaviour::default()).await);
    assert_eq!(app.get("/pipelines/changes/state").await.status, 404);
    app.folder().write("a.csv", "id\n1\n");
    app.load(&app.yaml("plain", "name: plain\n")).await;
    let refused = app.get("/pipelines/plain/state").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json["code"]),
        (409, &json!("not_incremental")),
        "{:#}",
        refused.json
    );

    api.add(1, second(1));
    app.load(&config(&api.source("cursor: at, param: since, lookback: 1d", ""))).await;
    let put = async |body: Value| {
        let answer = app.request("PUT", "/pipelines/changes/state").json(body).await;
        (answer.status.as_u16(), answer.json["code"].clone())
    };
    assert_eq!(put(json!({ "value": " " })).await, (422, json!("cursor_unusable")));
    assert_eq!(
        put(json!({ "value": "no time at all" })).await,
        (422, json!("cursor_unusable")),
        "nothing to look back from"
    );
    assert_eq!(put(json!({ "value": second(1), "source": 2 })).await, (409, json!("not_incremental")));
    let user = app.request("PUT", "/pipelines/changes/state").as_user().json(json!({ "value": second(1) })).await;
    assert_eq!(user.status, 403);
}
