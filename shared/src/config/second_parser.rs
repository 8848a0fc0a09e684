//! A text that two YAML parsers read differently is refused: masking must find every value where others would read it.

use super::error::ConfigProblem;
use super::node::{Entry, Node, Value};

/// Reads the text once more, with serde_yaml, and compares.
pub(super) fn agrees(text: &str, root: &Node) -> Result<(), ConfigProblem> {
    let second: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| syntax(&error))?;
    match same(root, &second) {
        Ok(()) => Ok(()),
        Err(node) => Err(ConfigProblem {
            path: String::new(),
            line: Some(node.place.line),
            column: Some(node.place.column),
            message: "this can be read in two ways, put the value in quotes".into(),
        }),
    }
}

/// Whether both hold the same shape and the same texts; else where they first differ.
fn same<'n>(node: &'n Node, second: &serde_yaml::Value) -> Result<(), &'n Node> {
    match (&node.value, untagged(second)) {
        (Value::List(items), serde_yaml::Value::Sequence(others)) if items.len() == others.len() => {
            items.iter().zip(others).try_for_each(|(item, other)| same(item, other))
        }
        (Value::Map(entries), serde_yaml::Value::Mapping(others)) if entries.len() == others.len() => {
            entries.iter().zip(others).try_for_each(|(entry, (key, value))| same_entry(node, entry, key, value))
        }
        (Value::Scalar(scalar), other) => same_text(&scalar.text, other).then_some(()).ok_or(node),
        _ => Err(node),
    }
}

fn same_entry<'n>(
    node: &'n Node,
    entry: &'n Entry,
    key: &serde_yaml::Value,
    value: &serde_yaml::Value,
) -> Result<(), &'n Node> {
    if !same_text(&entry.key.text, untagged(key)) {
        return Err(node);
    }
    same(&entry.value, value)
}

/// Numbers, booleans and null are written in many ways; only texts can be compared.
fn same_text(text: &str, second: &serde_yaml::Value) -> bool {
    match second {
        serde_yaml::Value::String(other) => text == other,
        serde_yaml::Value::Sequence(_) | serde_yaml::Value::Mapping(_) => false,
        _ => true,
    }
}

fn untagged(value: &serde_yaml::Value) -> &serde_yaml::Value {
    match value {
        serde_yaml::Value::Tagged(tagged) => untagged(&tagged.value),
        other => other,
    }
}

fn syntax(error: &serde_yaml::Error) -> ConfigProblem {
    let sentence = error.to_string();
    let message = sentence.split(" at line ").next().unwrap_or(&sentence).to_owned();
    let location = error.location();
    ConfigProblem {
        path: String::new(),
        line: location.as_ref().map(serde_yaml::Location::line),
        column: location.as_ref().map(serde_yaml::Location::column),
        message,
    }
}
