//! What a user cannot tell: whether pipelines, runs, tokens and other things of admins exist.

use serde_json::{Value, json};

use crate::roles::{BACKFILL, SCOPES, insert_backfill, operations};
use crate::support::TestApp;

/// Names and ids of objects, by the parameter of a path and the beginning of the path.
struct Objects {
    pipeline: String,
    config: String,
    run: String,
    schedule: String,
    backfill: String,
    user: String,
    session: String,
    token: String,
    channel: String,
    secret: String,
}

impl Objects {
    /// The path about one of these objects.
    fn path(&self, template: &str) -> String {
        let id = match template.split('/').nth(1).unwrap_or_default() {
            "config" | "configs" => &self.config,
            "runs" => &self.run,
            "schedules" => &self.schedule,
            "backfills" => &self.backfill,
            "users" => &self.user,
            "auth" => &self.session,
            "tokens" => &self.token,
            "workers" => "a-worker",
            other => other,
        };
        let name = match template.split('/').nth(1).unwrap_or_default() {
            "channels" => &self.channel,
            "secrets" => &self.secret,
            _ => &self.pipeline,
        };
        let path = template.replace("{id}", id).replace("{name}", name);
        path.replace("{file}", "a.csv").replace("{user}", "admin").replace("{filter}", "new")
    }

    /// A text without their names and ids.
    fn blank(&self, text: &str) -> String {
        let Self { pipeline, config, run, schedule, backfill, user, session, token, channel, secret } = self;
        let mut all = [pipeline, config, run, schedule, backfill, user, session, token, channel, secret];
        // The number of a config may be a digit of another id.
        all.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let long = all.into_iter().filter(|name| name.len() > 3);
        long.fold(text.to_owned(), |text, name| text.replace(name.as_str(), "…"))
    }
}

/// Objects of an admin: a pipeline with an inbox that has run, and what else a path can name.
async fn objects_of_an_admin(app: &TestApp) -> Objects {
    app.folder().write("a.csv", "id\n1\n");
    let run = app.load(&app.yaml("orders", "name: orders\n")).await;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let inbox = "name: orders\nsources: [{type: inbox}]\ntarget: {table: orders}\n";
    let config = app.post("/upload-config").yaml(inbox).await.ok()["id"].clone();
    app.request("PUT", "/pipelines/orders/files/a.csv").body("text/csv", "id\n2\n").await.ok();
    let schedule = app.post("/schedules").json(json!({ "config_id": config, "cron": "0 0 1 1 *" })).await.ok();
    insert_backfill(app, config.as_i64().expect("an id")).await;
    app.request("PUT", "/channels/ops-room").json(json!({ "webhook": "https://example.com/x" })).await.ok();
    app.request("PUT", "/secrets/pay-key").json(json!({ "value": "long enough", "pipelines": ["orders"] })).await.ok();
    let sessions = app.get("/auth/sessions").await.ok();
    let users = app.get("/users").await.ok();
    let admin = users["data"].as_array().expect("a list").iter().find(|user| user["username"] == "admin");
    Objects {
        pipeline: "orders".into(),
        config: text(&config),
        run: text(&run["id"]),
        schedule: text(&schedule["id"]),
        backfill: BACKFILL.into(),
        user: text(&admin.expect("the admin")["id"]),
        session: text(&sessions[0]["id"]),
        token: text(&app.api_token("deploy", &SCOPES, json!({})).await["id"]),
        channel: "ops-room".into(),
        secret: "pay-key".into(),
    }
}

#[tokio::test]
async fn a_user_cannot_tell_what_belongs_to_an_admin_from_what_does_not_exist() {
    let app = TestApp::start().await;
    let there = objects_of_an_admin(&app).await;
    let id = || "01890000-0000-7000-8000-000000000000".to_owned();
    let missing = Objects {
        pipeline: "elsewhere".into(),
        config: "999999".into(),
        run: id(),
        schedule: id(),
        backfill: id(),
        user: id(),
        session: id(),
        token: id(),
        channel: "no-room".into(),
        secret: "no-key".into(),
    };
    let mut compared = 0;
    for (method, template) in operations(&app).await {
        if !template.contains('{') {
            continue;
        }
        let answer = async |objects: &Objects| {
            let request = app.request(&method, &objects.path(&template)).as_user();
            let request = match template.starts_with("/shared-tables") {
                true => request.json(json!({ "filter": [] })),
                false => request.body("text/csv", "id\n3\n"),
            };
            let answer = request.await;
            let problem =
                ["code", "title", "detail", "next_step"].map(|field| objects.blank(&answer.json[field].to_string()));
            (answer.status.as_u16(), problem)
        };
        let existing = answer(&there).await;
        assert!((400..500).contains(&existing.0), "{method} {template}: {existing:?}");
        assert_eq!(existing, answer(&missing).await, "{method} {template}");
        compared += 1;
    }
    assert!(compared >= 45, "{compared} operations");
}
