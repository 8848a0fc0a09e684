//! Nobody sees the rows of a load that a check forbids, whatever happens while the check is at work.

use std::time::{Duration, Instant};

use elt_shared::runs::CheckState;

use crate::support::failed_check::{fail, places};
use crate::support::loader::{Loader, told};

/// A check that waits until the test gives up the lock 4242, and then finds rows with `v` below zero.
const HELD: &str =
    "checks:\n  - sql: \"select * from {table} where v < 0 or (select pg_advisory_xact_lock_shared(4242)) is null\"\n";

/// What a reader saw, in the order in which it changed.
async fn seen_until(loader: &Loader, done: &tokio_util::sync::CancellationToken) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    while !done.is_cancelled() {
        let now = loader.value("select string_agg(id || '=' || v, ' ' order by id, v) from t").await;
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    seen
}

#[tokio::test]
async fn a_reader_never_sees_a_row_of_a_load_that_a_check_forbids() {
    for mode in ["{mode: append}", "{mode: merge, key: [id]}", "{mode: replace}"] {
        let loader = Loader::start().await;
        loader.only("a.csv", "id,v\n1,1\n2,2\n");
        loader.load("t", "").await;
        let mut lock = loader.target.acquire().await.expect("a connection");
        sqlx::query("select pg_advisory_lock(4242)").execute(&mut *lock).await.expect("locked");

        loader.only("a.csv", "id,v\n1,10\n2,-2\n3,30\n");
        let more = format!("load: {mode}\n{HELD}");
        let done = tokio_util::sync::CancellationToken::new();
        let release = async {
            until_held(&loader).await;
            // The check is at work, so the new rows are written, and this session sees the old ones.
            assert_eq!(loader.value("select string_agg(id || '=' || v, ' ' order by id) from t").await, "1=1 2=2");
            sqlx::query("select pg_advisory_unlock(4242)").execute(&mut *lock).await.expect("unlocked");
        };
        let failing = async {
            let ended = fail(&loader, "t", &more).await;
            done.cancel();
            ended
        };
        let ((error, results), (), seen) = tokio::join!(failing, release, seen_until(&loader, &done));
        assert_eq!(error.code().as_str(), "check_failed", "{mode}: {}", told(&error));
        assert_eq!((results[0].rows, places(&results[0])), (1, vec!["a.csv:3".to_owned()]), "{mode}");
        assert_eq!(seen, ["1=1 2=2"], "{mode}: no reader saw anything else");
        assert_eq!(loader.count("_elt_loads where loaded_at is not null").await, 1, "{mode}");

        loader.only("a.csv", "id,v\n1,10\n3,30\n");
        let report = loader.load("t", &more).await;
        assert_eq!(report.checks[0].state, CheckState::Passed, "{mode}");
    }
}

/// Waits until a check waits for the lock of the test.
async fn until_held(loader: &Loader) {
    let held =
        "pg_stat_activity where datname = current_database() and wait_event = 'advisory' and query like '%4242%'";
    let began = Instant::now();
    while loader.count(held).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "no check waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_session_that_is_lost_while_checks_run_leaves_nothing() {
    let loader = Loader::start().await;
    let mut lock = loader.target.acquire().await.expect("a connection");
    sqlx::query("select pg_advisory_lock(4242)").execute(&mut *lock).await.expect("locked");
    loader.only("a.csv", "id,v\n1,1\n");
    let kill = async {
        until_held(&loader).await;
        let killed = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                      where datname = current_database() and wait_event = 'advisory' and query like '%4242%'
                        and pid <> pg_backend_pid()";
        assert_eq!(loader.value(killed).await, "1");
    };
    let (error, ()) = tokio::join!(loader.fail("t", HELD), kill);
    assert!(error.is_retryable(), "the check said nothing, so another attempt may load: {}", told(&error));
    assert_eq!(loader.value("select to_regclass('t') is null").await, "true");
    sqlx::query("select pg_advisory_unlock(4242)").execute(&mut *lock).await.expect("unlocked");
    loader.load("t", HELD).await;
    assert_eq!(loader.count("t").await, 1);
}
