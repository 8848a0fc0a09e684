//! Channels that messages go to: their sealed addresses.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::{sealed_tables, secret_keys};
use crate::notifications::{ChannelAddress, ChannelError, MOST_CHANNELS};
use crate::secret::{KeyRing, OpenError, Sealed, Secret};

/// A channel, without its address.
#[derive(Debug, Clone, FromRow)]
pub struct Channel {
    /// Name by which configs refer to it.
    pub name: String,
    /// The address for people, without secrets.
    pub destination: String,
    /// When it was stored first.
    pub created_at: DateTime<Utc>,
    /// Username.
    pub created_by: String,
    /// When its address changed last.
    pub updated_at: DateTime<Utc>,
    /// Username.
    pub updated_by: String,
}

const COLUMNS: &str = "name, destination, created_at, created_by, updated_at, updated_by";

/// Channels by name, those after `after` when given.
pub async fn list(db: impl PgExecutor<'_>, after: Option<&str>, limit: i64) -> sqlx::Result<Vec<Channel>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        r#"select {COLUMNS} from channels where $1::text is null or name collate "C" > $1
           order by name collate "C" limit $2"#
    )))
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// A channel by its name.
pub async fn find(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<Channel>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from channels where name = $1")))
        .bind(name)
        .fetch_optional(db)
        .await
}

/// Stores a checked address under a name, in place of the one that was there. The bool says whether the channel is new.
///
/// # Errors
/// The inner error is [`ChannelError::TooMany`].
pub async fn put(
    tx: &mut PgConnection,
    keys: &KeyRing,
    (name, address): (&str, &ChannelAddress),
    by: &str,
) -> sqlx::Result<Result<(Channel, bool), ChannelError>> {
    // Changes take turns, so that there are never too many channels.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.channels', 0))").execute(&mut *tx).await?;
    let is_new = find(&mut *tx, name).await?.is_none();
    let count: i64 = sqlx::query_scalar("select count(*) from channels").fetch_one(&mut *tx).await?;
    if is_new && count >= MOST_CHANNELS {
        return Ok(Err(ChannelError::TooMany));
    }
    let key = secret_keys::register(&mut *tx, keys).await?;
    let sealed = key.seal(&sealed_tables::CHANNELS.context(name), address.text.expose().as_bytes());
    let stored = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into channels (name, sealed, key_id, destination, created_by, updated_by) values ($1, $2, $3, $4, $5, $5)
         on conflict (name) do update
         set sealed = $2, key_id = $3, destination = $4, updated_at = now(), updated_by = $5
         returning {COLUMNS}"
    )))
    .bind(name)
    .bind(sealed.bytes)
    .bind(sealed.key_id)
    .bind(&address.destination)
    .bind(by)
    .fetch_one(tx)
    .await?;
    Ok(Ok((stored, is_new)))
}

/// Removes a channel. False: there is no such channel.
pub async fn remove(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<bool> {
    let removed = sqlx::query("delete from channels where name = $1").bind(name).execute(db).await?;
    Ok(removed.rows_affected() == 1)
}

/// The sealed text of a channel's address, opened. `None`: there is no such channel.
pub(crate) async fn open(
    db: impl PgExecutor<'_>,
    keys: &KeyRing,
    name: &str,
) -> sqlx::Result<Option<Result<Secret, OpenError>>> {
    let found: Option<(Vec<u8>, String)> =
        sqlx::query_as("select sealed, key_id from channels where name = $1").bind(name).fetch_optional(db).await?;
    Ok(found.map(|(bytes, key_id)| {
        let sealed = Sealed { key_id, bytes };
        let text = String::from_utf8(keys.open(&sealed_tables::CHANNELS.context(name), &sealed)?);
        text.map(Secret::new).map_err(|_| OpenError::Damaged { key_id: sealed.key_id })
    }))
}
