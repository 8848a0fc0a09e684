//! What a shape does with the columns of one file: every name of the config is found among the columns, and every expression
//! is compiled.

use std::sync::Arc;

use elt_shared::config::expression::{Operation, ValueType};
use elt_shared::config::{Computed, Keep, Mask, NumberFormat, Shaping, Written};
use polars_lazy::dsl::{Expr, col};

use super::compile::{Columns, Compiled, Compiler};
use super::spelling::Spelling;

/// What a shape does with the columns of one file.
pub(super) struct Plan {
    /// Columns of the file that expressions use, by their indexes. Column `i` is `cell{i}` in the frame.
    pub inputs: Vec<usize>,
    /// The columns that are added to the frame, one after the other.
    pub steps: Vec<Expr>,
    /// The computed columns.
    pub computed: Vec<Value>,
    /// The condition of `where`, and the reason why it cannot be computed. Both are columns of the frame.
    pub condition: Option<(String, Option<String>)>,
    /// The columns that are kept.
    pub outputs: Vec<Output>,
    /// Names that the file does not have.
    pub missing: Vec<Missing>,
    /// A name that two columns would have.
    pub double: Option<String>,
}

/// A computed column.
pub(super) struct Value {
    /// Its name.
    pub name: String,
    /// Its column in the frame.
    pub value: String,
    /// The column of the frame with the reasons why it cannot be computed. `None`: it always can.
    pub failure: Option<String>,
    /// The type of its values.
    pub value_type: ValueType,
    /// The column of the file that it is when no value of it changes: a column that is cleaned, or copied.
    pub origin: Option<usize>,
    /// Whether it is its origin, unchanged.
    pub copies: bool,
    /// How its texts write numbers. A condition is a column of the frame.
    pub spelling: Spelling<String>,
}

/// A column that is kept.
pub(super) struct Output {
    /// Its name.
    pub name: String,
    /// Where its cells come from.
    pub slot: Slot,
    /// What is shown in place of its values. `None`: the values.
    pub mask: Option<Mask>,
}

/// Where cells come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A column of the file.
    File(usize),
    /// A computed column.
    Computed(usize),
}

/// A name that the file does not have.
pub(super) struct Missing {
    /// The name.
    pub name: String,
    /// Where it is written.
    pub at: Written,
}

impl Plan {
    /// The plan for a file with these columns that writes numbers in this format, `None` for the plain one.
    pub(super) fn of(shaping: &Shaping, columns: &[String], numbers: Option<NumberFormat>) -> Self {
        let mut missing = Vec::new();
        let names = renamed(shaping, columns, &mut missing);
        let double =
            names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name.clone());
        let mut frame = Frame { names: &names, computed: Vec::new() };
        let mut compiler = Compiler { numbers, ..Compiler::default() };
        let mut visible: Vec<(String, Slot)> =
            names.iter().enumerate().map(|(index, name)| (name.clone(), Slot::File(index))).collect();
        let mut computed = Vec::with_capacity(shaping.computed.len());
        for (index, column) in shaping.computed.iter().enumerate() {
            column.expression.columns(&mut |name| note_missing(name, &names, &column.at, &mut missing));
            let value = value(column, &computed, &mut compiler, &mut frame);
            place(&mut visible, column, index, value.origin);
            computed.push(value);
        }
        let condition = shaping.condition.as_ref().map(|condition| {
            condition.expression.columns(&mut |name| note_missing(name, &names, &condition.at, &mut missing));
            let compiled = compiler.compile(&condition.expression, &frame);
            (kept(&mut compiler, compiled.value), compiled.failure.map(|failure| kept(&mut compiler, failure)))
        });
        let outputs = outputs(shaping, visible, &mut missing);
        let inputs = inputs(shaping, &names);
        Self { inputs, steps: compiler.steps, computed, condition, outputs, missing, double }
    }
}

/// The names of a file's columns after `rename`.
fn renamed(shaping: &Shaping, columns: &[String], missing: &mut Vec<Missing>) -> Vec<String> {
    let mut names = columns.to_vec();
    for renamed in &shaping.rename {
        match find(columns, &renamed.from) {
            Some(index) => names[index].clone_from(&renamed.to),
            None => missing.push(Missing { name: renamed.from.clone(), at: renamed.at.clone() }),
        }
    }
    names
}

/// The index of a name: exactly, else in any case when only one is so named.
pub(super) fn find<S: AsRef<str>>(names: &[S], wanted: &str) -> Option<usize> {
    let exact = names.iter().position(|name| name.as_ref() == wanted);
    exact.or_else(|| {
        let lower = wanted.to_lowercase();
        let mut alike = names.iter().enumerate().filter(|(_, name)| name.as_ref().to_lowercase() == lower);
        alike.next().filter(|_| alike.next().is_none()).map(|(index, _)| index)
    })
}

fn note_missing(name: &str, names: &[String], at: &Written, missing: &mut Vec<Missing>) {
    if find(names, name).is_none() && !missing.iter().any(|missing| missing.name == name) {
        missing.push(Missing { name: name.to_owned(), at: at.clone() });
    }
}

