//! A real standby as a target, before and after it is promoted.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::standby::{self, Pair};
use crate::support::{TestApp, database};

/// The URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let mut url = reqwest::Url::parse(url).expect("a URL");
    url.set_path(database);
    url.to_string()
}

async fn execute(url: &str, sql: &str) {
    let mut db = PgConnection::connect(url).await.expect("connected");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut db)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test]
async fn runs_wait_for_a_target_that_is_a_standby_and_load_once_when_it_is_promoted() {
    let Pair { primary, standby } = standby::pair(database::server_url().await).await;
    execute(&primary, "create database shop").await;
    let app = TestApp::start().await;
    let target = with_database(&standby, "shop");
    let copied = app.eventually(async || PgConnection::connect(&target).await.ok()).await;
    assert!(copied.is_some(), "the standby follows its primary");
    app.folder().write("people.csv", "id,name\n1,Ann\n2,Bob\n");
    let yaml = format!(
        "name: people\nsources: [{{type: local, settle_seconds: 0, path: {}}}]\ntarget: {{url: '{target}', table: people}}\nmonitor: {{enabled: false}}\n",
        app.folder().path().display()
    );

    let run = app.trigger(&yaml).await;
    let path = format!("/runs/{}", run["id"].as_str().expect("an id"));
    let waiting = app
        .eventually(async || {
            let run = app.get(&path).await.ok();
            (!run["waiting"].is_null()).then_some(run)
        })
        .await;
    let waiting = waiting.expect("the run waits");
    let found = (&waiting["state"], &waiting["waiting"]["code"]);
    assert_eq!(found, (&json!("queued"), &json!("target_read_only")), "{waiting:#}");

    execute(&standby, "select pg_promote()").await;
    app.let_an_hour_pass().await;
    let run = app.finished(&run["id"]).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let mut db = PgConnection::connect(&target).await.expect("connected");
    let rows: i64 = sqlx::query_scalar("select count(*) from people").fetch_one(&mut db).await.expect("counted");
    assert_eq!(rows, 2);
}
