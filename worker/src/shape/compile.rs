//! From an expression of the config to expressions of polars.
//!
//! An operation that may fail, such as a cast, is NULL where it fails. So that a row is never given a NULL that its source does
//! not have, every value comes with another expression: the reason why it could not be computed, NULL where it could. The
//! reasons follow the values: a reason in the branch of a `case` that is not chosen does not count.
//!
//! What may fail becomes a column of its own, so that value and reason do not compute it twice.

use elt_shared::config::NumberFormat;
use elt_shared::config::expression::{CastTo, Comparison, DatePart, Expression, Function, Operation, ValueType};
use polars::prelude::DataType;
use polars_lazy::dsl::{Expr, coalesce, col, concat_str, lit, when};
use polars_lazy::prelude::NULL;

use super::kernels;
use super::spelling::{self, Spelling};

/// A value and the reason why it cannot be computed.
#[derive(Clone)]
pub(super) struct Compiled {
    /// A text, or a boolean.
    pub value: Expr,
    /// A text, NULL where the value was computed. `None`: it always is.
    pub failure: Option<Expr>,
    /// How a text writes numbers.
    pub spelling: Spelling<Expr>,
}

impl Compiled {
    /// A value that no text of the file is a part of.
    fn plain(value: Expr, failure: Option<Expr>) -> Self {
        Self { value, failure, spelling: Spelling::Plain }
    }
}

/// Where the cells of a column are.
pub(super) trait Columns {
    /// The name in the frame of a column of the file. `None`: the file does not have it, so that its cells are NULL.
    fn of_file(&self, name: &str) -> Option<String>;

    /// A column that was computed before.
    fn computed(&self, index: usize) -> Compiled;
}

/// Compiles expressions to the columns that are added to a frame, one after the other.
#[derive(Default)]
pub(super) struct Compiler {
    /// The columns to add, in this order.
    pub steps: Vec<Expr>,
    /// The way in which the file writes numbers. `None`: the plain one.
    pub numbers: Option<NumberFormat>,
}

impl Compiler {
    /// Compiles an expression.
    pub(super) fn compile(&mut self, expression: &Expression, columns: &dyn Columns) -> Compiled {
        let never = |value| Compiled::plain(value, None);
        match &expression.operation {
            Operation::Column(name) => {
                let value = columns.of_file(name).map_or_else(|| null(ValueType::Text), col);
                // Without a format of its own a file writes numbers as expressions do.
                let spelling = if self.numbers.is_some() { Spelling::OfFile } else { Spelling::Plain };
                Compiled { value, failure: None, spelling }
            }
            Operation::Computed(index) => columns.computed(*index),
            Operation::Null => never(null(expression.value_type)),
            Operation::Text(text) => never(lit(text.clone())),
            Operation::Boolean(truth) => never(lit(*truth)),
            Operation::Cast(of, to) => self.cast(expression, of, *to, columns),
            Operation::Case(branches, otherwise) => self.case(branches, otherwise, columns),
            Operation::In(of, values) => {
                let Compiled { value, failure, .. } = self.compile(of, columns);
                Compiled::plain(kernels::is_in(value, values, of.value_type == ValueType::Number), failure)
            }
            Operation::Call(function, arguments) => self.call(expression, function, arguments, columns),
        }
    }

    /// Makes a value a column of its own.
    pub(super) fn keep(&mut self, value: Expr) -> Expr {
        if matches!(value, Expr::Column(_) | Expr::Literal(_)) {
            return value;
        }
        let name = format!("step{}", self.steps.len());
        self.steps.push(value.alias(name.clone()));
        col(name)
    }

    /// A value that may fail: it is NULL although all its arguments have values.
    fn fallible(&mut self, value: Expr, arguments: &[Compiled], reason: String) -> Compiled {
        let value = self.keep(value);
        let given = arguments.iter().map(|argument| argument.value.clone().is_not_null()).reduce(Expr::and);
        let failed = given.map_or_else(|| value.clone().is_null(), |given| given.and(value.clone().is_null()));
        let own = when(failed).then(lit(reason)).otherwise(null(ValueType::Text));
        let failures = arguments.iter().filter_map(|argument| argument.failure.clone()).chain([own]);
        Compiled::plain(value, first(failures.collect()))
    }

