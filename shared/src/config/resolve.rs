//! `${env:NAME}` and `${secret:NAME}` in any scalar: found at upload, resolved by the worker at run time.

use std::collections::BTreeSet;
use std::fmt;

use crate::explained::Code;
use crate::secret::Secret;

/// A reference in a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `${env:NAME}`
    Env(String),
    /// `${secret:NAME}`
    Secret(String),
}

impl fmt::Display for Reference {
    /// As it is written in a config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${{env:{name}}}"),
            Self::Secret(name) => write!(f, "${{secret:{name}}}"),
        }
    }
}

/// Looks references up.
pub trait Resolve {
    /// The value of a reference; `Ok(None)`: leave it as it stands (nothing is resolved at upload).
    ///
    /// # Errors
    /// Why the reference has no value.
    fn resolve(&self, reference: &Reference) -> Result<Option<Secret>, Unresolved>;
}

/// Why a reference has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// A sentence for the config's author.
    pub message: String,
    /// Set for `${secret:NAME}`.
    pub refusal: Option<SecretRefusal>,
}

impl From<String> for Unresolved {
    fn from(message: String) -> Self {
        Self { message, refusal: None }
    }
}

/// Why a config does not get a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretRefusal {
    /// No secret of this name is stored.
    Unknown,
    /// The secret is not granted to the pipeline, or not to configs of users.
    NotGranted,
}

impl SecretRefusal {
    /// Stable code people can search for.
    pub fn code(self) -> Code {
        match self {
            Self::Unknown => Code::UnknownSecret,
            Self::NotGranted => Code::SecretNotGranted,
        }
    }

    /// What the reader should do.
    pub fn next_step(self) -> &'static str {
        match self {
            Self::Unknown => {
                "Store it with `elt secret set NAME` or on the page Secrets, or correct its name in the config."
            }
            Self::NotGranted => {
                "An admin grants it with `elt secret grant NAME PIPELINE` or on the page Secrets. A config that no admin \
                 has uploaded gets it only when it is marked as usable by users as well."
            }
        }
    }
}

/// Resolves nothing: for checking a config at upload.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReferences;

impl Resolve for NoReferences {
    fn resolve(&self, _: &Reference) -> Result<Option<Secret>, Unresolved> {
        Ok(None)
    }
}

/// A piece of a scalar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Reference(Reference),
}

/// Adds the names of the secrets that a scalar refers to. A scalar that cannot be split refers to none.
pub(super) fn add_secret_names(text: &str, names: &mut BTreeSet<String>) {
    for part in parts(text).unwrap_or_default() {
        if let Part::Reference(Reference::Secret(name)) = part {
            names.insert(name);
        }
    }
}

/// Whether a scalar is one `${secret:NAME}` and nothing else.
pub(super) fn is_one_secret(text: &str) -> bool {
    matches!(parts(text).as_deref(), Ok([Part::Reference(Reference::Secret(_))]))
}

/// Splits a scalar at its references. A `${` that begins neither `${env:` nor `${secret:` is ordinary text.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, kind, after)) = next_reference(rest) {
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err("a reference is not closed, expected ${env:NAME} or ${secret:NAME}".into());
        };
        if !is_name(name) {
            return Err("a reference needs a name of letters, digits, `_`, `-` or `.`, as in ${env:NAME}".into());
        }
        parts.push(Part::Reference(kind(name.to_owned())));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

type MakeReference = fn(String) -> Reference;

fn next_reference(text: &str) -> Option<(&str, MakeReference, &str)> {
    let kinds: [(&str, MakeReference); 2] = [("${env:", Reference::Env), ("${secret:", Reference::Secret)];
    let (position, opening, kind) = kinds
        .into_iter()
        .filter_map(|(opening, kind)| text.find(opening).map(|position| (position, opening, kind)))
        .min_by_key(|(position, ..)| *position)?;
    Some((&text[..position], kind, &text[position + opening.len()..]))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_between_text() {
        let found = parts("https://${env:HOST}/${secret:path}?a=${x}").unwrap();
        assert_eq!(
            found,
            [
                Part::Text("https://"),
                Part::Reference(Reference::Env("HOST".into())),
                Part::Text("/"),
                Part::Reference(Reference::Secret("path".into())),
                Part::Text("?a=${x}"),
            ]
        );
    }

    #[test]
    fn a_broken_reference_is_an_error() {
        assert!(parts("${env:HOST").is_err());
        assert!(parts("${env:}").is_err());
        assert!(parts("${secret:a b}").is_err());
    }
}
