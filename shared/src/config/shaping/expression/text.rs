//! From a text to the parser's tree, within limits that keep the parser fast.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::{Expression, MAX_DEPTH, Problem, Scope, read};

/// Longest expression, in characters.
const MAX_CHARACTERS: usize = 4_000;
/// Deepest nesting of functions within functions.
const MAX_CALLS: usize = 10;

/// Reads an expression. `scope` has the columns that were computed before it.
pub(in crate::config::shaping) fn parse(text: &str, scope: &Scope) -> Result<Expression, Problem> {
    if text.chars().count() > MAX_CHARACTERS {
        return Err(Problem::of_all(format!("the expression is longer than {MAX_CHARACTERS} characters")));
    }
    if calls_within_calls(text) > MAX_CALLS {
        return Err(Problem::of_all(format!(
            "functions are nested deeper than {MAX_CALLS} levels: compute a part of it as a column of its own"
        )));
    }
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(MAX_DEPTH)
        .try_with_sql(text)
        .map_err(|error| unreadable(error, text))?;
    let tree = parser.parse_expr().map_err(|error| unreadable(error, text))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Problem::at(rest.span, format!("the expression should end before {}", rest.token)));
    }
    read::expression(&tree, scope)
}

/// The parser's own sentence, without its name and with the place beside it.
fn unreadable(error: ParserError, expression: &str) -> Problem {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => {
            return Problem::of_all(format!("the expression is nested deeper than {MAX_DEPTH} levels"));
        }
    };
    let (text, place) = match text.split_once(" at Line: ") {
        Some((text, place)) => (text, Some(place)),
        None => (text.as_str(), None),
    };
    let numbers = place.and_then(|place| place.split_once(", Column: "));
    let at = numbers.and_then(|(line, column)| {
        let column: String = column.chars().take_while(char::is_ascii_digit).collect();
        Some((line.trim().parse().ok()?, column.parse().ok()?))
    });
    // The end of the text has no place of its own.
    let end = || {
        let last = expression.lines().last().unwrap_or_default();
        (expression.lines().count().max(1), last.chars().count() + 1)
    };
    let at = if text.contains("found: EOF") { Some(end()) } else { at };
    let lower = text.strip_prefix("Expected: ").map(|text| format!("expected {text}"));
    let text = lower.unwrap_or_else(|| text.to_owned()).replace("found: EOF", "found the end");
    Problem { at, ..Problem::new(format!("is not an expression: {}", text.replace("found: ", "found "))) }
}

/// Words that may stand before a parenthesis without calling anything.
const NO_CALLS: [&str; 10] = ["and", "between", "else", "from", "in", "like", "not", "or", "then", "when"];

/// How deep calls of functions are nested in a text. The parser tries every call in two ways, so that its time doubles with each
/// level.
fn calls_within_calls(text: &str) -> usize {
    let (mut open, mut deepest): (Vec<bool>, usize) = (Vec::new(), 0);
    let (mut quote, mut word) = (None, String::new());
    for letter in text.chars() {
        match (quote, letter) {
            (Some(closing), letter) if letter == closing => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.clear();
            }
            (None, '(') => {
                open.push(!word.is_empty() && !NO_CALLS.contains(&word.to_lowercase().as_str()));
                deepest = deepest.max(open.iter().filter(|is_call| **is_call).count());
                word.clear();
            }
            (None, ')') => {
                open.pop();
                word.clear();
            }
            (None, letter) if letter.is_alphanumeric() || letter == '_' => word.push(letter),
            // A word may stand apart from its parenthesis.
            (None, letter) if letter.is_whitespace() => {}
            (None, _) => word.clear(),
        }
    }
    deepest
}