    fn cast(&mut self, whole: &Expression, of: &Expression, to: CastTo, columns: &dyn Columns) -> Compiled {
        let mut inner = self.compile(of, columns);
        let value = match (of.value_type, to) {
            (ValueType::Boolean, CastTo::Text) => inner.value.cast(DataType::String),
            (ValueType::Timestamp, CastTo::Text) => kernels::map(inner.value, kernels::shown_timestamp),
            (_, CastTo::Text) | (ValueType::Date, CastTo::Date) | (ValueType::Timestamp, CastTo::Timestamp) => {
                inner.value
            }
            (ValueType::Number, CastTo::Number) | (ValueType::Boolean, CastTo::Boolean) => inner.value,
            (ValueType::Date, CastTo::Timestamp) => kernels::map(inner.value, kernels::midnight),
            (ValueType::Timestamp, CastTo::Date) => kernels::map(inner.value, kernels::day),
            (_, to) => {
                inner.value = self.keep(inner.value);
                let what = match to {
                    CastTo::Number => "a number of at most 38 digits".to_owned(),
                    to => format!("a valid {to}"),
                };
                let of_file = |inner: &Compiled| kernels::cast(inner.value.clone(), to, self.numbers);
                let plain = |inner: &Compiled| kernels::cast(inner.value.clone(), to, None);
                // Only texts of the file are written in its format of numbers.
                let value = match &inner.spelling {
                    _ if of.value_type != ValueType::Text => plain(&inner),
                    Spelling::OfFile => of_file(&inner),
                    Spelling::Plain => plain(&inner),
                    Spelling::Where(is_of_file) => {
                        when(is_of_file.clone()).then(of_file(&inner)).otherwise(plain(&inner))
                    }
                };
                return self.fallible(value, &[inner], format!("`{}` fails: the value is not {what}", whole.written));
            }
        };
        let spelling = if of.value_type == ValueType::Text { inner.spelling } else { Spelling::Plain };
        Compiled { value, failure: inner.failure, spelling }
    }

    fn case(
        &mut self,
        branches: &[(Expression, Expression)],
        otherwise: &Expression,
        columns: &dyn Columns,
    ) -> Compiled {
        let last = self.compile(otherwise, columns);
        let mut compiled: Vec<(Compiled, Compiled)> = Vec::with_capacity(branches.len());
        for (condition, result) in branches {
            let mut condition = self.compile(condition, columns);
            condition.value = self.keep(condition.value);
            compiled.push((condition, self.compile(result, columns)));
        }
        let mut spelling = spelling::of_result(otherwise, &last);
        for ((condition, result), (_, expression)) in compiled.iter().zip(branches).rev() {
            let chosen = spelling::of_result(expression, result);
            spelling = self.kept_spelling(spelling::either(&condition.value, chosen, spelling));
        }
        let spelling = spelling.unwrap_or(Spelling::Plain);
        let fails = last.failure.is_some()
            || compiled.iter().any(|(condition, result)| condition.failure.is_some() || result.failure.is_some());
        let (mut value, mut failure) = (last.value, last.failure.unwrap_or_else(|| null(ValueType::Text)));
        for (condition, result) in compiled.into_iter().rev() {
            value = when(condition.value.clone()).then(result.value).otherwise(value);
            let of_result = result.failure.unwrap_or_else(|| null(ValueType::Text));
            failure = when(condition.value).then(of_result).otherwise(failure);
            if let Some(of_condition) = condition.failure {
                failure = coalesce(&[of_condition, failure]);
            }
        }
        Compiled { value, failure: fails.then_some(failure), spelling }
    }

    /// The spelling with its condition as a column of its own.
    fn kept_spelling(&mut self, spelling: Option<Spelling<Expr>>) -> Option<Spelling<Expr>> {
        match spelling {
            Some(Spelling::Where(condition)) => Some(Spelling::Where(self.keep(condition))),
            other => other,
        }
    }

