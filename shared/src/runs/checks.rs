//! The results of a config's checks, as reports keep them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text_enum::text_enum;

text_enum! {
    /// The result of a check.
    #[derive(Default)]
    pub enum CheckState {
        /// The check holds for the rows.
        #[default]
        Passed = "passed",
        /// It does not hold, and the run loads nothing.
        Failed = "failed",
        /// It does not hold, and the rows are loaded all the same.
        Warned = "warned",
        /// The rows for which it does not hold are in quarantine.
        Quarantined = "quarantined",
        /// It could not be tried, so it is unknown whether it holds. The run loads nothing unless the check only warns.
        Broken = "broken",
    }
}

/// The result of one check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CheckResult {
    /// Name of the check, such as `unique(id)`.
    pub name: String,
    /// Key of its rule in the config.
    #[schema(example = "unique")]
    pub rule: String,
    /// Columns of the table that it is about; empty for `row_count` and `sql`.
    pub columns: Vec<String>,
    /// The result.
    pub state: CheckState,
    /// The word of the config for what happens when it fails: `rollback`, `warn` or `quarantine`.
    pub on_fail: String,
    /// Number of rows for which it does not hold. For `row_count` the number of rows of the table.
    pub rows: u64,
    /// A sentence without values: what is wrong, or why the check could not be tried. Empty when it holds.
    pub says: String,
    /// The first five rows for which it does not hold. They have values, so they are never logged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<CheckSample>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// A row for which a check does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CheckSample {
    /// File that the row came from, as people see it. `null`: its place is unknown, as that of a row which an earlier run
    /// wrote without `provenance`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of the file, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Its values as the table has them, so that a masked column shows its mask. Long ones are cut.
    pub values: Vec<CheckValue>,
    /// Row hash of a row that the run wrote itself, by which its place is found. It is not stored.
    #[serde(skip)]
    pub row_hash: Option<u128>,
}

/// A value of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CheckValue {
    /// Name of a column of the row, which need not be the one that was checked.
    pub column: String,
    /// The value as a text; `null` for NULL.
    pub value: Option<String>,
}

impl CheckResult {
    /// Whether the run must not load because of it.
    pub fn forbids_the_load(&self) -> bool {
        match self.state {
            CheckState::Passed | CheckState::Warned | CheckState::Quarantined => false,
            CheckState::Failed => true,
            CheckState::Broken => self.on_fail != "warn",
        }
    }

    /// A sentence about a check that does not hold, with the places of its first rows and without values.
    pub fn sentence(&self) -> String {
        let Self { name, says, samples, .. } = self;
        let verb = if self.state == CheckState::Broken { "could not be tried" } else { "failed" };
        let places: Vec<String> =
            samples.iter().filter_map(|sample| Some(format!("{}:{}", sample.file.as_deref()?, sample.line?))).collect();
        let places = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
        format!("the check {name} {verb}: {says}{places}")
    }
}
