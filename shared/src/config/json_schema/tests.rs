//! The JSON Schema and the reader speak of the same keys and agree about every config.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::*;
use crate::config::tests::{fixtures, project_examples};
use crate::config::{Document, NoReferences};

#[test]
fn a_config_is_valid_exactly_when_it_can_run() {
    let schema = json_schema();
    for (name, text) in fixtures().into_iter().chain(project_examples()) {
        let config: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        if text.contains("<<:") {
            continue; // JSON knows no merge keys.
        }
        let valid = check(&schema, &serde_json::to_value(config).unwrap(), "");
        let runnable = Document::parse(&text).unwrap().pipeline(&NoReferences);
        assert_eq!(valid.is_ok(), runnable.is_ok(), "{name}: {valid:?} {runnable:?}");
    }
}

#[test]
fn what_the_reader_refuses_the_schema_refuses_too() {
    let runnable = "sources: [{type: local, path: a}]\ntarget: {table: t}\n";
    for wrong in [
        "strict_mode: perhaps",
        "on_bad_row: ignore",
        "monitor: {interval_seconds: 0}",
        "retry: {max_attempts: 11}",
        "retry: [3]",
        "retry: {max_elapsed: soon}",
        "retry: {max_elapsed: 2592001}",
        "schedule: {timezone: UTC}",
        "load: {mode: upsert}",
        "transform: [{name: a}]",
        "schema: {columns: {id: [int]}}",
        "schema: {max_rejected: {percent: 101}, id: int}",
        "start_time: [1]",
    ] {
        let text = format!("{runnable}{wrong}\n");
        let config: Value = serde_yaml::from_str(&text).unwrap();
        assert!(check(&json_schema(), &config, "").is_err(), "{wrong}");
        assert!(Document::parse(&text).unwrap().pipeline(&NoReferences).is_err(), "{wrong}");
    }
}

#[test]
fn the_reference_example_names_every_key() {
    let (_, reference) = project_examples().into_iter().find(|(name, _)| name == "reference.yaml").unwrap();
    let mut known = BTreeSet::new();
    canonical_names(&json_schema(), &mut known);
    // Other ways to say the same.
    let left_out = ["on_mismatch", "mode", "output", "csv_path", "sftp"];
    let missing: Vec<_> = known.iter().filter(|name| !left_out.contains(&name.as_str())).collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| !reference.contains(&format!("{name}:"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn canonical_names(schema: &Value, known: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "properties" {
                    let canonical = member.as_object().unwrap().iter().filter(|(_, schema)| !is_alias(schema));
                    known.extend(canonical.map(|(name, _)| name.clone()));
                }
                canonical_names(member, known);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| canonical_names(item, known)),
        _ => {}
    }
}

fn is_alias(schema: &Value) -> bool {
    schema["description"].as_str().is_some_and(|about| about.starts_with("The same as"))
}

#[test]
fn every_key_the_schema_knows_the_reader_knows() {
    // The reader warns of none of them where the schema puts it.
    let root = json_schema();
    let keys: Vec<&String> = root["properties"].as_object().unwrap().keys().collect();
    for key in keys {
        let document = Document::parse(&format!("{key}: x\n")).unwrap();
        assert_eq!(document.warnings().iter().find(|warning| warning.message.contains("unknown key")), None);
    }
}

/// As much of JSON Schema as ours uses; an unknown keyword is an error.
fn check(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let at = |wrong: &str| Err(format!("{path}: {wrong}"));
    for (keyword, expected) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "examples" => {}
            "type" if !is_of_type(expected, value) => return at(&format!("expected {expected}, found {value}")),
            "enum" if !expected.as_array().unwrap().contains(value) => return at("not one of the words"),
            "const" if expected != value => return at("another word"),
            "minimum" if value.as_f64().is_some_and(|number| number < expected.as_f64().unwrap()) => return at("less"),
            "maximum" if value.as_f64().is_some_and(|number| number > expected.as_f64().unwrap()) => return at("more"),
            "pattern" => {
                let pattern = Regex::new(expected.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    return at("another pattern");
                }
            }
            "minItems" if value.as_array().is_some_and(Vec::is_empty) => return at("no items"),
            "required" => {
                for name in expected.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        return at(&format!("missing {name}"));
                    }
                }
            }
            "properties" | "additionalProperties" => check_members(schema, value, path)?,
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(expected, item, &format!("{path}[{index}]"))?;
                }
            }
            "allOf" => expected.as_array().unwrap().iter().try_for_each(|schema| check(schema, value, path))?,
            "anyOf" | "oneOf" => {
                let results: Vec<_> =
                    expected.as_array().unwrap().iter().map(|schema| check(schema, value, path)).collect();
                let valid = results.iter().filter(|result| result.is_ok()).count();
                if valid == 0 || (keyword == "oneOf" && valid > 1) {
                    return Err(format!("{results:?}"));
                }
            }
            "type" | "enum" | "const" | "minimum" | "maximum" | "minItems" => {}
            unknown => return at(&format!("unknown keyword {unknown}")),
        }
    }
    Ok(())
}

fn check_members(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    for (name, member) in value.as_object().into_iter().flatten() {
        let declared =
            schema.get("properties").and_then(|known| known.get(name)).or_else(|| schema.get("additionalProperties"));
        if let Some(declared) = declared {
            check(declared, member, &format!("{path}.{name}"))?;
        }
    }
    Ok(())
}

fn is_of_type(expected: &Value, value: &Value) -> bool {
    match expected {
        Value::Array(types) => types.iter().any(|one| is_of_type(one, value)),
        _ => match expected.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "null" => value.is_null(),
            other => panic!("unknown type {other}"),
        },
    }
}