    fn call(
        &mut self,
        whole: &Expression,
        function: &Function,
        arguments: &[Expression],
        columns: &dyn Columns,
    ) -> Compiled {
        let mut compiled: Vec<Compiled> = arguments.iter().map(|argument| self.compile(argument, columns)).collect();
        match function {
            Function::And | Function::Or => return self.logic(*function == Function::And, compiled),
            Function::Coalesce => return self.coalesce(arguments, compiled),
            Function::Add | Function::Subtract | Function::Multiply | Function::Divide | Function::Remainder => {
                for argument in &mut compiled {
                    argument.value = self.keep(argument.value.clone());
                }
                let reason = match function {
                    Function::Divide | Function::Remainder => {
                        "the divisor is zero, or the result has more than 38 digits"
                    }
                    _ => "the result has more than 38 digits",
                };
                let value = kernels::arithmetic(function, compiled[0].value.clone(), compiled[1].value.clone());
                return self.fallible(value, &compiled, format!("`{}` fails: {reason}", whole.written));
            }
            Function::JsonValue(_) | Function::ToDate(_) | Function::ToTimestamp(_) => {
                compiled[0].value = self.keep(compiled[0].value.clone());
                return self.parse(whole, function, &compiled[0]);
            }
            _ => {}
        }
        let failure = first(compiled.iter().filter_map(|argument| argument.failure.clone()).collect());
        let numbers = arguments.first().is_some_and(|argument| argument.value_type == ValueType::Number);
        if matches!(function, Function::NullIf | Function::IsDistinct) {
            for argument in &mut compiled {
                argument.value = self.keep(argument.value.clone());
            }
        }
        let spelling = match function {
            _ if whole.value_type != ValueType::Text => Spelling::Plain,
            Function::Join | Function::Concat => spelling::of_joined(arguments, &compiled),
            // The text that the others make is a text of their first argument.
            _ => compiled.first().map_or(Spelling::Plain, |argument| argument.spelling.clone()),
        };
        let values = compiled.into_iter().map(|argument| argument.value).collect();
        Compiled { value: infallible(function, values, numbers), failure, spelling }
    }

    /// The reason of the second condition counts only where the first one does not decide.
    fn logic(&mut self, and: bool, mut conditions: Vec<Compiled>) -> Compiled {
        let (Some(second), Some(mut one)) = (conditions.pop(), conditions.pop()) else {
            return Compiled::plain(null(ValueType::Boolean), None);
        };
        one.value = self.keep(one.value);
        let of_second = second.failure.map(|failure| {
            let decides = one.value.clone().fill_null(lit(and)).neq(lit(and));
            when(decides).then(null(ValueType::Text)).otherwise(failure)
        });
        let failure = first(one.failure.into_iter().chain(of_second).collect());
        let value = if and { one.value.and(second.value) } else { one.value.or(second.value) };
        Compiled::plain(value, failure)
    }

    /// The reason of an argument counts only where those before it are NULL.
    fn coalesce(&mut self, written: &[Expression], mut arguments: Vec<Compiled>) -> Compiled {
        let fails = arguments.iter().any(|argument| argument.failure.is_some());
        for argument in &mut arguments {
            argument.value = self.keep(argument.value.clone());
        }
        let values: Vec<Expr> = arguments.iter().map(|argument| argument.value.clone()).collect();
        let mut spelling = None;
        for (argument, expression) in arguments.iter().zip(written).rev() {
            let (is_there, own) = (argument.value.clone().is_not_null(), spelling::of_result(expression, argument));
            spelling = self.kept_spelling(spelling::either(&is_there, own, spelling));
        }
        let mut failure = null(ValueType::Text);
        for Compiled { value, failure: own, .. } in arguments.into_iter().rev() {
            failure = when(value.is_not_null()).then(null(ValueType::Text)).otherwise(failure);
            if let Some(own) = own {
                failure = coalesce(&[own, failure]);
            }
        }
        let failure = fails.then_some(failure);
        Compiled { value: coalesce(&values), failure, spelling: spelling.unwrap_or(Spelling::Plain) }
    }

    /// A value that is read out of a text, whose argument is a column already.
    fn parse(&mut self, whole: &Expression, function: &Function, of: &Compiled) -> Compiled {
        let written = &whole.written;
        let text = of.value.clone();
        match function {
            Function::ToDate(format) => {
                let value = kernels::date_as(text, format.clone(), false);
                let reason = format!("`{written}` fails: the value is not a date in the format {format}");
                self.fallible(value, std::slice::from_ref(of), reason)
            }
            Function::ToTimestamp(format) => {
                let value = kernels::date_as(text, format.clone(), true);
                let reason = format!("`{written}` fails: the value is not a timestamp in the format {format}");
                self.fallible(value, std::slice::from_ref(of), reason)
            }
            Function::JsonValue(path) => {
                let reason = lit(format!("`{written}` fails: the value is not JSON"));
                let own = when(kernels::is_json(text.clone()).not()).then(reason).otherwise(null(ValueType::Text));
                let failure = first(of.failure.iter().cloned().chain([own]).collect());
                Compiled::plain(kernels::json_value(text, path.clone()), failure)
            }
            _ => of.clone(),
        }
    }
}

/// NULL as a value of a type.
pub(super) fn null(value_type: ValueType) -> Expr {
    let is_boolean = value_type == ValueType::Boolean;
    lit(NULL).cast(if is_boolean { DataType::Boolean } else { DataType::String })
}

