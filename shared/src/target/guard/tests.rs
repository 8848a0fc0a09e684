//! What the driver gets from servers that break the limits.

use std::time::Duration;

use proptest::prelude::*;
use sqlx::{Connection, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::messages::{Checked, Messages, Violation};
use super::*;
use crate::config::TargetDatabase;
use crate::secret::Secret;
use crate::settings::NetworkSettings;
use crate::target::TargetError;
use crate::target::connect::Route;

/// A message with a body of zeros.
fn message(kind: u8, body: usize) -> Vec<u8> {
    [&[kind], &(body as u32 + 4).to_be_bytes()[..], &vec![0; body]].concat()
}

/// Only the beginning of a message that announces this length.
fn announced(kind: u8, length: u32) -> Vec<u8> {
    [&[kind], &length.to_be_bytes()[..]].concat()
}

/// A login without a password, up to the point where the first statement is awaited.
fn welcome() -> Vec<u8> {
    [&b"R\0\0\0\x08\0\0\0\0"[..], b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02", b"Z\0\0\0\x05I"].concat()
}

fn scram(rounds: &str) -> Vec<u8> {
    let text = format!("r=abc,s=QSXCR+Q6sek8bf92,i={rounds}");
    [announced(b'R', text.len() as u32 + 8), 11_u32.to_be_bytes().to_vec(), text.into_bytes()].concat()
}

fn logged_in(limits: AnswerLimits) -> Messages {
    let mut messages = Messages::new(limits);
    assert_eq!(messages.check(&welcome()), Checked { forward: welcome().len(), violation: None });
    messages
}

#[test]
fn a_message_is_refused_by_its_length_before_its_body_comes() {
    for (kind, length) in
        [(b'D', 1_900_000_000), (b'd', u32::MAX), (b'E', 2 << 20), (b'N', 2 << 20), (b'T', 2 << 20), (b'S', 2 << 20)]
    {
        let checked = logged_in(AnswerLimits::VIEW).check(&announced(kind, length));
        let Some(Violation::Message { bytes, .. }) = checked.violation else { panic!("{checked:?}") };
        assert_eq!((checked.forward, bytes), (0, length));
    }
    for length in [0, 3] {
        let checked = logged_in(AnswerLimits::LOAD).check(&announced(b'C', length));
        assert_eq!(checked.violation, Some(Violation::Length));
    }
}

#[test]
fn an_error_may_quote_a_long_value_of_a_run() {
    let error = announced(b'E', 60 << 20);
    let checked = logged_in(AnswerLimits::LOAD).check(&error);
    assert_eq!(checked, Checked { forward: error.len(), violation: None });
}

#[test]
fn a_login_is_bounded_as_a_whole_and_in_each_message() {
    let mut messages = Messages::new(AnswerLimits::LOAD);
    assert!(matches!(messages.check(&announced(b'D', 100_000)).violation, Some(Violation::Message { .. })));
    let notice = message(b'N', 60_000);
    let refused = (0..20).find_map(|_| messages.check(&notice).violation);
    assert_eq!(refused, Some(Violation::Login));
}

#[test]
fn the_rows_of_one_answer_are_bounded_together_and_those_of_a_copy_are_not() {
    let row = message(b'D', 8 << 20);
    for limits in [AnswerLimits::VIEW, AnswerLimits::LOAD] {
        let mut messages = logged_in(limits);
        let most = limits.rows / row.len() as u64;
        assert!((0..most).all(|_| messages.check(&row).violation.is_none()));
        assert_eq!(messages.check(&row).violation, Some(Violation::Rows { most: limits.rows }));

        let mut messages = logged_in(limits);
        let answer = [row.clone(), message(b'Z', 1)].concat();
        assert!((0..2 * most).all(|_| messages.check(&answer).violation.is_none()), "each answer begins anew");
        let mut export = logged_in(limits);
        let chunk = message(b'd', 8 << 20);
        assert!((0..2 * most).all(|_| export.check(&chunk).violation.is_none()), "a copy is a stream");
    }
}

#[test]
fn settings_without_end_are_refused() {
    let mut messages = logged_in(AnswerLimits::LOAD);
    let setting = message(b'S', 60_000);
    assert_eq!((0..20).find_map(|_| messages.check(&setting).violation), Some(Violation::Settings));
}

#[test]
fn a_password_check_of_endless_rounds_is_refused_before_the_driver_sees_it() {
    for rounds in ["4294967295", "1000001", "99999999999", "x"] {
        let checked = Messages::new(AnswerLimits::VIEW).check(&scram(rounds));
        assert_eq!(checked, Checked { forward: 0, violation: Some(Violation::Rounds) }, "{rounds}");
    }
    for rounds in ["4096", "600000"] {
        assert_eq!(Messages::new(AnswerLimits::VIEW).check(&scram(rounds)).violation, None, "{rounds}");
    }
}

proptest! {
    /// Wherever the network cuts the bytes, everything that is acceptable is forwarded unchanged.
    #[test]
    fn messages_pass_unchanged_in_any_pieces(bodies in prop::collection::vec(0_usize..300, 0..20), cut in 1_usize..64) {
        let mut sent = welcome();
        sent.extend(scram("4096"));
        bodies.iter().for_each(|body| sent.extend(message(b'D', *body)));
        let mut messages = Messages::new(AnswerLimits::VIEW);
        let (mut held, mut forwarded) = (Vec::new(), Vec::new());
        for piece in sent.chunks(cut) {
            held.extend_from_slice(piece);
            let checked = messages.check(&held);
            prop_assert_eq!(checked.violation, None);
            forwarded.extend(held.drain(..checked.forward));
        }
        prop_assert_eq!(forwarded, sent);
    }

    #[test]
    fn no_bytes_make_the_check_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let checked = Messages::new(AnswerLimits::LOAD).check(&bytes);
        prop_assert!(checked.forward <= bytes.len());
    }
}

/// Generous, because a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that lets every session in and then answers the first statement with these bytes.
async fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(play(stream, answer.clone()));
        }
    });
    format!("postgres://ann:secret@{address}/shop?sslmode=disable")
}

