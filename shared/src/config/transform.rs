//! `transform:`: SQL models run in the target after a load.

use std::collections::HashSet;

use super::field::Field;
use super::keys::{Choice, Key};
use super::section::Section;
use super::table_name;

/// One SQL model of `transform:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// Name of the view or table the statement fills.
    pub name: String,
    /// One `select`.
    pub sql: String,
    /// View or table.
    pub materialized: Materialized,
}

/// `transform[].materialized`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materialized {
    /// `create or replace view`.
    View,
    /// Rebuilt after every load.
    Table,
}

impl Choice for Materialized {
    const WORDS: &'static [(&'static str, Self)] = &[("view", Self::View), ("table", Self::Table)];
}

pub(super) const KEYS: &[Key] = &[
    Key::text("name", "The view or table the statement fills.").required(),
    Key::text("sql", "One `select`.").required(),
    Key::choice::<Materialized>("materialized", "Whether it becomes a view or a table. Default `view`."),
];

pub(super) fn read(field: &Field<'_>) -> Option<Vec<Transform>> {
    let mut names = HashSet::new();
    let mut models = Vec::new();
    let mut complete = true;
    for item in field.items()? {
        match item.section(KEYS).and_then(|section| model(&section)) {
            Some(model) if !names.insert(model.name.clone()) => {
                item.problem(format!("the name {:?} is taken by a model before it", model.name));
                complete = false;
            }
            Some(model) => models.push(model),
            None => complete = false,
        }
    }
    complete.then_some(models)
}

fn model(section: &Section<'_>) -> Option<Transform> {
    let name = section.required("name").and_then(table_name::table).map(|name| name.to_string());
    let sql = section.required("sql").and_then(select);
    let materialized = section.choice("materialized").unwrap_or(Materialized::View);
    Some(Transform { name: name?, sql: sql?, materialized })
}

/// Reads one statement that returns rows.
pub(super) fn select(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let sql = text.trim().trim_end_matches(';').trim_end();
    let first_word = sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let known = ["select", "with", "values", "table"].iter().any(|word| word.eq_ignore_ascii_case(first_word));
    if !known && !sql.starts_with(['(', '-', '/']) {
        field.problem("expected one select");
        return None;
    }
    Some(sql.to_owned())
}
