//! The report about one connection: whether a source or the target can be reached and used.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explained::{Explained, StoredCode};

/// The result of a test of one connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProbeReport {
    /// `source 1 (sftp)`, `target`.
    pub what: String,
    /// Whether the server answered, also with a refusal.
    pub reachable: bool,
    /// It accepted the login, or needs none.
    pub authenticated: bool,
    /// A source can be read; the target can be written.
    pub usable: bool,
    /// A sentence about what was found.
    pub found: String,
    /// The first twenty files that a run would read.
    pub files: Vec<FoundFile>,
    /// Number of files that a run would read.
    pub files_total: u64,
    /// Size of these files in bytes; `null` for an API with pages, because only its first page was read.
    pub bytes_total: Option<u64>,
    /// Columns of the first file or answer.
    pub columns: Vec<String>,
    /// Sentences about the answer of an API: its paging, against the config's, and its rate limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Duration of the test, in seconds.
    pub seconds: f64,
    /// The reason why it is not usable; `null` when it is.
    pub problem: Option<ProbeProblem>,
}

/// A file that a run would read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundFile {
    /// The file as people see it.
    pub name: String,
    /// Size in bytes, as it is on the server or disk.
    pub bytes: u64,
}

/// The reason why a connection is not usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeProblem {
    /// Stable code, perhaps one of a newer release.
    #[schema(value_type = String)]
    pub code: StoredCode,
    /// A sentence about what happened.
    pub message: String,
    /// Advice on what to do about it.
    pub next_step: String,
}

impl ProbeReport {
    /// A connection that is usable, with nothing found yet.
    pub fn usable(what: &str, found: String, seconds: f64) -> Self {
        let what = what.to_owned();
        Self { what, found, seconds, reachable: true, authenticated: true, usable: true, ..Self::default() }
    }
}

impl From<Explained> for ProbeProblem {
    fn from(problem: Explained) -> Self {
        Self { code: problem.code.into(), message: problem.message, next_step: problem.next_step }
    }
}
