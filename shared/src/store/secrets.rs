//! Secrets that configs refer to as `${secret:NAME}`: their sealed values, and which pipelines may use them.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::{sealed_tables, secret_keys};
use crate::config::Document;
use crate::secret::{KeyRing, OpenError, Sealed, Secret};
use crate::stored_secret::{Asker, ChangeSecret, GrantedSecrets, MOST_SECRETS, SecretError};

/// Pipelines that are named as users of a secret.
const MOST_USES: i64 = 1_000;

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct StoredSecret {
    /// As configs refer to it.
    pub name: String,
    /// What the secret is used for, in the words of an admin.
    pub description: String,
    /// Names of the pipelines that may use it; `*` alone: all of them.
    pub pipelines: Vec<String>,
    /// Whether configs that no admin has uploaded may use it as well.
    pub usable_by_users: bool,
    /// Counts the values it has had.
    pub version: i64,
    /// When it was stored first.
    pub created_at: DateTime<Utc>,
    /// A username, or `cli:` and an account of the operating system.
    pub created_by: String,
    /// When its value, description or grants changed last.
    pub updated_at: DateTime<Utc>,
    /// Username of the admin who last changed its value, description or grants.
    pub updated_by: String,
}

const COLUMNS: &str = "name, description, pipelines, usable_by_users, version, created_at, created_by, updated_at, \
                       updated_by";

/// Secrets by name, those after `after` when given.
pub async fn list(db: impl PgExecutor<'_>, after: Option<&str>, limit: i64) -> sqlx::Result<Vec<StoredSecret>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        r#"select {COLUMNS} from secrets where $1::text is null or name collate "C" > $1 order by name collate "C" limit $2"#
    )))
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// A secret by its name, locked until the caller's transaction ends. Changes of secrets take turns.
pub async fn lock(tx: &mut PgConnection, name: &str) -> sqlx::Result<Option<StoredSecret>> {
    // The turn comes before the row, because two changes that took them in different orders would wait for each other.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.secrets', 0))").execute(&mut *tx).await?;
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from secrets where name = $1 for update")))
        .bind(name)
        .fetch_optional(tx)
        .await
}

/// Stores a checked change of a secret, or a new secret. The bool says whether it is new.
///
/// # Errors
/// The inner error is [`SecretError::NoValue`] or [`SecretError::TooMany`].
pub async fn put(
    tx: &mut PgConnection,
    keys: &KeyRing,
    (name, change): (&str, &ChangeSecret),
    by: &str,
) -> sqlx::Result<Result<(StoredSecret, bool), SecretError>> {
    // The lock comes first, so that there are never too many secrets.
    let found = lock(&mut *tx, name).await?;
    let sealed = match &change.value {
        Some(value) => {
            let key = secret_keys::register(&mut *tx, keys).await?;
            Some(key.seal(&sealed_tables::SECRETS.context(name), value.expose().as_bytes()))
        }
        None => None,
    };
    match (found, sealed) {
        (Some(_), sealed) => Ok(Ok((update(tx, (name, change), sealed, by).await?, false))),
        (None, None) => Ok(Err(SecretError::NoValue)),
        (None, Some(_)) if count(&mut *tx).await? >= MOST_SECRETS => Ok(Err(SecretError::TooMany)),
        (None, Some(sealed)) => Ok(Ok((insert(tx, (name, change), sealed, by).await?, true))),
    }
}

async fn count(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from secrets").fetch_one(db).await
}

async fn insert(
    tx: &mut PgConnection,
    (name, change): (&str, &ChangeSecret),
    sealed: Sealed,
    by: &str,
) -> sqlx::Result<StoredSecret> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into secrets (name, sealed, key_id, description, pipelines, usable_by_users, created_by, updated_by)
         values ($1, $2, $3, coalesce($4, ''), coalesce($5, '{{}}'), coalesce($6, false), $7, $7)
         returning {COLUMNS}"
    )))
    .bind(name)
    .bind(sealed.bytes)
    .bind(sealed.key_id)
    .bind(&change.description)
    .bind(&change.pipelines)
    .bind(change.usable_by_users)
    .bind(by)
    .fetch_one(tx)
    .await
}

