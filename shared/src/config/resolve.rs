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
