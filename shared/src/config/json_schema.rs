//! The config's JSON Schema, made of the same keys the reader knows.

use serde_json::{Map, Value, json};

use super::column_type::ColumnType;
use super::keys::{Key, Shape, Variant};
use super::pipeline;

/// JSON Schema (draft 2020-12) of a runnable config. Unknown keys are allowed by it: the reader warns of them.
pub fn json_schema() -> Value {
    let mut schema = mapping(pipeline::KEYS);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("elt pipeline config");
    schema
}

/// A scalar with a reference in it may stand wherever a typed scalar is expected.
fn reference() -> Value {
    json!({"type": "string", "pattern": r"\$\{(env|secret):"})
}

fn key(key: &Key, around: &[Key]) -> Value {
    let mut schema = value(&key.shape, around);
    schema["description"] = json!(key.about);
    schema
}

fn value(shape: &Shape, around: &[Key]) -> Value {
    match shape {
        Shape::Text | Shape::Secret => scalar(),
        Shape::Moment => json!({"type": "string"}),
        Shape::Flag => json!({"anyOf": [
            {"type": "boolean"},
            {"type": "string", "pattern": any_case(&["true", "false", "yes", "no", "on", "off"])},
            {"enum": [0, 1, "0", "1"]},
            reference(),
        ]}),
        Shape::Whole { min, max } => json!({"anyOf": [
            {"type": "integer", "minimum": min, "maximum": max},
            {"type": "string", "pattern": "^[0-9]+$"},
            reference(),
        ]}),
        Shape::Duration { longest } => json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": longest},
            {"type": "string", "pattern": "^[0-9]+ *[smhd]?$"},
            reference(),
        ]}),
        Shape::Number { min, max } => json!({"anyOf": [
            {"type": "number", "minimum": min, "maximum": max},
            {"type": "string", "pattern": "^[0-9.]+$"},
            reference(),
        ]}),
        Shape::Choice(words) => json!({"anyOf": [{"enum": words()}, reference()]}),
        Shape::Texts => json!({"anyOf": [scalar(), {"type": "array", "items": scalar()}]}),
        Shape::Pairs => json!({"type": "object", "additionalProperties": value(&Shape::Texts, &[])}),
        Shape::Columns(keys) => columns(keys),
        Shape::Section(keys) => mapping(keys),
        Shape::TextOrSection(keys) => json!({"anyOf": [{"type": "string"}, mapping(keys)]}),
        Shape::Nested => json!({"type": "object", "properties": properties(around)}),
        Shape::Sections(keys) => json!({"type": "array", "items": mapping(keys)}),
        Shape::Schema(keys) => contract(keys),
        Shape::Variant(variants) => one_of(variants),
        Shape::SectionOrVariant(keys, variants) => json!({"anyOf": [mapping(keys), one_of(variants)]}),
        Shape::Variants(variants) => json!({"type": "array", "minItems": 1, "items": one_of(variants)}),
        Shape::Any => json!({}),
    }
}

fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean", "null"]})
}

fn columns(keys: &[Key]) -> Value {
    let column_type = || json!({"type": "string", "examples": ColumnType::names().collect::<Vec<_>>()});
    let mut detailed = mapping(keys);
    detailed["properties"]["type"] = column_type();
    json!({"type": "object", "additionalProperties": {"anyOf": [column_type(), detailed]}})
}

/// Columns below `columns`, or flat between the other keys.
fn contract(keys: &[Key]) -> Value {
    let mut nested = mapping(keys);
    nested["required"] = json!(["columns"]);
    let mut flat = mapping(keys);
    if let Some(columns) = flat["properties"].as_object_mut().and_then(|properties| properties.remove("columns")) {
        flat["additionalProperties"] = columns["additionalProperties"].clone();
    }
    json!({"anyOf": [nested, flat]})
}

fn any_case(words: &[&str]) -> String {
    let letter = |c: char| format!("[{}{c}]", c.to_ascii_uppercase());
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    format!("^({})$", words.join("|"))
}

fn mapping(keys: &[Key]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties(keys)});
    let nested = keys.iter().find(|key| matches!(key.shape, Shape::Nested));
    let names = |key: &Key| key.names().chain(nested.map(|key| key.name)).collect::<Vec<_>>();
    let (one, several): (Vec<_>, Vec<_>) =
        keys.iter().filter(|key| key.required).map(names).partition(|names| names.len() == 1);
    if !one.is_empty() {
        schema["required"] = json!(one.concat());
    }
    if !several.is_empty() {
        schema["allOf"] = several.iter().map(|names| any_of(names)).collect();
    }
    schema
}

fn any_of(names: &[&str]) -> Value {
    json!({"anyOf": names.iter().map(|name| json!({"required": [name]})).collect::<Vec<_>>()})
}

fn properties(keys: &[Key]) -> Value {
    let without_nested = keys.iter().filter(|key| !matches!(key.shape, Shape::Nested));
    let mut properties = Map::new();
    for declared in without_nested {
        properties.insert(declared.name.to_owned(), key(declared, keys));
        for alias in declared.aliases {
            let mut same = key(declared, keys);
            same["description"] = json!(format!("The same as `{}`.", declared.name));
            properties.insert((*alias).to_owned(), same);
        }
    }
    properties.into()
}

fn one_of(variants: &[Variant]) -> Value {
    let variant = |variant: &Variant| {
        let mut schema = mapping(variant.keys);
        for declared in variant.keys.iter().filter(|key| matches!(key.shape, Shape::Nested)) {
            schema["properties"][declared.name] = key(declared, variant.keys);
        }
        schema["properties"]["type"] = json!({"const": variant.word});
        let mut required = vec![json!("type")];
        required.extend(schema["required"].as_array().into_iter().flatten().cloned());
        schema["required"] = required.into();
        schema["description"] = json!(variant.about);
        schema
    };
    json!({"type": "object", "oneOf": variants.iter().map(variant).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests;
