//! PostgreSQL's binary COPY format: typed columns become bytes that the server stores almost as they are.

use elt_shared::config::ColumnType;
use uuid::Uuid;

use super::numeric;
use crate::contract::cells::Cells;
use crate::contract::{Column, SqlType};

/// Header of the format: signature, flags, and length of the extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Trailer of the format.
pub const TRAILER: &[u8] = &[0xff, 0xff];

/// Days from 1970 to 2000, from where PostgreSQL counts.
const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970 to 2000.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// The form in which values of a column are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// As the type `boolean`.
    Boolean,
    /// As the type `smallint`.
    Int2,
    /// As the type `integer`.
    Int4,
    /// As the type `bigint`.
    Int8,
    /// As the type `real`.
    Float4,
    /// As the type `double precision`.
    Float8,
    /// As the type `numeric`.
    Numeric,
    /// As the type `date`.
    Date,
    /// As the type `time`.
    Time,
    /// As the types `timestamp` and `timestamptz`.
    Timestamp,
    /// As the type `uuid`.
    Uuid,
    /// As the type `jsonb`.
    Jsonb,
    /// As the types `text` and `varchar`.
    Text,
}

impl Wire {
    /// The form in which values of a type are sent. Types that elt does not convert to are sent as texts.
    pub fn of(sql_type: &SqlType) -> Self {
        match sql_type {
            SqlType::Other(_) => Self::Text,
            SqlType::Known(column_type) => match column_type {
                ColumnType::Boolean => Self::Boolean,
                ColumnType::SmallInt => Self::Int2,
                ColumnType::Integer => Self::Int4,
                ColumnType::BigInt => Self::Int8,
                ColumnType::Numeric(_) => Self::Numeric,
                ColumnType::Real => Self::Float4,
                ColumnType::Double => Self::Float8,
                ColumnType::Date => Self::Date,
                ColumnType::Time => Self::Time,
                ColumnType::Timestamp | ColumnType::TimestampTz => Self::Timestamp,
                ColumnType::Uuid => Self::Uuid,
                ColumnType::Json => Self::Jsonb,
                ColumnType::Text | ColumnType::Varchar(_) => Self::Text,
            },
        }
    }

    /// The form in which values of a column are sent: where the database's encoding lacks characters, texts become
    /// bytes.
    pub fn of_column(column: &Column) -> Self {
        if column.transcoded { Self::Text } else { Self::of(column.sql_type()) }
    }

    /// Appends the cell of a row as one field.
    #[inline]
    pub fn field(self, cells: Cells<'_>, row: usize, out: &mut Vec<u8>) {
        if cells.is_null(row) {
            return null(out);
        }
        match (self, cells) {
            (_, Cells::Boolean(array)) => fixed(&[u8::from(array.value(row))], out),
            (Self::Int2, Cells::Integer(array)) => fixed(&(array.value(row) as i16).to_be_bytes(), out),
            (Self::Int4, Cells::Integer(array)) => fixed(&(array.value(row) as i32).to_be_bytes(), out),
            (_, Cells::Integer(array)) => fixed(&array.value(row).to_be_bytes(), out),
            (Self::Float4, Cells::Double(array)) => fixed(&(array.value(row) as f32).to_be_bytes(), out),
            (_, Cells::Double(array)) => fixed(&array.value(row).to_be_bytes(), out),
            (_, Cells::Date(array)) => fixed(&(array.value(row) - EPOCH_DAYS).to_be_bytes(), out),
            (_, Cells::Time(array)) => fixed(&(array.value(row) / 1_000).to_be_bytes(), out),
            (_, Cells::Timestamp(array)) => fixed(&(array.value(row) - EPOCH_MICROS).to_be_bytes(), out),
            (Self::Numeric, Cells::Text(array)) => {
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                numeric::encode(array.value(row).as_bytes(), out);
                let length = (out.len() - start - 4) as i32;
                out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            }
            (Self::Uuid, Cells::Text(array)) => match Uuid::try_parse(array.value(row)) {
                Ok(uuid) => fixed(uuid.as_bytes(), out),
                Err(_) => null(out),
            },
            (Self::Jsonb, Cells::Text(array)) => {
                let text = array.value(row).as_bytes();
                out.extend_from_slice(&(text.len() as i32 + 1).to_be_bytes());
                out.push(1);
                out.extend_from_slice(text);
            }
            (_, Cells::Text(array)) => bytes(array.value(row).as_bytes(), out),
        }
    }
}

/// Begins a row with a number of fields.
#[inline]
pub fn row(fields: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(fields as i16).to_be_bytes());
}

/// Appends a NULL field.
#[inline]
pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
}

/// Appends a field of any length: `text`, `bytea`.
#[inline]
pub fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a field of the type `bigint`.
#[inline]
pub fn bigint(value: i64, out: &mut Vec<u8>) {
    fixed(&value.to_be_bytes(), out);
}

/// Appends a field of the type `integer`.
#[inline]
pub fn integer(value: i32, out: &mut Vec<u8>) {
    fixed(&value.to_be_bytes(), out);
}

/// Appends a field of the type `uuid`.
#[inline]
pub fn uuid(value: u128, out: &mut Vec<u8>) {
    fixed(&value.to_be_bytes(), out);
}

/// Appends a field of the type `timestamptz`, from microseconds since 1970.
#[inline]
pub fn timestamptz(micros: i64, out: &mut Vec<u8>) {
    fixed(&(micros - EPOCH_MICROS).to_be_bytes(), out);
}

#[inline]
fn fixed<const N: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}
