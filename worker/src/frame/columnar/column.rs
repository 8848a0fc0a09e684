//! A column in memory: the arrays that polars decoded, and the meaning of their values.

use polars_arrow::array::{
    BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, Utf8Array, Utf8ViewArray,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::months_days_ns;

use super::shape::Shape;

/// The values of one column for some rows.
pub(in crate::frame) struct Column {
    pub shape: Shape,
    pub validity: Option<Bitmap>,
    pub values: Values,
}

impl Column {
    /// Whether the value of a row is NULL.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.validity.as_ref().is_some_and(|validity| !validity.get_bit(row)) || matches!(self.values, Values::Null)
    }
}

/// The arrays that hold the values.
pub(in crate::frame) enum Values {
    Null,
    Boolean(BooleanArray),
    Ints(Ints),
    Half(Vec<f32>),
    Real(PrimitiveArray<f32>),
    Double(PrimitiveArray<f64>),
    Wide(PrimitiveArray<i128>),
    MonthsDaysNanos(PrimitiveArray<months_days_ns>),
    Bytes(Bytes),
    List { values: Box<Column>, ends: Ends },
    Struct(Vec<Column>),
    Dictionary { keys: Ints, values: Box<Column> },
}

/// Whole numbers of any width up to 64 bits.
pub(in crate::frame) enum Ints {
    I8(PrimitiveArray<i8>),
    I16(PrimitiveArray<i16>),
    I32(PrimitiveArray<i32>),
    I64(PrimitiveArray<i64>),
    U8(PrimitiveArray<u8>),
    U16(PrimitiveArray<u16>),
    U32(PrimitiveArray<u32>),
    U64(PrimitiveArray<u64>),
}

impl Ints {
    /// The number of a row; the bits of one that is larger than 63 bits.
    #[inline]
    pub(super) fn get(&self, row: usize) -> i64 {
        match self {
            Self::I8(array) => i64::from(array.value(row)),
            Self::I16(array) => i64::from(array.value(row)),
            Self::I32(array) => i64::from(array.value(row)),
            Self::I64(array) => array.value(row),
            Self::U8(array) => i64::from(array.value(row)),
            Self::U16(array) => i64::from(array.value(row)),
            Self::U32(array) => i64::from(array.value(row)),
            Self::U64(array) => array.value(row).cast_signed(),
        }
    }
}

/// Texts and bytes, however they are laid out.
pub(in crate::frame) enum Bytes {
    View(BinaryViewArray),
    Utf8View(Utf8ViewArray),
    Small(BinaryArray<i32>),
    Large(BinaryArray<i64>),
    Utf8(Utf8Array<i32>),
    LargeUtf8(Utf8Array<i64>),
    Fixed(FixedSizeBinaryArray),
}

impl Bytes {
    /// The bytes of a row.
    #[inline]
    pub(super) fn get(&self, row: usize) -> &[u8] {
        match self {
            Self::View(array) => array.value(row),
            Self::Utf8View(array) => array.value(row).as_bytes(),
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::Utf8(array) => array.value(row).as_bytes(),
            Self::LargeUtf8(array) => array.value(row).as_bytes(),
            Self::Fixed(array) => array.value(row),
        }
    }

    /// Whether the array's type promises valid UTF-8, which polars then checked.
    pub(super) fn is_utf8(&self) -> bool {
        matches!(self, Self::Utf8View(_) | Self::Utf8(_) | Self::LargeUtf8(_))
    }
}

/// The elements of each list.
pub(in crate::frame) enum Ends {
    Offsets(Vec<i64>),
    /// Every list has as many elements.
    Every(usize),
}

impl Ends {
    /// The elements of the list of a row.
    pub(super) fn range(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Self::Offsets(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Every(width) => row * width..(row + 1) * width,
        }
    }
}
