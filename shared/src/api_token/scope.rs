//! What an API token may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::store::users::Role;

/// One kind of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Starts, stops, retries and undoes runs of stored configs, changes schedules, drains workers, pauses and
    /// limits.
    Trigger,
    /// Reads runs, schedules, configs without their secrets, workers and log lines.
    Read,
    /// Stores new configs.
    Upload,
    /// Reads rows: of target tables, combined CSVs and the quarantine.
    Data,
    /// Reads users and the audit, stores and grants secrets, approves host keys and imports coverage reports.
    Admin,
}

impl Scope {
    /// Every scope, in the order in which lists show them.
    pub const ALL: [Self; 5] = [Self::Trigger, Self::Read, Self::Upload, Self::Data, Self::Admin];

    /// As it is written in requests, in answers and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Read => "read",
            Self::Upload => "upload",
            Self::Data => "data",
            Self::Admin => "admin",
        }
    }

    /// Whether a token of an owner with this role may have it.
    pub fn is_open_to(self, role: Role) -> bool {
        match self {
            Self::Upload | Self::Data => true,
            Self::Trigger | Self::Read | Self::Admin => role == Role::Admin,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| format!("{text} is not one of trigger, read, upload, data, admin"))
    }
}

/// The scopes of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(pub Vec<Scope>);

impl From<Vec<String>> for Scopes {
    /// A scope that this release does not know grants nothing.
    fn from(stored: Vec<String>) -> Self {
        Self(stored.iter().filter_map(|scope| scope.parse().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_of_another_release_grants_nothing() {
        let scopes = Scopes::from(vec!["read".to_owned(), "everything".to_owned(), "Admin".to_owned()]);
        assert_eq!(scopes.0, [Scope::Read]);
    }

    #[test]
    fn an_owner_of_role_user_shares_only_what_such_a_user_may_do() {
        let open = Scope::ALL.into_iter().filter(|scope| scope.is_open_to(Role::User));
        assert_eq!(open.collect::<Vec<_>>(), [Scope::Upload, Scope::Data]);
        assert!(Scope::ALL.into_iter().all(|scope| scope.is_open_to(Role::Admin)));
    }
}
