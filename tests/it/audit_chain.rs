//! The audit's chain: a row is written with what it notes or not at all, and nothing of it can change unnoticed.

use std::time::Instant;

use chrono::Utc;
use elt_shared::queue::retention::{self, Keep, Kind};
use elt_shared::secret::KeyRing;
use elt_shared::store::audit::{self, NewAuditRow, Problem, Verdict};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::TestApp;
use crate::support::control::Control;

fn keys() -> KeyRing {
    KeyRing::of("a secret key of the tests, at least 32 bytes".into(), Vec::new()).expect("a key")
}

async fn append(db: &PgPool, keys: &KeyRing, action: &str, detail: Value) {
    let row = NewAuditRow {
        actor: "ann",
        ip: Some("127.0.0.1"),
        action,
        object: Some("run 1"),
        outcome: "done",
        detail,
        request_id: None,
    };
    let mut tx = db.begin().await.expect("a transaction");
    audit::append(&mut tx, keys, row).await.expect("appended");
    tx.commit().await.expect("committed");
}

/// A control database whose audit has `rows` rows.
async fn with_rows(rows: usize) -> Control {
    let control = Control::start().await;
    for row in 0..rows {
        append(&control.db, &keys(), &format!("POST /rows/{row}"), json!({ "status": 200, "n": 1.50, "b": {"a": 1} }))
            .await;
    }
    control
}

async fn verify(control: &Control) -> Verdict {
    let mut connection = control.db.acquire().await.expect("a connection");
    audit::verify(&mut connection, &keys(), None).await.expect("verified")
}

/// Changes the audit as a superuser who knows its triggers.
async fn tamper(control: &Control, statement: &str) {
    let mut tx = control.db.begin().await.expect("a transaction");
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.expect("no triggers");
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await.expect(statement);
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn whatever_a_superuser_changes_is_named() {
    let rows = "row 3 (";
    for (statement, problem) in [
        ("update audit set actor = 'bob' where seq = 3", rows),
        ("update audit set detail = '{}' where seq = 3", rows),
        ("update audit set at = at + interval '1 microsecond' where seq = 3", rows),
        ("update audit set ip = null, object = '127.0.0.1run 1' where seq = 3", rows),
        ("update audit set hash = sha256(hash) where seq = 3", rows),
        ("delete from audit where seq = 3", "row 3 is missing"),
        ("delete from audit where seq = 1", "row 1 is missing"),
        ("delete from audit where seq = 5", "the rows after 4 are missing: the chain ends at 5"),
        ("delete from audit", "the rows after 0 are missing: the chain ends at 5"),
        (
            "with gone as (delete from audit where seq = 5)
             update audit_chain set head_seq = 4, head_hash = (select hash from audit where seq = 4)",
            "the end of the chain is not the one that was signed: rows may have been removed there",
        ),
        (
            "with gone as (delete from audit where seq = 1)
             update audit_chain set anchor_seq = 1, anchor_hash = (select hash from audit where seq = 1)",
            "the end of the chain is not the one that was signed: rows may have been removed there",
        ),
        (
            "insert into audit (id, actor, action, outcome) values (gen_random_uuid(), 'ann', 'POST /forged', 'done')",
            "1 rows are not in the chain, and 0 should be",
        ),
        (
            "insert into audit (id, actor, action, outcome, seq, key_id, hash)
             select gen_random_uuid(), 'ann', 'POST /forged', 'done', 6, key_id, sha256(hash) from audit where seq = 5",
            "row 6",
        ),
    ] {
        let control = with_rows(5).await;
        assert_eq!(verify(&control).await.problem, None);
        tamper(&control, statement).await;
        let found = verify(&control).await.problem.unwrap_or_else(|| panic!("unnoticed: {statement}"));
        assert!(found.to_string().starts_with(problem), "{statement}: {found}");
        // A row that is added later hides nothing. After a forged row at its place it cannot even be added.
        if !statement.contains("'done', 6") {
            append(&control.db, &keys(), "POST /later", json!({})).await;
            assert!(verify(&control).await.problem.is_some(), "hidden by a later row: {statement}");
        }
    }
}

#[tokio::test]
async fn a_row_known_from_an_earlier_verification_must_still_be_there() {
    let control = with_rows(3).await;
    let head = verify(&control).await.head;
    let (seq, hash) = head.split_once(':').expect("a head");
    let hash: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&hash[at..at + 2], 16).expect("hexadecimal")).collect();
    let known = Some((seq.parse().expect("a number"), hash));
    // Somebody sets the whole audit back to the day it was made, and elt begins a new chain.
    tamper(&control, "delete from audit").await;
    tamper(
        &control,
        "update audit_chain set head_seq = 0, head_hash = decode(repeat('00', 32), 'hex'), key_id = null, mac = null",
    )
    .await;
    for row in 0..3 {
        append(&control.db, &keys(), &format!("POST /other/{row}"), json!({})).await;
    }
    let mut connection = control.db.acquire().await.expect("a connection");
    let found = audit::verify(&mut connection, &keys(), known).await.expect("verified").problem;
    assert_eq!(found, Some(Problem::Known { seq: 3 }));
}

