//! Poolers between elt and a server, such as PgBouncer.
//!
//! A pooler in session mode gives a connection a session of the server for as long as the connection lasts. In transaction
//! mode each transaction gets whichever session is free, so that settings, temporary tables and prepared statements end up in
//! sessions of other connections. elt works through the first and refuses the second.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

/// Longest wait for the answers that tell the modes apart. A pooler in session mode lets a second connection wait until a
/// session is free.
const WITHIN: Duration = Duration::from_secs(3);
/// Number of comparisons. Connections of others can hide that sessions are shared, but hardly each time.
const ROUNDS: u32 = 3;

/// The process of the server that works for a connection at the moment.
///
/// # Errors
/// Database failures.
pub async fn process(connection: &mut PgConnection) -> sqlx::Result<i32> {
    // Not prepared, because a pooler may send a prepared statement to another session of the server.
    sqlx::raw_sql("select pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

/// Whether a pooler gives sessions of the server to two connections in turns. Both must have the same login, and both must
/// be idle. False also when the answers do not come soon, as from a pooler in session mode that has one session only.
pub async fn shares_sessions(one: &mut PgConnection, other: &mut PgConnection) -> bool {
    tokio::time::timeout(WITHIN, are_shared(one, other))
        .await
        .is_ok_and(|answer| answer.unwrap_or_else(|error| is_refusal(&error)))
}

/// The same for one connection, with a second one that `login` opens and that ends with the question.
pub async fn shares_session_of(one: &mut PgConnection, login: impl Future<Output = Option<PgConnection>>) -> bool {
    let Ok(Some(mut other)) = tokio::time::timeout(WITHIN, login).await else { return false };
    let shared = shares_sessions(one, &mut other).await;
    // Not `close`, which would wait for a pooler that does not answer.
    let _ = tokio::time::timeout(WITHIN, other.close_hard()).await;
    shared
}

/// Whether an error says that a statement reached another session of the server than the one that prepared it. This is how a
/// pooler shows that [`shares_sessions`] took for one in session mode, because many others used it at the same moment.
pub fn mixed_up(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // 26000: the statement is not known there; 42P05: another one has its name there.
    code.is_some_and(|code| code == "26000" || code == "42P05")
}

async fn are_shared(one: &mut PgConnection, other: &mut PgConnection) -> sqlx::Result<bool> {
    let first = process(one).await?;
    for _ in 0..ROUNDS {
        // A pooler gives the session that was free last. The transaction keeps it, so that `one` then has to get another.
        sqlx::raw_sql("begin").execute(&mut *other).await?;
        let shared = process(other).await? == first || process(one).await? != first;
        sqlx::raw_sql("rollback").execute(&mut *other).await?;
        if shared {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a pooler refused the transaction, as one in statement mode does.
fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("statement pooling mode"))
}
