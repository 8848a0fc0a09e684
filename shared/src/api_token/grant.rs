//! What a new API token is granted, checked once for the API and the command line.

use super::Scope;
use crate::explained::Code;
use crate::invisible::is_invisible;
use crate::store::users::User;

/// Lifetime of a token whose request names none, in days.
pub const DEFAULT_DAYS: u16 = 90;
/// Pipelines that a token may be bound to.
const MAX_PIPELINES: usize = 100;
/// Characters of a token's name.
const MAX_NAME: usize = 100;
/// Characters of a pipeline's name.
const MAX_PIPELINE: usize = 200;

/// What a token may do, where, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Shown in lists and in the audit.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Names of the pipelines it may touch; `None`: all of them.
    pub pipelines: Option<Vec<String>>,
    /// Days until it expires.
    pub days: u16,
}

/// Why a token cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The name is empty, too long or not printable.
    #[error("a token's name has 1 to {MAX_NAME} printable characters")]
    Name,
    /// The token has no scopes, so it could do nothing.
    #[error("a token needs at least one scope")]
    NoScopes,
    /// Its owner may not do that either.
    #[error("the scope `{scope}` needs an owner with the role admin, but {owner} is a user")]
    Scope {
        /// The scope.
        scope: Scope,
        /// Username.
        owner: String,
    },
    /// The list of pipelines is empty, too long or contains something else than names.
    #[error("expected the names of 1 to {MAX_PIPELINES} pipelines; name none to allow all")]
    Pipelines,
    /// The time is too short or too long.
    #[error("a token lives 1 to {at_most} days on this server")]
    Days {
        /// Days of the setting.
        at_most: u16,
    },
}

impl GrantError {
    /// Code of the refusal in problem documents.
    pub fn code(&self) -> Code {
        match self {
            Self::Name => Code::InvalidName,
            Self::NoScopes => Code::NoScopes,
            Self::Scope { .. } => Code::ScopeNotAllowed,
            Self::Pipelines => Code::InvalidPipelines,
            Self::Days { .. } => Code::InvalidExpiry,
        }
    }
}

impl Grant {
    /// The same grant in its final form: the name trimmed, each scope once. `max_days` is the longest lifetime.
    ///
    /// # Errors
    /// When the owner cannot have such a token.
    pub fn checked(self, owner: &User, max_days: u16) -> Result<Self, GrantError> {
        let name = self.name.trim().to_owned();
        if !is_printable(&name, MAX_NAME) {
            return Err(GrantError::Name);
        }
        let mut scopes = self.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(GrantError::NoScopes);
        }
        if let Some(scope) = scopes.iter().find(|scope| !scope.is_open_to(owner.role)) {
            return Err(GrantError::Scope { scope: *scope, owner: owner.username.clone() });
        }
        let are_names = |names: &Vec<String>| {
            (1..=MAX_PIPELINES).contains(&names.len()) && names.iter().all(|name| is_printable(name, MAX_PIPELINE))
        };
        if !self.pipelines.as_ref().is_none_or(are_names) {
            return Err(GrantError::Pipelines);
        }
        if !(1..=max_days).contains(&self.days) {
            return Err(GrantError::Days { at_most: max_days });
        }
        Ok(Self { name, scopes, pipelines: self.pipelines, days: self.days })
    }
}

fn is_printable(text: &str, at_most: usize) -> bool {
    (1..=at_most).contains(&text.chars().count()) && !text.contains(is_invisible)
}