#[tokio::test]
async fn a_forged_row_without_the_key_does_not_fit() {
    let control = with_rows(2).await;
    let stranger = KeyRing::of("another key that a stranger has, 32 bytes".into(), Vec::new()).expect("a key");
    // A process with the stranger's key adds nothing by itself, so the ends are forged first.
    sqlx::query("update audit_chain set key_id = null, mac = null").execute(&control.db).await.expect("forged");
    append(&control.db, &stranger, "POST /forged", json!({})).await;
    let found = verify(&control).await.problem.expect("noticed");
    assert_eq!(found.code().as_str(), "wrong_secret_key");
    assert!(found.to_string().starts_with("row 3 was written with the secret key"), "{found}");
}

#[tokio::test]
async fn a_process_with_another_key_adds_and_removes_nothing_and_the_audit_stays_intact() {
    let control = with_rows(2).await;
    let other = KeyRing::of("another key of another installation, 32 bytes".into(), Vec::new()).expect("a key");
    let row = NewAuditRow {
        actor: "cli:ann",
        ip: None,
        action: "user add",
        object: None,
        outcome: "done",
        detail: json!({}),
        request_id: None,
    };
    let mut tx = control.db.begin().await.expect("a transaction");
    let refused = audit::append(&mut tx, &other, row).await.expect_err("another key");
    assert!(refused.to_string().contains("signed with another secret key"), "{refused}");
    drop(tx);
    audit::remove_old(&control.db, &other, Utc::now(), 10).await.expect_err("another key");
    append(&control.db, &keys(), "POST /after", json!({})).await;
    let verdict = verify(&control).await;
    assert_eq!((verdict.verified, verdict.problem), (3, None));
}

