//! The types that may meet in an expression. A text that meets a number, a date or a timestamp is read as one, and a row whose
//! text cannot be read so is rejected.

use chrono::{NaiveDate, NaiveDateTime};

use super::{CastTo, Expression, Operation, Problem, ValueType};

/// Most digits of a number.
const MAX_DIGITS: usize = 38;

impl Expression {
    pub(super) fn new(operation: Operation, value_type: ValueType, written: impl Into<String>) -> Self {
        Self { operation, value_type, written: written.into() }
    }

    /// The expression as a value of a type, with a cast where one is needed.
    pub(super) fn into_type(self, wanted: ValueType) -> Result<Self, Problem> {
        match (self.value_type, wanted) {
            (known, wanted) if known == wanted => Ok(self),
            (ValueType::Null, _) => Ok(Self { value_type: wanted, ..self }),
            (ValueType::Text, ValueType::Number | ValueType::Date | ValueType::Timestamp) => self.text_as(wanted),
            (ValueType::Date, ValueType::Timestamp) => Ok(self.cast(CastTo::Timestamp)),
            (known, wanted) => Err(Problem::new(format!("`{}` is {known}, expected {wanted}", self.written))),
        }
    }

    /// A cast of this value, whose text in messages stays that of the value.
    fn cast(self, to: CastTo) -> Self {
        let written = self.written.clone();
        Self::new(Operation::Cast(Box::new(self), to), to.value_type(), written)
    }

    fn text_as(self, wanted: ValueType) -> Result<Self, Problem> {
        if let Operation::Text(text) = &self.operation {
            let operation = match canonical(text, wanted) {
                Some(text) => Operation::Text(text),
                None => return Err(Problem::new(format!("`{}` is not {wanted}", self.written))),
            };
            return Ok(Self::new(operation, wanted, self.written));
        }
        Ok(self.cast(match wanted {
            ValueType::Date => CastTo::Date,
            ValueType::Timestamp => CastTo::Timestamp,
            _ => CastTo::Number,
        }))
    }
}

/// Both values in the type in which they can be compared or computed.
pub(super) fn together(left: Expression, right: Expression) -> Result<(Expression, Expression), Problem> {
    let common = match (left.value_type, right.value_type) {
        (one, other) if one == other => one,
        (ValueType::Null, other) | (other, ValueType::Null) => other,
        (ValueType::Text, other) | (other, ValueType::Text) => other,
        (ValueType::Date, ValueType::Timestamp) | (ValueType::Timestamp, ValueType::Date) => ValueType::Timestamp,
        (one, other) => return Err(Problem::new(unlike(&left, one, &right, other))),
    };
    Ok((left.into_type(common)?, right.into_type(common)?))
}

/// Results of which one is chosen, which must be of one type. No text is read as a number here, because it would reject the
/// rows in which it is not a number.
pub(super) fn one_type(mut results: Vec<Expression>) -> Result<(Vec<Expression>, ValueType), Problem> {
    let mut common = ValueType::Null;
    for result in &results {
        match (common, result.value_type) {
            (_, ValueType::Null) => {}
            (ValueType::Null, found) => common = found,
            (known, found) if known == found => {}
            (ValueType::Date | ValueType::Timestamp, ValueType::Date | ValueType::Timestamp) => {
                common = ValueType::Timestamp;
            }
            (known, found) => {
                let shown = &result.written;
                let message = format!("`{shown}` is {found} and another result is {known}: cast one of them");
                return Err(Problem::new(message));
            }
        }
    }
    if common == ValueType::Null {
        common = ValueType::Text;
    }
    for result in &mut results {
        let taken = std::mem::replace(result, Expression::new(Operation::Null, ValueType::Null, "NULL"));
        *result = taken.into_type(common)?;
    }
    Ok((results, common))
}

fn unlike(left: &Expression, one: ValueType, right: &Expression, other: ValueType) -> String {
    format!("`{}` is {one} and `{}` is {other}: cast one of them", left.written, right.written)
}

/// The text of a written value in the form in which values of the type are compared. `None`: it is not a value of the type.
fn canonical(text: &str, wanted: ValueType) -> Option<String> {
    let text = text.trim();
    match wanted {
        ValueType::Date => {
            NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| date.format("%Y-%m-%d").to_string())
        }
        ValueType::Timestamp => {
            let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
            let parsed = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
            let midnight = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
            parsed.or_else(midnight).map(|stamp| stamp.format("%Y-%m-%dT%H:%M:%S%.6f").to_string())
        }
        _ => is_number(text).then(|| text.to_owned()),
    }
}

/// Whether a text is a plain decimal number that is not too long.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole)
        && all_digits(fraction)
        && (1..=MAX_DIGITS).contains(&(whole.len() + fraction.len()))
        && !digits.ends_with('.')
}
