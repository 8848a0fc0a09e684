//! The type of one column, and the reason for it: inferred, declared by a schema, given by the table, or wider than that.

use elt_shared::config::{ColumnContract, ColumnType};
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::DecidingCell;

use super::existing_columns::{ExistingColumn, ExistingTable};
use super::type_order::{self, holds, kindred};
use super::{SqlType, Typing};
use crate::error::{PipelineError, Result};
use crate::frame::profile::{ColumnProfile, Evidence};

/// The type of a column, and the reason for it.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The types that the column had and has, oldest first.
    pub history: Vec<Typing>,
    /// The schema's type, when values must be of it before they are converted to the table's. `None`: there is one type only.
    pub through: Option<Typing>,
    /// Whether the first pass showed that every cell is a value of the type.
    pub proven: bool,
    /// The type that the schema or the table has, when the column became wider than that.
    pub widened_from: Option<SqlType>,
    /// The reason, as a sentence for the report.
    pub because: String,
    /// The cell that ruled a narrower type out, if one did.
    pub decided_by: Option<DecidingCell>,
    /// A sentence for the warnings of the report.
    pub warning: Option<String>,
}

/// The facts by which the type of a column is chosen.
pub struct Chooser<'a> {
    /// Name of the column in the table.
    pub name: &'a str,
    /// The profiles of the files' columns that go into it.
    pub profiles: Vec<&'a ColumnProfile>,
    /// The column in the schema. `None`: the schema does not name it.
    pub contract: Option<&'a ColumnContract>,
    /// The table and its column. `None`: the column is new.
    pub known: Option<(&'a ExistingTable, &'a ExistingColumn)>,
    /// Whether a value that does not convert makes the column wider instead of breaking the contract.
    pub widens: bool,
}

