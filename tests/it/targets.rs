//! Properties of a whole target database or login: publications of all tables, time limits, rights, read-only logins.

use std::collections::BTreeMap;
use std::path::Path;

use elt_shared::config::CsvOptions;
use elt_shared::target::TableRef;
use elt_worker::load::quarantine::replay::{self, ReplayRequest};
use elt_worker::run_context::HashMemory;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::support::loader::{Loader, told, unique};

/// A login of the test's own that may make tables in `public`, dropped at the end of the test by [`Login::drop`].
struct Login {
    name: String,
    admin: PgPool,
}

impl Login {
    async fn create(loader: &Loader) -> Self {
        let (name, admin) = (unique("elt_it_login"), loader.admin().await);
        let login = Self { name, admin };
        login.sql("create role @ login password '@'; grant usage, create on schema public to @").await;
        login
    }

    /// Statements by the superuser; `@` is the login.
    async fn sql(&self, sql: &str) {
        let sql = sql.replace('@', &self.name);
        sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&self.admin)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// A config that loads the loader's folder as this login.
    fn yaml(&self, loader: &Loader, table: &str, more: &str) -> String {
        let server = &loader.databases().target;
        let target = format!(
            "target: {{host: '{}', port: {}, database: '{}', user: {login}, password: {login}, table: {table}}}",
            server.get_host(),
            server.get_port(),
            server.get_database().expect("a name"),
            login = self.name
        );
        loader.yaml(table, more).replace(&format!("target: {{table: {table}}}"), &target)
    }

    async fn drop(self) {
        self.sql("drop owned by @ cascade; drop role @").await;
    }
}

#[tokio::test]
async fn a_database_that_publishes_every_table_is_merged_replaced_and_undone() {
    let loader = Loader::start().await;
    let admin = loader.admin().await;
    sqlx::raw_sql("create publication everything for all tables").execute(&admin).await.expect("published");
    let merge = "load: {mode: merge, key: [id]}\n";
    loader.only("stock.csv", "id,qty\n1,10\n2,20\n");
    loader.load("merged", merge).await;
    loader.only("stock.csv", "id,qty\n1,11\n2,20\n");
    assert_eq!(loader.load("merged", merge).await.rows_updated, 1);
    assert_eq!(loader.rows("select id, qty from merged order by id").await, ["1|11", "2|20"]);

    loader.load("replaced", "load: {mode: replace}\n").await;
    loader.only("stock.csv", "id,qty\n1,12\n");
    assert_eq!(loader.load("replaced", "load: {mode: replace}\n").await.rows_deleted, 2);

    let yaml = loader.yaml("appended", "");
    let context = loader.begin("run", &yaml).await;
    let report = loader.execute(&context).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(report.rows_inserted, 1);
    let undo = loader.create("undo", &yaml, json!({}), Some(context.run.id)).await;
    let begun =
        elt_shared::runs::lifecycle::begin(&loader.control, undo.id, "tests").await.expect("asked").expect("there");
    let undone = loader.execute(&loader.context(begun, &yaml)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((undone.rows_deleted, loader.count("appended").await), (1, 0));
}

#[tokio::test]
async fn duplicates_whose_hashes_did_not_fit_in_memory_are_removed_from_a_published_table() {
    let mut loader = Loader::start().await;
    let admin = loader.admin().await;
    sqlx::raw_sql("create publication everything for all tables").execute(&admin).await.expect("published");
    loader.memory = HashMemory { own: 1 << 10, all: 1 << 10 };
    let rows: String = (0..3_000).map(|n| format!("{}\n", n % 1_500)).collect();
    loader.only("a.csv", format!("n\n{rows}"));
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (1_500, 1_500));
}

