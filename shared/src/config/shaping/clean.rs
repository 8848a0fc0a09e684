//! `clean:`: what is done to the texts of a column, one step after the other.

use super::expression::{Expression, Function, Operation, Scope, ValueType, check_pattern};
use super::{Computed, raw, written};
use crate::config::field::Field;
use crate::config::keys::either;

/// The steps without options.
const WORDS: [(&str, Function); 3] = [("trim", Function::Trim), ("lower", Function::Lower), ("upper", Function::Upper)];
/// The steps with options.
const MAPPINGS: [&str; 3] = ["replace", "split", "null_if"];
/// Most steps of a column.
const MAX_STEPS: usize = 20;
/// Most parts that a text is split into from either end.
const MAX_PART: i32 = 1_000_000;

/// Reads the steps of every column.
pub(super) fn read(field: &Field<'_>, scope: &mut Scope) -> Option<Vec<Computed>> {
    let mut cleaned = Vec::new();
    let mut right = true;
    for (name, field) in field.pairs()? {
        match steps(name, &field) {
            Some(expression) => {
                cleaned.push(Computed { name: name.to_owned(), expression, cleans: true, at: written(&field) });
            }
            None => right = false,
        }
        scope.add(name, ValueType::Text);
    }
    right.then_some(cleaned)
}

fn steps(name: &str, field: &Field<'_>) -> Option<Expression> {
    let steps = if field.is_list() { field.items()? } else { vec![field.clone()] };
    if steps.len() > MAX_STEPS {
        field.problem(format!("has more than {MAX_STEPS} steps"));
        return None;
    }
    let column = Expression::of_text(Operation::Column(name.to_owned()));
    steps.iter().try_fold(column, |of, field| step(of, field))
}

fn step(of: Expression, field: &Field<'_>) -> Option<Expression> {
    let call = |function, of| Expression::of_text(Operation::Call(function, vec![of]));
    if !field.is_mapping() {
        let word = raw(field)?;
        let found = WORDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim()));
        let Some((_, function)) = found else {
            unknown(field, &field.shown());
            return None;
        };
        return Some(call(function, of));
    }
    let pairs = field.pairs()?;
    let [(name, options)] = pairs.as_slice() else {
        field.problem("a step has one name: begin each step with a dash");
        return None;
    };
    match *name {
        "replace" => Some(call(replace(options)?, of)),
        "split" => Some(call(split(options)?, of)),
        "null_if" => {
            let texts = texts(options)?;
            let found = Expression {
                value_type: ValueType::Boolean,
                ..Expression::of_text(Operation::In(Box::new(of.clone()), texts))
            };
            let null = Expression::of_text(Operation::Null);
            Some(Expression::of_text(Operation::Case(vec![(found, null)], Box::new(of))))
        }
        other => {
            unknown(field, &format!("{other:?}"));
            None
        }
    }
}

fn unknown(field: &Field<'_>, shown: &str) {
    let words = either(WORDS.iter().map(|(word, _)| *word).chain(MAPPINGS));
    field.problem(format!("unknown step {shown}, expected {words}"));
}

/// The options of a step, which are all texts. One that is not known is a problem, because a step without it does another thing.
fn options<'f>(field: &Field<'f>, known: &[&str]) -> Option<Vec<(&'f str, Field<'f>)>> {
    let pairs = field.pairs()?;
    for (name, option) in &pairs {
        if !known.contains(name) {
            option.problem(format!("unknown option {name:?}, expected {}", either(known.iter().copied())));
            return None;
        }
    }
    Some(pairs)
}

fn option(options: &[(&str, Field<'_>)], name: &str) -> Option<Option<String>> {
    match options.iter().find(|(known, _)| *known == name) {
        Some((_, field)) => raw(field).map(Some),
        None => Some(None),
    }
}

fn replace(field: &Field<'_>) -> Option<Function> {
    let options = options(field, &["regex", "text", "with"])?;
    let with = option(&options, "with")?.unwrap_or_default();
    match (option(&options, "regex")?, option(&options, "text")?) {
        (Some(pattern), None) => {
            if let Err(sentence) = check_pattern(&pattern) {
                field.problem(sentence);
                return None;
            }
            Some(Function::RegexReplace(pattern, with))
        }
        (None, Some(text)) if !text.is_empty() => Some(Function::Replace(text, with)),
        _ => {
            field.problem("expected {regex: …, with: …}, or {text: …, with: …}");
            None
        }
    }
}

fn split(field: &Field<'_>) -> Option<Function> {
    let options = options(field, &["by", "take"])?;
    let by = option(&options, "by")?.filter(|by| !by.is_empty());
    let take = option(&options, "take")?.unwrap_or_else(|| "1".to_owned());
    let part = take.trim().parse::<i32>().ok().filter(|part| *part != 0 && part.abs() <= MAX_PART);
    match (by, part) {
        (Some(by), Some(part)) => Some(Function::SplitPart(by, part)),
        _ => {
            field.problem("expected {by: \"-\", take: 1}: the text between the parts, and which part, from 1 or from -1 at the end");
            None
        }
    }
}

fn texts(field: &Field<'_>) -> Option<Vec<String>> {
    let items = if field.is_list() { field.items()? } else { vec![field.clone()] };
    items.iter().map(|item| raw(item.filled_item()?)).collect()
}
