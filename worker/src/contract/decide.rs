//! The decision which columns are loaded, and as which types: a layout from the files' profile, the schema and the existing
//! table.

use elt_shared::config::{ColumnContract, LoadMode, OnExtraColumn, PartitionConfig, PipelineConfig};
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::{ColumnReport, Drift};

use super::cells::Canonical;
use super::column_limits::ColumnLimit;
use super::existing_columns::{ExistingColumn, ExistingTable};
use super::expectations::contract_columns;
use super::layout::{Column, Layout};
use super::name_matching::{WantedColumn, assign};
use super::rules::Rules;
use super::type_choice::{Choice, Chooser};
use crate::error::{PipelineError, Result};
use crate::frame::profile::{ColumnProfile, Profile};

/// Most columns of a load: PostgreSQL's limit, less elt's own three columns.
const MAX_COLUMNS: usize = 1_600 - 3;

/// The result of [`decide`].
#[derive(Debug)]
pub struct Decision {
    /// The columns to load.
    pub layout: Layout,
    /// Changes that the table needs before the rows fit into it.
    pub changes: Vec<Change>,
    /// The type of each column and the reason for it, for the report.
    pub reports: Vec<ColumnReport>,
    /// Differences between the files and the contract or the table, for the report.
    pub drift: Vec<Drift>,
    /// Sentences for the report.
    pub warnings: Vec<String>,
}

/// A change of the existing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The column of the layout with this index is new.
    Add(usize),
    /// The column of the layout with this index gets a wider type.
    Widen(usize),
}

/// Decides which columns are loaded, and as what.
///
/// # Errors
/// A column of the contract that no file has, a column outside the contract where that is forbidden, a type that the table's
/// column cannot have, a missing or unusable key, too many columns.
pub fn decide(profile: &Profile, config: &PipelineConfig, known: Option<&ExistingTable>) -> Result<Decision> {
    let mut deciding = Deciding {
        profile,
        config,
        known,
        strict: config.strict && config.schema.is_some(),
        decision: Decision {
            layout: Layout { provenance: config.provenance.clone(), ..Layout::default() },
            changes: Vec::new(),
            reports: Vec::new(),
            drift: Vec::new(),
            warnings: Vec::new(),
        },
    };
    deciding.columns()?;
    deciding.missing_columns_of_the_table()?;
    deciding.keys()?;
    let columns = deciding.decision.layout.columns.len()
        + config.provenance.len()
        + deciding.decision.drift.iter().filter(|drift| matches!(drift, Drift::Missing { .. })).count();
    if columns > MAX_COLUMNS {
        return Err(PipelineError::Contract(Explained {
            code: Code::TooManyColumns,
            message: format!(
                "the table would have {columns} columns; PostgreSQL allows {MAX_COLUMNS} beside elt's own three"
            ),
            next_step:
                "Name the columns you need in `schema:` with `strict_mode: true`, or make long rows of wide ones."
                    .into(),
        }));
    }
    Ok(deciding.decision)
}

struct Deciding<'a> {
    profile: &'a Profile,
    config: &'a PipelineConfig,
    known: Option<&'a ExistingTable>,
    strict: bool,
    decision: Decision,
}

/// A column of the contract or of the table, and its names in the files.
struct Bound<'a> {
    name: String,
    contract: Option<&'a ColumnContract>,
    known: Option<&'a ExistingColumn>,
    sources: Vec<&'a str>,
}

impl<'a> Deciding<'a> {
    fn columns(&mut self) -> Result<()> {
        let mut bound = self.bound();
        let extras = self.match_files(&mut bound);
        self.refuse_missing(&bound)?;
        for column in bound.into_iter().filter(|column| !column.sources.is_empty()) {
            if column.known.is_some_and(|known| known.table.generated) {
                self.leave_out(&column.name, "generated");
                continue;
            }
            let profiles = column.sources.iter().filter_map(|name| self.profile_of(name)).collect();
            self.add(&column.name, profiles, column.contract, column.known)?;
        }
        let on_extra = self.config.schema.as_ref().and_then(|schema| schema.on_extra_column);
        for name in extras {
            match on_extra {
                _ if self.strict && on_extra != Some(OnExtraColumn::Fail) => self.leave_out(name, "strict"),
                Some(OnExtraColumn::Ignore) => self.leave_out(name, "on_extra_column"),
                Some(OnExtraColumn::Fail) => return Err(extra_column(name)),
                Some(OnExtraColumn::Evolve) | None => {
                    self.add(name, self.profile_of(name).into_iter().collect(), None, None)?;
                }
            }
        }
        Ok(())
    }

