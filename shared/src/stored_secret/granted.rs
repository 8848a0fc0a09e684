//! The secrets that one config gets, and looking its references up among them.

use std::collections::HashMap;
use std::fmt;

use super::ALL_PIPELINES;
use crate::config::{Reference, Resolve, SecretRefusal, Unresolved};
use crate::redaction::{self, Held};
use crate::secret::Secret;
use crate::settings::AllowedVariables;
use crate::store::configs::ConfigAuthor;

/// The secrets of one config, each with its value or why the config does not get it. Messages hide the values for as long as
/// this is there.
#[derive(Default)]
pub struct GrantedSecrets {
    values: HashMap<String, Result<Secret, Unresolved>>,
    held: Vec<Held>,
}

impl fmt::Debug for GrantedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// Whose config asks for secrets.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Name of the pipeline, as the config writes it.
    pub pipeline: &'a str,
    /// Who vouches for the config.
    pub author: ConfigAuthor,
}

impl Asker<'_> {
    /// Whether a secret with these grants is for this config.
    pub(crate) fn may_use(self, pipelines: &[String], usable_by_users: bool) -> bool {
        let is_granted = pipelines.iter().any(|granted| granted == ALL_PIPELINES || granted == self.pipeline);
        is_granted && (usable_by_users || self.author == ConfigAuthor::Admin)
    }

    /// The refusal of a secret that is not stored (`is_stored` is false) or not granted.
    pub(crate) fn refusal(self, name: &str, is_stored: bool) -> Unresolved {
        let Self { pipeline, author } = self;
        let (refusal, message) = match (author, is_stored) {
            // A user who could tell the two apart would learn which secrets there are.
            (ConfigAuthor::User, _) => (
                SecretRefusal::NotGranted,
                format!(
                    "the secret {name:?} is not stored here, or not granted to configs that users upload for the pipeline \
                     {pipeline:?}"
                ),
            ),
            (ConfigAuthor::Admin, true) => {
                (SecretRefusal::NotGranted, format!("the secret {name:?} is not granted to the pipeline {pipeline:?}"))
            }
            (ConfigAuthor::Admin, false) => {
                (SecretRefusal::Unknown, format!("no secret named {name:?} is stored on this server"))
            }
        };
        Unresolved { message, refusal: Some(refusal) }
    }
}

impl GrantedSecrets {
    /// Notes a secret.
    pub(crate) fn insert(&mut self, name: String, value: Result<Secret, Unresolved>) {
        self.held.extend(value.as_ref().map(redaction::hold));
        self.values.insert(name, value);
    }

    /// What hides the values, for a holder that lives as long as the config in which they are.
    pub fn into_held(self) -> Vec<Held> {
        self.held
    }
}

/// Looks up the references of one config: `${secret:NAME}` among the secrets it gets, and `${env:NAME}` in this process's
/// environment.
#[derive(Debug)]
pub struct SecretReferences<'a> {
    /// `None`: variables stay as they are written.
    pub variables: Option<AllowedVariables<'a>>,
    /// The secrets that the config gets.
    pub secrets: &'a GrantedSecrets,
}

impl Resolve for SecretReferences<'_> {
    fn resolve(&self, reference: &Reference) -> Result<Option<Secret>, Unresolved> {
        match (reference, &self.variables) {
            (Reference::Secret(name), _) => match self.secrets.values.get(name) {
                Some(value) => value.clone().map(Some),
                None => Err(Unresolved {
                    message: format!("no secret named {name:?} is stored on this server"),
                    refusal: Some(SecretRefusal::Unknown),
                }),
            },
            (Reference::Env(name), Some(variables)) => Ok(Some(variables.value(name)?)),
            (Reference::Env(_), None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_granted_pipelines_and_for_configs_of_users_only_when_marked() {
        let asker = |pipeline, author| Asker { pipeline, author };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (pipelines, usable_by_users, by_admin, by_user) in [
            (&["orders"][..], false, true, false),
            (&["orders"], true, true, true),
            (&["*"], false, true, false),
            (&["*"], true, true, true),
            (&["Orders", "orders 2"], true, false, false),
            (&[], true, false, false),
        ] {
            let pipelines = names(pipelines);
            for (author, expected) in [(ConfigAuthor::Admin, by_admin), (ConfigAuthor::User, by_user)] {
                let may = asker("orders", author).may_use(&pipelines, usable_by_users);
                assert_eq!(may, expected, "{pipelines:?} {usable_by_users} {author:?}");
            }
        }
    }

    #[test]
    fn a_user_cannot_tell_a_missing_secret_from_one_that_is_not_granted() {
        let user = Asker { pipeline: "orders", author: ConfigAuthor::User };
        assert_eq!(user.refusal("a", true), user.refusal("a", false));
        let admin = Asker { pipeline: "orders", author: ConfigAuthor::Admin };
        assert_eq!(admin.refusal("a", true).refusal, Some(SecretRefusal::NotGranted));
        assert_eq!(admin.refusal("a", false).refusal, Some(SecretRefusal::Unknown));
    }

    #[test]
    fn a_granted_value_is_not_shown() {
        let mut secrets = GrantedSecrets::default();
        secrets.insert("a".into(), Ok("hunter2-of-grants".into()));
        assert_eq!(format!("{secrets:?}"), r#"{"a"}"#);
    }
}
