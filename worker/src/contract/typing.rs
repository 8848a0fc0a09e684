//! The types of a column over time, and the cells that each of them accepts.

use elt_shared::config::ColumnType;
use serde::{Deserialize, Serialize};

use super::SqlType;
use crate::frame::CellKind;
use crate::frame::value::{self, TimeFormat};

/// A type a column has or had, and how strictly cells are read as it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Typing {
    /// The type that the column has or had.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// Whether the schema or the owner of the table asked for the type. A cell then converts if it can: `007` is 7. An
    /// inferred type accepts only cells that it would be inferred from, so that `007` is not a number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
    /// strftime formats of its dates and timestamps, one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

impl Typing {
    /// A type that was inferred from the values.
    pub fn inferred(column_type: ColumnType) -> Self {
        Self { sql_type: column_type.into(), declared: false, format: None }
    }

    /// A type that the schema or the owner of the table asked for.
    pub fn declared(sql_type: impl Into<SqlType>, format: Option<String>) -> Self {
        Self { sql_type: sql_type.into(), declared: true, format }
    }

    /// Whether values are numbers.
    pub fn is_number(&self) -> bool {
        self.sql_type.known().is_some_and(ColumnType::is_number)
    }

    /// Whether a cell that is not missing is a value of this type.
    ///
    /// A JSON string with the digits of a number is a number here, because equal values must have equal hashes, whatever kind
    /// of file they come from.
    pub fn accepts(&self, kind: CellKind, bytes: &[u8], format: Option<&TimeFormat<'_>>) -> bool {
        let Some(column_type) = self.sql_type.known() else { return true };
        match format {
            Some(format) => match column_type {
                ColumnType::Date => format.date(bytes).is_some(),
                ColumnType::Timestamp => format.timestamp(bytes).is_some(),
                ColumnType::TimestampTz => format.timestamptz(bytes).is_some(),
                _ => value::parses(column_type, kind, bytes, None),
            },
            None if self.declared => value::parses(column_type, kind, bytes, None),
            None => {
                let kind =
                    if kind == CellKind::String && column_type != ColumnType::Json { CellKind::Bare } else { kind };
                // A decimal that is written with an exponent is a decimal still, where decimals are expected.
                value::infers(column_type, kind, bytes)
                    || (column_type == ColumnType::Numeric(None)
                        && value::infers(ColumnType::Double, kind, bytes)
                        && value::numeric_fits(bytes, None))
            }
        }
    }

    /// Whether a text was, or would be, a value of this type, whatever kind of file it came from.
    pub fn accepts_text(&self, bytes: &[u8], format: Option<&TimeFormat<'_>>) -> bool {
        let nested = self.sql_type == SqlType::Known(ColumnType::Json)
            && matches!(bytes.first(), Some(b'{' | b'['))
            && value::is_json(bytes);
        let kind = if nested { CellKind::Nested } else { CellKind::Bare };
        self.accepts(kind, bytes, format)
    }
}
