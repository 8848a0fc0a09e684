//! `schema:`: the columns a table must have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The contract of a table's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaContract {
    /// In the order written.
    pub columns: Vec<ColumnContract>,
    /// What a column outside the contract does.
    pub on_extra_column: Option<OnExtraColumn>,
    /// More rejected rows than this fail the run.
    pub max_rejected: Option<RejectLimit>,
}

/// One column of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnContract {
    /// As written; matched to the sources' columns exactly first, then in any case.
    pub name: String,
    /// The type every value must convert to.
    pub column_type: ColumnType,
    /// Whether NULL is allowed. Default true.
    pub nullable: bool,
    /// strftime format of dates and timestamps.
    pub format: Option<String>,
    /// The only values allowed, when written.
    pub allowed: Option<Vec<String>>,
    /// Smallest value, as written.
    pub min: Option<String>,
    /// Largest value, as written.
    pub max: Option<String>,
    /// A regular expression the whole text must match.
    pub pattern: Option<String>,
}

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

/// What happens to a row that breaks the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBadRow {
    /// Keep it beside the table, load the others.
    Quarantine,
    /// Fail the run.
    Fail,
}

/// What a column outside the contract does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExtraColumn {
    /// It is added to the table.
    Evolve,
    /// It is left out.
    Ignore,
    /// It fails the run.
    Fail,
}

/// `max_rejected`: either bound may be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RejectLimit {
    /// Rows.
    pub rows: Option<u64>,
    /// Percent of the rows read, 0 to 100.
    pub percent: Option<f64>,
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("unknown type {text:?}"))
    }
}
