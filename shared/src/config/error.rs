//! What is wrong with a config, and where.

use serde::{Deserialize, Serialize};

use super::resolve::SecretRefusal;

/// One thing wrong with a config: `sources[0].type: unknown variant "gopher", expected local, api, sftp, s3, http or ftp at line 2 column 9`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigProblem {
    /// Key path, `sources[0].type`; empty for the document itself.
    pub path: String,
    /// 1-based, when the place is known.
    pub line: Option<usize>,
    /// 1-based, when the place is known.
    pub column: Option<usize>,
    /// What is wrong and what is expected.
    pub message: String,
}

impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, " at line {line} column {column}")?;
        }
        Ok(())
    }
}

/// Why a text is not a config that can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not one YAML mapping within the limits: nothing of it can be kept.
    #[error("Invalid YAML: {0}")]
    Syntax(ConfigProblem),
    /// A YAML mapping that can be kept, but not run. Never empty, in the order of the document.
    #[error("{}", sentences(.0))]
    NotRunnable(Vec<ConfigProblem>),
    /// A YAML mapping that refers to a secret it does not get.
    #[error("{}", sentences(problems))]
    Secret {
        /// Of the first such reference.
        refusal: SecretRefusal,
        /// All problems of the text, in its order. Never empty.
        problems: Vec<ConfigProblem>,
    },
}

impl ConfigError {
    /// What is wrong, in the order of the document. Never empty.
    pub fn problems(&self) -> &[ConfigProblem] {
        match self {
            Self::Syntax(problem) => std::slice::from_ref(problem),
            Self::NotRunnable(problems) | Self::Secret { problems, .. } => problems,
        }
    }
}

fn sentences(problems: &[ConfigProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Something in a config that works, but probably not as meant: an unknown key with the nearest known one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Path of the key: `sources[0].type`. Empty: the document itself.
    pub path: String,
    /// Line in the text, from 1. `None`: the problem has no place.
    pub line: Option<usize>,
    /// Column in that line in characters, from 1.
    pub column: Option<usize>,
    /// `unknown key "delimeter", did you mean "delimiter"?`
    pub message: String,
}

/// A text of any length, fit for a message.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
