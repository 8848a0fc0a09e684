//! The first rejected rows of a run and the reasons of all of them, small enough to be kept with every report.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explained::Code;

/// Most places that are kept.
const PLACES: usize = 20;
/// Most reasons that are counted one by one.
const REASONS: usize = 20;
/// Longest sentence that is kept, in characters.
const LONGEST_REASON: usize = 300;

/// Rows that broke the contract: how many, why, and where the first of them are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Rejections {
    /// All rejected rows, also those that are not listed.
    pub total: u64,
    /// Number of rows by reason. In a report the most frequent reason comes first; rows of further reasons than the
    /// first twenty are only in `total`.
    pub reasons: Vec<ReasonCount>,
    /// The first twenty rejected rows, in the order they were read.
    pub places: Vec<RejectedPlace>,
}

/// Number of rows rejected for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// Code of the reason, for programs.
    pub code: String,
    /// Column the reason is about; `null` when the record could not be read as a row.
    pub column: Option<String>,
    /// Number of rows that were rejected for this reason.
    pub rows: u64,
}

/// The place of one rejected row, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedPlace {
    /// File as people see it.
    pub file: String,
    /// Line of the file, counted from 1.
    pub line: u64,
    /// Column the reason is about; `null` when the record could not be read as a row.
    pub column: Option<String>,
    /// Code of the reason, for programs.
    pub code: String,
    /// A sentence. It may quote the value, so it is kept with the run and never logged.
    pub reason: String,
}

impl Rejections {
    /// Counts a rejected row, and keeps its place while there is room.
    pub fn add(&mut self, file: &str, line: u64, column: Option<&str>, code: Code, reason: &str) {
        self.total += 1;
        let known = self.reasons.iter().position(|one| one.code == code.as_str() && one.column.as_deref() == column);
        match known {
            Some(known) => self.reasons[known].rows += 1,
            None if self.reasons.len() < REASONS => {
                self.reasons.push(ReasonCount {
                    code: code.as_str().to_owned(),
                    column: column.map(str::to_owned),
                    rows: 1,
                });
            }
            None => {}
        }
        if self.places.len() < PLACES {
            self.places.push(RejectedPlace {
                file: file.to_owned(),
                line,
                column: column.map(str::to_owned),
                code: code.as_str().to_owned(),
                reason: reason.chars().take(LONGEST_REASON).collect(),
            });
        }
    }

    /// The summary for a report, the most frequent reason first; `None` when no row was rejected.
    pub fn summary(mut self) -> Option<Self> {
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.rows));
        (self.total > 0).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_counted_and_the_first_twenty_are_kept() {
        let mut rejections = Rejections::default();
        for line in 0..131 {
            let column = if line % 4 == 0 { None } else { Some("amount") };
            rejections.add("a.csv", line, column, Code::WrongType, &"long ".repeat(200));
        }
        for column in 0..40 {
            rejections.add("b.csv", 1, Some(&format!("c{column}")), Code::BelowMin, "too small");
        }
        let summary = rejections.summary().expect("rows were rejected");
        assert_eq!((summary.total, summary.places.len(), summary.reasons.len()), (171, PLACES, REASONS));
        assert_eq!((summary.reasons[0].rows, summary.reasons[0].column.as_deref()), (98, Some("amount")));
        assert_eq!(summary.reasons[1].rows, 33);
        assert!(summary.places.iter().all(|place| place.reason.chars().count() <= LONGEST_REASON));
        assert_eq!(Rejections::default().summary(), None);
    }
}
