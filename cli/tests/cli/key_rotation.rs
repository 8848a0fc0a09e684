//! `elt keys`: a new secret key, made or given, while servers and workers run.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use elt_shared::secret::{KeyRing, Sealed, context};
use elt_shared::store::{configs, secret_keys};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::keys::{KEY, OTHER, close, database, ring, store_in_clear, text, with_key};
use crate::support::{Folder, PASSWORD, PATIENCE, Running, Said, client::Client, elt, run, run_with, up};

const YAML: &str = "sources: [{type: local, settle_seconds: 0, path: in}]\ntarget: {table: people}\n\
                    monitor: {enabled: false}\n";

fn said(folder: &Folder, arguments: &[&str]) -> Said {
    run(elt(folder, arguments))
}

/// What `elt keys show --json` says of the keys.
fn shown(folder: &Folder) -> Vec<Value> {
    let said = said(folder, &["keys", "show", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let shown: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(shown["in_clear"], 0);
    shown["keys"].as_array().expect("keys").clone()
}

/// The current secret key in the data folder.
fn kept_key(folder: &Folder) -> String {
    let text = fs::read_to_string(folder.path().join("data/keys.json")).expect("the keys");
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    kept["secret_key"].as_str().expect("a key").to_owned()
}

/// A second factor of `admin`, as the API seals it.
async fn add_second_factor(db: &PgPool, ring: &KeyRing) -> Uuid {
    let admin: Uuid = sqlx::query_scalar("select id from elt.users").fetch_one(db).await.expect("the admin");
    secret_keys::register(db, ring).await.expect("registered");
    let sealed = ring.seal(&context("second_factors", &admin.to_string(), "secret"), b"a shared secret");
    sqlx::query("insert into elt.second_factors (user_id, key_id, sealed) values ($1, $2, $3)")
        .bind(admin)
        .bind(sealed.key_id)
        .bind(sealed.bytes)
        .execute(db)
        .await
        .expect("added");
    admin
}

async fn second_factor(db: &PgPool) -> Sealed {
    let (key_id, bytes) =
        sqlx::query_as("select key_id, sealed from elt.second_factors").fetch_one(db).await.expect("the second factor");
    Sealed { key_id, bytes }
}

#[tokio::test]
async fn the_data_folders_key_is_exchanged_while_elt_runs() {
    let folder = Folder::new();
    folder.write("in/a.csv", "id\n1\n");
    let running = up(&folder, &[]);
    let client = Client::log_in(&running.url).await;
    let first = client.trigger(YAML, None).await;
    assert_eq!(client.wait_until_finished(&first).await["state"], "succeeded");
    let before = kept_key(&folder);
    let opened = database(&folder).await;
    let admin = add_second_factor(&opened.1, &ring(&before)).await;
    let stored = run_with(elt(&folder, &["secret", "set", "shop"]), "hunter2\n");
    assert_eq!(stored.code, Some(0), "{}", stored.stderr);
    let keys = shown(&folder);
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (&keys[0]["state"], &keys[0]["sealed"]),
        (
            &json!("seals"),
            &json!({ "channels": 0, "configs": 1, "refresh_tokens": 0, "second_factors": 1, "secrets": 1 })
        )
    );

    let rotated = said(&folder, &["keys", "rotate"]);
    assert_eq!(rotated.code, Some(0), "{}", rotated.stderr);
    assert!(rotated.stdout.contains("sealed 3 values"), "{}", rotated.stdout);
    let now = kept_key(&folder);
    assert_ne!(now, before);
    let file = folder.path().join("data/keys.json").metadata().expect("the keys");
    assert_eq!(file.mode() & 0o777, 0o600);
    let keys = shown(&folder);
    assert_eq!(
        (&keys[0]["state"], &keys[0]["sealed"]),
        (
            &json!("seals"),
            &json!({ "channels": 0, "configs": 1, "refresh_tokens": 0, "second_factors": 1, "secrets": 1 })
        )
    );
    assert_eq!(
        (&keys[1]["state"], &keys[1]["sealed"]),
        (
            &json!("opens"),
            &json!({ "channels": 0, "configs": 0, "refresh_tokens": 0, "second_factors": 0, "secrets": 0 })
        )
    );
    let place = context("second_factors", &admin.to_string(), "secret");
    let secret = ring(&now).open(&place, &second_factor(&opened.1).await).expect("it opens with the new key alone");
    assert_eq!(secret, b"a shared secret");

    // What runs uses the new key: it opens, recognises and seals.
    let config = client.get("/config/1").await;
    assert_eq!(config["yaml_content"], YAML);
    for yaml in [YAML.to_owned(), YAML.replace("people", "pets")] {
        let again = client.trigger(&yaml, None).await;
        assert_eq!(client.wait_until_finished(&again).await["state"], "succeeded");
    }
    let versions = configs::list(&opened.1, None, None, 10).await.expect("the versions");
    assert_eq!(versions.len(), 2, "the text of the first version is recognised");
    for version in versions {
        version.open(&ring(&now)).expect("it opens with the new key alone");
    }
    assert_eq!(said(&folder, &["audit", "verify"]).code, Some(0));
    running.stop();
    drop_the_key_before(&folder, &before, &now);
    let noted: Vec<String> = sqlx::query_scalar(
        "select action || ' ' || outcome from elt.audit where action like 'elt keys %' order by seq",
    )
    .fetch_all(&opened.1)
    .await
    .expect("the audit");
    let (rotate, refused) = ("elt keys rotate done", "elt keys drop failed");
    assert_eq!(noted, [rotate, rotate, refused, refused, refused, "elt keys drop done"]);
    close(opened).await;
}

fn drop_the_key_before(folder: &Folder, before: &str, now: &str) {
    let (old, new) = (ring(before).current_id(), ring(now).current_id());
    for (id, refusal) in [
        (new.as_str(), "seals everything new, so it cannot be dropped"),
        ("0123456789abcdef", "there is no secret key `0123456789abcdef`"),
        (&old, "rows of the audit are signed with the key"),
    ] {
        let refused = said(folder, &["keys", "drop", id]);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains(refusal) && refused.stderr.contains("what to do"), "{}", refused.stderr);
    }
    let dropped = said(folder, &["keys", "drop", &old, "--kept-elsewhere"]);
    assert_eq!(dropped.code, Some(0), "{}", dropped.stderr);
    let kept = fs::read_to_string(folder.path().join("data/keys.json")).expect("the keys");
    assert!(kept.contains(now) && !kept.contains(before));

    let unverified = said(folder, &["audit", "verify"]);
    assert_eq!(unverified.code, Some(1), "{}", unverified.stderr);
    assert!(unverified.stderr.contains("wrong_secret_key"), "{}", unverified.stderr);
    assert!(unverified.stderr.contains("ELT_SECRET_KEY_OLD"), "{}", unverified.stderr);
    let mut command = elt(folder, &["audit", "verify"]);
    command.env("ELT_SECRET_KEY_OLD", before);
    let verified = run(command);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
}

