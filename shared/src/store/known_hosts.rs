//! Known hosts: the keys SFTP servers have shown, shared by all workers, and which of them are trusted.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};

/// A key a server has shown.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize)]
pub struct KnownHost {
    /// Host name as the config names it, in lower case.
    pub host: String,
    /// TCP port of the SSH server.
    pub port: i32,
    /// `ssh-ed25519`, `rsa-sha2-512`, …
    pub algorithm: String,
    /// Fingerprint of the key as OpenSSH shows it: `SHA256:…`.
    pub fingerprint: String,
    /// The key in OpenSSH's one-line form.
    pub public_key: String,
    /// False: seen under `trust: strict` and waiting for an admin.
    pub trusted: bool,
    /// When it was first seen.
    pub seen_at: DateTime<Utc>,
    /// The admin who approved it; none: it was pinned on first use.
    pub approved_by: Option<String>,
}

const COLUMNS: &str = "host, port, algorithm, fingerprint, public_key, trusted, seen_at, approved_by";

/// Most keys of one server that may wait for an admin, so that a server that shows a new key at every call cannot fill the
/// table.
const WAITING: i64 = 5;

/// A key as a server shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownKey {
    /// Algorithm of the key: `ssh-ed25519`, …
    pub algorithm: String,
    /// Fingerprint of the key as OpenSSH shows it: `SHA256:…`.
    pub fingerprint: String,
    /// OpenSSH's one-line form.
    pub public_key: String,
}

/// Every key known of one server, oldest first.
pub async fn of_server(db: impl PgExecutor<'_>, host: &str, port: u16) -> sqlx::Result<Vec<KnownHost>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from known_hosts where host = $1 and port = $2 order by seen_at, fingerprint"
    )))
    .bind(normal(host))
    .bind(i32::from(port))
    .fetch_all(db)
    .await
}

/// Every key of every server, those that wait for an admin first.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<KnownHost>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from known_hosts order by trusted, host, port, seen_at, fingerprint"
    )))
    .fetch_all(db)
    .await
}

/// Pins the first key of a server. Answers the trusted keys afterwards: without this one, another worker was first
/// with another key.
pub async fn pin_first(db: &PgPool, host: &str, port: u16, key: &ShownKey) -> sqlx::Result<Vec<KnownHost>> {
    let mut tx = db.begin().await?;
    lock(&mut tx, host, port).await?;
    let known = of_server(&mut *tx, host, port).await?;
    if !known.iter().any(|known| known.trusted) {
        keep(&mut tx, host, port, key, true).await?;
    }
    let trusted = of_server(&mut *tx, host, port).await?.into_iter().filter(|known| known.trusted).collect();
    tx.commit().await?;
    Ok(trusted)
}

/// Notes a key that waits for an admin: nothing is trusted by this. A server keeps the newest [`WAITING`] of them.
pub async fn note_unknown(db: &PgPool, host: &str, port: u16, key: &ShownKey) -> sqlx::Result<()> {
    let mut connection = db.acquire().await?;
    keep(&mut connection, host, port, key, false).await?;
    sqlx::query(
        "delete from known_hosts where host = $1 and port = $2 and not trusted and fingerprint not in
             (select fingerprint from known_hosts where host = $1 and port = $2 and not trusted
              order by seen_at desc limit $3)",
    )
    .bind(normal(host))
    .bind(i32::from(port))
    .bind(WAITING)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// An admin approves a key that was seen. `None`: no such key was ever seen.
pub async fn approve(
    db: impl PgExecutor<'_>,
    host: &str,
    port: u16,
    fingerprint: &str,
    admin: &str,
) -> sqlx::Result<Option<KnownHost>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update known_hosts set trusted = true, approved_by = $4 where host = $1 and port = $2 and fingerprint = $3
         returning {COLUMNS}"
    )))
    .bind(normal(host))
    .bind(i32::from(port))
    .bind(fingerprint)
    .bind(admin)
    .fetch_optional(db)
    .await
}

/// Forgets a key: the server must be trusted anew. False: there was none.
pub async fn forget(db: impl PgExecutor<'_>, host: &str, port: u16, fingerprint: &str) -> sqlx::Result<bool> {
    let gone = sqlx::query("delete from known_hosts where host = $1 and port = $2 and fingerprint = $3")
        .bind(normal(host))
        .bind(i32::from(port))
        .bind(fingerprint)
        .execute(db)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Two workers that meet a new server at once pin one key, not two.
async fn lock(tx: &mut PgConnection, host: &str, port: u16) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.known_hosts ' || $1, $2))")
        .bind(normal(host))
        .bind(i64::from(port))
        .execute(tx)
        .await?;
    Ok(())
}

/// A key that is already there keeps its trust, unless this use gives it some.
async fn keep(db: &mut PgConnection, host: &str, port: u16, key: &ShownKey, trusted: bool) -> sqlx::Result<()> {
    sqlx::query(
        "insert into known_hosts (host, port, algorithm, fingerprint, public_key, trusted)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (host, port, algorithm, fingerprint) do update set trusted = known_hosts.trusted or excluded.trusted",
    )
    .bind(normal(host))
    .bind(i32::from(port))
    .bind(&key.algorithm)
    .bind(&key.fingerprint)
    .bind(&key.public_key)
    .bind(trusted)
    .execute(db)
    .await?;
    Ok(())
}

/// `SFTP.Example.com.` and `sftp.example.com` are one server.
fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}
