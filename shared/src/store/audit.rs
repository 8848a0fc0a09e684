//! The audit: who did what, also when it was refused. Rows are only ever added.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

/// One thing someone did.
#[derive(Debug, Clone, FromRow)]
pub struct AuditRow {
    /// UUIDv7: sorts by time.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Username; `-` for nobody.
    pub actor: String,
    /// Where from.
    pub ip: Option<String>,
    /// `POST /runs/{id}/stop`
    pub action: String,
    /// What it was done to: `run 0199…`, `config 12`.
    pub object: Option<String>,
    /// `done`, `denied` or `failed`.
    pub outcome: String,
    /// Status and whatever else helps.
    pub detail: Value,
    /// Finds the log lines of the same request.
    pub request_id: Option<String>,
}

/// What is noted.
#[derive(Debug, Clone)]
pub struct NewAuditRow<'a> {
    /// Username; `-` for nobody.
    pub actor: &'a str,
    /// Where from.
    pub ip: Option<&'a str>,
    /// `POST /runs/{id}/stop`
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
}

/// Adds a row.
pub async fn append(db: impl PgExecutor<'_>, row: NewAuditRow<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into audit (id, actor, ip, action, object, outcome, detail, request_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(Uuid::now_v7())
    .bind(row.actor)
    .bind(row.ip)
    .bind(row.action)
    .bind(row.object)
    .bind(row.outcome)
    .bind(row.detail)
    .bind(row.request_id)
    .execute(db)
    .await?;
    Ok(())
}

/// Rows, newest first, those before `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &AuditFilter,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<AuditRow>> {
    sqlx::query_as(
        "select id, at, actor, ip, action, object, outcome, detail, request_id from audit
         where ($1::uuid is null or id < $1)
           and ($2::text is null or lower(actor) = lower($2))
           and ($3::text is null or strpos(lower(action), lower($3)) > 0)
           and ($4::text is null or outcome = $4)
         order by id desc limit $5",
    )
    .bind(before)
    .bind(&filter.actor)
    .bind(&filter.action)
    .bind(&filter.outcome)
    .bind(limit)
    .fetch_all(db)
    .await
}
