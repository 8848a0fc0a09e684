//! The types that a target's column can have: those that elt converts to itself, and those that the server converts texts to.

use std::fmt;

use elt_shared::config::ColumnType;
use serde::{Deserialize, Serialize};

/// The type of a target's column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum SqlType {
    /// A type that elt converts to.
    Known(ColumnType),
    /// Any other type, as SQL: `inet`, `text[]`. Its values are sent as texts, and the server converts them.
    Other(String),
}

impl SqlType {
    /// The type if elt converts to it.
    pub fn known(&self) -> Option<ColumnType> {
        match self {
            Self::Known(column_type) => Some(*column_type),
            Self::Other(_) => None,
        }
    }

    /// Whether values are stored as they are written.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Known(ColumnType::Text | ColumnType::Varchar(_)))
    }
}

impl From<ColumnType> for SqlType {
    fn from(column_type: ColumnType) -> Self {
        Self::Known(column_type)
    }
}

impl From<String> for SqlType {
    /// Parses a type as PostgreSQL's `format_type` or [`ColumnType`] writes it.
    fn from(sql: String) -> Self {
        match known(&sql) {
            Some(column_type) => Self::Known(column_type),
            None => Self::Other(sql),
        }
    }
}

impl From<SqlType> for String {
    fn from(sql_type: SqlType) -> Self {
        sql_type.to_string()
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(column_type) => column_type.fmt(f),
            Self::Other(sql) => f.write_str(sql),
        }
    }
}

fn known(sql: &str) -> Option<ColumnType> {
    let (base, arguments, suffix) = match sql.split_once('(') {
        None => (sql, None, ""),
        Some((base, rest)) => {
            let (arguments, suffix) = rest.split_once(')')?;
            (base, Some(arguments), suffix)
        }
    };
    Some(match (base, arguments, suffix) {
        ("boolean", None, _) => ColumnType::Boolean,
        ("smallint", None, _) => ColumnType::SmallInt,
        ("integer", None, _) => ColumnType::Integer,
        ("bigint", None, _) => ColumnType::BigInt,
        ("numeric", None, _) => ColumnType::Numeric(None),
        ("numeric", Some(limits), "") => {
            let (precision, scale) = limits.split_once(',')?;
            let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
            if scale > precision {
                return None;
            }
            ColumnType::Numeric(Some((precision, scale)))
        }
        ("real", None, _) => ColumnType::Real,
        ("double precision", None, _) => ColumnType::Double,
        ("date", None, _) => ColumnType::Date,
        ("time" | "time without time zone", None, _) | ("time", Some(_), " without time zone") => ColumnType::Time,
        ("timestamp" | "timestamp without time zone", None, _) | ("timestamp", Some(_), " without time zone") => {
            ColumnType::Timestamp
        }
        ("timestamptz" | "timestamp with time zone", None, _) | ("timestamp", Some(_), " with time zone") => {
            ColumnType::TimestampTz
        }
        ("uuid", None, _) => ColumnType::Uuid,
        ("jsonb", None, _) => ColumnType::Json,
        ("text" | "character varying", None, _) => ColumnType::Text,
        ("character varying" | "varchar", Some(length), "") => ColumnType::Varchar(length.parse().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_ours_reads_back() {
        use ColumnType::*;
        let all = [
            Boolean,
            SmallInt,
            Integer,
            BigInt,
            Numeric(None),
            Numeric(Some((18, 2))),
            Real,
            Double,
            Date,
            Time,
            Timestamp,
            TimestampTz,
            Uuid,
            Json,
            Text,
            Varchar(40),
        ];
        for column_type in all {
            assert_eq!(SqlType::from(column_type.to_string()), SqlType::Known(column_type));
        }
    }

    #[test]
    fn the_catalog_s_spellings_are_known() {
        for (sql, column_type) in [
            ("timestamp(3) without time zone", ColumnType::Timestamp),
            ("timestamp with time zone", ColumnType::TimestampTz),
            ("character varying(12)", ColumnType::Varchar(12)),
            ("character varying", ColumnType::Text),
            ("numeric(5,0)", ColumnType::Numeric(Some((5, 0)))),
        ] {
            assert_eq!(SqlType::from(sql.to_owned()), SqlType::Known(column_type), "{sql}");
        }
    }

    #[test]
    fn other_types_stay_what_they_are() {
        for sql in [
            "inet",
            "text[]",
            "json",
            "character(3)",
            "numeric(3,5)",
            "numeric(3,-2)",
            "time with time zone",
            "\"my type\"",
        ] {
            let other = SqlType::from(sql.to_owned());
            assert_eq!(other, SqlType::Other(sql.to_owned()));
            assert_eq!(other.to_string(), sql);
        }
    }
}
