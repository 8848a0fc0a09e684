//! Second factors of users with a password: the sealed secret, which codes were used, and recovery codes.

use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::secret::Sealed;

/// Wrong codes of a user in [`WINDOW_SECONDS`], before more of them are refused from every address.
pub const MOST_FAILURES: i32 = 10;
/// Seconds in which wrong codes are counted together.
pub const WINDOW_SECONDS: i32 = 900;

/// The second factor of a user.
#[derive(Debug, FromRow)]
pub struct SecondFactor {
    key_id: String,
    sealed: Vec<u8>,
    /// Whether the user has shown a code. Until then, logins need none.
    pub confirmed: bool,
    /// The time step of the last code that was accepted.
    pub last_step: i64,
    /// Seconds until another code is looked at; zero: at once.
    pub wait_seconds: i64,
}

impl SecondFactor {
    /// The shared secret.
    pub fn secret(&self) -> Sealed {
        Sealed { key_id: self.key_id.clone(), bytes: self.sealed.clone() }
    }
}

/// The second factor of a user, locked until the caller's transaction ends, so that a code is not used twice at once.
pub async fn lock(db: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Option<SecondFactor>> {
    sqlx::query_as(
        "select key_id, sealed, confirmed_at is not null as confirmed, last_step,
                case when failures >= $2 and failures_since > now() - make_interval(secs => $3)
                     then greatest(1, ceil($3 - extract(epoch from now() - failures_since)))::bigint
                     else 0::bigint end as wait_seconds
         from second_factors where user_id = $1 for update",
    )
    .bind(user_id)
    .bind(MOST_FAILURES)
    .bind(f64::from(WINDOW_SECONDS))
    .fetch_optional(db)
    .await
}

/// Keeps the secret of a second factor that is not confirmed yet. Returns false when the user has a confirmed one.
pub async fn begin(db: impl PgExecutor<'_>, user_id: Uuid, secret: &Sealed) -> sqlx::Result<bool> {
    let kept = sqlx::query(
        "insert into second_factors (user_id, key_id, sealed) values ($1, $2, $3)
         on conflict (user_id) do update set key_id = $2, sealed = $3, last_step = 0, created_at = now()
         where second_factors.confirmed_at is null",
    )
    .bind(user_id)
    .bind(&secret.key_id)
    .bind(&secret.bytes)
    .execute(db)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Confirms a second factor, and keeps the hashes of its recovery codes.
pub async fn confirm(db: impl PgExecutor<'_>, user_id: Uuid, code_hashes: &[Vec<u8>]) -> sqlx::Result<()> {
    sqlx::query(
        "with confirmed as (update second_factors set confirmed_at = now() where user_id = $1)
         insert into recovery_codes (user_id, code_hash) select $1, unnest($2::bytea[])",
    )
    .bind(user_id)
    .bind(code_hashes)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that the code of a time step was accepted.
pub async fn note_step(db: impl PgExecutor<'_>, user_id: Uuid, step: i64) -> sqlx::Result<()> {
    sqlx::query("update second_factors set last_step = $2, failures = 0 where user_id = $1")
        .bind(user_id)
        .bind(step)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes a wrong code.
pub async fn note_failure(db: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update second_factors set
             failures = case when failures_since > now() - make_interval(secs => $2) then failures + 1 else 1 end,
             failures_since = case when failures > 0 and failures_since > now() - make_interval(secs => $2)
                                   then failures_since else now() end
         where user_id = $1",
    )
    .bind(user_id)
    .bind(f64::from(WINDOW_SECONDS))
    .execute(db)
    .await?;
    Ok(())
}

/// Uses a recovery code up. Returns false when the user has no such code.
pub async fn use_recovery_code(db: impl PgExecutor<'_>, user_id: Uuid, code_hash: &[u8]) -> sqlx::Result<bool> {
    let used = sqlx::query("delete from recovery_codes where user_id = $1 and code_hash = $2")
        .bind(user_id)
        .bind(code_hash)
        .execute(db)
        .await?;
    Ok(used.rows_affected() == 1)
}

/// Removes the second factor of a user. Returns false when there is none.
pub async fn remove(db: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<bool> {
    let removed = sqlx::query("delete from second_factors where user_id = $1").bind(user_id).execute(db).await?;
    Ok(removed.rows_affected() == 1)
}
