//! The audit: who did what, also when it was refused. Rows are only ever added, and each is chained to the one before.

mod chain;
mod export;
mod retention;
mod verify;

pub use chain::{OtherKey, SignedRows, lock, signed_rows, signer};
pub use export::ExportFormat;
pub use retention::remove_old;
pub use verify::{Problem, Verdict, verify};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::secret::KeyRing;

/// Most characters of a text in a row; the rest is cut off.
const MOST_CHARACTERS: usize = 1_000;
/// Most bytes of a row's detail; a longer one is left out.
const MOST_DETAIL: usize = 16 << 10;

/// One thing someone did.
#[derive(Debug, Clone, FromRow)]
pub struct AuditRow {
    /// UUIDv7: sorts by time.
    pub id: Uuid,
    /// When the row was written, by the database's clock.
    pub at: DateTime<Utc>,
    /// Username; `-` for nobody.
    pub actor: String,
    /// IP address of the client. `None`: a command at the terminal.
    pub ip: Option<String>,
    /// Method and path template of the request, such as `POST /runs/{id}/stop`; or a command, such as `user add`.
    pub action: String,
    /// What it was done to: `run 0199…`, `config 12`.
    pub object: Option<String>,
    /// `done`, `denied` or `failed`.
    pub outcome: String,
    /// Status and whatever else helps.
    pub detail: Value,
    /// Finds the log lines of the same request.
    pub request_id: Option<String>,
    /// Place in the chain. `None`: from before there was a chain.
    pub seq: Option<i64>,
    /// The secret key whose subkey made the hash.
    pub key_id: Option<String>,
    /// The hash, hexadecimal.
    pub hash: Option<String>,
}

/// What is noted.
#[derive(Debug, Clone)]
pub struct NewAuditRow<'a> {
    /// Username; `-` for nobody.
    pub actor: &'a str,
    /// IP address of the client. `None`: a command at the terminal.
    pub ip: Option<&'a str>,
    /// Method and path template of the request, such as `POST /runs/{id}/stop`; or a command, such as `user add`.
    pub action: &'a str,
    /// What it was done to.
    pub object: Option<&'a str>,
    /// `done`, `denied` or `failed`.
    pub outcome: &'a str,
    /// Status and whatever else helps; never a secret.
    pub detail: Value,
    /// The request's id.
    pub request_id: Option<&'a str>,
}

/// Which rows to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only this user's.
    pub actor: Option<String>,
    /// Only actions with this text in them.
    pub action: Option<String>,
    /// Only this outcome.
    pub outcome: Option<String>,
    /// Only objects with this text in them.
    pub object: Option<String>,
    /// Only rows from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Only rows before this instant.
    pub to: Option<DateTime<Utc>>,
}

/// Adds a row in the caller's transaction, which should commit next: other rows wait for it until then.
///
/// # Errors
/// Database failures. The caller must then not commit what the row is about.
pub async fn append(tx: &mut PgConnection, keys: &KeyRing, row: NewAuditRow<'_>) -> sqlx::Result<()> {
    append_as(tx, keys, Uuid::now_v7(), row).await
}

/// Adds a row with this id in the caller's transaction.
///
/// # Errors
/// As [`append`].
pub async fn append_as(tx: &mut PgConnection, keys: &KeyRing, id: Uuid, row: NewAuditRow<'_>) -> sqlx::Result<()> {
    let (actor, action) = (storable(row.actor), storable(row.action));
    let (ip, object, request_id) = (row.ip.map(storable), row.object.map(storable), row.request_id.map(storable));
    let row = NewAuditRow {
        actor: &actor,
        ip: ip.as_deref(),
        action: &action,
        object: object.as_deref(),
        outcome: row.outcome,
        detail: storable_detail(row.detail),
        request_id: request_id.as_deref(),
    };
    chain::extend(tx, keys, id, &row).await
}

/// Whether a row is there.
pub async fn exists(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from audit where id = $1)").bind(id).fetch_one(db).await
}

/// A text as PostgreSQL can store it: a row must not get lost because of a character somebody sent.
fn storable(text: &str) -> String {
    text.chars().take(MOST_CHARACTERS).map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn storable_detail(detail: Value) -> Value {
    match detail.to_string().len() {
        ..=MOST_DETAIL => without_nul(detail),
        bytes => serde_json::json!({ "left_out_bytes": bytes, "status": detail.get("status") }),
    }
}

fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").into(),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), without_nul(value))).collect()
        }
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Rows, newest first, those before `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &AuditFilter,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<AuditRow>> {
    select(db, "($1::uuid is null or id < $1)", "desc", filter, before, limit).await
}

/// Rows, oldest first, those after `after` when given.
pub async fn oldest_first(
    db: impl PgExecutor<'_>,
    filter: &AuditFilter,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<AuditRow>> {
    select(db, "($1::uuid is null or id > $1)", "asc", filter, after, limit).await
}

async fn select(
    db: impl PgExecutor<'_>,
    from: &str,
    order: &str,
    filter: &AuditFilter,
    place: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<AuditRow>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select id, at, actor, ip, action, object, outcome, detail, request_id, seq, key_id,
                encode(hash, 'hex') as hash
         from audit
         where {from}
           and ($2::text is null or lower(actor) = lower($2))
           and ($3::text is null or strpos(lower(action), lower($3)) > 0)
           and ($4::text is null or outcome = $4)
           and ($5::text is null or strpos(lower(object), lower($5)) > 0)
           and ($6::timestamptz is null or at >= $6)
           and ($7::timestamptz is null or at < $7)
         order by id {order} limit $8"
    )))
    .bind(place)
    .bind(&filter.actor)
    .bind(&filter.action)
    .bind(&filter.outcome)
    .bind(&filter.object)
    .bind(filter.from)
    .bind(filter.to)
    .bind(limit)
    .fetch_all(db)
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_character_keeps_a_row_from_being_stored() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert_eq!(storable(&"ä".repeat(2_000)).chars().count(), 1_000);
        let odd = json!({ "a\0": ["\0", { "b": "c\0d" }], "n": 1 });
        assert_eq!(storable_detail(odd), json!({ "a\u{fffd}": ["\u{fffd}", { "b": "c\u{fffd}d" }], "n": 1 }));
        let long = json!({ "status": 201, "text": "x".repeat(20_000) });
        assert_eq!(storable_detail(long), json!({ "status": 201, "left_out_bytes": 20_024 }));
    }
}
