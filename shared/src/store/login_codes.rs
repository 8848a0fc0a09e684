//! One-time codes with which a browser that has logged in at the identity provider gets its token. Only hashes are kept.

use sha2::{Digest, Sha256};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::secret::Secret;

/// Seconds for which a code may be redeemed.
pub const VALID_SECONDS: i32 = 60;

/// Keeps a code for a user. Codes that have expired are deleted on the way.
pub async fn keep(db: impl PgExecutor<'_>, code: &Secret, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "with expired as (delete from login_codes where expires_at < now())
         insert into login_codes (code_hash, user_id, expires_at) values ($1, $2, now() + make_interval(secs => $3))",
    )
    .bind(hash(code))
    .bind(user_id)
    .bind(f64::from(VALID_SECONDS))
    .execute(db)
    .await?;
    Ok(())
}

/// Redeems a code: returns its user, and deletes the code, so that it works once. `None`: it is unknown, used or expired.
pub async fn redeem(db: impl PgExecutor<'_>, code: &Secret) -> sqlx::Result<Option<Uuid>> {
    let redeemed: Option<(Uuid, bool)> =
        sqlx::query_as("delete from login_codes where code_hash = $1 returning user_id, expires_at > now()")
            .bind(hash(code))
            .fetch_optional(db)
            .await?;
    Ok(redeemed.filter(|(_, valid)| *valid).map(|(user_id, _)| user_id))
}

fn hash(code: &Secret) -> Vec<u8> {
    Sha256::digest(code.expose().as_bytes()).to_vec()
}
