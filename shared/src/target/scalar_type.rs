//! The type of a column as PostgreSQL names it (`format_type`), as far as exports have a type of their own for it.

/// A column type that exports keep as a type. A column of any other type, such as `uuid` or an array, is exported as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    /// `boolean`
    Boolean,
    /// `smallint` or `integer`
    Integer,
    /// `bigint`
    BigInt,
    /// `real`
    Real,
    /// `double precision`
    Double,
    /// `numeric`
    Numeric {
        /// Number of its digits, and of those after the decimal point. `None`: it is not limited, or has a negative scale.
        limits: Option<(u16, u16)>,
    },
    /// `date`
    Date,
    /// `time without time zone`
    Time,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
    /// `json` or `jsonb`
    Json,
}

impl ScalarType {
    /// The type with this name. `None`: it is another one, such as an array.
    pub fn of(sql_type: &str) -> Option<Self> {
        // `timestamp(3) without time zone` has its precision in the middle of the name.
        let (name, rest) = sql_type.split_once('(').unwrap_or((sql_type, ""));
        let (limits, zone) = rest.split_once(')').unwrap_or(("", ""));
        Some(match (name, zone) {
            ("boolean", "") => Self::Boolean,
            ("smallint" | "integer", "") => Self::Integer,
            ("bigint", "") => Self::BigInt,
            ("real", "") => Self::Real,
            ("double precision", "") => Self::Double,
            ("json" | "jsonb", "") => Self::Json,
            ("numeric", "") => Self::Numeric { limits: numeric_limits(limits) },
            ("date", "") => Self::Date,
            ("time without time zone", "") | ("time", " without time zone") => Self::Time,
            ("timestamp without time zone", "") | ("timestamp", " without time zone") => Self::Timestamp,
            ("timestamp with time zone", "") | ("timestamp", " with time zone") => Self::TimestampTz,
            _ => return None,
        })
    }
}

/// The two numbers of `10,2`.
fn numeric_limits(limits: &str) -> Option<(u16, u16)> {
    let (digits, fraction) = limits.split_once(',')?;
    Some((digits.parse().ok()?, fraction.parse().ok()?))
}
