//! Sealing in batches: nothing that was replaced stays in the files of a table, and what does not open stays as it is.

use std::time::{Duration, Instant};

use elt_shared::config::content_key;
use elt_shared::secret::{KeyRing, context};
use elt_shared::store::secret_keys::DroppedKey;
use elt_shared::store::{configs, reseal, secret_keys, secrets};
use elt_shared::stored_secret::ChangeSecret;
use sqlx::AssertSqlSafe;

use crate::support::control::Control;

const OLD: &str = "the key before, at least 32 bytes long";
const NEW: &str = "the key of today, at least 32 bytes long";
/// Other tests may keep a transaction open for long.
const PATIENCE: Duration = Duration::from_secs(180);
const CANARY: &str = "c4n4ry-s3cr3t";

fn ring(key: &str, older: &[&str]) -> KeyRing {
    KeyRing::of(key.into(), older.iter().map(|key| (*key).into()).collect()).expect("keys")
}

async fn store_in_clear(control: &Control, version: i32) {
    let text = format!("name: p{version}\ntarget: {{table: t, password: {CANARY}}}\n");
    sqlx::query(
        "insert into config_history (version, name, yaml_content, content_key, yaml_preview, created_by, runnable,
                                     problems, warnings)
         values ($1, 'p', $2, $3, '', 'ann', false, '[]', '[]')",
    )
    .bind(version)
    .bind(&text)
    .bind(content_key(OLD.as_bytes(), &text).to_vec())
    .execute(&control.db)
    .await
    .expect("inserted");
}

/// Whether the file of a table has a text in it, in a row or in what is left of one.
async fn file_has(control: &Control, table: &str, bytes: &[u8]) -> bool {
    control.execute("checkpoint").await;
    let sql = format!("select position($1 in pg_read_binary_file(pg_relation_filepath('elt.{table}'))) > 0");
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(bytes).fetch_one(&control.db).await.expect("the file")
}

/// Drops a key, as `elt keys drop` does.
async fn forget(control: &Control, key_id: &str) -> sqlx::Result<()> {
    let mut tx = control.db.begin().await?;
    secret_keys::lock(&mut tx).await?;
    secret_keys::forget(&mut tx, key_id).await?;
    tx.commit().await
}

/// Rewrites the tables. Transactions of other tests on the same server may keep it waiting.
async fn rewrite(control: &Control) {
    let deadline = Instant::now() + PATIENCE;
    while reseal::rewrite_tables(&control.db).await.expect("asked") > 0 {
        assert!(Instant::now() < deadline, "the tables were never rewritten");
    }
}

#[tokio::test]
async fn text_in_clear_leaves_the_file_also_after_an_interruption() {
    let control = Control::start().await;
    for version in 1..=3 {
        store_in_clear(&control, version).await;
    }
    let keys = ring(OLD, &[]);
    secret_keys::register(&control.db, &keys).await.expect("registered");
    assert_eq!(configs::seal_batch(&control.db, &keys, 10).await.expect("sealed"), 3);
    assert!(file_has(&control, "config_history", CANARY.as_bytes()).await, "PostgreSQL keeps replaced rows");

    // The process was ended here. The next one has nothing left to seal.
    assert_eq!(reseal::seal_clear_rows(&control.db, &keys).await.expect("sealed"), 0);
    rewrite(&control).await;
    assert!(!file_has(&control, "config_history", CANARY.as_bytes()).await);
    let noted: i64 =
        sqlx::query_scalar("select count(*) from table_rewrites").fetch_one(&control.db).await.expect("counted");
    assert_eq!(noted, 0);
}

#[tokio::test]
async fn what_the_key_before_sealed_leaves_the_file_too() {
    let control = Control::start().await;
    let old = ring(OLD, &[]);
    secret_keys::register(&control.db, &old).await.expect("registered");
    let user: uuid::Uuid = sqlx::query_scalar(
        "insert into users (id, username, password_hash, role, tokens_after)
         values (gen_random_uuid(), 'ann', 'x', 'user', now()) returning id",
    )
    .fetch_one(&control.db)
    .await
    .expect("a user");
    let place = context("second_factors", &user.to_string(), "secret");
    let before = old.seal(&place, b"hunter2");
    sqlx::query("insert into second_factors (user_id, key_id, sealed) values ($1, $2, $3)")
        .bind(user)
        .bind(&before.key_id)
        .bind(&before.bytes)
        .execute(&control.db)
        .await
        .expect("a second factor");
    let refused = forget(&control, &before.key_id).await.expect_err("it seals something");
    assert!(refused.as_database_error().is_some_and(|error| error.is_foreign_key_violation()), "{refused}");

    let both = ring(NEW, &[OLD]);
    let done = reseal::seal_again(&control.db, &both).await.expect("sealed");
    assert_eq!((done.rows, done.unopened), (1, 0));
    assert!(file_has(&control, "second_factors", &before.bytes).await);
    rewrite(&control).await;
    assert!(!file_has(&control, "second_factors", &before.bytes).await);
    forget(&control, &before.key_id).await.expect("forgotten");
    let refused = secret_keys::register(&control.db, &old).await.expect_err("the key was dropped");
    let said = DroppedKey::of(&refused).unwrap_or_else(|| panic!("{refused}"));
    assert!(said.contains(&before.key_id), "{said}");
}