#[tokio::test]
async fn time_limits_of_the_login_do_not_end_a_load() {
    let loader = Loader::start().await;
    let login = Login::create(&loader).await;
    login
        .sql(
            "alter role @ set statement_timeout = '20ms'; alter role @ set lock_timeout = '1ms';
             alter role @ set idle_in_transaction_session_timeout = '1ms'; alter role @ set idle_session_timeout = '300ms';
             alter role @ set default_transaction_isolation = 'serializable'",
        )
        .await;
    loader.only("a.csv", "id\n1\n");
    loader.run("run", &login.yaml(&loader, "t", "")).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    login
        .sql(
            "create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.4); return null; end';
             create trigger slow after insert on t for each statement execute function slow()",
        )
        .await;
    loader.only("a.csv", "id\n2\n");
    let report =
        loader.run("run", &login.yaml(&loader, "t", "")).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(report.rows_inserted, 1);
    login.drop().await;
}

#[tokio::test]
async fn a_statement_that_is_cancelled_names_the_settings_that_cancel() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t (id int);
             create function cut() returns trigger language plpgsql set statement_timeout = '50ms'
                 as 'begin perform set_config(''statement_timeout'', ''50ms'', true); raise query_canceled; end';
             create trigger cut after insert on t for each statement execute function cut()",
        )
        .await;
    loader.only("a.csv", "id\n1\n");
    let error = loader.fail("t", "").await;
    assert_eq!(error.code().as_str(), "target_cancelled", "{}", told(&error));
    assert!(error.next_step().contains("pg_cancel_backend"), "{}", told(&error));
    assert_eq!(loader.count("t").await, 0);
}

#[tokio::test]
async fn check_and_load_name_the_grant_of_a_login_that_may_not_make_temporary_tables() {
    let loader = Loader::start().await;
    let login = Login::create(&loader).await;
    let database = loader.databases().target.get_database().expect("a name").to_owned();
    login.sql(&format!("revoke temporary on database {database} from public")).await;
    let grant = format!("grant temporary on database \"{database}\" to \"{}\"", login.name);
    loader.only("a.csv", "id\n1\n");
    let first =
        loader.run("run", &login.yaml(&loader, "t", "")).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(first.warnings.iter().any(|warning| warning.contains(&grant)), "{:?}", first.warnings);
    loader.only("a.csv", "id\n2\n");
    let error = loader.run("run", &login.yaml(&loader, "t", "")).await.expect_err("no temporary table can be made");
    assert_eq!(error.code().as_str(), "target_not_allowed");
    assert!(error.next_step().ends_with(&grant), "{}", told(&error));
    login.sql(&format!("grant temporary on database {database} to @")).await;
    let report =
        loader.run("run", &login.yaml(&loader, "t", "")).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(report.rows_inserted, 1);
    login.drop().await;
}

#[tokio::test]
async fn the_error_of_a_read_only_login_names_its_setting() {
    let loader = Loader::start().await;
    let login = Login::create(&loader).await;
    login.sql("alter role @ set default_transaction_read_only = on").await;
    loader.only("a.csv", "id\n1\n");
    for kind in ["run", "plan", "check"] {
        let error = loader.run(kind, &login.yaml(&loader, "t", "")).await.expect_err("the login is read-only");
        assert_eq!(error.code().as_str(), "target_read_only", "{}", told(&error));
        assert!(error.to_string().contains("read-only"), "{}", told(&error));
        assert!(error.next_step().contains("default_transaction_read_only = off"), "{}", told(&error));
    }
    login.drop().await;
}

