//! Targets behind a real PgBouncer.

use elt_shared::config::TargetDatabase;
use elt_shared::pooler;
use elt_shared::secret::Secret;
use elt_shared::settings::NetworkSettings;
use elt_shared::target::{self, AnswerLimits, TargetError};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::TestApp;
use crate::support::loader::{Loader, told};
use crate::support::pgbouncer::{ACCEPTS, PgBouncer};

/// A loader with two rows to load, and a PgBouncer before its target.
async fn behind(mode: &str, more: &str) -> (Loader, PgBouncer) {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n2\n");
    let pooler = PgBouncer::start(&loader.databases().target_url(), mode, &format!("{ACCEPTS}{more}"));
    (loader, pooler)
}

/// A config that loads into the target through the pooler.
fn yaml(loader: &Loader, pooler: &PgBouncer) -> String {
    let url = pooler.before(&loader.databases().target_url());
    loader.yaml("t", "").replace("{table: t}", &format!("{{url: '{url}', table: t}}"))
}

async fn count(loader: &Loader, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&loader.target).await.expect("counted")
}

#[tokio::test]
async fn a_pooler_that_shares_sessions_is_refused_before_anything_is_changed() {
    // One session is shared at once; with more the second connection gets the one that was free last.
    for (mode, more) in [
        ("transaction", ""),
        ("transaction", "default_pool_size = 1\n"),
        ("transaction", "server_round_robin = 1\nmin_pool_size = 3\n"),
        ("statement", ""),
    ] {
        let (loader, pooler) = behind(mode, more).await;
        for kind in ["run", "plan"] {
            let error = loader.run(kind, &yaml(&loader, &pooler)).await.expect_err("refused");
            let said = told(&error);
            let expected =
                format!("target_pooler: a pooler in transaction mode is before the target {}/", pooler.address());
            assert!(said.starts_with(&expected), "{mode} {more}: {said}");
            assert!(said.contains("Name the address of the PostgreSQL server itself"), "{said}");
        }
        let tables = count(&loader, "select count(*) from pg_class where relname ~ '^(_elt_|t$)'").await;
        assert_eq!(tables, 0, "{mode} {more}");
    }
}

#[tokio::test]
async fn the_data_view_names_the_pooler_to_an_admin_only() {
    let app = TestApp::start().await;
    let url = app.target_url();
    let pooler = PgBouncer::start(&url, "transaction", ACCEPTS);
    let yaml = format!(
        "name: p\nsources: [{{type: local, settle_seconds: 0, path: p/}}]\ntarget: {{url: '{}', table: p}}\n",
        pooler.before(&url)
    );
    let problem = app.post("/data-view").yaml(&yaml).await.problem(502);
    assert_eq!(problem["code"], "target_pooler", "{problem:#}");
    let as_analyst = app.post("/data-view").as_user().yaml(&yaml).await;
    assert!(!as_analyst.text.contains("pooler"), "an analyst learns nothing about servers: {}", as_analyst.text);
}

/// A connection of the data view through the pooler.
async fn connect(loader: &Loader, pooler: &PgBouncer) -> Result<PgConnection, TargetError> {
    let url = pooler.before(&loader.databases().target_url());
    target::connect(&TargetDatabase::Url(Secret::new(url)), None, &NetworkSettings::default(), "t", AnswerLimits::VIEW)
        .await
}

#[tokio::test]
async fn a_pooler_in_session_mode_is_loaded_through_with_elts_own_settings() {
    for more in ["", "default_pool_size = 1\n"] {
        let (loader, pooler) = behind("session", more).await;
        let name = loader.databases().target.get_database().expect("a name").to_owned();
        // What the pooler leaves out of the login would otherwise be the database's.
        let set = format!("alter database {name} set IntervalStyle = 'sql_standard'");
        sqlx::query(AssertSqlSafe(set)).execute(&loader.target).await.expect("set");
        // A pooler with one session lets the second connection wait, by which elt tells the modes apart.
        let loads: &[u64] = if more.is_empty() { &[2, 0] } else { &[2] };
        for rows in loads {
            let ended = loader.run("run", &yaml(&loader, &pooler)).await;
            let report = ended.unwrap_or_else(|error| panic!("{}", told(&error)));
            assert_eq!(report.files.iter().map(|file| file.rows_inserted).sum::<u64>(), *rows, "{report:#?}");
        }
        assert_eq!(count(&loader, "select count(*) from t").await, 2);
        let mut connection = connect(&loader, &pooler).await.expect("connected");
        let style: String = sqlx::query_scalar("show IntervalStyle").fetch_one(&mut connection).await.expect("shown");
        assert_eq!(style, "postgres", "{more}");
    }
}

#[tokio::test]
async fn a_pooler_that_refuses_how_a_session_begins_is_named_with_the_parameter() {
    let loader = Loader::start().await;
    let pooler = PgBouncer::start(&loader.databases().target_url(), "session", "");
    let error = connect(&loader, &pooler).await.expect_err("refused");
    assert_eq!(error.code().as_str(), "target_protocol");
    assert!(error.to_string().ends_with("unsupported startup parameter: extra_float_digits"), "{error}");
    assert!(error.next_step().contains("ignore_startup_parameters"), "{}", error.next_step());
}

#[tokio::test]
async fn a_statement_that_reached_another_session_is_recognised_by_its_error() {
    let loader = Loader::start().await;
    for (sql, mixed_up) in [
        ("prepare same as select 1; prepare same as select 2", true),
        ("execute prepared_elsewhere", true),
        ("select 1 / 0", false),
        ("select from prepared_elsewhere", false),
    ] {
        let error = sqlx::raw_sql(sql).execute(&loader.target).await.expect_err(sql);
        assert_eq!(pooler::mixed_up(&error), mixed_up, "{sql}: {error}");
    }
}
