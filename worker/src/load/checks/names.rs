//! Columns of checks are found in the table: by their exact name, else by the only one of that name in any case.

use elt_shared::config::{PipelineConfig, nearest};
use elt_shared::explained::{Code, Explained};
use elt_shared::target::TableRef;

use crate::contract::Layout;
use crate::error::{PipelineError, Result};
use crate::load::session::TableState;

/// The name of a column as the table has it. `None`: it is not there, or several differ from it only in case.
pub fn find<'n>(written: &str, names: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    if let Some(exact) = names.clone().find(|name| *name == written) {
        return Some(exact);
    }
    let lower = written.to_lowercase();
    let mut alike = names.filter(|name| name.to_lowercase() == lower);
    alike.next().filter(|_| alike.next().is_none())
}

/// Refuses a check of a column that the table will not have, before any row is loaded.
///
/// # Errors
/// [`Code::CheckBroken`], with the nearest column and the place of the check.
pub fn require(config: &PipelineConfig, table: &TableRef, layout: &Layout, before: Option<&TableState>) -> Result<()> {
    let loaded = layout.columns.iter().map(|column| column.name.as_str());
    let there = before.iter().flat_map(|before| &before.existing.columns).map(|column| column.name.as_str());
    let names = loaded.chain(there);
    // Files without columns make no table, so nothing can be missing in it.
    if names.clone().next().is_none() {
        return Ok(());
    }
    for check in &config.checks {
        for written in check.rule.columns() {
            let mut distinct: Vec<&str> = names.clone().collect();
            distinct.sort_unstable();
            distinct.dedup();
            // elt's own columns are made with the table.
            if written.starts_with("_elt_") || find(written, distinct.iter().copied()).is_some() {
                continue;
            }
            return Err(PipelineError::Contract(Explained {
                code: Code::CheckBroken,
                message: format!("the check {} cannot be tried: {}", check.name, missing(table, written, &distinct)),
                next_step: format!("Correct {}, then retry the run. Nothing was loaded.", check.at),
            }));
        }
    }
    Ok(())
}

/// A sentence about a column that is not there.
pub fn missing(table: &TableRef, written: &str, names: &[&str]) -> String {
    let near = nearest(written, names.iter().copied().filter(|name| !name.starts_with("_elt_")));
    match near {
        Some(near) => format!("{table} has no column {written:?}, did you mean {near:?}?"),
        None => format!("{table} has no column {written:?}"),
    }
}
