//! The order of types by the values that they hold.

use elt_shared::config::ColumnType;

/// The next wider type: smallint, integer, bigint, numeric, text. Every other type widens to text. Text holds everything.
pub fn wider(column_type: ColumnType) -> Option<ColumnType> {
    Some(match column_type {
        ColumnType::SmallInt => ColumnType::Integer,
        ColumnType::Integer => ColumnType::BigInt,
        ColumnType::BigInt | ColumnType::Numeric(Some(_)) => ColumnType::Numeric(None),
        ColumnType::Text => return None,
        ColumnType::Numeric(None)
        | ColumnType::Boolean
        | ColumnType::Real
        | ColumnType::Double
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Uuid
        | ColumnType::Json
        | ColumnType::Varchar(_) => ColumnType::Text,
    })
}

/// The type itself and every wider one, narrowest first.
pub fn path(column_type: ColumnType) -> Vec<ColumnType> {
    std::iter::successors(Some(column_type), |&column_type| wider(column_type)).collect()
}

/// Whether a column of the type `wide` holds every value of `narrow`.
pub fn holds(wide: ColumnType, narrow: ColumnType) -> bool {
    use ColumnType::{BigInt, Date, Double, Integer, Numeric, Real, SmallInt, Timestamp, TimestampTz, Varchar};
    if path(narrow).contains(&wide) {
        return true;
    }
    match (wide, narrow) {
        (Numeric(Some((wide, wide_scale))), Numeric(Some((narrow, scale)))) => {
            wide_scale >= scale && wide - wide_scale >= narrow - scale
        }
        (Numeric(Some((precision, scale))), SmallInt | Integer | BigInt) => {
            let digits = match narrow {
                SmallInt => 5,
                Integer => 10,
                _ => 19,
            };
            precision - scale >= digits
        }
        (Varchar(wide), Varchar(narrow)) => wide >= narrow,
        (Double, Real | SmallInt | Integer) | (Timestamp | TimestampTz, Date) => true,
        _ => false,
    }
}

/// Whether some values of one type can be written as values of the other: numbers as numbers, times as times.
pub fn kindred(one: ColumnType, other: ColumnType) -> bool {
    use ColumnType::{BigInt, Date, Double, Integer, Numeric, Real, SmallInt, Text, Timestamp, TimestampTz, Varchar};
    let family = |column_type| match column_type {
        SmallInt | Integer | BigInt | Numeric(_) | Real | Double => 1,
        Date | Timestamp | TimestampTz => 2,
        Text | Varchar(_) => 3,
        ColumnType::Boolean | ColumnType::Time | ColumnType::Uuid | ColumnType::Json => 0,
    };
    one == other || (family(one) != 0 && family(one) == family(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_ends_in_text() {
        use ColumnType::*;
        assert_eq!(path(SmallInt), [SmallInt, Integer, BigInt, Numeric(None), Text]);
        for column_type in
            [Boolean, Numeric(Some((18, 2))), Real, Double, Date, Time, Timestamp, TimestampTz, Uuid, Json]
        {
            assert_eq!(path(column_type).last(), Some(&Text));
        }
    }

    #[test]
    fn a_wider_type_holds_a_narrower_one() {
        use ColumnType::*;
        assert!(holds(Text, Date) && holds(Numeric(None), SmallInt) && holds(BigInt, BigInt));
        assert!(holds(Numeric(Some((20, 0))), BigInt) && !holds(Numeric(Some((18, 2))), BigInt));
        assert!(!holds(Integer, BigInt) && !holds(Date, Timestamp));
    }
}
