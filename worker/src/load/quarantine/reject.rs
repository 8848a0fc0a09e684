//! A row that breaks the contract is rejected: it is kept for the quarantine, or fails the run when the config says so.

use std::sync::Arc;

use elt_shared::config::{OnBadRow, RejectLimit};
use elt_shared::explained::{Code, Explained};

use super::refused::MOST_REFUSED;
use super::rejected_rows::{RejectReason, RejectedRows};
use crate::contract::{Column, Layout, TypedBatch, Violation};
use crate::error::{PipelineError, Result};
use crate::frame::BadRecord;
use crate::load::copy::{SecondPassError, spool_failed};
use crate::progress::Progress;

/// The rules by which a rejected row fails the run.
#[derive(Debug, Clone, Copy)]
pub struct RejectRules {
    /// The treatment of rows that break the contract.
    pub on_bad_row: OnBadRow,
    /// The number or share of rejected rows above which the run fails. `None`: any number is allowed.
    pub limit: Option<RejectLimit>,
    /// Whether the search for rows that the table refuses ended early. The first refused row then fails the run, because the
    /// next try would only find more of them.
    pub too_many_refused: bool,
}

/// Takes rejected rows and counts them against the limit.
pub struct RejectHandler {
    rows: RejectedRows,
    count: u64,
    rules: RejectRules,
    /// Names of the files by their indexes.
    names: Vec<String>,
    /// Keeps the rejected rows, so that people see the first of them also when the run fails.
    progress: Arc<Progress>,
}

impl RejectHandler {
    /// A handler that adds rejected rows to `rows`.
    pub fn new(rows: RejectedRows, rules: RejectRules, progress: Arc<Progress>) -> Self {
        Self { rows, count: 0, rules, names: Vec::new(), progress }
    }

    /// Sets the names of the files, which the errors and the quarantine show.
    pub fn name_files<'f>(&mut self, files: impl Iterator<Item = (usize, &'f str)>) {
        for (place, name) in files {
            self.names.resize(self.names.len().max(place + 1), String::new());
            name.clone_into(&mut self.names[place]);
        }
    }

    /// Rejects a record that is not a row.
    ///
    /// # Errors
    /// When a rejected row fails the run, or is one too many; when the disk is full.
    pub fn record(&mut self, bad: &BadRecord) -> Result<(), SecondPassError> {
        let name = &self.names[bad.file];
        self.progress.rejected(name, bad.line, bad.column.as_deref(), bad.code, &bad.reason);
        if self.rules.on_bad_row == OnBadRow::Fail {
            return Err(bad_row(&format!("{name}:{}: {}", bad.line, bad.reason)).into());
        }
        self.rows.record(name, bad).map_err(spool_failed)?;
        self.count()
    }

    /// Rejects a row that breaks the contract.
    ///
    /// # Errors
    /// As [`RejectHandler::record`].
    pub fn row(&mut self, layout: &Layout, typed: &TypedBatch, violation: &Violation) -> Result<(), SecondPassError> {
        let (name, line) = (&self.names[typed.raw.file], typed.raw.lines[violation.row]);
        let column = violation.column.map(|column| &layout.columns[column]);
        let column_name = column.map(|column| column.name.as_str());
        self.progress.rejected(name, line, column_name, violation.code, &violation.reason);
        if violation.refused && self.rules.too_many_refused {
            let place = format!("{name}:{line}: {}", without_value(column, violation));
            return Err(too_many_refused(&place).into());
        }
        if self.rules.on_bad_row == OnBadRow::Fail {
            return Err(bad_row(&format!("{name}:{line}: {}", without_value(column, violation))).into());
        }
        let why = RejectReason { column: column_name, code: violation.code, reason: &violation.reason };
        self.rows.row(name, &typed.raw, violation.row, why).map_err(spool_failed)?;
        self.count()
    }

    /// Checks the share of rejected rows, which is known only after all rows were read.
    ///
    /// # Errors
    /// When more percent were rejected than the config allows.
    pub fn check(&self, read: u64) -> Result<(), SecondPassError> {
        match self.rules.limit.and_then(|limit| limit.percent) {
            Some(percent) if self.count as f64 * 100.0 > percent * read as f64 => {
                let message = format!("{} of {read} rows break the contract: more than {percent} %", self.count);
                Err(too_many(message).into())
            }
            _ => Ok(()),
        }
    }

    /// The rejected rows.
    pub fn into_rows(self) -> RejectedRows {
        self.rows
    }

    fn count(&mut self) -> Result<(), SecondPassError> {
        self.count += 1;
        match self.rules.limit.and_then(|limit| limit.rows) {
            Some(limit) if self.count > limit => {
                Err(too_many(format!("more than {limit} rows break the contract")).into())
            }
            _ => Ok(()),
        }
    }
}

/// A sentence for logs about the rule that a row breaks, without the value.
fn without_value(column: Option<&Column>, violation: &Violation) -> String {
    let rule = match (&violation.rule, column, violation.code) {
        (Some(rule), ..) => rule.clone(),
        (None, Some(column), Code::WrongType) => {
            format!("is not a valid {}", column.through.as_ref().unwrap_or(column.typing()).sql_type)
        }
        (None, _, Code::NullNotAllowed | Code::NullKey) => "is missing".into(),
        (None, _, code) => format!("breaks the rule {code}"),
    };
    match column {
        Some(column) => format!("the value of {} {rule}", column.name),
        None => format!("the row {rule}"),
    }
}

fn too_many_refused(first: &str) -> PipelineError {
    PipelineError::Target(Explained {
        code: Code::TooManyRefused,
        message: format!("the table refuses {MOST_REFUSED} rows or more; the first is {first}"),
        next_step: "Correct the source, or change the table's column or constraint so that it takes such rows.".into(),
    })
}

fn bad_row(message: &str) -> PipelineError {
    PipelineError::Contract(Explained {
        code: Code::BadRow,
        message: message.to_owned(),
        next_step: "Correct the row, or write `on_bad_row: quarantine` to load the others.".into(),
    })
}

fn too_many(message: String) -> PipelineError {
    PipelineError::Contract(Explained {
        code: Code::TooManyRejected,
        message,
        next_step: "Correct the source or the schema, or raise `max_rejected`.".into(),
    })
}
