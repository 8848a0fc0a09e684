//! Sessions with the control database: what they are limited to, and that no target leads into it.

use elt_api::error::Error;
use elt_shared::store::{self, Limits};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::TestApp;
use crate::support::control::Control;
use crate::support::database::Databases;

async fn show(db: &PgPool, setting: &str) -> String {
    let sql = AssertSqlSafe(format!("show {setting}"));
    sqlx::query_scalar(sql).fetch_one(db).await.expect("a setting")
}

#[tokio::test]
async fn every_session_but_a_migration_has_limits() {
    let databases = Databases::create().await;
    let mut found = Vec::new();
    for limits in [Limits::REQUESTS, Limits::WORK, Limits::LOG_LINES, Limits::COMMANDS, Limits::MIGRATIONS] {
        let db = store::connect(databases.control.clone(), 1, limits).await.expect("connected");
        let mut row = Vec::new();
        for setting in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
            row.push(show(&db, setting).await);
        }
        found.push(row.join(" "));
        db.close().await;
    }
    assert_eq!(found, ["30s 10s 30s", "2min 30s 1min", "10s 5s 10s", "5min 30s 1min", "0 0 0"]);
}

/// The error of a statement in a session with a setting.
async fn error_with(db: &PgPool, setting: &str, statement: &str) -> sqlx::Error {
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query(AssertSqlSafe(format!("set local {setting}"))).execute(&mut *tx).await.expect(setting);
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await.expect_err(statement)
}

#[tokio::test]
async fn a_session_over_its_limit_means_try_again_later() {
    let control = Control::start().await;
    let mut holder = control.db.begin().await.expect("a transaction");
    sqlx::query("lock table elt.users").execute(&mut *holder).await.expect("locked");
    let slow = error_with(&control.db, "statement_timeout = '20ms'", "select pg_sleep(60)").await;
    let locked = error_with(&control.db, "lock_timeout = '20ms'", "select from elt.users").await;
    for error in [slow, locked] {
        assert!(store::is_over_limit(&error), "{error}");
        assert_eq!(Error::from(error).status(), 503);
    }
    let refused = error_with(&control.db, "lock_timeout = '1s'", "select 1/0").await;
    assert!(!store::is_over_limit(&refused));
}

/// The control database as a target, in several spellings.
async fn spellings(app: &TestApp) -> Vec<String> {
    let url = app.control_url().await;
    let by_name = url.replace("127.0.0.1", "localhost");
    // A login of the same server that has no right in the control schema.
    let other = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).expect("a login").1;
    app.execute("grant create on schema public to elt_it_target").await;
    vec![url.clone(), by_name, format!("postgres://elt_it_target:elt_it_target@{other}")]
}

#[tokio::test]
async fn the_control_database_is_no_target_however_it_is_named() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    for url in spellings(&app).await {
        let target = format!("target: {{table: loaded, url: '{url}'}}\n");
        let view = app.post("/data-view").yaml(&target).await;
        assert_eq!((view.status.as_u16(), &view["code"]), (404, &"target_control_database".into()));
        let yaml = app.yaml("loaded", "").replace("target:\n  table: loaded\n", &target);
        let run = app.trigger(&yaml).await;
        let run = app.finished(&run["id"]).await;
        assert_eq!(
            (&run["state"], &run["error_code"]),
            (&"failed".into(), &"target_control_database".into()),
            "{run:#}"
        );
        for path in ["/configs/test-connection", "/configs/plan"] {
            let tried = app.post(path).yaml(&yaml).await;
            assert_eq!(tried.status, 202, "{}", tried.text);
            let tried = app.finished(&tried["id"]).await;
            assert!(tried.to_string().contains("target_control_database"), "{path}: {tried:#}");
        }
    }
    let made = app.control("select relname from pg_class where relname = 'loaded' or relname like '\\_elt\\_%'").await;
    assert!(made.is_empty(), "{made:?}");
}

#[tokio::test]
async fn a_schema_named_elt_in_another_database_is_a_target_like_any_other() {
    let app = TestApp::start().await;
    sqlx::raw_sql("create schema elt; create table elt.runs (id integer)").execute(&app.target).await.expect("made");
    app.folder().write("a.csv", "id\n1\n");
    let run = app.load(&app.yaml("elt.people", "")).await;
    assert_eq!(run["rows_inserted"], 1);
}
