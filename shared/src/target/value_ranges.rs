//! What the columns of an export hold: asked before the rows are read, by a writer whose types have to hold every value.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::export::Selection;
use super::page::filter_error;
use super::scalar_type::ScalarType;
use super::{PageColumn, TargetError, quote_ident};

/// What the values of one column need. Only columns of decimals, dates and times are measured; others have the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ValueRange {
    /// Values that only PostgreSQL has: NaN among decimals, infinite dates, dates before the year 1 or after 9999, and 24:00.
    pub has_special: bool,
    /// Most digits before the decimal point.
    pub whole_digits: u16,
    /// Most digits after it.
    pub fraction_digits: u16,
}

/// Measures the columns of a selection, in its order.
///
/// # Errors
/// Database failures, and the time limit of the selection's transaction.
pub(super) async fn measure(
    connection: &mut PgConnection,
    selection: &Selection,
) -> Result<Vec<ValueRange>, TargetError> {
    let mut ranges = vec![ValueRange::default(); selection.columns.len()];
    let measured: Vec<_> =
        selection.columns.iter().enumerate().filter_map(|(at, one)| Some((at, field(one)?))).collect();
    if measured.is_empty() {
        return Ok(ranges);
    }
    let fields: Vec<_> = measured.iter().map(|(_, field)| field.as_str()).collect();
    let sql = selection.over(&fields.join(", "));
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(connection).await.map_err(filter_error)?;
    for (place, (at, _)) in measured.iter().enumerate() {
        let found: Vec<i32> = row.try_get(place)?;
        let digits = |index: usize| u16::try_from(found.get(index).copied().unwrap_or(0)).unwrap_or(u16::MAX);
        ranges[*at] =
            ValueRange { has_special: found.first() != Some(&0), whole_digits: digits(1), fraction_digits: digits(2) };
    }
    Ok(ranges)
}

/// The three numbers of a range as one array. `None`: the column is not measured.
fn field(column: &PageColumn) -> Option<String> {
    let name = format!("selected.{}", quote_ident(&column.name));
    let (special, digits) = match ScalarType::of(&column.sql_type)? {
        ScalarType::Numeric { .. } => {
            let special = format!("{name}::text in ('NaN', 'Infinity', '-Infinity')");
            let most = |number: &str| format!("coalesce(max({number}) filter (where not ({special})), 0)");
            let whole = most(&format!("length(trunc(abs({name}))::text)"));
            let digits = format!("{whole}, {}", most(&format!("scale({name})")));
            (special, digits)
        }
        ScalarType::Date => (outside_calendar(&name, "date"), "0, 0".into()),
        ScalarType::Timestamp => (outside_calendar(&name, "timestamp"), "0, 0".into()),
        ScalarType::TimestampTz => (outside_calendar(&name, "timestamptz"), "0, 0".into()),
        ScalarType::Time => (format!("{name} = '24:00'::time"), "0, 0".into()),
        ScalarType::Boolean
        | ScalarType::Integer
        | ScalarType::BigInt
        | ScalarType::Real
        | ScalarType::Double
        | ScalarType::Json => return None,
    };
    Some(format!("array[coalesce(bool_or({special}), false)::int, {digits}]::int[]"))
}

/// Whether a date or timestamp is infinite, before the year 1 or after 9999. `cast`: the type of the column.
fn outside_calendar(name: &str, cast: &str) -> String {
    format!("not isfinite({name}) or {name} < '0001-01-01'::{cast} or {name} >= '10000-01-01'::{cast}")
}
