//! `${env:NAME}` and `${secret:NAME}` in any scalar: found at upload, resolved by the worker at run time.

use crate::secret::Secret;

/// A reference in a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `${env:NAME}`
    Env(String),
    /// `${secret:NAME}`
    Secret(String),
}

/// Looks references up. The error is a sentence for the config's author.
pub trait Resolve {
    /// The value of a reference; `Ok(None)`: leave it as it stands (nothing is resolved at upload).
    fn resolve(&self, reference: &Reference) -> Result<Option<Secret>, String>;
}

/// Resolves nothing: for checking a config at upload.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReferences;

impl Resolve for NoReferences {
    fn resolve(&self, _: &Reference) -> Result<Option<Secret>, String> {
        Ok(None)
    }
}

/// A piece of a scalar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Reference(Reference),
}

/// Splits a scalar at its references. A `${` that is none of ours is ordinary text.
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
