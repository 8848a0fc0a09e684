//! The rows of every API: numbers beyond doubles and 64 bits, every digit of a fraction, texts in many scripts, and
//! missing, null and nested values.

use serde_json::{Value, json};

/// Names of a row's members.
pub const NAMES: [&str; 9] = ["number", "big", "huge", "price", "name", "note", "flag", "tags", "place"];

const TEXTS: [&str; 9] = [
    "Zoë Müller",
    "東京 🦀 é",
    "a\"b\\c/d",
    "two\nlines\tand a tab\r\n",
    "  spaces  ",
    "",
    "null",
    "O'Brien; drop table x; --",
    "שלום\u{2028}{\"a\":[1]}",
];

/// One row's values by name. `None`: the member is missing.
fn values(number: usize) -> [Option<String>; 9] {
    let text = |text: &str| Some(Value::from(text).to_string());
    [
        Some(number.to_string()),
        Some((9_007_199_254_740_993 + number as u64).to_string()),
        Some((18_446_744_073_709_551_616 + number as u128).to_string()),
        Some(format!("{number}.10000000000000000001")),
        text(TEXTS[number % TEXTS.len()]),
        match number % 3 {
            0 => None,
            1 => Some("null".into()),
            _ => text("a note"),
        },
        Some(["true", "false", "null"][number % 3].into()),
        Some(tags(number).to_string()),
        Some(place(number).to_string()),
    ]
}

fn tags(number: usize) -> Value {
    match number % 4 {
        0 => json!([]),
        1 => json!(["a", null, {"b": [1, 2.5]}]),
        2 => json!([1, [2, [3, ["deep"]]]]),
        _ => Value::Null,
    }
}

fn place(number: usize) -> Value {
    match number % 5 {
        0 => Value::Null,
        _ => json!({"city": TEXTS[number % TEXTS.len()], "geo": {"id": 9_007_199_254_740_993_u64, "at": [-0.5, null]}}),
    }
}

/// The members of a row, as JSON without the braces.
pub fn members(number: usize) -> String {
    let members = NAMES.iter().zip(values(number));
    let members = members.filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
    members.collect::<Vec<_>>().join(",")
}

/// The cells of a loaded row, as texts. `None`: NULL.
pub fn expected(number: usize) -> Vec<Option<Value>> {
    let cell = |(name, value): (&&str, Option<String>)| {
        let value = value.filter(|value| value != "null")?;
        Some(match *name {
            "name" | "note" | "tags" | "place" => serde_json::from_str(&value).expect("a value"),
            _ => Value::from(value),
        })
    };
    NAMES.iter().zip(values(number)).map(cell).collect()
}