#[tokio::test]
async fn a_connection_test_writes_and_leaves_nothing() {
    let loader = Loader::start().await;
    let login = Login::create(&loader).await;
    loader.only("a.csv", "id\n1\n");
    let test = |table: &'static str| {
        let yaml = login.yaml(&loader, table, "");
        let loader = &loader;
        async move { loader.run("test_connection", &yaml).await.expect("tested").connections.pop().expect("the target") }
    };
    let missing = test("t").await;
    assert!(missing.usable, "{missing:?}");
    assert_eq!(loader.value("select count(*) from pg_class where relnamespace = 'public'::regnamespace").await, "0");

    login.sql("create table t (id int); grant all on t to @").await;
    let foreign = test("t").await;
    let problem = foreign.problem.expect("the login does not own the table");
    assert_eq!(problem.code.as_str(), "target_not_allowed");
    assert!(problem.next_step.contains("owner to"), "{problem:?}");

    login.sql("alter table t owner to @").await;
    assert!(test("t").await.usable);
    login.sql("alter role @ set default_transaction_read_only = on").await;
    assert_eq!(test("t").await.problem.expect("read-only").code.as_str(), "target_read_only");
    login.sql("alter role @ reset default_transaction_read_only; create view v as select 1 as id").await;
    assert_eq!(test("v").await.problem.expect("a view").code.as_str(), "target_unusable");
    assert_eq!(loader.value("select count(*) from pg_class where relname like '\\_elt\\_%'").await, "0");
    login.drop().await;
}

#[tokio::test]
async fn an_error_of_the_target_holds_no_value_of_a_row() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t (id int, mail text);
             create function bad() returns trigger language plpgsql as
                 'begin raise exception ''no % here'', (select max(mail) from t) using errcode = ''55000''; end';
             create trigger bad after insert on t for each statement execute function bad()",
        )
        .await;
    loader.only("a.csv", "id,mail\n1,ann@example.org\n");
    let error = loader.fail("t", "").await;
    assert!(!told(&error).contains("ann@example"), "{}", told(&error));
    assert!(!format!("{error:?}").contains("ann@example"), "{error:?}");

    let model = "transform: [{name: m, materialized: table, sql: 'select mail::inet as i from t'}]\n";
    loader.sql("drop trigger bad on t").await;
    if let Err(error) = loader.run("run", &loader.yaml("t", model)).await {
        assert!(!told(&error).contains("ann@example"), "{}", told(&error));
    }
}

#[tokio::test]
async fn a_database_that_lets_nobody_connect_says_which_right_is_missing() {
    let loader = Loader::start().await;
    let login = Login::create(&loader).await;
    let database = loader.databases().target.get_database().expect("a name").to_owned();
    login.sql(&format!("revoke connect on database {database} from public")).await;
    loader.only("a.csv", "id\n1\n");
    let error = loader.run("run", &login.yaml(&loader, "t", "")).await.expect_err("it may not connect");
    let grant = format!("grant connect on database \"{database}\" to \"{}\"", login.name);
    assert_eq!(error.code().as_str(), "target_login");
    assert!(told(&error).contains(&grant), "{}", told(&error));
    login.drop().await;
}

#[tokio::test]
async fn a_folder_of_the_worker_that_cannot_be_written_to_is_not_a_lost_target() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\nx\n");
    let yaml = loader.yaml("t", "schema: {id: int64}\nstrict_mode: true\n");
    let context = loader.begin("run", &yaml).await;
    loader.execute(&context).await.ok();
    loader
        .sql(
            "insert into _elt_quarantine (run_id, table_name, config_id, file, line, code, reason, raw, cells)
                select '00000000-0000-0000-0000-000000000001', 't', 1, 'a.csv', 2, 'c', 'r', 'x',
                       '[{\"name\": \"id\", \"kind\": \"bare\", \"text\": \"x\"}]'",
        )
        .await;
    let table = TableRef { schema: "public".into(), table: "t".into() };
    let request = ReplayRequest { run_id: Uuid::from_u128(1), ids: None, edits: BTreeMap::new() };
    let mut connection = loader.target.acquire().await.expect("connected");
    let error =
        replay::write(&mut connection, &table, &request, Path::new("/nowhere/at/all"), |_| Ok(CsvOptions::default()))
            .await
            .expect_err("no folder");
    assert_eq!((error.code().as_str(), error.is_retryable()), ("io", false), "{}", told(&error));
    assert!(error.next_step().contains("free space on the worker"), "{}", told(&error));
}
