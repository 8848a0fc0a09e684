//! Column types, under every name people know them by: pandas', SQL's and plain ones.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::shortened;
use super::keys::nearest;

/// A PostgreSQL type elt loads into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ColumnType {
    /// `boolean`
    Boolean,
    /// `smallint`
    SmallInt,
    /// `integer`
    Integer,
    /// `bigint`
    BigInt,
    /// `numeric` or `numeric(precision, scale)`
    Numeric(Option<(u16, u16)>),
    /// `real`
    Real,
    /// `double precision`
    Double,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    TimestampTz,
    /// `uuid`
    Uuid,
    /// `jsonb`
    Json,
    /// `text`
    Text,
    /// `varchar(n)`
    Varchar(u32),
}

impl fmt::Display for ColumnType {
    /// The type as SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::SmallInt => "smallint",
            Self::Integer => "integer",
            Self::BigInt => "bigint",
            Self::Numeric(None) => "numeric",
            Self::Numeric(Some((precision, scale))) => return write!(f, "numeric({precision},{scale})"),
            Self::Real => "real",
            Self::Double => "double precision",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Uuid => "uuid",
            Self::Json => "jsonb",
            Self::Text => "text",
            Self::Varchar(length) => return write!(f, "varchar({length})"),
        })
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

/// Names without arguments. Where pandas and SQL disagree about a name, the wider type holds the values of both.
const NAMES: &[(&str, ColumnType)] = &[
    ("bool", ColumnType::Boolean),
    ("boolean", ColumnType::Boolean),
    ("uint8", ColumnType::SmallInt),
    ("int16", ColumnType::SmallInt),
    ("int2", ColumnType::SmallInt),
    ("smallint", ColumnType::SmallInt),
    ("uint16", ColumnType::Integer),
    ("int32", ColumnType::Integer),
    ("int4", ColumnType::Integer),
    ("integer", ColumnType::Integer),
    ("int", ColumnType::BigInt),
    ("int8", ColumnType::BigInt),
    ("int64", ColumnType::BigInt),
    ("uint32", ColumnType::BigInt),
    ("long", ColumnType::BigInt),
    ("bigint", ColumnType::BigInt),
    ("uint64", ColumnType::Numeric(None)),
    ("decimal", ColumnType::Numeric(None)),
    ("numeric", ColumnType::Numeric(None)),
    ("number", ColumnType::Numeric(None)),
    ("float16", ColumnType::Real),
    ("float32", ColumnType::Real),
    ("float4", ColumnType::Real),
    ("real", ColumnType::Real),
    ("float", ColumnType::Double),
    ("float64", ColumnType::Double),
    ("float8", ColumnType::Double),
    ("double", ColumnType::Double),
    ("double precision", ColumnType::Double),
    ("date", ColumnType::Date),
    ("time", ColumnType::Time),
    ("time without time zone", ColumnType::Time),
    ("datetime", ColumnType::Timestamp),
    ("datetime64", ColumnType::Timestamp),
    ("timestamp", ColumnType::Timestamp),
    ("timestamp without time zone", ColumnType::Timestamp),
    ("datetimetz", ColumnType::TimestampTz),
    ("timestamptz", ColumnType::TimestampTz),
    ("timestamp with time zone", ColumnType::TimestampTz),
    ("uuid", ColumnType::Uuid),
    ("json", ColumnType::Json),
    ("jsonb", ColumnType::Json),
    ("dict", ColumnType::Json),
    ("list", ColumnType::Json),
    ("object", ColumnType::Text),
    ("str", ColumnType::Text),
    ("string", ColumnType::Text),
    ("text", ColumnType::Text),
    ("category", ColumnType::Text),
    ("char", ColumnType::Varchar(1)),
    ("character", ColumnType::Varchar(1)),
    ("varchar", ColumnType::Text),
    ("character varying", ColumnType::Text),
];

/// PostgreSQL's bounds.
const MAX_PRECISION: u16 = 1000;
const MAX_LENGTH: u32 = 10_485_760;