async fn update(
    tx: &mut PgConnection,
    (name, change): (&str, &ChangeSecret),
    sealed: Option<Sealed>,
    by: &str,
) -> sqlx::Result<StoredSecret> {
    let (bytes, key_id) = sealed.map(|sealed| (sealed.bytes, sealed.key_id)).unzip();
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update secrets
         set sealed = coalesce($2, sealed), key_id = coalesce($3, key_id),
             version = version + case when $2 is null then 0 else 1 end,
             description = coalesce($4, description), pipelines = coalesce($5, pipelines),
             usable_by_users = coalesce($6, usable_by_users), updated_at = now(), updated_by = $7
         where name = $1
         returning {COLUMNS}"
    )))
    .bind(name)
    .bind(bytes)
    .bind(key_id)
    .bind(&change.description)
    .bind(&change.pipelines)
    .bind(change.usable_by_users)
    .bind(by)
    .fetch_one(tx)
    .await
}

/// Removes a secret. Returns false when there is no such secret.
pub async fn remove(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<bool> {
    let removed = sqlx::query("delete from secrets where name = $1").bind(name).execute(db).await?;
    Ok(removed.rows_affected() == 1)
}

/// A pipeline that refers to a secret.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SecretUse {
    /// The secret's name.
    pub secret: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The config version that refers to it: the pipeline's newest, or one that a schedule runs.
    pub version: i32,
}

/// The pipelines that refer to these secrets, with their newest config or with one that a schedule runs; the first
/// thousand, by secret and pipeline.
pub async fn uses(db: impl PgExecutor<'_>, names: &[String]) -> sqlx::Result<Vec<SecretUse>> {
    sqlx::query_as(
        "with newest as (select distinct on (name) name, version, secret_names from config_history
                         order by name, version desc),
              scheduled as (select c.name, c.version, c.secret_names from schedules s
                            join config_history c on c.id = s.config_id
                            where s.state in ('waiting', 'active', 'stopping'))
         select secret, name as pipeline, max(version) as version
         from (select * from newest union all select * from scheduled) config
         cross join lateral unnest(secret_names) secret
         where secret = any($1) group by secret, name order by secret, name limit $2",
    )
    .bind(names)
    .bind(MOST_USES)
    .fetch_all(db)
    .await
}

/// The pipelines of these uses in a sentence, the first `most` by name: `orders (version 3), stock (version 8)`.
pub fn pipelines_of(uses: &[SecretUse], most: usize) -> String {
    let named = uses.iter().take(most).map(|used| format!("{} (version {})", used.pipeline, used.version));
    let named = named.collect::<Vec<_>>().join(", ");
    match uses.len().checked_sub(most) {
        Some(more @ 1..) => format!("{named} and {more} more"),
        _ => named,
    }
}

/// Why the secrets of a config could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The control database failed.
    #[error("could not read the secrets of the config")]
    Database(#[from] sqlx::Error),
    /// A value does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}

#[derive(FromRow)]
struct SealedRow {
    name: String,
    sealed: Vec<u8>,
    key_id: String,
    pipelines: Vec<String>,
    usable_by_users: bool,
}

impl SealedRow {
    fn open(self, keys: &KeyRing) -> Result<Secret, OpenError> {
        let sealed = Sealed { key_id: self.key_id, bytes: self.sealed };
        let value = String::from_utf8(keys.open(&sealed_tables::SECRETS.context(&self.name), &sealed)?);
        value.map(Secret::new).map_err(|_| OpenError::Damaged { key_id: sealed.key_id })
    }
}

/// The secrets that a config gets, as they are now. Values that it does not get are not opened.
///
/// # Errors
/// When the database fails, or a value that it gets does not open.
pub async fn of_config(
    db: impl PgExecutor<'_>,
    keys: &KeyRing,
    document: &Document,
    asker: Asker<'_>,
) -> Result<GrantedSecrets, ReadError> {
    let mut granted = GrantedSecrets::default();
    let names: Vec<String> = document.secret_names().into_iter().collect();
    if names.is_empty() {
        return Ok(granted);
    }
    let rows: Vec<SealedRow> =
        sqlx::query_as("select name, sealed, key_id, pipelines, usable_by_users from secrets where name = any($1)")
            .bind(&names)
            .fetch_all(db)
            .await?;
    for name in names {
        let refusal = asker.refusal(&name, rows.iter().any(|row| row.name == name));
        granted.insert(name, Err(refusal));
    }
    for row in rows {
        if asker.may_use(&row.pipelines, row.usable_by_users) {
            granted.insert(row.name.clone(), Ok(row.open(keys)?));
        }
    }
    Ok(granted)
}
