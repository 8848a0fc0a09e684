//! Arguments that must be written values, because they are checked together with the config: patterns, formats, paths, numbers.

use chrono::format::{Item, StrftimeItems};
use regex::RegexBuilder;

use super::{Expression, Operation, Problem, ValueType};
use crate::json_path::{JsonPath, Step};

/// Largest compiled regular expression, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Most groups of a regular expression that can be named.
const MAX_GROUP: u32 = 99;

/// A written text.
pub(super) fn text(argument: &Expression) -> Result<String, Problem> {
    match (&argument.operation, argument.value_type) {
        (Operation::Text(text), ValueType::Text) => Ok(text.clone()),
        _ => Err(Problem::new(format!("`{}` must be a text in quotes, such as 'x'", argument.written))),
    }
}

/// A written text that is not empty.
pub(super) fn filled_text(argument: &Expression) -> Result<String, Problem> {
    text(argument).and_then(|text| match text.is_empty() {
        true => Err(Problem::new("the text must not be empty")),
        false => Ok(text),
    })
}

/// A written whole number within bounds.
pub(super) fn whole(argument: &Expression, min: i64, max: i64) -> Result<i64, Problem> {
    let number = match (&argument.operation, argument.value_type) {
        (Operation::Text(text), ValueType::Number) => text.parse::<i64>().ok(),
        _ => None,
    };
    number.filter(|number| (min..=max).contains(number)).ok_or_else(|| {
        Problem::new(format!("`{}` must be a whole number from {min} to {max}, written out", argument.written))
    })
}

/// A regular expression.
pub(super) fn pattern(argument: &Expression) -> Result<String, Problem> {
    text(argument).and_then(|pattern| checked_pattern(&pattern).map(|()| pattern))
}

/// The number of a group of a regular expression.
pub(super) fn group(argument: &Expression, pattern: &str) -> Result<u32, Problem> {
    let group = whole(argument, 0, i64::from(MAX_GROUP))? as u32;
    let groups = RegexBuilder::new(pattern).build().map_or(1, |regex| regex.captures_len());
    if group as usize >= groups {
        return Err(Problem::new(format!("the pattern has no group {group}")));
    }
    Ok(group)
}

/// Refuses a regular expression that is wrong or too large. Those that pass take time in proportion to the text.
pub(super) fn checked_pattern(pattern: &str) -> Result<(), Problem> {
    match RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build() {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err(Problem::new("the regular expression is too large")),
        Err(_) => Err(Problem::new(format!("{pattern:?} is not a regular expression"))),
    }
}

/// The regular expression of a `like` pattern.
pub(super) fn like(pattern: &str, any_case: bool) -> Result<String, Problem> {
    let mut regex = String::from(if any_case { "^(?is:" } else { "^(?s:" });
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '\\' => match letters.next() {
                Some(escaped) => regex.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4]))),
                None => return Err(Problem::new("the pattern ends with the backslash that should escape a character")),
            },
            letter => regex.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(")$");
    checked_pattern(&regex).map(|()| regex)
}

/// A strftime format.
pub(super) fn format(argument: &Expression) -> Result<String, Problem> {
    let format = filled_text(argument)?;
    if StrftimeItems::new(&format).any(|item| matches!(item, Item::Error)) {
        return Err(Problem::new(format!("{format:?} is not a strftime format such as %d.%m.%Y")));
    }
    Ok(format)
}

/// The path of `json_value` and `->>`: `$.address.city`, or the name of a member.
pub(super) fn path(argument: &Expression) -> Result<JsonPath, Problem> {
    if let (Operation::Text(index), ValueType::Number) = (&argument.operation, argument.value_type) {
        return index.parse::<usize>().ok().and_then(|index| format!("$[{index}]").parse().ok()).ok_or_else(|| {
            Problem::new(format!("`{}` must be the number of an element, counted from 0", argument.written))
        });
    }
    let path = filled_text(argument)?;
    if !path.starts_with('$') {
        return Ok(JsonPath::member(&path));
    }
    let path = path.parse::<JsonPath>().map_err(|error| Problem::new(error.to_string()))?;
    if path.steps().contains(&Step::Every) {
        return Err(Problem::new(format!("{path} leads to several values, expected a path to one, such as $.city")));
    }
    Ok(path)
}
