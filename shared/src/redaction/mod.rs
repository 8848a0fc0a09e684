//! Hides the values of secrets in everything that people may read: log lines, spans, errors, reports, answers.
//!
//! A process holds every stored secret that a config gets, and the variables whose names say that they are secret. Values
//! written in a config itself, and variables with other names, are not hidden. [`hide`] replaces a value by `***`, also
//! where it was escaped for a URL or for JSON. Public certificates are not hidden.
//!
//! A value that is in use stays hidden. When the last use ends it stays hidden for another minute, because spans and log
//! lines are sent later, and then until 1 MiB of other values have gone out of use after it.
//!
//! # Layout
//! - `forms`: the texts as which a value may appear
//! - `hidden`: which texts are hidden, and finding them
//! - `writer`: hides values in log lines

mod forms;
mod hidden;
mod writer;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Instant;

use serde_json::Value;

use crate::secret::{PLACEHOLDER, Secret};
use hidden::Hidden;
pub(crate) use writer::HidingWriters;

/// Shorter values are not hidden, because they would be found everywhere.
pub const SHORTEST: usize = 4;
/// Shorter lines of a value with several lines are not hidden, because they would be found everywhere.
const SHORTEST_LINE: usize = 8;

static HIDDEN: LazyLock<RwLock<Hidden>> = LazyLock::new(RwLock::default);

/// A value in use. It is hidden until this is dropped, and for a while after.
pub struct Held(Vec<Arc<str>>);

impl Drop for Held {
    fn drop(&mut self) {
        change().release(&self.0, Instant::now());
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

fn change() -> RwLockWriteGuard<'static, Hidden> {
    HIDDEN.write().unwrap_or_else(PoisonError::into_inner)
}

fn texts_of(secret: &Secret) -> Vec<Arc<str>> {
    forms::forms(secret.expose()).into_iter().map(Arc::from).collect()
}

/// Hides a value for as long as the returned value lives.
pub fn hold(secret: &Secret) -> Held {
    let texts = texts_of(secret);
    change().hold(&texts, Instant::now());
    Held(texts)
}

/// Hides a value for as long as the process runs: for values of its environment, which are few and stay there.
pub fn add(secret: &Secret) {
    change().keep(&texts_of(secret));
}

/// The text with `***` in place of every value.
pub fn hide(text: &str) -> Cow<'_, str> {
    HIDDEN.read().unwrap_or_else(PoisonError::into_inner).hide(text)
}

/// Hides every value in the texts of a JSON document. Names of members stay.
pub fn hide_in(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = hide(text) {
                *text = shown;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_in),
        Value::Object(members) => members.values_mut().for_each(hide_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_json_are_hidden_and_names_of_members_stay() {
        add(&Secret::new("c4n4ry-of-redaction"));
        let mut value = serde_json::json!({
            "c4n4ry-of-redaction": ["see c4n4ry-of-redaction", 5, null, { "deep": "c4n4ry-of-redaction" }],
        });
        hide_in(&mut value);
        assert_eq!(value, serde_json::json!({ "c4n4ry-of-redaction": ["see ***", 5, null, { "deep": "***" }] }));
    }

    #[test]
    fn a_held_value_is_hidden_and_shows_nothing_itself() {
        let held = hold(&Secret::new("c4n4ry-of-a-holder"));
        assert_eq!(hide("see c4n4ry-of-a-holder"), "see ***");
        assert_eq!(format!("{held:?}"), "***");
        drop(held);
        assert_eq!(hide("see c4n4ry-of-a-holder"), "see ***", "its lines are sent a moment later");
    }
}
