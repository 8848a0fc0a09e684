//! The roles of the control database: what each may do, and that API and workers need no more.

use std::fmt::Write;

use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::TestApp;
use crate::support::app::PATIENCE;
use crate::support::control::Control;

/// What roles other than the owner may do, a line for each table.
async fn matrix(control: &Control) -> String {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "with privileges as (
             select c.oid, n.nspname || '.' || c.relname as name, r.role, p.place, p.privilege
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             cross join unnest(array['elt_api', 'elt_worker', 'elt_reader']) as r(role)
             cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger'])
                 with ordinality as p(privilege, place)
             where n.nspname in ('elt', 'apalis') and c.relkind in ('r', 'p', 'v', 'm'))
         select name, concat_ws('; ',
             nullif('api ' || string_agg(privilege, ' ' order by place)
                 filter (where role = 'elt_api' and has_table_privilege(role, oid, privilege)), ''),
             nullif('worker ' || string_agg(privilege, ' ' order by place)
                 filter (where role = 'elt_worker' and has_table_privilege(role, oid, privilege)), ''),
             nullif('reader ' || string_agg(privilege, ' ' order by place)
                 filter (where role = 'elt_reader' and has_table_privilege(role, oid, privilege)), ''),
             'reader select (' || (select string_agg(a.attname, ' ' order by a.attnum) from pg_attribute a
                 where a.attrelid = privileges.oid and a.attnum > 0 and not a.attisdropped
                   and has_column_privilege('elt_reader', privileges.oid, a.attnum, 'select')
                   and not has_table_privilege('elt_reader', privileges.oid, 'select')) || ')')
         from privileges group by oid, name order by name",
    )
    .fetch_all(&control.db)
    .await
    .expect("the privileges");
    let mut text = String::new();
    for (table, privileges) in tables {
        let _ = writeln!(text, "{}", format!("{table}: {privileges}").trim_end());
    }
    text
}

