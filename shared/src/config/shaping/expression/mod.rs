//! Expressions of `shape:`: what is computed from the cells of one row.
//!
//! The text is parsed by the SQL parser that polars' own SQL uses. Its tree is then read into an [`Expression`], in which every
//! type is known and every operation is one of a documented list. A run evaluates that and nothing else.
//!
//! # Layout
//! - [`mod@self`]: the expression, and the names that it may use
//! - `text`: from a text to the parser's tree
//! - `read`: from the tree to an expression: operators, cases
//! - `casts`: the types that values are cast to
//! - `functions`: the functions that may be called
//! - `types`: which types may meet, and which texts become numbers or dates
//! - `literals`: patterns, formats and paths, which are checked when the config is

mod casts;
mod functions;
mod literals;
mod read;
#[cfg(test)]
mod tests;
mod text;
mod types;

use std::fmt;

use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use crate::json_path::JsonPath;

pub(super) use text::parse;

/// Most parts of an expression: columns, values, operators and functions.
const MAX_PARTS: usize = 400;
/// Deepest nesting of an expression. A chain of operators, such as `a || b || c`, is nested as well.
const MAX_DEPTH: usize = 60;

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What is computed.
    pub operation: Operation,
    /// The type of the result.
    pub value_type: ValueType,
    /// The expression as SQL, for messages.
    pub written: String,
}

/// The type of a value. Cells are texts until they are cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// The NULL that is written, which is of every type.
    Null,
    /// Text.
    Text,
    /// An exact number of at most 38 digits.
    Number,
    /// true or false.
    Boolean,
    /// A date, as ISO text.
    Date,
    /// A date and time without a zone, as ISO text.
    Timestamp,
}

/// An operator, a function or a value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A column of the file, by its name after `rename`.
    Column(String),
    /// A column that `clean` or `columns` computed before, by its index among [`super::Shaping::computed`].
    Computed(usize),
    /// NULL.
    Null,
    /// A text, or a number, date or timestamp in its text.
    Text(String),
    /// true or false.
    Boolean(bool),
    /// A value becomes one of another type, exactly. A value that cannot rejects its row.
    Cast(Box<Expression>, CastTo),
    /// The result of the first condition that is true, else the last expression.
    Case(Vec<(Expression, Expression)>, Box<Expression>),
    /// Whether a value is one of these. Numbers are compared as numbers.
    In(Box<Expression>, Vec<String>),
    /// A function or operator with its arguments.
    Call(Function, Vec<Expression>),
}

/// The type that a value is cast to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastTo {
    /// Text.
    Text,
    /// A number with any digits.
    Number,
    /// A whole number of this many bytes.
    Whole(u32),
    /// A number with at most this many digits, and at most that many of them after the point.
    Decimal(u32, u32),
    /// A boolean.
    Boolean,
    /// A date.
    Date,
    /// A timestamp.
    Timestamp,
}

