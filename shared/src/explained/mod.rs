//! What elt says about a problem: a stable code, a sentence and a next step.
//!
//! # Layout
//! - [`Code`]: every code there is; [`StoredCode`]: one that another release may have written
//! - [`catalog`]: what each code means
//! - [`errors_page`]: the catalog as a page for people

pub mod catalog;
mod code;
mod page;
mod stored_code;

use std::error::Error;
use std::fmt;

use serde::Serialize;

pub use code::Code;
pub use page::errors_page;
pub use stored_code::StoredCode;

use crate::driver_text::without_source_lines;
use crate::redaction;

/// A problem as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// What kind of problem it is.
    pub code: Code,
    /// A sentence about this very case: what happened, and where.
    pub message: String,
    /// What the reader should do.
    pub next_step: String,
}

impl Explained {
    /// A problem in words.
    pub fn new(code: Code, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { code, message: message.into(), next_step: next_step.into() }
    }
}

/// An error and its sources in one line, secrets hidden.
pub fn sentence(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |source: &&(dyn Error + 'static)| (*source).source());
    let said = sources.fold(error.to_string(), |said, source| {
        let more = source.to_string();
        // The errors of some libraries repeat their source in their own text.
        if said.contains(&more) { said } else { format!("{said}: {more}") }
    });
    redaction::hide(&without_source_lines(&said)).into_owned()
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