/// The first reason that there is.
fn first(failures: Vec<Expr>) -> Option<Expr> {
    match failures.len() {
        0 | 1 => failures.into_iter().next(),
        _ => Some(coalesce(&failures)),
    }
}

/// A function that has a result for all values. `numbers`: its first argument is a number.
fn infallible(function: &Function, arguments: Vec<Expr>, numbers: bool) -> Expr {
    let mut rest = arguments.into_iter();
    let mut next = || rest.next().unwrap_or_else(|| null(ValueType::Text));
    let characters = |count: u32| lit(i64::from(count));
    match function {
        Function::Not => next().not(),
        Function::IsNull => next().is_null(),
        Function::IsDistinct => {
            let (one, other) = (next(), next());
            let unequal = compare(Comparison::NotEqual, one.clone(), other.clone(), numbers);
            let both = one.clone().is_not_null().and(other.clone().is_not_null());
            when(both).then(unequal).otherwise(one.is_null().neq(other.is_null()))
        }
        Function::Compare(comparison) => compare(*comparison, next(), next(), numbers),
        Function::NullIf => {
            let (one, other) = (next(), next());
            let equal = compare(Comparison::Equal, one.clone(), other, numbers);
            let is_equal = equal.fill_null(lit(false));
            when(is_equal.not()).then(one).otherwise(lit(NULL))
        }
        Function::Negate | Function::Absolute | Function::Floor | Function::Ceil | Function::Round(_) => {
            kernels::number(function, next())
        }
        Function::Join => concat_str([next(), next()], "", false),
        Function::Concat => concat_str(rest.collect::<Vec<_>>(), "", true),
        Function::Lower => next().str().to_lowercase(),
        Function::Upper => next().str().to_uppercase(),
        Function::Trim => next().str().strip_chars(lit(NULL)),
        Function::TrimStart => next().str().strip_chars_start(lit(NULL)),
        Function::TrimEnd => next().str().strip_chars_end(lit(NULL)),
        Function::Length => next().str().len_chars().cast(DataType::String),
        Function::Substring(from, Some(length)) => next().str().slice(characters(*from), characters(*length)),
        Function::Substring(from, None) => next().str().slice(characters(*from), characters(u32::MAX)),
        Function::Left(count) => next().str().slice(characters(0), characters(*count)),
        Function::Right(count) => next().str().tail(characters(*count)),
        Function::Replace(what, with) => next().str().replace_all(lit(what.clone()), lit(with.clone()), true),
        Function::PadStart(length, fill) => next().str().pad_start(characters(*length), *fill),
        Function::PadEnd(length, fill) => next().str().pad_end(characters(*length), *fill),
        Function::StartsWith(text) => next().str().starts_with(lit(text.clone())),
        Function::EndsWith(text) => next().str().ends_with(lit(text.clone())),
        Function::Contains(text) => next().str().contains_literal(lit(text.clone())),
        Function::Position(text) => kernels::position(next(), text.clone()),
        Function::Matches(pattern) => next().str().contains(lit(pattern.clone()), true),
        Function::RegexReplace(pattern, with) => {
            next().str().replace_all(lit(pattern.clone()), lit(with.clone()), false)
        }
        Function::RegexExtract(pattern, group) => next().str().extract(lit(pattern.clone()), *group as usize),
        Function::SplitPart(by, part) => kernels::split_part(next(), by.clone(), *part),
        Function::DatePart(part) => date_part(*part, next()),
        _ => null(ValueType::Text),
    }
}

/// A part of an ISO text.
fn date_part(part: DatePart, of: Expr) -> Expr {
    let (from, length) = match part {
        DatePart::Year => (0, 4),
        DatePart::Month => (5, 2),
        DatePart::Day => (8, 2),
        DatePart::Hour => (11, 2),
        DatePart::Minute => (14, 2),
        DatePart::Second => (17, 2),
    };
    // A date has no time, which is midnight.
    let digits =
        concat_str([of, lit("T00:00:00")], "", false).str().slice(lit(i64::from(from)), lit(i64::from(length)));
    kernels::number(&Function::Floor, digits)
}

fn compare(comparison: Comparison, one: Expr, other: Expr, numbers: bool) -> Expr {
    if numbers {
        return kernels::compare_numbers(comparison, one, other);
    }
    match comparison {
        Comparison::Equal => one.eq(other),
        Comparison::NotEqual => one.neq(other),
        Comparison::Less => one.lt(other),
        Comparison::LessOrEqual => one.lt_eq(other),
        Comparison::Greater => one.gt(other),
        Comparison::GreaterOrEqual => one.gt_eq(other),
    }
}
