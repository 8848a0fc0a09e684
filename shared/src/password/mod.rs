//! Passwords: argon2id, hashed off the async threads and only a few at a time.

mod common;

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use tokio::sync::Semaphore;

use crate::secret::Secret;

/// Characters of the shortest password a person may choose.
pub const MIN_LENGTH: usize = 8;
/// Characters of the shortest password an operator may give in a setting. It is lower than [`MIN_LENGTH`], because
/// older installations have such passwords.
const MIN_GIVEN_LENGTH: usize = 7;
/// Characters of the longest password. Longer passwords are refused before they are hashed.
pub const MAX_LENGTH: usize = 256;

/// Each hash takes 19 MiB and tens of milliseconds of a core: more at once would starve everything else.
static HASHERS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));

/// A hash no password has: checked when a user is unknown, so that the answer takes as long as for a known one.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now(&uuid::Uuid::new_v4().to_string()).unwrap_or_default());

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has {} to {MAX_LENGTH} characters", .shortest)]
    Length {
        /// Characters of the shortest one that is accepted.
        shortest: usize,
    },
    /// A common password, which would be guessed early.
    #[error("this password is too common: it would be guessed early")]
    Common,
    /// The hasher failed: out of memory, or no randomness.
    #[error("could not hash the password")]
    Hasher,
}

/// The PHC string to store for a password that a person chose.
///
/// # Errors
/// When the password is too short, too long or common.
pub async fn hash(password: Secret) -> Result<String, PasswordError> {
    check_length(&password, MIN_LENGTH)?;
    if common::is_common(password.expose()) {
        return Err(PasswordError::Common);
    }
    hash_in_turn(password).await
}

/// The PHC string to store for a password that an operator gave in a setting: it may be a common one.
///
/// # Errors
/// When the password is too short or too long.
pub async fn hash_given(password: Secret) -> Result<String, PasswordError> {
    check_length(&password, MIN_GIVEN_LENGTH)?;
    hash_in_turn(password).await
}

fn check_length(password: &Secret, shortest: usize) -> Result<(), PasswordError> {
    match (shortest..=MAX_LENGTH).contains(&password.expose().chars().count()) {
        true => Ok(()),
        false => Err(PasswordError::Length { shortest }),
    }
}

async fn hash_in_turn(password: Secret) -> Result<String, PasswordError> {
    let _turn = HASHERS.acquire().await.map_err(|_| PasswordError::Hasher)?;
    tokio::task::spawn_blocking(move || hash_now(password.expose())).await.map_err(|_| PasswordError::Hasher)?
}

/// Whether `password` is the one behind `hash`. Without a hash the answer is no, and takes as long.
pub async fn verify(password: Secret, hash: Option<String>) -> bool {
    if password.expose().len() > MAX_LENGTH * 4 {
        return false;
    }
    let Ok(_turn) = HASHERS.acquire().await else { return false };
    tokio::task::spawn_blocking(move || {
        let matches = verify_now(password.expose(), hash.as_deref().unwrap_or(&NOBODY));
        matches && hash.is_some()
    })
    .await
    .unwrap_or(false)
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|_| PasswordError::Hasher)
}

fn verify_now(password: &str, hash: &str) -> bool {
    phc::PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_opens() {
        let hash = hash(Secret::new("correct horse")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify(Secret::new("correct horse"), Some(hash.clone())).await);
        assert!(!verify(Secret::new("correct hors"), Some(hash)).await);
        assert!(!verify(Secret::new("correct horse"), None).await);
    }

    #[tokio::test]
    async fn a_common_password_is_the_operators_choice_alone() {
        assert!(matches!(hash(Secret::new("Passw0rd!")).await, Err(PasswordError::Common)));
        assert!(hash_given(Secret::new("user123")).await.is_ok());
    }

    #[tokio::test]
    async fn short_and_endless_passwords_are_refused() {
        assert!(matches!(hash(Secret::new("kX9#vQ2")).await, Err(PasswordError::Length { shortest: 8 })));
        assert!(matches!(hash_given(Secret::new("kX9#vQ")).await, Err(PasswordError::Length { shortest: 7 })));
        assert!(matches!(hash(Secret::new("x".repeat(257))).await, Err(PasswordError::Length { .. })));
        assert!(!verify(Secret::new("x".repeat(1 << 20)), None).await);
    }
}
