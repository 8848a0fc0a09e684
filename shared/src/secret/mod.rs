//! Values that never print: passwords, tokens and keys; and the keys that seal them where they are stored.
//!
//! # Layout
//! - [`Secret`]: a text that shows as `***`
//! - [`KeyRing`]: seals and opens stored values; [`KeyProvider`]: where its keys come from
//! - `strength`: which keys are refused

mod providers;
mod ring;
mod strength;

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

pub use providers::{GivenKeys, KeyError, KeyFile, KeyProvider, Stamp};
pub use ring::{CurrentKey, KeyRing, OpenError, Sealed, context};
pub use strength::{MIN_KEY_BYTES, is_strong};

/// The one placeholder that stands for a secret wherever people can look.
pub const PLACEHOLDER: &str = "***";

/// A text that shows as `***` in `Debug`, `Display` and JSON. [`Secret::expose`] is the only way to it.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Never log, store or show what this returns.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(PLACEHOLDER)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