/// Functions and operators, with those arguments that are written values.
#[derive(Debug, Clone, PartialEq)]
pub enum Function {
    /// `and`. Its second argument does not count when the first one is false.
    And,
    /// `or`. Its second argument does not count when the first one is true.
    Or,
    /// `not`.
    Not,
    /// `is null`.
    IsNull,
    /// `is distinct from`, for which NULL is a value.
    IsDistinct,
    /// A comparison.
    Compare(Comparison),
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`, rounded to 16 digits after the point.
    Divide,
    /// `%`.
    Remainder,
    /// `-x`.
    Negate,
    /// `abs`.
    Absolute,
    /// `floor`.
    Floor,
    /// `ceil`.
    Ceil,
    /// `round`, half away from zero, to this many digits after the point.
    Round(u32),
    /// `||`: NULL when one of both is.
    Join,
    /// `concat`: NULL is left out.
    Concat,
    /// `coalesce`.
    Coalesce,
    /// `nullif`.
    NullIf,
    /// `lower`.
    Lower,
    /// `upper`.
    Upper,
    /// `trim`: without white space around the text.
    Trim,
    /// `ltrim`.
    TrimStart,
    /// `rtrim`.
    TrimEnd,
    /// `length`, in characters.
    Length,
    /// `substring`: from a character counted from 0, and the number of characters if there is one.
    Substring(u32, Option<u32>),
    /// `left`.
    Left(u32),
    /// `right`.
    Right(u32),
    /// `replace`: every occurrence of the first text becomes the second one.
    Replace(String, String),
    /// `lpad`: to this many characters, with this one. A longer text stays.
    PadStart(u32, char),
    /// `rpad`.
    PadEnd(u32, char),
    /// `starts_with`.
    StartsWith(String),
    /// `ends_with`.
    EndsWith(String),
    /// `contains`.
    Contains(String),
    /// `strpos`: the character at which a text begins, counted from 1, or 0.
    Position(String),
    /// `~`, `like`, `regexp_like`: whether a regular expression is found.
    Matches(String),
    /// `regexp_replace`: every match becomes the text, in which `${1}` is a group.
    RegexReplace(String, String),
    /// `regexp_extract`: a group of the first match.
    RegexExtract(String, u32),
    /// `split_part`: the parts between a text, counted from 1, or from the end when negative.
    SplitPart(String, i32),
    /// `json_value`, `->>`: a value out of a JSON document.
    JsonValue(JsonPath),
    /// `to_date`, with a strftime format.
    ToDate(String),
    /// `to_timestamp`.
    ToTimestamp(String),
    /// `extract(year from …)`.
    DatePart(DatePart),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A part of a date or timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatePart {
    /// The year.
    Year,
    /// The month, from 1.
    Month,
    /// The day of the month, from 1.
    Day,
    /// The hour.
    Hour,
    /// The minute.
    Minute,
    /// The second, without its fraction.
    Second,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Text => "text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
        })
    }
}

impl fmt::Display for CastTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Number => f.write_str("number"),
            Self::Whole(2) => f.write_str("smallint"),
            Self::Whole(4) => f.write_str("integer"),
            Self::Whole(_) => f.write_str("bigint"),
            Self::Decimal(digits, scale) => write!(f, "decimal({digits}, {scale})"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
        }
    }
}

impl CastTo {
    /// The type of the result.
    pub fn value_type(self) -> ValueType {
        match self {
            Self::Text => ValueType::Text,
            Self::Number | Self::Whole(_) | Self::Decimal(..) => ValueType::Number,
            Self::Boolean => ValueType::Boolean,
            Self::Date => ValueType::Date,
            Self::Timestamp => ValueType::Timestamp,
        }
    }
}

impl Expression {
    /// A text that no expression in the config is written for.
    pub(super) fn of_text(operation: Operation) -> Self {
        Self { operation, value_type: ValueType::Text, written: String::new() }
    }

    /// The columns of the file that it names.
    pub fn columns<'e>(&'e self, each: &mut dyn FnMut(&'e str)) {
        match &self.operation {
            Operation::Column(name) => each(name),
            Operation::Computed(_) | Operation::Null | Operation::Text(_) | Operation::Boolean(_) => {}
            Operation::Cast(of, _) | Operation::In(of, _) => of.columns(each),
            Operation::Case(branches, otherwise) => {
                for (condition, result) in branches {
                    condition.columns(each);
                    result.columns(each);
                }
                otherwise.columns(each);
            }
            Operation::Call(_, arguments) => arguments.iter().for_each(|argument| argument.columns(each)),
        }
    }
}

/// Refuses a regular expression that is wrong or too large, with a sentence.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    literals::checked_pattern(pattern).map_err(|problem| problem.message)
}

/// The columns that were computed before an expression, which it may name.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Names and types. The last one of a name counts.
    computed: Vec<(String, ValueType)>,
}

impl Scope {
    /// Adds the next computed column.
    pub(super) fn add(&mut self, name: &str, value_type: ValueType) {
        self.computed.push((name.to_owned(), value_type));
    }

    /// The computed column of a name: exactly, else in any case.
    fn find(&self, name: &str) -> Option<(usize, ValueType)> {
        let at = |is: &dyn Fn(&str) -> bool| self.computed.iter().rposition(|(known, _)| is(known));
        let lower = name.to_lowercase();
        let index = at(&|known| known == name).or_else(|| at(&|known| known.to_lowercase() == lower))?;
        Some((index, self.computed[index].1))
    }
}

/// The reason why a text is not an expression that elt can compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Line and column within the text, both counted from 1, in characters. `None`: it is about the whole text.
    pub at: Option<(usize, usize)>,
    /// What is wrong with the expression, as a sentence.
    pub message: String,
    /// Whether it is about the whole text, so that no part of the text is its place.
    whole: bool,
}

impl Problem {
    fn new(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into(), whole: false }
    }

    /// A problem of the whole text, such as its size.
    fn of_all(message: impl Into<String>) -> Self {
        Self { whole: true, ..Self::new(message) }
    }

    fn at(span: Span, message: impl Into<String>) -> Self {
        let at = (span.start.line > 0).then_some((span.start.line as usize, span.start.column as usize));
        Self { at, ..Self::new(message) }
    }

    /// The problem with a place, unless it has one.
    fn or_at(mut self, of: &impl Spanned) -> Self {
        if self.at.is_none() && !self.whole {
            self.at = Self::at(of.span(), "").at;
        }
        self
    }
}