/// The columns that expressions can name.
struct Frame<'n> {
    names: &'n [String],
    computed: Vec<Compiled>,
}

impl Columns for Frame<'_> {
    fn of_file(&self, name: &str) -> Option<String> {
        find(self.names, name).map(cell)
    }

    fn computed(&self, index: usize) -> Compiled {
        self.computed[index].clone()
    }
}

/// The name in the frame of a column of the file.
pub(super) fn cell(index: usize) -> String {
    format!("cell{index}")
}

/// Adds a column to the frame, and returns its name there.
fn kept(compiler: &mut Compiler, value: Expr) -> String {
    if let Expr::Column(name) = &value {
        return name.to_string();
    }
    // A written value has to become a column as well.
    let name = format!("step{}", compiler.steps.len());
    compiler.steps.push(value.alias(name.clone()));
    name
}

fn value(column: &Computed, before: &[Value], compiler: &mut Compiler, frame: &mut Frame<'_>) -> Value {
    let Compiled { value, failure, spelling } = compiler.compile(&column.expression, frame);
    let value = kept(compiler, value);
    let failure = failure.map(|failure| kept(compiler, failure));
    let (spelling, known) = match spelling {
        Spelling::OfFile => (Spelling::OfFile, Spelling::OfFile),
        Spelling::Plain => (Spelling::Plain, Spelling::Plain),
        Spelling::Where(condition) => {
            let condition = kept(compiler, condition);
            (Spelling::Where(condition.clone()), Spelling::Where(col(condition)))
        }
    };
    frame.computed.push(Compiled { value: col(value.clone()), failure: failure.clone().map(col), spelling: known });
    let (copied, copies) = match &column.expression.operation {
        Operation::Column(name) => (find(frame.names, name), !column.cleans),
        // A copy of a column that was cleaned.
        Operation::Computed(index) => (before[*index].origin, before[*index].copies),
        _ => (None, false),
    };
    let cleaned = if column.cleans { find(frame.names, &column.name) } else { None };
    Value {
        name: column.name.clone(),
        value,
        failure,
        value_type: column.expression.value_type,
        origin: copied.or(cleaned),
        copies: copied.is_some() && copies,
        spelling,
    }
}

/// Puts a computed column in the place of the column that it replaces, else at the end.
fn place(visible: &mut Vec<(String, Slot)>, column: &Computed, index: usize, origin: Option<usize>) {
    let slot = Slot::Computed(index);
    let replaced = match column.cleans {
        true => visible.iter().position(|(_, slot)| origin.is_some_and(|origin| *slot == Slot::File(origin))),
        false => visible.iter().position(|(name, _)| *name == column.name),
    };
    match replaced {
        Some(at) => visible[at].1 = slot,
        // A column that is to be cleaned and is not there does not become one.
        None if column.cleans => {}
        None => visible.push((column.name.clone(), slot)),
    }
}

/// The columns that are kept, with their masks.
fn outputs(shaping: &Shaping, visible: Vec<(String, Slot)>, missing: &mut Vec<Missing>) -> Vec<Output> {
    let names: Vec<String> = visible.iter().map(|(name, _)| name.clone()).collect();
    let mut found = |name: &String, at: &Written| {
        let index = find(&names, name);
        if index.is_none() {
            missing.push(Missing { name: name.clone(), at: at.clone() });
        }
        index
    };
    let mut masks = vec![None; names.len()];
    for masked in &shaping.masks {
        if let Some(index) = found(&masked.column, &masked.at) {
            masks[index] = Some(masked.mask);
        }
    }
    let kept: Vec<usize> = match &shaping.keep {
        Keep::All => (0..names.len()).collect(),
        Keep::Only(columns) => columns.iter().filter_map(|column| found(&column.name, &column.at)).collect(),
        Keep::Without(columns) => {
            let dropped: Vec<usize> = columns.iter().filter_map(|column| found(&column.name, &column.at)).collect();
            (0..names.len()).filter(|index| !dropped.contains(index)).collect()
        }
    };
    kept.into_iter()
        .map(|index| Output { name: names[index].clone(), slot: visible[index].1, mask: masks[index] })
        .collect()
}

/// The columns of the file that expressions use, and those that are cleaned.
fn inputs(shaping: &Shaping, names: &[String]) -> Vec<usize> {
    let mut used: Vec<usize> = Vec::new();
    let mut note = |name: &str| used.extend(find(names, name));
    shaping.computed.iter().for_each(|column| column.expression.columns(&mut note));
    shaping.condition.iter().for_each(|condition| condition.expression.columns(&mut note));
    used.sort_unstable();
    used.dedup();
    used
}

/// The names of the columns that are kept, after those that were kept before. Names are only ever added, because both passes
/// over a file count its columns in the order in which they appear.
pub(super) fn in_order(plan: &mut Plan, before: &Arc<Vec<String>>) -> Arc<Vec<String>> {
    let place = |name: &String| before.iter().position(|known| known == name).unwrap_or(usize::MAX);
    plan.outputs.sort_by_key(|output| place(&output.name));
    Arc::new(plan.outputs.iter().map(|output| output.name.clone()).collect())
}
