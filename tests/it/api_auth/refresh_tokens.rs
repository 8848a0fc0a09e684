//! Refresh tokens of API sources: kept for all workers, sent once, and not lost on bad days.

use std::time::{Duration, Instant};

use elt_shared::store::reseal;
use elt_worker::error::PipelineError;
use elt_worker::extract::ExtractContext;
use elt_worker::extract::http::SourceTokens;
use serde_json::json;

use super::{ALL, KEY, another_worker, extract, failed, ids, keys, oauth, refreshed};
use crate::support::app::PATIENCE;
use crate::support::extraction::Extraction;
use crate::support::token_server::{FIRST, TokenServer};

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_sealed_for_all_workers_and_for_new_keys() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    server.behave(|server| server.rotates = true);
    let source = refreshed(&server);
    let context = another_worker(&lab.context, "a");
    assert_eq!(ids(&context, &source).await, ALL);
    assert_eq!(ids(&another_worker(&lab.context, "b"), &source).await, ALL);
    assert_eq!(server.refresh_tokens(), [FIRST], "the access token serves the second worker as well");
    for sent in ["c4n4ry-refresh-1", "c4n4ry-refresh-2"] {
        server.revoke_access();
        assert_eq!(ids(&another_worker(&lab.context, "c"), &source).await, ALL);
        assert_eq!(server.refresh_tokens().last().expect("one"), sent);
    }
    let rows: Vec<String> = sqlx::query_scalar("select oauth_grants::text from oauth_grants")
        .fetch_all(&lab.context.control)
        .await
        .expect("rows");
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].contains("c4n4ry") && !rows[0].contains(&hex("c4n4ry")), "{rows:?}");

    let new = keys("another secret key of the tests, as long as it", &[KEY]);
    let again = reseal::seal_again(&lab.context.control, &new).await.expect("sealed again");
    assert_eq!((again.rows, again.unopened), (1, 0));
    server.revoke_access();
    let tokens = SourceTokens::new(Some(keys("another secret key of the tests, as long as it", &[]).into()));
    assert_eq!(ids(&ExtractContext { tokens, ..context.clone() }, &source).await, ALL);
    assert_eq!(server.refresh_tokens().last().expect("one"), "c4n4ry-refresh-3");
    let told = failed(&context, &server, &source).await;
    assert!(told.starts_with("http_token_not_kept: "), "the old key opens nothing any more: {told}");

    // A refresh token that the operator got anew is another grant.
    server.behave(|server| server.rotates = false);
    let new = oauth(&server, "grant: refresh_token, refresh_token: c4n4ry-refresh-4");
    assert_eq!(ids(&another_worker(&lab.context, "d"), &new).await, ALL);
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn two_workers_with_one_refresh_token_send_it_once() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    server.behave(|server| (server.rotates, server.takes) = (true, Duration::from_millis(500)));
    let source = refreshed(&server);
    let workers: Vec<ExtractContext> =
        (0..4).map(|worker| another_worker(&lab.context, &format!("w{worker}"))).collect();
    for turn in 1..=2 {
        let all = futures::future::join_all(workers.iter().map(|worker| ids(worker, &source))).await;
        assert_eq!(all, vec![ALL.to_vec(); 4]);
        assert_eq!(server.refresh_tokens().len(), turn, "the others took the answer");
        server.revoke_access();
    }
}

#[tokio::test]
async fn a_refresh_token_is_kept_also_when_the_access_token_never_expires() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    server.behave(|server| (server.rotates, server.expires_in) = (true, json!(i64::MAX)));
    let source = refreshed(&server);
    assert_eq!(ids(&another_worker(&lab.context, "a"), &source).await, ALL);
    assert_eq!(ids(&another_worker(&lab.context, "b"), &source).await, ALL);
    assert_eq!(server.refresh_tokens(), [FIRST], "the first answer was kept and serves both");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_with_the_token_before() {
    let lab = Extraction::new().await;
    for is_lenient in [true, false] {
        let server = TokenServer::start().await;
        server.behave(|server| (server.rotates, server.is_lenient, server.loses) = (true, is_lenient, 1));
        let (source, context) = (refreshed(&server), another_worker(&lab.context, "a"));
        if is_lenient {
            assert_eq!(ids(&context, &source).await, ALL);
        } else {
            insta::assert_snapshot!(failed(&context, &server, &source).await, @"http_token_refused: http://127.0.0.1:PORT/token answered 400 Bad Request and gave no token: invalid_grant: the refresh token *** is unknown");
        }
        assert_eq!(server.refresh_tokens(), [FIRST, FIRST]);
    }
}

#[tokio::test]
async fn an_answer_is_kept_although_the_run_is_stopped_meanwhile() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    server.behave(|server| (server.rotates, server.takes) = (true, Duration::from_millis(300)));
    let source = refreshed(&server);
    let context = ExtractContext { stop: Default::default(), ..another_worker(&lab.context, "a") };
    let stop = context.stop.clone();
    let stopped = async {
        let deadline = Instant::now() + PATIENCE;
        while server.asked().is_empty() {
            assert!(Instant::now() < deadline, "no token was asked for");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(extract(&context, &source), stopped);
    assert!(matches!(ended, Err(PipelineError::Stopped)), "{ended:?}");
    assert_eq!(ids(&another_worker(&lab.context, "b"), &source).await, ALL);
    assert_eq!(server.refresh_tokens(), [FIRST], "its answer was kept, and serves the next run");
}

#[tokio::test]
async fn a_worker_that_died_while_it_asked_is_waited_for_until_its_turn_ends() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    let (source, context) = (refreshed(&server), another_worker(&lab.context, "a"));
    assert_eq!(ids(&context, &source).await, ALL);
    server.revoke_access();
    let dead =
        "update oauth_grants set renewed_by = gen_random_uuid(), renewed_until = clock_timestamp() + interval '2 s'";
    sqlx::query(dead).execute(&lab.context.control).await.expect("a dead worker's turn");
    let start = Instant::now();
    assert_eq!(ids(&context, &source).await, ALL);
    assert!(start.elapsed() >= Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!(server.refresh_tokens().len(), 2);
}
