//! The types that values are cast to, and the parts of dates.

use sqlparser::ast::{DataType, DateTimeField, ExactNumberInfo, Expr, TimezoneInfo};

use super::read::Read;
use super::{CastTo, DatePart, Expression, Operation, Problem, ValueType};

/// A value as one of another type.
pub(super) fn cast(tree: &Expr, of: Expression, data_type: &DataType) -> Read {
    let to = cast_to(data_type)?;
    let value_type = to.value_type();
    let possible = match (of.value_type, value_type) {
        (ValueType::Null | ValueType::Text, _) | (_, ValueType::Text) => true,
        (ValueType::Date | ValueType::Timestamp, ValueType::Date | ValueType::Timestamp) => true,
        (from, to) => from == to,
    };
    if !possible {
        return Err(Problem::new(format!("`{}` is {}, which cannot become {value_type}", of.written, of.value_type)));
    }
    if matches!((&of.operation, to), (Operation::Text(_), CastTo::Number | CastTo::Date | CastTo::Timestamp)) {
        return of.into_type(value_type);
    }
    Ok(Expression::new(Operation::Cast(Box::new(of), to), value_type, tree.to_string()))
}

fn cast_to(data_type: &DataType) -> Result<CastTo, Problem> {
    Ok(match data_type {
        DataType::Text | DataType::Varchar(None) | DataType::String(None) => CastTo::Text,
        DataType::SmallInt(None) | DataType::Int2(None) => CastTo::Whole(2),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => CastTo::Whole(4),
        DataType::BigInt(None) | DataType::Int8(None) | DataType::Int64 => CastTo::Whole(8),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => decimal(info)?,
        DataType::Boolean | DataType::Bool => CastTo::Boolean,
        DataType::Date => CastTo::Date,
        DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => CastTo::Timestamp,
        DataType::Real
        | DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Double(_)
        | DataType::DoublePrecision => {
            return Err(Problem::new(format!("{data_type} is not exact: write numeric")));
        }
        other => {
            return Err(Problem::new(format!(
                "a value cannot be cast to {other} here, expected text, smallint, integer, bigint, numeric, decimal(p, s), \
                 boolean, date or timestamp"
            )));
        }
    })
}

fn decimal(info: &ExactNumberInfo) -> Result<CastTo, Problem> {
    let (digits, scale) = match *info {
        ExactNumberInfo::None => return Ok(CastTo::Number),
        ExactNumberInfo::Precision(digits) => (digits, 0),
        ExactNumberInfo::PrecisionAndScale(digits, scale) => (digits, scale),
    };
    match u64::try_from(scale) {
        Ok(scale) if (1..=38).contains(&digits) && scale <= digits => Ok(CastTo::Decimal(digits as u32, scale as u32)),
        _ => Err(Problem::new("a decimal has 1 to 38 digits, and not more than these after the point")),
    }
}

/// The part of a date or timestamp of `extract`.
pub(super) fn date_part(field: &DateTimeField) -> Result<DatePart, Problem> {
    Ok(match field {
        DateTimeField::Year => DatePart::Year,
        DateTimeField::Month => DatePart::Month,
        DateTimeField::Day => DatePart::Day,
        DateTimeField::Hour => DatePart::Hour,
        DateTimeField::Minute => DatePart::Minute,
        DateTimeField::Second => DatePart::Second,
        other => {
            return Err(Problem::new(format!(
                "{other} cannot be extracted, expected year, month, day, hour, minute or second"
            )));
        }
    })
}