fn rotate_to_other(folder: &Folder) -> std::process::Command {
    let mut command = elt(folder, &["keys", "rotate"]);
    command.env("ELT_SECRET_KEY", OTHER).env("ELT_SECRET_KEY_OLD", KEY);
    command
}

/// How many versions a key seals.
async fn sealed_with(db: &PgPool, key: &str) -> i64 {
    let id = ring(key).current_id();
    let counted = sqlx::query_scalar("select count(*) from elt.config_history where key_id = $1").bind(id);
    counted.fetch_one(db).await.expect("counted")
}

#[tokio::test]
async fn a_rotation_that_was_killed_goes_on_and_leaves_out_what_does_not_open() {
    const VERSIONS: i32 = 60;
    let folder = Folder::new();
    let opened = database(&folder).await;
    let db = &opened.1;
    assert_eq!(said(&folder, &["migrate"]).code, Some(0));
    for number in 1..=VERSIONS {
        store_in_clear(db, number).await;
    }
    assert_eq!(with_key(&folder, &["migrate"], KEY).code, Some(0));
    sqlx::query(
        "update elt.config_history set yaml_sealed = set_byte(yaml_sealed, 30, 1 + get_byte(yaml_sealed, 30) % 255)
                 where version = 7",
    )
    .execute(db)
    .await
    .expect("damaged");

    // The second batch waits for this row.
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query("select from elt.config_history where version = 40 for update")
        .execute(&mut *tx)
        .await
        .expect("locked");
    let rotation = Running::start(rotate_to_other(&folder));
    let deadline = Instant::now() + PATIENCE;
    while sealed_with(db, OTHER).await == 0 {
        assert!(Instant::now() < deadline, "the first batch was never sealed: {}", rotation.said);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(rotation);
    tx.rollback().await.expect("rolled back");
    // The server notices a moment later that the process is gone.
    let held = "select count(*) from pg_locks where locktype = 'advisory'";
    while sqlx::query_scalar::<_, i64>(held).fetch_one(db).await.expect("counted") > 0 {
        assert!(Instant::now() < deadline, "the killed process still has its turn");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let sealed = sealed_with(db, OTHER).await;
    assert!(sealed > 0 && sealed < i64::from(VERSIONS), "{sealed}");
    let noted: i64 =
        sqlx::query_scalar("select count(*) from elt.table_rewrites").fetch_one(db).await.expect("counted");
    assert_eq!(noted, 1, "the table is rewritten the next time");

    let again = run(rotate_to_other(&folder));
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(
        again.stderr.contains("1 values stay as they are; the first: could not open config version 7"),
        "{}",
        again.stderr
    );
    assert!(again.stderr.contains("Everything else is sealed with the new key"), "{}", again.stderr);
    assert_eq!((sealed_with(db, OTHER).await, sealed_with(db, KEY).await), (i64::from(VERSIONS) - 1, 1));
    let noted: i64 =
        sqlx::query_scalar("select count(*) from elt.table_rewrites").fetch_one(db).await.expect("counted");
    assert_eq!(noted, 0);
    for version in configs::list(db, None, None, 100).await.expect("the versions") {
        if version.version != 7 {
            let opened = version.open(&ring(OTHER)).expect("it opens with the new key alone");
            assert_eq!(opened.expose(), text(version.version));
        }
    }
    sqlx::query("delete from elt.config_history where version = 7").execute(db).await.expect("deleted");
    let nothing = run(rotate_to_other(&folder));
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
    assert!(nothing.stdout.contains("everything is sealed with the key"), "{}", nothing.stdout);
    close(opened).await;
}

#[tokio::test]
async fn a_value_that_does_not_open_keeps_no_new_key_away() {
    let folder = Folder::new();
    up(&folder, &[]).stop();
    let first = kept_key(&folder);
    let opened = database(&folder).await;
    add_second_factor(&opened.1, &ring(&first)).await;
    sqlx::query("update elt.second_factors set sealed = '\\x00'").execute(&opened.1).await.expect("damaged");
    let mut keys = vec![first];
    for _ in 0..2 {
        let said = said(&folder, &["keys", "rotate"]);
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        assert!(said.stderr.contains("could not open the second factor of user"), "{}", said.stderr);
        assert!(!keys.contains(&kept_key(&folder)), "a new key was made");
        keys.push(kept_key(&folder));
    }
    assert_eq!(second_factor(&opened.1).await.key_id, ring(&keys[0]).current_id());
    let refused = said(&folder, &["keys", "drop", &ring(&keys[0]).current_id()]);
    assert!(refused.stderr.contains("still seals 1 second factors, so it cannot be dropped"), "{}", refused.stderr);
    close(opened).await;
}

/// How many rows name a key, of those that are sealed and of the audit.
async fn rows_of(db: &PgPool, key_id: &str) -> i64 {
    sqlx::query_scalar(
        "select (select count(*) from elt.config_history where key_id = $1)
              + (select count(*) from elt.secrets where key_id = $1)
              + (select count(*) from elt.second_factors where key_id = $1)
              + (select count(*) from elt.secret_keys where key_id = $1)
              + (select count(*) from elt.audit where key_id = $1)
              + (select count(*) from elt.audit_chain where key_id = $1)",
    )
    .bind(key_id)
    .fetch_one(db)
    .await
    .expect("counted")
}

#[tokio::test]
async fn a_process_that_still_has_a_dropped_key_as_its_current_one_seals_and_signs_nothing() {
    let folder = Folder::new();
    let running = up(&folder, &[("ELT_SECRET_KEY", KEY), ("ELT_SECRET_KEY_OLD", OTHER)]);
    let client = Client::log_in(&running.url).await;
    let secret = json!({ "value": "hunter2", "pipelines": ["*"] });
    assert_eq!(client.send(Method::PUT, "/secrets/shop", &secret).await.0, 201);
    let opened = database(&folder).await;
    let (db, dropped) = (&opened.1, ring(KEY).current_id());

    let rotated = run(rotate_to_other(&folder));
    assert_eq!(rotated.code, Some(0), "{}", rotated.stderr);
    let mut command = elt(&folder, &["keys", "drop", &dropped, "--kept-elsewhere"]);
    command.env("ELT_SECRET_KEY", OTHER).env("ELT_SECRET_KEY_OLD", KEY);
    let said = run(command);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let before = rows_of(db, &dropped).await;

    let refused = client.try_trigger(YAML, None).await;
    assert_eq!((&refused["status"], &refused["code"]), (&json!(503), &json!("secret_key_dropped")), "{refused}");
    for (method, path, body) in [
        (Method::PUT, "/secrets/shop", &secret),
        (Method::PUT, "/secrets/other", &secret),
        (
            Method::PUT,
            "/secrets/shop",
            &json!({ "description": "nothing is sealed, but a row of the audit is signed" }),
        ),
        (Method::POST, "/auth/second-factor", &json!({ "password": PASSWORD })),
    ] {
        let (status, problem) = client.send(method, path, body).await;
        assert_eq!((status, &problem["code"]), (503, &json!("secret_key_dropped")), "{path}: {problem}");
        assert!(problem["next_step"].as_str().expect("a step").contains("Start the process again"), "{problem}");
    }
    assert_eq!(rows_of(db, &dropped).await, before, "nothing was sealed or signed with the dropped key");
    drop(running);

    // Neither does a process start with it, nor is it made known again.
    for arguments in [
        &["up", "--listen", "127.0.0.1:0"][..],
        &["keys", "rotate"],
        &["keys", "show"],
        &["keys", "drop", "0123456789abcdef"],
        &["secret", "remove", "shop"],
        &["run", "--once", "people.yaml"],
    ] {
        folder.write("people.yaml", YAML);
        let mut command = elt(&folder, arguments);
        command.env("ELT_SECRET_KEY", KEY).env("ELT_SECRET_KEY_OLD", OTHER);
        let said = run(command);
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        assert!(
            said.stderr.contains(&format!("error: secret_key_dropped: the secret key {dropped} was dropped")),
            "{}",
            said.stderr
        );
    }
    assert_eq!(with_key(&folder, &["keys", "show"], OTHER).code, Some(0), "the key that is left opens everything");
    close(opened).await;
}