#[tokio::test]
async fn rows_of_an_older_key_verify_when_it_is_given() {
    let control = with_rows(2).await;
    let old = "a secret key of the tests, at least 32 bytes";
    let rotated = KeyRing::of("a new secret key of the tests, 32 bytes".into(), vec![old.into()]).expect("keys");
    append(&control.db, &rotated, "POST /after", json!({})).await;
    let mut connection = control.db.acquire().await.expect("a connection");
    let verdict = audit::verify(&mut connection, &rotated, None).await.expect("verified");
    assert_eq!((verdict.verified, verdict.problem), (3, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_replicas_make_one_chain() {
    let control = Control::start().await;
    let began = Instant::now();
    let replicas = (0..8).map(|replica| {
        let db = control.db.clone();
        tokio::spawn(async move {
            let mut slowest = std::time::Duration::ZERO;
            for row in 0..50 {
                let one = Instant::now();
                append(&db, &keys(), &format!("POST /replicas/{replica}/{row}"), json!({ "status": 200 })).await;
                slowest = slowest.max(one.elapsed());
            }
            slowest
        })
    });
    let slowest = futures::future::join_all(replicas).await.into_iter().map(|done| done.expect("appended")).max();
    println!("400 rows by 8 replicas in {:?}, the slowest one in {slowest:?}", began.elapsed());
    let verdict = verify(&control).await;
    assert_eq!((verdict.verified, verdict.problem), (400, None));
}

#[tokio::test]
async fn odd_characters_and_sizes_lose_no_row() {
    let control = Control::start().await;
    for text in ["\0", "a\0b", "\u{feff}\u{202e}", "\u{10ffff}", "'; drop table audit; --"] {
        append(&control.db, &keys(), text, json!({ text: [text, { "x": text }], "big": u64::MAX, "small": 1e-300 }))
            .await;
    }
    append(&control.db, &keys(), &"x".repeat(100_000), json!({ "long": "y".repeat(100_000) })).await;
    let verdict = verify(&control).await;
    assert_eq!((verdict.verified, verdict.problem), (6, None));
}

#[tokio::test]
async fn retention_keeps_a_chain_that_verifies() {
    let control = with_rows(6).await;
    let keep = Keep { audit: 0, ..Keep::default() };
    let delete =
        async || retention::clean(&control.db, Kind::Audit, &keep, Some(&keys())).await.expect("retention").removed;
    assert_eq!(delete().await, 0, "too young");
    control
        .execute(
            "create or replace function elt.audit_is_kept_for() returns interval language sql stable as \
                     $$ select interval '0' $$",
        )
        .await;
    let cutoff: chrono::DateTime<Utc> =
        sqlx::query_scalar("select at from audit where seq = 4").fetch_one(&control.db).await.expect("a row");
    let removed = audit::remove_old(&control.db, &keys(), cutoff, 2).await.expect("a batch");
    assert_eq!(removed, 2);
    assert_eq!(audit::remove_old(&control.db, &keys(), cutoff, 100).await.expect("a batch"), 1);
    assert_eq!(audit::remove_old(&control.db, &keys(), cutoff, 100).await.expect("a batch"), 0);
    let verdict = verify(&control).await;
    assert_eq!((verdict.verified, verdict.anchor, verdict.problem), (3, 3, None));
    append(&control.db, &keys(), "POST /later", json!({})).await;
    assert_eq!(verify(&control).await.verified, 4);
    // All of them: the chain goes on from the anchor.
    assert_eq!(delete().await, 4);
    append(&control.db, &keys(), "POST /later", json!({})).await;
    let verdict = verify(&control).await;
    assert_eq!((verdict.verified, verdict.anchor, verdict.problem), (1, 7, None));
}

#[tokio::test]
async fn a_change_and_its_row_are_one_transaction() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("a.csv", "id\n1\n");
    let user = json!({ "username": "ann", "password": "correct horse battery", "role": "user" });
    app.post("/users").json(user).await.ok();
    app.post("/trigger-job").yaml(&app.yaml("people", "")).await.ok();
    app.post("/upload-config").yaml(&app.yaml("others", "")).await.ok();
    let together = app
        .control(
            "select a.action, a.outcome from elt.audit a where
                 exists (select from elt.users u where u.xmin = a.xmin)
                 or exists (select from elt.runs r where r.xmin = a.xmin)
                 or exists (select from elt.config_history c where c.xmin = a.xmin)
                 or exists (select from elt.sessions s where s.xmin = a.xmin)
             order by a.seq",
        )
        .await;
    let actions: Vec<&str> = together.iter().map(|row| row["action"].as_str().expect("an action")).collect();
    assert_eq!(actions, ["POST /auth/login", "POST /users", "POST /trigger-job", "POST /upload-config"]);
    let all = app.control("select count(*) as rows from elt.audit").await;
    assert_eq!(all[0]["rows"], 4, "one row for each call");
}

/// What the control database holds, beside log lines, the audit and counted logins.
async fn everything(app: &TestApp) -> Vec<Value> {
    app.control(
        "select (select jsonb_agg(u) from elt.users u) as users, (select jsonb_agg(r) from elt.runs r) as runs,
                (select jsonb_agg(s) from elt.schedules s) as schedules,
                (select jsonb_agg(c.name) from elt.config_history c) as configs,
                (select jsonb_agg(k) from elt.known_hosts k) as known_hosts,
                (select jsonb_agg(to_jsonb(s) - 'last_seen_at') from elt.sessions s) as sessions",
    )
    .await
}

#[tokio::test]
async fn nothing_changes_that_cannot_be_noted() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("a.csv", "id\n1\n");
    let yaml = app.yaml("people", "");
    let run = app.post("/trigger-job").yaml(&yaml).await.ok();
    let user = json!({ "username": "ann", "password": "correct horse battery", "role": "user" });
    let ann = app.post("/users").json(user).await.ok();
    let schedule = json!({ "config_id": run["config_id"], "cron": "0 3 * * *" });
    let schedule = app.post("/schedules").json(schedule).await.ok();
    app.execute(
        "insert into known_hosts (host, port, algorithm, fingerprint, public_key, trusted)
                 values ('h', 22, 'ssh-ed25519', 'SHA256:x', 'k', false)",
    )
    .await;
    app.execute(
        "create function elt.full() returns trigger language plpgsql as \
                 $$ begin raise exception 'disk full' using errcode = '53100'; end $$",
    )
    .await;
    app.execute("create trigger audit_is_full before insert on elt.audit for each row execute function elt.full()")
        .await;
    let before = everything(&app).await;
    let (ann, schedule, run) = (&ann["id"], &schedule["id"], &run["run_id"]);
    let path = |before: &str, id: &Value, after: &str| format!("{before}{}{after}", id.as_str().expect("an id"));
    let key = json!({ "host": "h", "port": 22, "fingerprint": "SHA256:x" });
    for request in [
        app.post("/users").json(json!({ "username": "bob", "password": "correct horse battery", "role": "user" })),
        app.patch(&path("/users/", ann, "")).json(json!({ "role": "admin" })),
        app.delete(&path("/users/", ann, "")),
        app.post("/upload-config").yaml(&app.yaml("others", "")),
        app.post("/trigger-job").yaml(&app.yaml("others", "")),
        app.post("/configs/plan").yaml(&yaml),
        app.post("/configs/test-connection").yaml(&yaml),
        app.post(&path("/runs/", run, "/stop")),
        app.post(&path("/schedules/", schedule, "/pause")),
        app.post(&path("/schedules/", schedule, "/stop")),
        app.post("/known-hosts/approve").json(key),
        app.delete("/known-hosts?host=h&port=22&fingerprint=SHA256:x"),
        app.post("/auth/login").as_nobody().json(json!({ "username": "admin", "password": "admin123" })),
        app.delete("/auth/sessions"),
        app.post("/auth/logout"),
        app.get("/config/1"),
        app.get("/audit/export"),
    ] {
        let answer = request.await;
        assert_eq!(answer.status, 503, "{}", answer.text);
    }
    assert_eq!(everything(&app).await, before);
}

#[tokio::test]
async fn a_refused_read_of_a_secret_leaves_one_row() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.post("/upload-config").yaml(&app.yaml("people", "")).await.ok();
    app.get("/config/1").as_user().await.problem(403);
    app.get("/audit/export").as_user().await.problem(403);
    app.get("/config/1").await.ok();
    app.get("/config/1").as_nobody().await.problem(401);
    let rows = app
        .control("select actor, action, outcome, detail from elt.audit where action like 'GET %' order by seq")
        .await;
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {} {} {}", row["actor"], row["action"], row["outcome"], row["detail"]["path"]))
        .collect();
    assert_eq!(
        rows,
        [
            "\"user\" \"GET /config/{id}\" \"denied\" \"/config/1\"",
            "\"user\" \"GET /audit/export\" \"denied\" \"/audit/export\"",
            "\"admin\" \"GET /config/{id}\" \"done\" null"
        ]
    );
}

