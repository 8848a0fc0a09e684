//! Stored secrets: what their names, values and grants may be, checked once for the API and the command line.
//!
//! # Layout
//! - [`ChangeSecret`]: a change that was checked
//! - [`GrantedSecrets`]: the secrets that one config gets; [`SecretReferences`]: looks its references up

mod granted;

use crate::explained::Code;
use crate::invisible::is_invisible;
use crate::redaction;
use crate::secret::Secret;

pub use granted::{Asker, GrantedSecrets, SecretReferences};

/// Secrets that can be stored.
pub const MOST_SECRETS: i64 = 1_000;
/// In place of pipelines' names: all pipelines.
pub const ALL_PIPELINES: &str = "*";

/// Bytes of a name.
const MAX_NAME: usize = 64;
/// Bytes of a value.
pub(crate) const MAX_VALUE: usize = 64 << 10;
/// Characters of a description.
const MAX_DESCRIPTION: usize = 500;
/// Pipelines that a secret can be granted to, unless it is granted to all.
const MAX_PIPELINES: usize = 100;
/// Characters of a pipeline's name.
const MAX_PIPELINE: usize = 200;

/// What to store of a secret. What is `None` stays as it is, or is empty for a new secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSecret {
    /// The value. A new secret needs one.
    pub value: Option<Secret>,
    /// What the secret is used for, in the words of an admin. `None`: the description stays.
    pub description: Option<String>,
    /// Names of the pipelines that may use it, or [`ALL_PIPELINES`].
    pub pipelines: Option<Vec<String>>,
    /// Whether configs that no admin has uploaded may use it as well.
    pub usable_by_users: Option<bool>,
}

/// Why a secret cannot be stored like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A config could not refer to it.
    #[error("a secret's name has 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`")]
    Name,
    /// Messages could not hide it, or it is too large.
    #[error("a secret's value has {} bytes to 64 KiB and no NUL character", redaction::SHORTEST)]
    Value,
    /// The description is too long or has line breaks.
    #[error("a secret's description has up to {MAX_DESCRIPTION} characters on one line")]
    Description,
    /// The list of pipelines is too long, or contains something else than names.
    #[error("expected the names of up to {MAX_PIPELINES} pipelines, or `{ALL_PIPELINES}` alone for all of them")]
    Pipelines,
    /// A new secret without a value.
    #[error("there is no secret of this name yet, and a new one needs a value")]
    NoValue,
    /// There are as many secrets as can be stored.
    #[error("{MOST_SECRETS} secrets are stored, and no more can be")]
    TooMany,
}

impl SecretError {
    /// Code of the refusal in problem documents.
    pub fn code(&self) -> Code {
        match self {
            Self::Name => Code::InvalidSecretName,
            Self::Value => Code::InvalidSecretValue,
            Self::Description => Code::InvalidDescription,
            Self::Pipelines => Code::InvalidPipelines,
            Self::NoValue => Code::SecretValueMissing,
            Self::TooMany => Code::TooManySecrets,
        }
    }
}

/// Checks the name of a secret.
///
/// # Errors
/// [`SecretError::Name`].
pub fn check_name(name: &str) -> Result<(), SecretError> {
    let fits = (1..=MAX_NAME).contains(&name.len());
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if fits && is_name { Ok(()) } else { Err(SecretError::Name) }
}

impl ChangeSecret {
    /// The same change in its final form: the description trimmed, each pipeline once.
    ///
    /// # Errors
    /// When a part of it cannot be stored.
    pub fn checked(mut self) -> Result<Self, SecretError> {
        let value = self.value.as_ref().map(Secret::expose);
        // Shorter values could not be hidden in messages. White space at the ends is not looked for there.
        if value.is_some_and(|value| {
            value.trim().len() < redaction::SHORTEST || value.len() > MAX_VALUE || value.contains('\0')
        }) {
            return Err(SecretError::Value);
        }
        if let Some(description) = &mut self.description {
            *description = description.trim().to_owned();
            if description.chars().count() > MAX_DESCRIPTION || description.chars().any(char::is_control) {
                return Err(SecretError::Description);
            }
        }
        if let Some(pipelines) = &mut self.pipelines {
            pipelines.sort_unstable();
            pipelines.dedup();
            let is_all = *pipelines == [ALL_PIPELINES];
            if !is_all && (pipelines.len() > MAX_PIPELINES || !pipelines.iter().all(|name| is_pipeline(name))) {
                return Err(SecretError::Pipelines);
            }
        }
        Ok(self)
    }
}

/// A pipeline's name, which cannot be the sign for all pipelines here.
fn is_pipeline(name: &str) -> bool {
    name.trim() == name
        && name != ALL_PIPELINES
        && (1..=MAX_PIPELINE).contains(&name.chars().count())
        && !name.contains(is_invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_reference() {
        for name in ["a", "warehouse.password", "A_b-9", &"x".repeat(64)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a}", "é", "a/b", "${secret:a}", &"x".repeat(65)] {
            assert_eq!(check_name(name), Err(SecretError::Name), "{name}");
        }
    }

    #[test]
    fn a_change_is_checked_as_a_whole() {
        let value = |value: &str| ChangeSecret { value: Some(value.into()), ..ChangeSecret::default() }.checked();
        assert!(value("word").is_ok() && value(&"x".repeat(MAX_VALUE)).is_ok());
        for wrong in ["", "abc", " abc\n", "a\0bcd", &"x".repeat(MAX_VALUE + 1)] {
            assert_eq!(value(wrong), Err(SecretError::Value), "{wrong:.20}");
        }
        let pipelines = |names: &[&str]| {
            let pipelines = Some(names.iter().map(ToString::to_string).collect());
            ChangeSecret { pipelines, ..ChangeSecret::default() }.checked().map(|change| change.pipelines)
        };
        assert_eq!(pipelines(&["b", "a", "b"]), Ok(Some(vec!["a".into(), "b".into()])));
        assert_eq!(pipelines(&["*", "*"]), Ok(Some(vec!["*".into()])));
        assert_eq!(pipelines(&[]), Ok(Some(Vec::new())));
        for wrong in [&["*", "a"][..], &[" a"], &[""], &["a\nb"]] {
            assert_eq!(pipelines(wrong), Err(SecretError::Pipelines), "{wrong:?}");
        }
    }
}