impl Chooser<'_> {
    /// Chooses the type.
    ///
    /// # Errors
    /// When the schema and the table cannot both be right.
    pub fn choose(&self) -> Result<Choice> {
        let declared = |contract: &ColumnContract| Typing::declared(contract.column_type, contract.format.clone());
        match (self.known, self.contract) {
            (None, None) => Ok(self.inferred()),
            (None, Some(contract)) => Ok(self.declared(contract.column_type, declared(contract))),
            (Some((_, column)), None) => Ok(self.given(column, column.history.clone(), None)),
            (Some((_, column)), Some(contract)) => {
                self.given_and_declared(column, contract.column_type, declared(contract))
            }
        }
    }

    fn inferred(&self) -> Choice {
        let inferred = self.profiles.first().map_or(ColumnType::Text, |profile| profile.inferred());
        let deciding = self.profiles.first().and_then(|profile| profile.deciding());
        let values = self.profiles.iter().any(|profile| profile.non_nulls > 0);
        let declared = self.profiles.first().and_then(|profile| profile.declared());
        let because = match (deciding, declared) {
            (_, Some(declared)) => {
                format!("{} is {inferred} because the file declares {}", self.name, declared.word)
            }
            (Some(cell), None) => self.because(&inferred.into(), cell),
            (None, None) if !values => format!("{} is text because no row has a value in it", self.name),
            (None, None) => format!("{} is {inferred} because every value is one", self.name),
        };
        Choice {
            history: vec![Typing::inferred(inferred)],
            through: None,
            proven: true,
            widened_from: None,
            because,
            decided_by: deciding.map(DecidingCell::from),
            warning: None,
        }
    }

    /// A new column with a type the schema asks for.
    fn declared(&self, wanted: ColumnType, typing: Typing) -> Choice {
        let (widest, evidence) = if self.widens { self.widest(wanted, |_| true) } else { (wanted, None) };
        let typing = if widest == wanted { typing } else { Typing::declared(widest, None) };
        Choice {
            because: match evidence {
                Some(cell) => self.because(&widest.into(), cell),
                None => format!("{} is {widest} because the schema says so", self.name),
            },
            history: vec![typing],
            through: None,
            proven: false,
            widened_from: (widest != wanted).then(|| wanted.into()),
            decided_by: evidence.map(DecidingCell::from),
            warning: None,
        }
    }

    /// The choice for a column that the table has. `wanted`: the schema's type, when it is the same.
    fn given(&self, column: &ExistingColumn, mut history: Vec<Typing>, wanted: Option<Typing>) -> Choice {
        if let Some(wanted) = wanted
            && history.last() != Some(&wanted)
        {
            history.push(wanted);
        }
        let typing = history.last().unwrap_or_else(|| column.typing()).clone();
        let mut choice = Choice {
            history,
            through: None,
            proven: false,
            widened_from: None,
            because: format!("{} is {} because the table already has this type", self.name, typing.sql_type),
            decided_by: None,
            warning: None,
        };
        let Some(current) = typing.sql_type.known() else { return choice };
        let Some(evidence) = self.evidence(current) else {
            choice.proven = true;
            return choice;
        };
        if !self.widens {
            return choice;
        }
        let mut refused = None;
        let (widest, _) = self.widest(current, |wider| {
            let refusal = self.known.and_then(|(known, column)| known.why_not_widen(column, &wider.into()));
            refused = refusal.or(refused.take());
            refused.is_none()
        });
        if widest == current {
            let why = refused.unwrap_or_else(|| "no wider type holds it".into());
            choice.warning = Some(format!(
                "the column {} stays {current} because {why}: rows with other values are quarantined",
                self.name
            ));
        } else {
            let wider = Typing {
                sql_type: widest.into(),
                declared: typing.declared && widest != ColumnType::Text,
                format: None,
            };
            choice.because = self.because(&wider.sql_type, evidence);
            choice.history.push(wider);
            choice.widened_from = Some(current.into());
            choice.decided_by = Some(DecidingCell::from(evidence));
            choice.proven = true;
        }
        choice
    }

    fn given_and_declared(&self, column: &ExistingColumn, wanted: ColumnType, declared: Typing) -> Result<Choice> {
        let Some(current) = column.typing().sql_type.known() else {
            let mut choice = self.given(column, column.history.clone(), None);
            choice.through = (wanted != ColumnType::Text).then_some(declared);
            return Ok(choice);
        };
        if wanted == current {
            return Ok(self.given(column, column.history.clone(), Some(declared)));
        }
        if holds(wanted, current) && declared.format.is_none() {
            // The table's type is narrower, and becomes wider only if it does not hold all values.
            return Ok(self.given(column, column.history.clone(), None));
        }
        if !holds(current, wanted) && !kindred(current, wanted) {
            return Err(PipelineError::Contract(Explained {
                code: Code::TypeConflict,
                message: format!(
                    "the schema says {} is {wanted}, but the table's column {} is {current}",
                    self.name, column.table.name
                ),
                next_step: "Correct the type in `schema:`, alter the table's column, or load into another table."
                    .into(),
            }));
        }
        Ok(self.through(column, current, wanted, declared))
    }

    /// The table's type is wider than the schema's, or another of its family: values are read as the schema says
    /// and kept as the table does.
    fn through(&self, column: &ExistingColumn, current: ColumnType, wanted: ColumnType, declared: Typing) -> Choice {
        let mut choice = self.given(column, column.history.clone(), None);
        if choice.widened_from.is_some() {
            return choice;
        }
        choice.proven = false;
        choice.warning = None;
        let widest = if self.widens { self.widest(wanted, |wider| holds(current, wider)).0 } else { wanted };
        choice.through = if widest == wanted {
            Some(declared)
        } else if widest == current {
            None
        } else {
            Some(Typing::declared(widest, None))
        };
        if widest != wanted {
            let evidence = self.evidence(wanted);
            choice.because = match evidence {
                Some(cell) => self.because(&current.into(), cell),
                None => choice.because,
            };
            choice.decided_by = evidence.map(DecidingCell::from);
        }
        choice
    }

    /// The narrowest type from `start` on that every cell is a value of and that is `allowed`, and the cell that
    /// ruled `start` out. `start` itself when no allowed type holds every cell.
    fn widest(
        &self,
        start: ColumnType,
        mut allowed: impl FnMut(ColumnType) -> bool,
    ) -> (ColumnType, Option<&Evidence>) {
        let Some(evidence) = self.evidence(start) else { return (start, None) };
        for wider in type_order::path(start).into_iter().skip(1) {
            if self.evidence(wider).is_none() {
                return if allowed(wider) { (wider, Some(evidence)) } else { (start, None) };
            }
        }
        (start, None)
    }

    /// The first cell that is not a value of a type. `None`: all cells are.
    fn evidence(&self, column_type: ColumnType) -> Option<&Evidence> {
        let found = self.profiles.iter().find_map(|profile| profile.evidence(column_type))?;
        // A decimal with an exponent is a decimal where decimals are expected.
        let decimals = column_type == ColumnType::Numeric(None)
            && self.profiles.iter().all(|profile| profile.evidence(ColumnType::Double).is_none());
        (!decimals).then_some(found)
    }

    fn because(&self, sql_type: &SqlType, cell: &Evidence) -> String {
        let because = format!("{} is {sql_type} because {}:{} has {:?}", self.name, cell.file, cell.line, cell.value);
        let proposal = self.profiles.iter().find_map(|profile| profile.proposal()).filter(|_| sql_type.is_text());
        proposal.map_or(because.clone(), |proposal| format!("{because}; {proposal} in the source"))
    }
}

impl From<&Evidence> for DecidingCell {
    fn from(evidence: &Evidence) -> Self {
        Self { file: evidence.file.clone(), line: evidence.line, value: evidence.value.clone() }
    }
}