#[tokio::test]
async fn the_audit_is_filtered_exported_and_verified_over_http() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.post("/users")
        .json(json!({ "username": "=ann", "password": "correct horse battery", "role": "user" }))
        .await
        .ok();
    let found = app.get("/audit?object=ANN&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z").await.ok();
    assert_eq!(found["data"].as_array().expect("rows").len(), 1);
    let hash = found["data"][0]["hash"].as_str().expect("a hash");
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert!(found["data"][0]["key_id"].is_string());
    let none = app.get("/audit?to=2020-01-01T00:00:00Z").await.ok();
    assert_eq!(none["data"], json!([]));
    let lines = app.get("/audit/export").await;
    assert_eq!(lines.text.lines().count(), 3, "two calls and this export: {}", lines.text);
    let first: Value = serde_json::from_str(lines.text.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["seq"], &first["action"]), (&json!(1), &json!("POST /auth/login")));
    let csv = app.get("/audit/export?format=csv&actor=admin").await;
    assert!(csv.text.starts_with("seq,id,at,actor,"), "{}", csv.text);
    app.get("/audit/export?format=xml").await.problem(400);
    let verdict = app.get("/audit/verification").await.ok();
    assert_eq!((&verdict["intact"], &verdict["problem"]), (&json!(true), &Value::Null), "{verdict}");
    app.execute("alter table elt.audit disable trigger all").await;
    app.execute("update elt.audit set outcome = 'denied' where seq = 2").await;
    let verdict = app.get("/audit/verification").await.ok();
    assert_eq!((&verdict["intact"], &verdict["code"]), (&json!(false), &json!("audit_row_changed")), "{verdict}");
}
