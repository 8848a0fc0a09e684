//! From the parser's tree to an expression: columns, values, operators and cases. What is not on the list is refused.

use std::cell::Cell;

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Expr, Ident, TypedString, UnaryOperator, Value,
    ValueWithSpan,
};

use super::casts::{cast, date_part};
use super::types::{is_number, one_type, together};
use super::{
    Comparison, Expression, Function, MAX_DEPTH, MAX_PARTS, Operation, Problem, Scope, ValueType, functions, literals,
};

pub(super) type Read = Result<Expression, Problem>;

/// Reads a tree.
pub(super) fn expression(tree: &Expr, scope: &Scope) -> Read {
    Reader { scope, parts: Cell::new(0), depth: Cell::new(0) }.read(tree)
}

/// One walk over a tree.
pub(super) struct Reader<'s> {
    scope: &'s Scope,
    /// Number of parts that were read.
    parts: Cell<usize>,
    /// Number of parts that the current one is in.
    depth: Cell<usize>,
}

impl Reader<'_> {
    /// Reads a part of the tree. A problem has the place of the innermost part that has one.
    pub(super) fn read(&self, tree: &Expr) -> Read {
        self.parts.set(self.parts.get() + 1);
        if self.parts.get() > MAX_PARTS {
            return Err(Problem::of_all(format!("the expression has more than {MAX_PARTS} parts")));
        }
        if self.depth.get() + chained(tree) > MAX_DEPTH {
            return Err(Problem::of_all(format!(
                "the expression is nested deeper than {MAX_DEPTH} levels, and each operator of a chain is a level: compute a part \
                 of it as a column of its own, or use concat, coalesce or in"
            )));
        }
        self.depth.set(self.depth.get() + 1);
        let read = self.part(tree).map_err(|problem| problem.or_at(tree));
        self.depth.set(self.depth.get() - 1);
        read
    }

    fn part(&self, tree: &Expr) -> Read {
        match tree {
            Expr::Nested(inner) => self.read(inner),
            Expr::Identifier(name) => Ok(self.column(name)),
            Expr::Value(value) => constant(value),
            Expr::UnaryOp { op, expr } => self.unary(tree, *op, expr),
            Expr::BinaryOp { left, op, right } => self.binary(tree, left, op, right),
            Expr::InList { expr, list, negated } => self.in_list(tree, expr, list, *negated),
            Expr::Between { expr, negated, low, high } => self.between(tree, expr, low, high, *negated),
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(tree, expr, pattern, false, *negated)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(tree, expr, pattern, true, *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(tree, operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { .. } | Expr::TypedString(_) => self.cast(tree),
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => {
                self.predicate(tree)
            }
            Expr::IsTrue(of) | Expr::IsNotTrue(of) | Expr::IsFalse(of) | Expr::IsNotFalse(of) => {
                self.is_truth(tree, of)
            }
            Expr::Function(function) => functions::call(self, tree, function),
            _ => self.built_in(tree),
        }
    }

    fn cast(&self, tree: &Expr) -> Read {
        match tree {
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                array: false,
                format: None,
            } => cast(tree, self.read(expr)?, data_type),
            Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false }) => {
                cast(tree, constant(value)?, data_type)
            }
            Expr::Cast { kind: CastKind::TryCast | CastKind::SafeCast, .. } => Err(Problem::new(
                "try_cast is not available, because it turns wrong values into NULL: write cast, which rejects their rows",
            )),
            other => Err(refused(other)),
        }
    }

    /// `is null` and `is distinct from`, with their opposites.
    fn predicate(&self, tree: &Expr) -> Read {
        let negated = matches!(tree, Expr::IsNotNull(_) | Expr::IsNotDistinctFrom(..));
        let operation = match tree {
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                // The parser takes everything that follows for the right side, which nobody means who writes `and` there.
                if !is_one_value(right) {
                    return Err(Problem::new(format!(
                        "write the right side of `is distinct from` in parentheses: ({right})"
                    )));
                }
                let (left, right) = together(self.read(left)?, self.read(right)?)?;
                Operation::Call(Function::IsDistinct, vec![left, right])
            }
            Expr::IsNull(of) | Expr::IsNotNull(of) => Operation::Call(Function::IsNull, vec![self.read(of)?]),
            other => return Err(refused(other)),
        };
        Ok(not_if(negated, Expression::new(operation, ValueType::Boolean, tree.to_string())))
    }

    /// Functions that SQL gives a syntax of their own.
    fn built_in(&self, tree: &Expr) -> Read {
        let (function, of, value_type) = match tree {
            Expr::Extract { field, expr, .. } => {
                let of = self.read(expr)?;
                let of = if of.value_type == ValueType::Date { of } else { of.into_type(ValueType::Timestamp)? };
                (Function::DatePart(date_part(field)?), of, ValueType::Number)
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                (Function::Ceil, self.typed(expr, ValueType::Number)?, ValueType::Number)
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                (Function::Floor, self.typed(expr, ValueType::Number)?, ValueType::Number)
            }
            Expr::Position { expr, r#in } => {
                let sought = literals::filled_text(&self.read(expr)?)?;
                (Function::Position(sought), self.typed(r#in, ValueType::Text)?, ValueType::Number)
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
                let from = literals::whole(&self.read(from)?, 1, i64::from(u32::MAX))? as u32 - 1;
                let length = substring_for.as_ref().map(|length| self.read(length)).transpose()?;
                let length = length.map(|length| literals::whole(&length, 0, i64::from(u32::MAX))).transpose()?;
                let function = Function::Substring(from, length.map(|length| length as u32));
                (function, self.typed(expr, ValueType::Text)?, ValueType::Text)
            }
            Expr::Trim { expr, trim_where, trim_what: None, trim_characters: None } => {
                (functions::trim(*trim_where), self.typed(expr, ValueType::Text)?, ValueType::Text)
            }
            other => return Err(refused(other)),
        };
        Ok(Expression::new(Operation::Call(function, vec![of]), value_type, tree.to_string()))
    }

    /// Reads a part that must be of a type.
    pub(super) fn typed(&self, tree: &Expr, wanted: ValueType) -> Read {
        self.read(tree)?.into_type(wanted).map_err(|problem| problem.or_at(tree))
    }

    /// A column by its name: one that was computed before, else one of the file.
    pub(super) fn column(&self, name: &Ident) -> Expression {
        let written = name.to_string();
        match self.scope.find(&name.value) {
            Some((index, value_type)) => Expression::new(Operation::Computed(index), value_type, written),
            None => Expression::new(Operation::Column(name.value.clone()), ValueType::Text, written),
        }
    }

    fn unary(&self, tree: &Expr, operator: UnaryOperator, of: &Expr) -> Read {
        let (function, value_type) = match operator {
            UnaryOperator::Not => (Function::Not, ValueType::Boolean),
            UnaryOperator::Minus => (Function::Negate, ValueType::Number),
            UnaryOperator::Plus => return self.typed(of, ValueType::Number),
            other => return Err(Problem::new(format!("the operator {other} is not available"))),
        };
        let of = self.typed(of, value_type)?;
        if let (Function::Negate, Operation::Text(number)) = (&function, &of.operation) {
            let negative = number.strip_prefix('-').map_or_else(|| format!("-{number}"), str::to_owned);
            return Ok(Expression::new(Operation::Text(negative), ValueType::Number, tree.to_string()));
        }
        Ok(Expression::new(Operation::Call(function, vec![of]), value_type, tree.to_string()))
    }

    fn binary(&self, tree: &Expr, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Read {
        use BinaryOperator as Sql;
        let (function, both) = match operator {
            Sql::And => (Function::And, ValueType::Boolean),
            Sql::Or => (Function::Or, ValueType::Boolean),
            Sql::Plus => (Function::Add, ValueType::Number),
            Sql::Minus => (Function::Subtract, ValueType::Number),
            Sql::Multiply => (Function::Multiply, ValueType::Number),
            Sql::Divide => (Function::Divide, ValueType::Number),
            Sql::Modulo => (Function::Remainder, ValueType::Number),
            Sql::StringConcat => return self.join(tree, left, right),
            Sql::LongArrow => {
                let path = literals::path(&self.read(right)?).map_err(|problem| problem.or_at(right))?;
                let function = Function::JsonValue(path);
                let arguments = vec![self.typed(left, ValueType::Text)?];
                return Ok(Expression::new(Operation::Call(function, arguments), ValueType::Text, tree.to_string()));
            }
            Sql::PGRegexMatch | Sql::PGRegexIMatch | Sql::PGRegexNotMatch | Sql::PGRegexNotIMatch => {
                return self.matches(tree, left, operator, right);
            }
            _ => return self.compare(tree, left, operator, right),
        };
        let arguments = vec![self.typed(left, both)?, self.typed(right, both)?];
        Ok(Expression::new(Operation::Call(function, arguments), both, tree.to_string()))
    }

    fn join(&self, tree: &Expr, left: &Expr, right: &Expr) -> Read {
        let arguments = vec![functions::as_text(self.read(left)?), functions::as_text(self.read(right)?)];
        Ok(Expression::new(Operation::Call(Function::Join, arguments), ValueType::Text, tree.to_string()))
    }

    fn matches(&self, tree: &Expr, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Read {
        let pattern = literals::pattern(&self.read(right)?).map_err(|problem| problem.or_at(right))?;
        let any_case = matches!(operator, BinaryOperator::PGRegexIMatch | BinaryOperator::PGRegexNotIMatch);
        let negated = matches!(operator, BinaryOperator::PGRegexNotMatch | BinaryOperator::PGRegexNotIMatch);
        let pattern = if any_case { format!("(?i:{pattern})") } else { pattern };
        let matches = Operation::Call(Function::Matches(pattern), vec![self.typed(left, ValueType::Text)?]);
        Ok(not_if(negated, Expression::new(matches, ValueType::Boolean, tree.to_string())))
    }

    fn like(&self, tree: &Expr, of: &Expr, pattern: &Expr, any_case: bool, negated: bool) -> Read {
        let written = literals::text(&self.read(pattern)?).and_then(|text| literals::like(&text, any_case));
        let pattern = written.map_err(|problem| problem.or_at(pattern))?;
        let matches = Operation::Call(Function::Matches(pattern), vec![self.typed(of, ValueType::Text)?]);
        Ok(not_if(negated, Expression::new(matches, ValueType::Boolean, tree.to_string())))
    }

    fn compare(&self, tree: &Expr, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Read {
        let comparison = match operator {
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessOrEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterOrEqual,
            other => return Err(Problem::new(format!("the operator {other} is not available"))),
        };
        compared(comparison, self.read(left)?, self.read(right)?, tree.to_string())
    }

    fn between(&self, tree: &Expr, of: &Expr, low: &Expr, high: &Expr, negated: bool) -> Read {
        let of = self.read(of)?;
        let above = compared(Comparison::GreaterOrEqual, of.clone(), self.read(low)?, tree.to_string())?;
        let below = compared(Comparison::LessOrEqual, of, self.read(high)?, tree.to_string())?;
        let both = Operation::Call(Function::And, vec![above, below]);
        Ok(not_if(negated, Expression::new(both, ValueType::Boolean, tree.to_string())))
    }

    fn in_list(&self, tree: &Expr, of: &Expr, list: &[Expr], negated: bool) -> Read {
        let mut of = self.read(of)?;
        let mut values = Vec::with_capacity(list.len());
        for item in list {
            // A long list is one part, because it is looked up and not computed value by value.
            let read =
                Reader { scope: self.scope, parts: Cell::new(0), depth: Cell::new(self.depth.get()) }.read(item)?;
            let (known, value) = together(of, read).map_err(|problem| problem.or_at(item))?;
            of = known;
            match value.operation {
                Operation::Text(text) => values.push(text),
                _ => {
                    let message =
                        format!("`{item}` must be written out: a list has texts and numbers, and NULL is not a value");
                    return Err(Problem::new(message).or_at(item));
                }
            }
        }
        let found = Operation::In(Box::new(of), values);
        Ok(not_if(negated, Expression::new(found, ValueType::Boolean, tree.to_string())))
    }

    fn is_truth(&self, tree: &Expr, of: &Expr) -> Read {
        let boolean = |operation| Expression::new(operation, ValueType::Boolean, tree.to_string());
        let (wanted, negated) = match tree {
            Expr::IsTrue(_) => (true, false),
            Expr::IsNotTrue(_) => (true, true),
            Expr::IsFalse(_) => (false, false),
            _ => (false, true),
        };
        let arguments = vec![self.typed(of, ValueType::Boolean)?, boolean(Operation::Boolean(wanted))];
        let distinct = boolean(Operation::Call(Function::IsDistinct, arguments));
        Ok(not_if(!negated, distinct))
    }

    fn case(&self, tree: &Expr, operand: Option<&Expr>, branches: &[CaseWhen], otherwise: Option<&Expr>) -> Read {
        let operand = operand.map(|operand| self.read(operand)).transpose()?;
        let (mut conditions, mut results) = (Vec::new(), Vec::new());
        for CaseWhen { condition, result } in branches {
            conditions.push(match &operand {
                Some(operand) => {
                    let value = self.read(condition)?;
                    compared(Comparison::Equal, operand.clone(), value, condition.to_string())
                        .map_err(|problem| problem.or_at(condition))?
                }
                None => self.typed(condition, ValueType::Boolean)?,
            });
            results.push(self.read(result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.read(otherwise)?,
            None => Expression::new(Operation::Null, ValueType::Null, "NULL"),
        });
        let (mut results, value_type) = one_type(results)?;
        let otherwise = results.pop().ok_or_else(|| Problem::new("a case needs a result"))?;
        let branches = conditions.into_iter().zip(results).collect();
        Ok(Expression::new(Operation::Case(branches, Box::new(otherwise)), value_type, tree.to_string()))
    }
}

/// Number of operators that follow each other, which the parser nests without a limit of its own. It is counted without walking
/// into the tree, because the tree may be too deep for that.
fn chained(tree: &Expr) -> usize {
    std::iter::successors(Some(tree), |tree| match tree {
        Expr::BinaryOp { left, .. } => Some(left),
        _ => None,
    })
    .take(MAX_DEPTH + 1)
    .count()
}

/// Whether the parser cannot have read two parts as one.
fn is_one_value(tree: &Expr) -> bool {
    matches!(
        tree,
        Expr::Nested(_)
            | Expr::Identifier(_)
            | Expr::Value(_)
            | Expr::Function(_)
            | Expr::Cast { .. }
            | Expr::TypedString(_)
    )
}

fn not_if(negated: bool, of: Expression) -> Expression {
    if !negated {
        return of;
    }
    let written = of.written.clone();
    Expression::new(Operation::Call(Function::Not, vec![of]), ValueType::Boolean, written)
}

/// A comparison of two values in the type of both.
pub(super) fn compared(comparison: Comparison, left: Expression, right: Expression, written: String) -> Read {
    let (left, right) = together(left, right)?;
    let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if left.value_type == ValueType::Boolean && ordered {
        return Err(Problem::new("true and false have no order"));
    }
    let operation = Operation::Call(Function::Compare(comparison), vec![left, right]);
    Ok(Expression::new(operation, ValueType::Boolean, written))
}

fn constant(value: &ValueWithSpan) -> Read {
    let written = value.value.to_string();
    let (operation, value_type) = match &value.value {
        Value::Null => (Operation::Null, ValueType::Null),
        Value::Boolean(truth) => (Operation::Boolean(*truth), ValueType::Boolean),
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
            (Operation::Text(text.clone()), ValueType::Text)
        }
        Value::Number(number, false) if is_number(number) => (Operation::Text(number.clone()), ValueType::Number),
        Value::Number(..) => {
            return Err(Problem::new(format!(
                "`{written}` must be a decimal number of at most 38 digits, such as 12.50"
            )));
        }
        _ => return Err(Problem::new(format!("`{written}` is not a value that is available here"))),
    };
    Ok(Expression::new(operation, value_type, written))
}

/// The reason why a part of SQL is not available, by its name.
fn refused(tree: &Expr) -> Problem {
    let what = match tree {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
            return Problem::new("a subquery is not available: a shape computes each row from its own cells");
        }
        Expr::CompoundIdentifier(names) => {
            let name: Vec<_> = names.iter().map(|name| name.value.as_str()).collect();
            return Problem::new(format!("a name with a dot is written in double quotes: \"{}\"", name.join(".")));
        }
        Expr::Substring { .. } => "substring without a beginning".to_owned(),
        Expr::Trim { .. } => "trim with other characters than white space".to_owned(),
        Expr::Like { .. } | Expr::ILike { .. } => "like any, and like with escape".to_owned(),
        other => format!("`{other}`"),
    };
    Problem::new(format!("{what} is not available here"))
}
