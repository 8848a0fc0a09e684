//! The functions that an expression may call. Anything else is refused by its name.

use sqlparser::ast::{
    Expr, Function as Called, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, TrimWhereField,
};

use super::read::{Read, Reader};
use super::types::{one_type, together};
use super::{CastTo, Expression, Function, Operation, Problem, ValueType, literals};
use crate::config::keys::nearest;

/// Longest text that `lpad` and `rpad` make, in characters.
const MAX_PADDED: i64 = 1_000;
/// Most characters and parts that a function may count.
const MAX_COUNT: i64 = 1_000_000;

/// Every function, with its fewest and most arguments.
pub(super) const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("abs", 1, 1),
    ("btrim", 1, 1),
    ("ceiling", 1, 1),
    ("char_length", 1, 1),
    ("coalesce", 1, 20),
    ("concat", 1, 50),
    ("contains", 2, 2),
    ("ends_with", 2, 2),
    ("json_value", 2, 2),
    ("left", 2, 2),
    ("length", 1, 1),
    ("lower", 1, 1),
    ("lpad", 3, 3),
    ("ltrim", 1, 1),
    ("nullif", 2, 2),
    ("regexp_extract", 2, 3),
    ("regexp_like", 2, 2),
    ("regexp_replace", 3, 3),
    ("replace", 3, 3),
    ("right", 2, 2),
    ("round", 1, 2),
    ("rpad", 3, 3),
    ("rtrim", 1, 1),
    ("split_part", 3, 3),
    ("starts_with", 2, 2),
    ("strpos", 2, 2),
    ("to_date", 2, 2),
    ("to_timestamp", 2, 2),
    ("upper", 1, 1),
];

/// Functions with a syntax of their own, which are suggested as well.
const OTHERS: &[&str] = &["cast", "ceil", "extract", "floor", "position", "substring", "trim"];

/// Functions over several rows.
const AGGREGATES: &[&str] = &[
    "array_agg",
    "avg",
    "count",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "max",
    "mean",
    "median",
    "min",
    "rank",
    "row_number",
    "stddev",
    "string_agg",
    "sum",
    "variance",
];

/// Functions whose result is another one each time.
const UNSTEADY: &[&str] = &[
    "clock_timestamp",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "gen_random_uuid",
    "localtime",
    "localtimestamp",
    "newid",
    "now",
    "rand",
    "random",
    "session_user",
    "user",
    "uuid",
];

/// Reads a call of a function.
pub(super) fn call(reader: &Reader<'_>, tree: &Expr, called: &Called) -> Read {
    let name = called.name.to_string().to_lowercase();
    if name == "user" && matches!(called.args, FunctionArguments::None) {
        // Without parentheses it is a column, as everybody means who has one of this name.
        return Ok(reader.column(&Ident::new(called.name.to_string())));
    }
    if AGGREGATES.contains(&name.as_str()) || called.over.is_some() {
        return Err(Problem::new(format!(
            "{name} is not available: a shape computes each row from its own cells; write it in a model of `transform:`"
        )));
    }
    if UNSTEADY.contains(&name.as_str()) {
        return Err(Problem::new(format!(
            "{name} is not available: the same row must have the same values whenever it is read; a column of this name stands in \
             double quotes"
        )));
    }
    let Some((name, fewest, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
        let known = FUNCTIONS.iter().map(|(known, ..)| *known).chain(OTHERS.iter().copied());
        let near = nearest(&name, known).map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        return Err(Problem::new(format!("there is no function {name} here{near}")));
    };
    let trees = arguments(name, called)?;
    if !(*fewest..=*most).contains(&trees.len()) {
        let wanted = if fewest == most { format!("{fewest}") } else { format!("{fewest} to {most}") };
        let plural = if *most == 1 { "argument" } else { "arguments" };
        return Err(Problem::new(format!("{name} takes {wanted} {plural}, found {}", trees.len())));
    }
    let read = trees.into_iter().map(|tree| reader.read(tree)).collect::<Result<Vec<_>, _>>()?;
    let (operation, value_type) = of_name(name, read)?;
    Ok(Expression::new(operation, value_type, tree.to_string()))
}

/// The arguments of a call without any of SQL's additions to it.
fn arguments<'c>(name: &str, called: &'c Called) -> Result<Vec<&'c Expr>, Problem> {
    let plain = called.filter.is_none()
        && called.null_treatment.is_none()
        && called.within_group.is_empty()
        && matches!(called.parameters, FunctionArguments::None);
    let refused = || Problem::new(format!("{name} takes plain arguments only: {name}(a, b)"));
    let FunctionArguments::List(list) = &called.args else { return Err(refused()) };
    if !plain || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return Err(refused());
    }
    let plain = |argument: &'c FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => Ok(tree),
        _ => Err(refused()),
    };
    list.args.iter().map(plain).collect()
}

