//! The report about one source that was looked at before anything is loaded: its first rows, and the config that is
//! proposed for it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProbeProblem;
use crate::text_enum::text_enum;

/// The beginning of one source, and the choices of a config that fits it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SourcePreview {
    /// `source 1 (api)`.
    pub what: String,
    /// Number of requests that were made. 0 for files.
    pub requests: u32,
    /// What a config for this source should say, and why. Empty for files.
    pub choices: Vec<Choice>,
    /// Columns of the first page or file, with the types that elt would decide from it.
    pub columns: Vec<PreviewColumn>,
    /// The first hundred rows as texts, in the order of `columns`; fewer when there are more than a hundred columns.
    pub rows: Vec<Vec<Option<String>>>,
    /// Number of rows of the first page or file; `null` when it was not read to its end.
    pub rows_total: Option<u64>,
    /// A complete config with these choices. Only for a preview of a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
    /// The reason why nothing could be read; `null` when it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<ProbeProblem>,
}

/// One choice of a config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Choice {
    /// The key of the config that it is about, such as `records`, `pagination`, `incremental` or `load`; `rate_limit` is
    /// about the API and not about a key.
    pub key: String,
    /// The value as YAML on one line. `null`: the key should not be written.
    pub value: Option<String>,
    /// Sentences that say why.
    pub reason: String,
    /// How sure the choice is.
    pub confidence: Confidence,
    /// Other values that could be meant, with their reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

text_enum! {
    /// How sure a choice is.
    #[derive(Default)]
    pub enum Confidence {
        /// It follows from the answers, or a second page confirmed it.
        Certain = "certain",
        /// It fits a well-known form.
        Likely = "likely",
        /// A person must decide. It is written as a comment unless a config cannot run without it.
        #[default]
        Unsure = "unsure",
    }
}

/// A column of the first page or file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PreviewColumn {
    /// Name of the column.
    pub name: String,
    /// The type as SQL that all its values have.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// The cell that made it so, and how many rows have no value. Empty when there is nothing to say.
    pub because: String,
}