async fn play(mut stream: TcpStream, answer: Vec<u8>) -> io::Result<()> {
    let length = stream.read_u32().await?;
    stream.read_exact(&mut vec![0; length as usize - 4]).await?;
    stream.write_all(&welcome()).await?;
    stream.read_u8().await?;
    stream.write_all(&answer).await?;
    // Zeros for as long as anybody takes them.
    while stream.write_all(&[0; 1 << 16]).await.is_ok() {}
    Ok(())
}

async fn reach(url: String, limits: AnswerLimits) -> Result<PgConnection, TargetError> {
    let route = Route::of(&TargetDatabase::Url(Secret::new(url)), None, &NetworkSettings::default())?;
    Ok(route.log_in("test", limits, None).await?.connection)
}

/// Bytes of memory this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

#[tokio::test]
async fn a_row_that_announces_gigabytes_ends_the_session_and_takes_no_memory() {
    for limits in [AnswerLimits::VIEW, AnswerLimits::LOAD] {
        let url = server(announced(b'D', 1_900_000_000)).await;
        let mut connection = reach(url, limits).await.expect("logged in");
        let before = resident();
        let error = tokio::time::timeout(PATIENCE, connection.execute("select 1")).await;
        let error = error.expect("it ends at once").expect_err("refused");
        assert!(is_violation(&error), "{error}");
        let told = TargetError::from(error);
        assert_eq!(told.code().as_str(), "target_too_much");
        assert!(told.to_string().contains("announced a message of 1900000000 bytes"), "{told}");
        let grown = resident().saturating_sub(before);
        // Other tests of this process take memory at the same time, but none as much as was announced.
        assert!(grown < 1 << 30, "{grown} bytes more");
    }
}

#[tokio::test]
async fn a_login_that_never_ends_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgres://ann:secret@{}/shop?sslmode=disable", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        while stream.write_all(&message(b'N', 60_000)).await.is_ok() {}
    });
    let error = reach(url, AnswerLimits::VIEW).await.expect_err("refused");
    assert_eq!(error.code().as_str(), "target_too_much", "{error}");
}

#[tokio::test]
async fn the_guard_ends_with_the_driver_even_when_the_server_does_not_read() {
    let (mut driver, end) = UnixStream::pair().expect("two sockets");
    let (server, _never_read) = tokio::io::duplex(64);
    let relaying = tokio::spawn(async move {
        relay::relay(Box::new(server), end, Messages::new(AnswerLimits::LOAD), "", None, &Traffic::new()).await
    });
    driver.write_all(b"\0\0\0\x09\0\x03\0\0\0").await.expect("the first message");
    // More than the sockets hold, so that the guard waits for the server with more to come.
    let filling = async { while driver.write_all(&[b'x'; 1 << 16]).await.is_ok() {} };
    assert!(tokio::time::timeout(Duration::from_millis(200), filling).await.is_err(), "the server does not read");
    drop(driver);
    let ended = tokio::time::timeout(PATIENCE, relaying).await;
    assert!(ended.expect("the guard ends").expect("no panic").is_ok());
}

#[tokio::test]
async fn a_session_that_is_closed_says_goodbye_to_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgres://ann:secret@{}/shop?sslmode=disable", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(&welcome()).await.expect("written");
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).await.expect("all that was said");
        seen
    });
    let connection = reach(url, AnswerLimits::LOAD).await.expect("logged in");
    connection.close().await.expect("closed");
    let seen = server.await.expect("what the server saw");
    assert!(seen.ends_with(b"X\0\0\0\x04"), "Terminate is the last message");
}