/// The operation of a function whose arguments were read, and the type of its result.
fn of_name(name: &str, arguments: Vec<Expression>) -> Result<(Operation, ValueType), Problem> {
    match name {
        "coalesce" => {
            let (results, value_type) = one_type(arguments)?;
            return Ok((Operation::Call(Function::Coalesce, results), value_type));
        }
        "concat" => {
            let texts = arguments.into_iter().map(as_text).collect();
            return Ok((Operation::Call(Function::Concat, texts), ValueType::Text));
        }
        "nullif" => {
            let mut both = arguments.into_iter();
            let (Some(of), Some(other)) = (both.next(), both.next()) else {
                return Err(Problem::new("nullif takes two"));
            };
            let (of, other) = together(of, other)?;
            let value_type = of.value_type;
            return Ok((Operation::Call(Function::NullIf, vec![of, other]), value_type));
        }
        _ => {}
    }
    let written = &arguments[1..];
    let (function, of, value_type) = of_one_value(name, written)?;
    let mut arguments = arguments;
    let first = arguments.swap_remove(0).into_type(of)?;
    Ok((Operation::Call(function, vec![first]), value_type))
}

/// A function of one value, whose other arguments are written out: the type of its value and of its result.
fn of_one_value(name: &str, written: &[Expression]) -> Result<(Function, ValueType, ValueType), Problem> {
    use ValueType::{Boolean, Date, Number, Text, Timestamp};
    let count = |at: usize| literals::whole(&written[at], 0, MAX_COUNT).map(|count| count as u32);
    let text = |at: usize| literals::text(&written[at]);
    let filled = |at: usize| literals::filled_text(&written[at]);
    Ok(match name {
        "abs" => (Function::Absolute, Number, Number),
        "ceiling" => (Function::Ceil, Number, Number),
        "round" => {
            let digits = written.first().map_or(Ok(0), |digits| literals::whole(digits, 0, 38))?;
            (Function::Round(digits as u32), Number, Number)
        }
        "lower" => (Function::Lower, Text, Text),
        "upper" => (Function::Upper, Text, Text),
        "btrim" => (Function::Trim, Text, Text),
        "ltrim" => (Function::TrimStart, Text, Text),
        "rtrim" => (Function::TrimEnd, Text, Text),
        "length" | "char_length" => (Function::Length, Text, Number),
        "left" => (Function::Left(count(0)?), Text, Text),
        "right" => (Function::Right(count(0)?), Text, Text),
        "lpad" | "rpad" => {
            let length = literals::whole(&written[0], 0, MAX_PADDED)? as u32;
            let fill = one_character(&filled(1)?)?;
            let function =
                if name == "lpad" { Function::PadStart(length, fill) } else { Function::PadEnd(length, fill) };
            (function, Text, Text)
        }
        "replace" => (Function::Replace(filled(0)?, text(1)?), Text, Text),
        "starts_with" => (Function::StartsWith(text(0)?), Text, Boolean),
        "ends_with" => (Function::EndsWith(text(0)?), Text, Boolean),
        "contains" => (Function::Contains(text(0)?), Text, Boolean),
        "strpos" => (Function::Position(filled(0)?), Text, Number),
        "regexp_like" => (Function::Matches(literals::pattern(&written[0])?), Text, Boolean),
        "regexp_replace" => (Function::RegexReplace(literals::pattern(&written[0])?, text(1)?), Text, Text),
        "regexp_extract" => {
            let pattern = literals::pattern(&written[0])?;
            let group = written.get(1).map_or(Ok(0), |group| literals::group(group, &pattern))?;
            (Function::RegexExtract(pattern, group), Text, Text)
        }
        "split_part" => {
            let part = literals::whole(&written[1], -MAX_COUNT, MAX_COUNT)? as i32;
            if part == 0 {
                return Err(Problem::new("parts are counted from 1, or from -1 at the end"));
            }
            (Function::SplitPart(filled(0)?, part), Text, Text)
        }
        "json_value" => (Function::JsonValue(literals::path(&written[0])?), Text, Text),
        "to_date" => (Function::ToDate(literals::format(&written[0])?), Text, Date),
        "to_timestamp" => (Function::ToTimestamp(literals::format(&written[0])?), Text, Timestamp),
        other => return Err(Problem::new(format!("there is no function {other} here"))),
    })
}

fn one_character(text: &str) -> Result<char, Problem> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(letter),
        _ => Err(Problem::new("the text to fill with is one character")),
    }
}

/// A value as text, for texts that are put together.
pub(super) fn as_text(of: Expression) -> Expression {
    match of.value_type {
        ValueType::Text => of,
        ValueType::Null => Expression { value_type: ValueType::Text, ..of },
        _ => {
            let written = of.written.clone();
            Expression::new(Operation::Cast(Box::new(of), CastTo::Text), ValueType::Text, written)
        }
    }
}

/// The function of a `trim(…)`.
pub(super) fn trim(side: Option<TrimWhereField>) -> Function {
    match side {
        None | Some(TrimWhereField::Both) => Function::Trim,
        Some(TrimWhereField::Leading) => Function::TrimStart,
        Some(TrimWhereField::Trailing) => Function::TrimEnd,
    }
}