    /// The schema's columns, and the table's when columns outside the schema are loaded, too.
    fn bound(&self) -> Vec<Bound<'a>> {
        let mut bound: Vec<Bound<'a>> = contract_columns(self.config, self.known)
            .into_iter()
            .map(|(name, contract, known)| Bound { name, contract: Some(contract), known, sources: Vec::new() })
            .collect();
        let on_extra = self.config.schema.as_ref().and_then(|schema| schema.on_extra_column);
        let extras_load = !self.strict && matches!(on_extra, None | Some(OnExtraColumn::Evolve));
        for column in self.known.iter().flat_map(|known| &known.columns).filter(|_| extras_load) {
            if !bound.iter().any(|other| other.name == column.table.name) {
                let name = column.table.name.clone();
                bound.push(Bound { name, contract: None, known: Some(column), sources: Vec::new() });
            }
        }
        bound
    }

    /// Finds the files' names for each bound column. Returns the names that are left over, in the order of their first
    /// appearance.
    fn match_files(&self, bound: &mut [Bound<'a>]) -> Vec<&'a str> {
        let names: Vec<_> = bound.iter().map(|column| column.name.clone()).collect();
        let wanted: Vec<_> = names.iter().map(|name| WantedColumn { name, any_case: true }).collect();
        let mut extras: Vec<&'a str> = Vec::new();
        for file in self.profile.readable() {
            let places = assign(&wanted, &file.names);
            for (column, place) in bound.iter_mut().zip(&places) {
                if let Some(name) = place.map(|place| file.names[place].as_str())
                    && !column.sources.contains(&name)
                {
                    column.sources.push(name);
                }
            }
            for (place, name) in file.names.iter().enumerate() {
                if !places.contains(&Some(place)) && !extras.contains(&name.as_str()) {
                    extras.push(name);
                }
            }
        }
        extras
    }

    fn refuse_missing(&self, bound: &[Bound<'_>]) -> Result<()> {
        if self.profile.columns.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = bound
            .iter()
            .filter(|column| column.contract.is_some() && column.sources.is_empty())
            .map(|column| column.name.as_str())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.profile.columns.iter().take(20).map(|column| column.name.as_str()).collect();
        let (noun, verb) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
        Err(PipelineError::Contract(Explained {
            code: Code::MissingColumn,
            message: format!(
                "the schema's {noun} {} {verb} in no source; they have {}",
                missing.join(", "),
                names.join(", ")
            ),
            next_step: "Correct the name in `schema:`, or deliver the column.".into(),
        }))
    }

    fn add(
        &mut self,
        name: &str,
        profiles: Vec<&ColumnProfile>,
        contract: Option<&ColumnContract>,
        known: Option<&ExistingColumn>,
    ) -> Result<()> {
        let nulls = profiles.iter().map(|profile| profile.nulls).min().unwrap_or(0);
        let missing = profiles.iter().map(|profile| profile.null_tokens + profile.empties).sum::<u64>();
        let bounded = contract.is_some_and(|c| c.allowed.is_some() || c.min.is_some() || c.max.is_some());
        // A wider type would leave the table without partitions, so rows with other values are rejected.
        let partitions = contract.is_some() && self.is_partitioned_by(name);
        let chooser = Chooser {
            name,
            profiles,
            contract,
            known: self.known.zip(known),
            widens: !self.strict && self.config.on_bad_row.is_none() && !bounded && !partitions,
        };
        let choice = chooser.choose()?;
        let index = self.decision.layout.columns.len();
        self.note(index, name, &choice, known, nulls, missing);
        let Choice { history, through, proven, .. } = choice;
        let typing = &history[history.len() - 1];
        // It makes no difference for a declared type, and layouts that load alike are to be equal.
        let proven = proven || typing.declared;
        let widened = self.decision.changes.contains(&Change::Widen(index));
        let sql = match known {
            Some(known) if !widened => known.table.sql_type.clone(),
            _ => typing.sql_type.to_string(),
        };
        let rules = self.rules(contract, known)?;
        let any_case = contract.is_some() || known.is_some();
        let (name, canonical) = (name.to_owned(), Canonical::of(&typing.sql_type));
        let verbatim = !typing.declared && through.is_none();
        let foreign = known.and_then(|known| known.foreign.clone());
        let limit =
            if widened { ColumnLimit::Any } else { ColumnLimit::of(&typing.sql_type, &sql, foreign.as_deref()) };
        let column = Column {
            name,
            sql,
            history,
            through,
            rules,
            foreign,
            limit,
            collation: known.and_then(|known| known.collation.clone()),
            transcoded: false,
            key: false,
            any_case,
            proven,
            verbatim,
            canonical,
        };
        self.decision.layout.columns.push(column);
        Ok(())
    }

    fn note(
        &mut self,
        index: usize,
        name: &str,
        choice: &Choice,
        known: Option<&ExistingColumn>,
        nulls: u64,
        missing: u64,
    ) {
        let column = name.to_owned();
        let sql_type = &choice.history[choice.history.len() - 1].sql_type;
        let decision = &mut self.decision;
        if let (Some(from), Some(to)) = (&choice.widened_from, sql_type.known()) {
            if known.is_some() {
                decision.changes.push(Change::Widen(index));
            }
            let decided_by = choice.decided_by.clone();
            decision.drift.push(Drift::Widened { column, from: from.to_string(), to, decided_by });
        } else if let (None, Some(_), Some(column_type)) = (known, self.known, sql_type.known()) {
            decision.drift.push(Drift::Added { column, column_type });
        }
        if self.known.is_some() && known.is_none() {
            decision.changes.push(Change::Add(index));
        }
        decision.warnings.extend(choice.warning.clone());
        decision.reports.push(ColumnReport {
            name: name.to_owned(),
            sql_type: sql_type.to_string(),
            because: choice.because.clone(),
            decided_by: choice.decided_by.clone(),
            nulls: if sql_type.is_text() { nulls } else { nulls + missing },
        });
    }

    /// The rules of a column. A column that is `not null` in the table takes no NULL, whatever the schema says.
    fn rules(&self, contract: Option<&ColumnContract>, known: Option<&ExistingColumn>) -> Result<Option<Rules>> {
        let not_null_domain = |known: &ExistingColumn| known.foreign.as_ref().is_some_and(|foreign| foreign.not_null);
        let not_null = known.is_some_and(|known| known.table.not_null || not_null_domain(known));
        let rules = contract.map(Rules::of).transpose()?;
        Ok(match rules {
            Some(mut rules) => {
                rules.not_null |= not_null;
                Some(rules).filter(|rules| rules.not_null || rules.apply_to_values())
            }
            None => not_null.then(Rules::not_null),
        })
    }

    fn missing_columns_of_the_table(&mut self) -> Result<()> {
        let Some(known) = self.known else { return Ok(()) };
        if self.profile.columns.is_empty() {
            return Ok(());
        }
        for column in &known.columns {
            let table = &column.table;
            if self.decision.layout.columns.iter().any(|other| other.name == table.name) || table.generated {
                continue;
            }
            if table.not_null && !table.has_default && table.identity.is_empty() {
                return Err(PipelineError::Contract(Explained {
                    code: Code::MissingNotNullColumn,
                    message: format!("the table's column {} must not be NULL, but no source has it", table.name),
                    next_step: format!(
                        "Deliver the column, give it a default, or let it be NULL: alter table … alter column {} drop not null",
                        elt_shared::target::quote_ident(&table.name)
                    ),
                }));
            }
            self.decision.drift.push(Drift::Missing { column: table.name.clone() });
        }
        Ok(())
    }

    fn keys(&mut self) -> Result<()> {
        if self.config.load.mode != LoadMode::Merge || self.profile.columns.is_empty() {
            return Ok(());
        }
        for key in &self.config.load.key {
            let lower = key.to_lowercase();
            let columns = &mut self.decision.layout.columns;
            let place = columns
                .iter()
                .position(|column| column.name == *key)
                .or_else(|| columns.iter().position(|column| column.name.to_lowercase() == lower));
            let Some(place) = place else {
                return Err(PipelineError::Contract(Explained {
                    code: Code::MissingKey,
                    message: format!("the key column {key} of load.key is not loaded"),
                    next_step: "Name columns the sources have under `load.key`.".into(),
                }));
            };
            columns[place].key = true;
            columns[place].rules.get_or_insert_with(Rules::not_null).not_null = true;
        }
        Ok(())
    }

    fn is_partitioned_by(&self, name: &str) -> bool {
        match &self.config.target.partition {
            Some(PartitionConfig::Range { column, .. }) => column.to_lowercase() == name.to_lowercase(),
            Some(PartitionConfig::Hash { .. }) | None => false,
        }
    }

    fn profile_of(&self, name: &str) -> Option<&'a ColumnProfile> {
        self.profile.columns.iter().find(|column| column.name == name)
    }

    fn leave_out(&mut self, name: &str, reason: &str) {
        self.decision.drift.push(Drift::LeftOut { column: name.to_owned(), reason: reason.to_owned() });
    }
}

fn extra_column(name: &str) -> PipelineError {
    PipelineError::Contract(Explained {
        code: Code::ExtraColumn,
        message: format!("the sources have the column {name}, which the schema does not name"),
        next_step: "Add it to `schema:`, or write `on_extra_column: evolve` or `ignore`.".into(),
    })
}