impl ColumnType {
    /// Reads a type's name, in any case.
    pub fn parse(written: &str) -> Result<Self, String> {
        let name = written.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        if let Some((_, column_type)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(*column_type);
        }
        let shown = shortened(written);
        let unknown = || match nearest(&name, Self::names()) {
            Some(near) => format!("unknown type {shown:?}, did you mean {near:?}?"),
            None => format!("unknown type {shown:?}, expected for example int64, text, decimal(18,2), date or json"),
        };
        let (base, arguments) = arguments(&name).ok_or_else(unknown)?;
        match (base, arguments.as_slice()) {
            ("numeric" | "decimal", [precision]) => numeric(written, precision, "0"),
            ("numeric" | "decimal", [precision, scale]) => numeric(written, precision, scale),
            ("varchar" | "character varying" | "char" | "character", [length]) => varchar(written, length),
            ("datetime64", ["s" | "ms" | "us" | "ns"]) => Ok(Self::Timestamp),
            ("datetime64", ["s" | "ms" | "us" | "ns", _]) => Ok(Self::TimestampTz),
            ("string", ["python" | "pyarrow"]) => Ok(Self::Text),
            _ => Err(unknown()),
        }
    }

    /// Every name without arguments.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether values are numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Self::SmallInt | Self::Integer | Self::BigInt | Self::Numeric(_) | Self::Real | Self::Double)
    }

    /// Whether values are dates or times of day, or both.
    pub fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Time | Self::Timestamp | Self::TimestampTz)
    }

    /// Whether values are any text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_))
    }
}

/// `decimal(18,2)` and `datetime64[ns, UTC]` as base and arguments.
fn arguments(name: &str) -> Option<(&str, Vec<&str>)> {
    let (base, inside) = name
        .split_once('(')
        .and_then(|(base, rest)| Some((base, rest.strip_suffix(')')?)))
        .or_else(|| name.split_once('[').and_then(|(base, rest)| Some((base, rest.strip_suffix(']')?))))?;
    Some((base.trim_end(), inside.split(',').map(str::trim).collect()))
}

fn numeric(written: &str, precision: &str, scale: &str) -> Result<ColumnType, String> {
    match (precision.parse::<u16>(), scale.parse::<u16>()) {
        (Ok(precision @ 1..=MAX_PRECISION), Ok(scale)) if scale <= precision => {
            Ok(ColumnType::Numeric(Some((precision, scale))))
        }
        _ => {
            Err(format!("{written:?} needs a precision from 1 to {MAX_PRECISION} and a scale from 0 to the precision"))
        }
    }
}

fn varchar(written: &str, length: &str) -> Result<ColumnType, String> {
    match length.parse::<u32>() {
        Ok(length @ 1..=MAX_LENGTH) => Ok(ColumnType::Varchar(length)),
        _ => Err(format!("{written:?} needs a length from 1 to {MAX_LENGTH}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_back_what_it_prints() {
        for (_, column_type) in NAMES {
            assert_eq!(ColumnType::parse(&column_type.to_string()), Ok(*column_type));
        }
        for text in ["numeric(18,2)", "numeric(1000,0)", "varchar(10485760)"] {
            assert_eq!(ColumnType::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn pandas_sql_and_plain_names_are_known() {
        let cases = [
            ("int64", ColumnType::BigInt),
            ("Int64", ColumnType::BigInt),
            ("object", ColumnType::Text),
            ("datetime64[ns]", ColumnType::Timestamp),
            ("datetime64[ns, UTC]", ColumnType::TimestampTz),
            ("float64", ColumnType::Double),
            ("DECIMAL( 18 , 2 )", ColumnType::Numeric(Some((18, 2)))),
            ("decimal(5)", ColumnType::Numeric(Some((5, 0)))),
            ("Character  Varying(20)", ColumnType::Varchar(20)),
            ("timestamp  with time zone", ColumnType::TimestampTz),
            ("INTEGER", ColumnType::Integer),
            ("int", ColumnType::BigInt),
        ];
        for (written, expected) in cases {
            assert_eq!(ColumnType::parse(written), Ok(expected), "{written}");
        }
    }

    #[test]
    fn an_unknown_type_names_the_nearest() {
        assert_eq!(ColumnType::parse("strng").unwrap_err(), r#"unknown type "strng", did you mean "string"?"#);
        assert_eq!(
            ColumnType::parse("geography").unwrap_err(),
            r#"unknown type "geography", expected for example int64, text, decimal(18,2), date or json"#
        );
        assert_eq!(
            ColumnType::parse("decimal(2,5)").unwrap_err(),
            r#""decimal(2,5)" needs a precision from 1 to 1000 and a scale from 0 to the precision"#
        );
        assert!(ColumnType::parse("varchar(0)").is_err());
        assert!(ColumnType::parse("datetime64[ps]").is_err());
    }
}
