//! The profile of a run: what the values of each loaded column look like, in bounded size.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes of JSON above which a profile loses its values.
const MOST_BYTES: usize = 1 << 20;

/// What the values of a run's columns look like.
///
/// It is about every row that was delivered and did not break the contract, also about rows that were in the table before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RunProfile {
    /// Number of rows that it is about.
    pub rows: u64,
    /// The columns, in the order of the table that the run would create.
    pub columns: Vec<ColumnProfile>,
    /// Values were left out, because all of them would be too large to keep.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
}

/// What the values of one column look like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ColumnProfile {
    /// Name of the column in the table.
    pub name: String,
    /// Type of the column as SQL.
    pub sql_type: String,
    /// Number of rows without a value.
    pub nulls: u64,
    /// Number of different values.
    pub distinct: u64,
    /// True: `distinct` was counted. False: it was estimated; of a hundred estimates, about 95 are off by less than 3.3 %.
    pub distinct_exact: bool,
    /// Number of values that are NaN or infinite.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_finite: u64,
    /// The smallest value, cut after 64 characters. `null`: there is none, its type has no order that elt knows, or the
    /// config says `profile: counts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value, in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Lengths of texts; `null` for other types and without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<LengthProfile>,
    /// The commonest values, the commonest first. A value that occurs once is only here when the column has few different
    /// values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TopValue>,
    /// True: the counts of `top` are of all rows. False: some rows were looked at for all, so that they are near.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub top_exact: bool,
    /// Finite numbers, dates and times in buckets of one width. `null` for other types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<HistogramProfile>,
}

/// Lengths of texts, in characters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LengthProfile {
    /// Length of the shortest text, in characters.
    pub min: u64,
    /// Length of the longest text, in characters.
    pub max: u64,
    /// Average length of the texts, in characters.
    pub average: f64,
}

/// A value that occurs often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TopValue {
    /// The value as a text, cut after 64 characters.
    pub value: String,
    /// Number of rows that have it.
    pub count: u64,
}

/// Values in buckets of one width.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HistogramProfile {
    /// Where the first bucket begins.
    pub from: String,
    /// Where the last bucket ends. The end does not belong to it.
    pub to: String,
    /// Number of values in each bucket, at most 32 of them.
    pub counts: Vec<u64>,
}

impl RunProfile {
    /// Leaves values out as long as the profile is too large to keep: first the commonest values and the histograms, then
    /// the smallest and largest values. Every count stays.
    pub fn bound(&mut self) {
        for step in [forget_distribution, forget_ends] {
            if serde_json::to_vec(self).is_ok_and(|json| json.len() <= MOST_BYTES) {
                return;
            }
            self.columns.iter_mut().for_each(step);
            self.shortened = true;
        }
    }
}

fn forget_distribution(column: &mut ColumnProfile) {
    column.top.clear();
    column.top_exact = false;
    column.histogram = None;
}

fn forget_ends(column: &mut ColumnProfile) {
    column.min = None;
    column.max = None;
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(value: &str) -> RunProfile {
        let column = |index| ColumnProfile {
            name: format!("column_{index}"),
            nulls: 7,
            min: Some(value.into()),
            max: Some(value.into()),
            top: vec![TopValue { value: value.into(), count: 1 }; 10],
            ..ColumnProfile::default()
        };
        RunProfile { rows: 9, columns: (0..1600).map(column).collect(), shortened: false }
    }

    #[test]
    fn a_profile_that_is_too_large_loses_values_and_no_count() {
        let mut profile = wide(&"v".repeat(64));
        profile.bound();
        assert!(profile.shortened && profile.columns.iter().all(|column| column.top.is_empty() && column.nulls == 7));
        assert!(profile.columns.iter().all(|column| column.min.is_some()), "the ends fit");

        let mut profile = wide(&"\u{1}".repeat(64));
        profile.bound();
        assert!(profile.columns.iter().all(|column| column.min.is_none() && column.nulls == 7));
        assert!(serde_json::to_vec(&profile).expect("JSON").len() <= MOST_BYTES);

        let mut small = RunProfile { columns: wide("v").columns[..3].to_vec(), ..RunProfile::default() };
        small.bound();
        assert!(!small.shortened && small.columns[0].top.len() == 10);
    }
}
