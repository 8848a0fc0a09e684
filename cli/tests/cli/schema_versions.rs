//! Programs of different releases on one control database.

use nix::sys::signal::Signal;
use serde_json::Value;
use sqlx::PgPool;

use crate::keys::{close, database};
use crate::support::{Folder, Running, elt, run, up};

/// A migration of a later release.
const LATER: i64 = 99_990_101_000_000;

async fn add_later_migration(db: &PgPool) {
    sqlx::query(
        "insert into elt._sqlx_migrations (version, description, success, checksum, execution_time)
         values ($1, 'of a later release', true, '\\x00', 0)",
    )
    .bind(LATER)
    .execute(db)
    .await
    .expect("inserted");
}

async fn rights(db: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select relname || coalesce(relacl::text, '') from pg_class where relnamespace = 'elt'::regnamespace",
    )
    .fetch_all(db)
    .await
    .expect("the rights")
}

fn check(folder: &Folder) -> (Option<i32>, Value) {
    let said = run(elt(folder, &["migrate", "--check", "--json"]));
    let found = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}{}", said.stdout, said.stderr));
    (said.code, found)
}

#[tokio::test]
async fn the_check_tells_what_an_upgrade_has_to_do_and_changes_nothing() {
    let folder = Folder::new();
    let opened = database(&folder).await;
    let db = &opened.1;

    let (code, found) = check(&folder);
    assert_eq!((code, &found["state"], &found["usable"]), (Some(5), &"behind".into(), &false.into()), "{found}");
    assert!(found["missing"].as_array().is_some_and(|missing| !missing.is_empty()), "{found}");
    let said = run(elt(&folder, &["migrate", "--check"]));
    assert_eq!(said.code, Some(5), "{}", said.stderr);
    assert!(said.stdout.contains("run `elt migrate`"), "{}", said.stdout);
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname in ('elt', 'apalis')")
        .fetch_one(db)
        .await
        .expect("counted");
    assert_eq!(tables, 0, "a check makes no table");

    assert_eq!(run(elt(&folder, &["migrate"])).code, Some(0));
    let (code, found) = check(&folder);
    assert_eq!((code, &found["state"]), (Some(0), &"up_to_date".into()), "{found}");
    close(opened).await;
}

#[tokio::test]
async fn a_program_works_on_the_schema_of_a_later_release_and_leaves_it_alone() {
    let folder = Folder::new();
    up(&folder, &[]).stop();
    let opened = database(&folder).await;
    let db = &opened.1;
    add_later_migration(db).await;
    sqlx::query("grant delete on elt.runs to elt_api").execute(db).await.expect("a right of the later release");
    let before = rights(db).await;

    let (code, found) = check(&folder);
    assert_eq!((code, &found["state"], &found["usable"]), (Some(6), &"newer".into(), &true.into()), "{found}");
    assert_eq!(found["unknown"], serde_json::json!([LATER]));
    let said = run(elt(&folder, &["migrate"]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("nothing to do"), "{}", said.stdout);
    up(&folder, &[]).stop();
    for (arguments, line) in [
        (&["serve", "--listen", "127.0.0.1:0"][..], "elt answers at"),
        (&["serve", "--migrate", "--listen", "127.0.0.1:0"], "elt answers at"),
        (&["worker"], "working on queue"),
    ] {
        let mut process = Running::start(elt(&folder, arguments));
        process.wait_for(line);
        process.signal(Signal::SIGTERM);
        assert_eq!(process.end().0.code(), Some(0), "{arguments:?}");
    }
    assert_eq!(run(elt(&folder, &["user", "list"])).code, Some(0));
    assert_eq!(rights(db).await, before, "the rights of the later release stay");
    close(opened).await;
}

#[tokio::test]
async fn a_schema_that_a_program_cannot_use_refuses_it_and_names_the_release_to_install() {
    let folder = Folder::new();
    up(&folder, &[]).stop();
    let opened = database(&folder).await;
    let db = &opened.1;
    add_later_migration(db).await;
    sqlx::query("update elt.schema_compatibility set oldest_migration = $1, oldest_release = '7.2.0'")
        .bind(LATER)
        .execute(db)
        .await
        .expect("updated");

    let (code, found) = check(&folder);
    assert_eq!((code, &found["state"], &found["usable"]), (Some(7), &"too_new".into(), &false.into()), "{found}");
    assert_eq!(found["oldest_release"], "7.2.0");
    for arguments in [
        &["migrate"][..],
        &["up", "--listen", "127.0.0.1:0"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["worker", "--migrate"],
        &["worker"],
        &["user", "list"],
        &["status"],
    ] {
        // Waiting does not help, so nobody waits.
        let mut command = elt(&folder, arguments);
        command.env("ELT_WAIT_SECONDS", "3600");
        let said = run(command);
        assert_eq!(said.code, Some(7), "{arguments:?}: {}", said.stderr);
        assert!(
            said.stderr.contains("the control database needs elt 7.2.0 or newer"),
            "{arguments:?}: {}",
            said.stderr
        );
        assert!(said.stderr.contains("Install that release"), "{arguments:?}: {}", said.stderr);
    }

    // A schema with migrations of two lines of builds.
    sqlx::query("delete from elt._sqlx_migrations where version = (select min(version) from elt._sqlx_migrations)")
        .execute(db)
        .await
        .expect("deleted");
    let (code, found) = check(&folder);
    assert_eq!((code, &found["state"]), (Some(7), &"foreign".into()), "{found}");
    for command in ["migrate", "status"] {
        let said = run(elt(&folder, &[command]));
        assert_eq!(said.code, Some(7), "{command}: {}", said.stderr);
        assert!(said.stderr.contains("another build of elt made the control database"), "{command}: {}", said.stderr);
    }
    close(opened).await;
}
