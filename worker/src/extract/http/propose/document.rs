//! An answer as a tree, and the members around its rows.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use elt_shared::json_path::{JsonPath, Step};
use serde_json::Value;

use super::super::python_json::PythonJson;

/// Most members around the rows that are looked at.
const MOST_MEMBERS: usize = 1_000;
/// Deepest object around the rows that is looked into: `data.orders.pageInfo.endCursor` has four names.
const DEEPEST: usize = 4;

/// The values of an answer.
pub(super) enum Document {
    /// A JSON document: one value, usually an object or a list.
    One(Value),
    /// Objects one after the other, such as NDJSON.
    Several(Vec<Value>),
}

impl Document {
    /// Reads an answer. The inner error says why it is not JSON that can be looked at.
    pub(super) fn read(path: &Path) -> io::Result<Result<Self, String>> {
        let mut json = BufReader::with_capacity(256 << 10, File::open(path)?);
        let mut mark = [0; 3];
        let marked = json.read_exact(&mut mark).is_ok() && mark == [0xEF, 0xBB, 0xBF];
        if !marked {
            json = BufReader::with_capacity(256 << 10, File::open(path)?);
        }
        let mut values = Vec::new();
        for value in serde_json::Deserializer::from_reader(PythonJson::new(json)).into_iter::<Value>() {
            match value {
                Ok(value) => values.push(value),
                Err(error) if error.is_io() => return Err(error.into()),
                Err(_) if !values.is_empty() => break,
                Err(error) => {
                    return Ok(Err(format!("line {} column {} cannot be read", error.line(), error.column())));
                }
            }
        }
        Ok(match values.len() {
            0 => Err("it is empty".into()),
            1 => Ok(Self::One(values.swap_remove(0))),
            _ => Ok(Self::Several(values)),
        })
    }

    /// The answer's only value.
    pub(super) fn root(&self) -> Option<&Value> {
        match self {
            Self::One(root) => Some(root),
            Self::Several(_) => None,
        }
    }

    /// The rows at a path. `None`: the whole answer is the rows.
    pub(super) fn rows(&self, records: Option<&JsonPath>) -> Vec<&Value> {
        let root = match self {
            Self::Several(values) => return values.iter().collect(),
            Self::One(root) => root,
        };
        let steps = records.map_or(&[][..], JsonPath::to_rows);
        match follow(root, steps) {
            Some(Value::Array(elements)) => elements.iter().filter(|element| !element.is_null()).collect(),
            Some(row @ Value::Object(_)) => vec![row],
            _ => Vec::new(),
        }
    }
}

fn follow<'v>(root: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Element(index) => value.get(index),
        Step::Last => value.as_array()?.last(),
        Step::Every => None,
    })
}

/// A member of an object around the rows, which is no object itself.
#[derive(Debug, Clone)]
pub(super) struct Member<'a> {
    /// The names that lead to it.
    pub(super) path: Vec<&'a str>,
    pub(super) value: &'a Value,
}

impl Member<'_> {
    /// Its name in small letters and digits, so that `next_cursor`, `nextCursor` and `NextCursor` are one.
    pub(super) fn name(&self) -> String {
        bare(self.path.last().copied().unwrap_or_default())
    }

    /// The name of the object it is in, written in the same way.
    pub(super) fn parent(&self) -> String {
        bare(self.path.len().checked_sub(2).map_or("", |index| self.path[index]))
    }

    /// The path to it as a config would have it.
    pub(super) fn written(&self) -> String {
        JsonPath::members(self.path.iter().copied()).written()
    }

    pub(super) fn number(&self) -> Option<u64> {
        match self.value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// A name in small letters and digits, without a prefix of OData.
pub(super) fn bare(name: &str) -> String {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    name.strip_prefix("odata").map_or(name.clone(), ToOwned::to_owned)
}

/// The scalar members around the rows, those of outer objects first. Arrays are not looked into, because they hold rows.
pub(super) fn members(root: &Value) -> Vec<Member<'_>> {
    let mut found = Vec::new();
    let mut objects = vec![(Vec::new(), root)];
    while !objects.is_empty() {
        let mut deeper = Vec::new();
        for (path, object) in objects {
            let Value::Object(object) = object else { continue };
            for (name, value) in object {
                if found.len() + deeper.len() >= MOST_MEMBERS {
                    return found;
                }
                let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
                match value {
                    Value::Object(_) if path.len() < DEEPEST => deeper.push((path, value)),
                    Value::Object(_) | Value::Array(_) => {}
                    value => found.push(Member { path, value }),
                }
            }
        }
        objects = deeper;
    }
    found
}