#[tokio::test]
async fn every_table_states_what_each_role_may_do() {
    let control = Control::start().await;
    insta::assert_snapshot!(matrix(&control).await, @r"
    apalis._sqlx_migrations:
    apalis.jobs: api select insert update; worker select insert update delete; reader select
    apalis.workers: api select; worker select insert update delete; reader select
    elt._sqlx_migrations: api select; worker select
    elt.api_tokens: api select insert update; worker select delete
    elt.audit: api select insert; reader select
    elt.audit_chain: api select update; worker select update; reader select
    elt.backfill_windows: api select insert update; worker select update delete; reader select
    elt.backfills: api select insert update; worker select update delete; reader select
    elt.channels: api select insert update delete; worker select; reader select (name key_id destination created_at created_by updated_at updated_by)
    elt.config_history: api select insert delete; worker select delete; reader select (id version timestamp name yaml_preview runnable problems warnings created_by)
    elt.coverage_reports: api select insert; worker select delete; reader select
    elt.dropped_keys: api select; worker select; reader select
    elt.idempotency_keys: api select insert update; worker select update delete
    elt.incidents: api select insert update; worker select insert update delete; reader select
    elt.installation: worker select
    elt.known_hosts: api select insert update delete; worker select insert update; reader select
    elt.log_lines: api select insert; worker select insert delete; reader select
    elt.login_codes: api select insert delete
    elt.login_failures: api select insert delete; worker select delete
    elt.notifications: api select insert update; worker select insert update delete; reader select
    elt.oauth_grants: worker select insert update delete; reader select (grant_hash key_id version expires_at renewed_by renewed_until created_at kept_at)
    elt.output_files: worker select insert update delete
    elt.output_paths: worker select insert update delete
    elt.pauses: api select insert delete; worker select; reader select
    elt.queue_limits: api select insert update delete; worker select; reader select
    elt.recovery_codes: api select insert update delete
    elt.retention: api select; worker select insert update delete; reader select
    elt.run_attempts: api select; worker select insert update delete; reader select
    elt.run_count_changes: api select insert; worker select insert delete; reader select
    elt.run_counts: api select; worker select insert update delete; reader select
    elt.run_days: api select; worker select insert update delete; reader select
    elt.run_ends: api select insert; worker select insert delete; reader select
    elt.run_profiles: api select; worker select insert delete
    elt.run_totals: api select; worker select insert update; reader select
    elt.runs: api select insert update; worker select insert update delete; reader select
    elt.saved_filters: api select insert update delete
    elt.schedules: api select insert update; worker select update delete; reader select
    elt.schema_compatibility: api select; worker select; reader select
    elt.second_factors: api select insert update delete
    elt.secret_keys: api select insert; worker select insert; reader select (key_id added_at)
    elt.secrets: api select insert update delete; worker select; reader select (name key_id description pipelines usable_by_users version created_at created_by updated_at updated_by)
    elt.sessions: api select insert update delete; worker select delete
    elt.shares: api select insert delete; reader select
    elt.table_rewrites:
    elt.target_outages: api select; worker select insert update delete; reader select
    elt.users: api select insert update delete; reader select (id username role disabled tokens_after created_at)
    elt.workers: api select; worker select insert update delete; reader select
    ");
}

#[tokio::test]
async fn functions_can_be_called_by_the_roles_that_need_them_only() {
    let control = Control::start().await;
    let functions: Vec<String> = sqlx::query_scalar(
        "select n.nspname || '.' || p.proname || ': ' || role
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         cross join unnest(array['elt_api', 'elt_worker', 'elt_reader', 'elt_it_target']) as role
         where n.nspname in ('elt', 'apalis') and has_function_privilege(role, p.oid, 'execute')
         order by 1",
    )
    .fetch_all(&control.db)
    .await
    .expect("the functions");
    insta::assert_snapshot!(functions.join("\n"), @r"
    apalis.get_jobs: elt_worker
    elt.remove_old_audit: elt_worker
    ");
}

#[tokio::test]
async fn no_role_of_the_app_may_alter_anything() {
    let control = Control::start().await;
    for role in ["elt_api", "elt_worker", "elt_reader"] {
        for statement in [
            "update elt.audit set actor = 'nobody'",
            "delete from elt.audit",
            "truncate elt.audit",
            "alter table elt.audit disable trigger all",
            "drop trigger audit_is_kept on elt.audit",
            "create table elt.more ()",
            "create table apalis.more ()",
            "create table public.more ()",
            "create schema more",
            "drop table elt.runs",
            "truncate elt.runs",
            "create trigger more before insert on elt.runs for each row execute function elt.keep_the_audit()",
            "create or replace function elt.keep_the_audit() returns trigger language plpgsql as 'begin return null; end'",
            "set session_replication_role = replica",
            "create role more",
        ] {
            let mut tx = control.db.begin().await.expect("a transaction");
            let become_role = AssertSqlSafe(format!("set local role {role}"));
            sqlx::query(become_role).execute(&mut *tx).await.expect("the role");
            let refused = sqlx::query(statement).execute(&mut *tx).await;
            let code = refused.err().and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {statement}");
        }
    }
}

/// The first event of the stream of a run.
async fn first_event(app: &TestApp, run: &Value) -> String {
    let response = app.get(&format!("/runs/{}/events", run.as_str().expect("an id"))).open().await;
    assert_eq!(response.status(), 200);
    let mut chunks = response.bytes_stream();
    let chunk = tokio::time::timeout(PATIENCE, chunks.next()).await.expect("an event in time");
    String::from_utf8_lossy(&chunk.expect("an event").expect("a chunk")).into_owned()
}

#[tokio::test]
async fn the_main_job_needs_no_more_than_the_rights_of_api_and_workers() {
    let app = TestApp::start_with(|options| options.separate_logins = true).await;
    app.folder().write("a.csv", "id,name\n1,Ann\n2,Bob\n");
    let yaml = app.yaml("people", "");
    app.post("/upload-config").yaml(&yaml).await.ok();
    let run = app.trigger(&yaml).await;
    assert!(!first_event(&app, &run["id"]).await.is_empty());
    let run = app.finished(&run["id"]).await;
    assert_eq!(run["rows_inserted"], 2);
    for path in ["/runs", "/configs/plan", "/schedules", "/audit", "/logs", "/workers", "/overview", "/history"] {
        if path == "/configs/plan" {
            let plan = app.post(path).yaml(&yaml).await;
            app.finished(&plan["id"]).await;
        } else {
            let answer = app.get(path).await;
            assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
        }
    }
    // A schedule that monitors, and stops.
    app.folder().write("b.csv", "id,name\n3,Cid\n");
    let monitored = yaml.replace("monitor: {enabled: false}", "monitor: {enabled: true, interval_seconds: 1}");
    let started = app.post("/trigger-job").yaml(&monitored).await.ok();
    app.finished(&started["run_id"]).await;
    app.folder().write("c.csv", "id,name\n4,Dan\n");
    app.eventually(async || (app.count("people").await == 4).then_some(())).await.expect("the tick loaded the file");
    let schedules = app.get("/schedules").await.ok();
    for schedule in schedules["data"].as_array().expect("schedules") {
        let path = format!("/schedules/{}/stop", schedule["id"].as_str().expect("an id"));
        let stopped = app.post(&path).await;
        assert!(stopped.status.as_u16() < 500, "{}", stopped.text);
    }
    // People, and what was rejected and repeated.
    let user = json!({ "username": "ann", "password": "correct horse battery", "role": "user" });
    app.post("/users").json(user).await.ok();
    let retried = app.post(&format!("/runs/{}/retry", run["id"].as_str().expect("an id"))).await;
    assert!(retried.status.as_u16() < 500, "{}", retried.text);
    let undone = app.post(&format!("/runs/{}/undo", run["id"].as_str().expect("an id"))).await;
    assert!(undone.status.as_u16() < 500, "{}", undone.text);
    app.finished_all().await;
    let failed: Vec<Value> = app.control("select message, fields from elt.log_lines where level = 'ERROR'").await;
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn retention_needs_no_more_than_the_rights_of_a_worker() {
    use elt_shared::queue::retention::{self, Keep, Kind};
    let app = TestApp::start_with(|options| options.separate_logins = true).await;
    let worker = &app.worker_db;
    app.execute(
        "insert into log_lines (at, level, target, message, process) values ('2020-01-01', 'INFO', 't', 'm', 'p')",
    )
    .await;
    let keys = app.worker_settings.keys.as_deref();
    let delete = async |kind, keep: Keep| {
        let cleaned = retention::clean(worker, kind, &keep, keys).await;
        cleaned.unwrap_or_else(|error| panic!("{kind:?}: {error}")).removed
    };
    for kind in Kind::OF_CONTROL {
        let lines = u64::from(kind == Kind::LogLines);
        assert_eq!(delete(kind, Keep::default()).await, lines, "{kind:?}");
    }
    let keys = keys.expect("keys");
    // As if the rows were old enough.
    app.execute(
        "create or replace function elt.audit_is_kept_for() returns interval language sql stable as \
         $$ select interval '0' $$",
    )
    .await;
    let user = json!({ "username": "ann", "password": "correct horse battery", "role": "user" });
    app.post("/users").json(user).await.ok();
    let rows = app.control("select count(*) as rows from elt.audit").await[0]["rows"].as_u64().expect("a number");
    assert!(rows > 0);
    assert_eq!(delete(Kind::Audit, Keep { audit: 0, ..Keep::default() }).await, rows);
    let mut connection = app.db.acquire().await.expect("a connection");
    let verdict = elt_shared::store::audit::verify(&mut connection, keys, None).await.expect("verified");
    assert_eq!((verdict.verified, verdict.problem), (0, None), "the chain goes on where it was cut");
}

#[tokio::test]
async fn the_api_may_delete_a_config_version_with_the_rights_of_its_role() {
    let app = TestApp::start_with(|options| options.separate_logins = true).await;
    let first = app.post("/upload-config").yaml(&app.yaml("people", "")).await.ok();
    app.post("/upload-config").yaml(&app.yaml("people", "# newer\n")).await.ok();
    let deleted = app.delete(&format!("/configs/{}", first["id"])).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
}