#[tokio::test]
async fn a_value_of_a_missing_key_or_a_damaged_one_stays_and_is_named() {
    let control = Control::start().await;
    for (version, key) in [(1, OLD), (2, "a key that nobody has any more, 32 b"), (3, OLD)] {
        store_in_clear(&control, version).await;
        let keys = ring(key, &[]);
        secret_keys::register(&control.db, &keys).await.expect("registered");
        configs::seal_batch(&control.db, &keys, 10).await.expect("sealed");
    }
    control.execute("update config_history set yaml_sealed = '\\x00' where version = 3").await;
    let done = reseal::seal_again(&control.db, &ring(NEW, &[OLD])).await.expect("sealed");
    assert_eq!((done.rows, done.unopened), (1, 2));
    let problem = done.first_problem.expect("a problem").to_string();
    assert!(problem.starts_with("could not open config version 2: it is sealed with the secret key"), "{problem}");
}

/// Stores a secret with a ring's current key, and says whether that was refused because the key was dropped.
async fn seals(control: &Control, keys: &KeyRing, name: &str) -> bool {
    let change = ChangeSecret { value: Some("hunter2".into()), ..ChangeSecret::default() };
    let mut tx = control.db.begin().await.expect("a transaction");
    let kept = match secrets::put(&mut tx, keys, (name, &change), "ann").await {
        Ok(kept) => kept.map(|_| ()).map_err(|error| panic!("{error}")),
        Err(error) => Err(error),
    };
    let ended = match kept {
        Ok(()) => tx.commit().await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => true,
        Err(error) if DroppedKey::of(&error).is_some() => false,
        Err(error) => panic!("{error}"),
    }
}

/// Drops a key after `pause` when nothing is sealed with it. Says whether it was dropped.
async fn drops(control: &Control, key_id: &str, pause: Duration) -> bool {
    tokio::time::sleep(pause).await;
    let mut tx = control.db.begin().await.expect("a transaction");
    secret_keys::lock(&mut tx).await.expect("locked");
    let uses = secret_keys::uses(&mut tx).await.expect("counted");
    if uses.iter().any(|usage| usage.key_id.as_deref() == Some(key_id)) {
        return false;
    }
    secret_keys::forget(&mut tx, key_id).await.expect("nothing references it");
    tx.commit().await.expect("committed");
    true
}

#[tokio::test]
async fn a_key_is_either_used_or_dropped_when_both_happen_at_once() {
    let control = Control::start().await;
    let deadline = Instant::now() + PATIENCE;
    let (mut used, mut dropped) = (0, 0);
    for round in 0_u64.. {
        let keys = ring(&format!("the key of round {round}, at least 32 bytes long"), &[]);
        if round % 2 == 0 {
            secret_keys::register(&control.db, &keys).await.expect("registered");
        }
        let (name, id) = (format!("secret-{round}"), keys.current_id());
        // Growing, so that each of the two is the first one in some rounds, also on a slow machine.
        let pause = Duration::from_micros(100 * (round % 100));
        let (sealed, gone) = tokio::join!(seals(&control, &keys, &name), drops(&control, &id, pause));
        assert_ne!(sealed, gone, "round {round}");
        used += u32::from(sealed);
        dropped += u32::from(gone);
        if used >= 5 && dropped >= 5 {
            return;
        }
        assert!(Instant::now() < deadline, "{used} used, {dropped} dropped");
    }
}

#[tokio::test]
async fn a_text_that_was_kept_under_two_keys_does_not_differ_from_itself() {
    let control = Control::start().await;
    for (version, key) in [(1, OLD), (2, NEW)] {
        let text = "name: p\ntarget: {table: t}\n".replace('\n', if version == 1 { "\n" } else { "\r\n" });
        sqlx::query(
            "insert into config_history (version, name, yaml_content, content_key, yaml_preview, created_by, runnable,
                                         problems, warnings)
             values ($1, 'p', $2, $3, '', 'ann', false, '[]', '[]')",
        )
        .bind(version)
        .bind(&text)
        .bind(content_key(key.as_bytes(), &text).to_vec())
        .execute(&control.db)
        .await
        .expect("inserted");
        configs::seal_batch(&control.db, &ring(key, &[]), 10).await.expect("sealed");
    }
    store_in_clear(&control, 3).await;
    configs::seal_batch(&control.db, &ring(OLD, &[]), 10).await.expect("sealed");
    let keys = ring(NEW, &[OLD]);
    let differs = async |one: usize, other: usize| {
        let versions = configs::list(&control.db, None, None, 10).await.expect("the versions");
        versions[3 - one].differs_from(&versions[3 - other], &keys).expect("both open")
    };
    assert!(!differs(1, 2).await && differs(1, 3).await, "before everything is sealed with one key");
    reseal::seal_again(&control.db, &keys).await.expect("sealed");
    assert!(!differs(1, 2).await && !differs(2, 1).await && !differs(2, 2).await);
    assert!(differs(1, 3).await && differs(3, 2).await);
}
