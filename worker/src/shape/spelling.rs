//! How the texts of an expression write numbers: a file may have a format of its own (`2,50`), and what is computed is plain
//! (`2.50`). A text of which it is not known would be read as another number, because `1.234` is 1234 in a German file.

use elt_shared::config::NumberFormat;
use elt_shared::config::expression::{Expression, Operation};
use polars_lazy::dsl::{Expr, lit, when};

use super::compile::Compiled;
use crate::frame::CellKind;
use crate::frame::value::{LocalNumber, NumberShape, number_shape, plain, trim};

/// How a text writes numbers. `C`: where it is not the same in all rows, the condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spelling<C> {
    /// In the format of the file, because it is a text of the file or a part of one.
    OfFile,
    /// In the plain format.
    Plain,
    /// In the format of the file in the rows for which this is true, else in the plain format.
    Where(C),
}

impl Spelling<Expr> {
    fn is_of_file(&self) -> Expr {
        match self {
            Self::OfFile => lit(true),
            Self::Plain => lit(false),
            Self::Where(condition) => condition.clone(),
        }
    }
}

/// The spelling of a result that may be chosen. `None`: it is the same in every format, as NULL and `'0'` are.
pub(super) fn of_result(expression: &Expression, compiled: &Compiled) -> Option<Spelling<Expr>> {
    let is_same = match &expression.operation {
        Operation::Null => true,
        Operation::Text(text) => text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
        _ => false,
    };
    (!is_same).then(|| compiled.spelling.clone())
}

/// The spelling of a text that is one of two.
pub(super) fn either(
    condition: &Expr,
    one: Option<Spelling<Expr>>,
    other: Option<Spelling<Expr>>,
) -> Option<Spelling<Expr>> {
    match (one, other) {
        (Some(Spelling::OfFile), Some(Spelling::OfFile)) => Some(Spelling::OfFile),
        (Some(Spelling::Plain), Some(Spelling::Plain)) => Some(Spelling::Plain),
        (Some(one), Some(other)) => {
            let is_of_file = when(condition.clone()).then(one.is_of_file()).otherwise(other.is_of_file());
            Some(Spelling::Where(is_of_file))
        }
        (one, other) => one.or(other),
    }
}

/// The spelling of texts that are put together: that of the file when no part of them was computed.
pub(super) fn of_joined(expressions: &[Expression], parts: &[Compiled]) -> Spelling<Expr> {
    let written = |expression: &Expression| matches!(expression.operation, Operation::Text(_) | Operation::Null);
    let parts = expressions.iter().zip(parts).filter(|(expression, _)| !written(expression));
    let both = |one: Spelling<Expr>, other: Spelling<Expr>| match (one, other) {
        (Spelling::OfFile, other) | (other, Spelling::OfFile) => other,
        (Spelling::Plain, _) | (_, Spelling::Plain) => Spelling::Plain,
        (Spelling::Where(one), Spelling::Where(other)) => Spelling::Where(one.and(other)),
    };
    parts.map(|(_, part)| part.spelling.clone()).reduce(both).unwrap_or(Spelling::Plain)
}

/// How a computed text in the plain format is written as a cell of a file with a format of its own. `kind`: as it is written
/// where there is no such format.
pub(super) fn kind_of_plain(kind: CellKind, text: &str, format: NumberFormat) -> CellKind {
    let bytes = text.as_bytes();
    match number_shape(kind, bytes) {
        NumberShape::Integer { .. } | NumberShape::Decimal { .. } | NumberShape::Exponent if trim(bytes) == bytes => {
            CellKind::Number
        }
        // It is not a number, and must not become one in the file's format.
        _ if plain(format, kind, bytes, &mut Vec::new()) == LocalNumber::Plain => CellKind::String,
        _ => kind,
    }
}
