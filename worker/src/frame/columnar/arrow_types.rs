//! Arrow's types and arrays: the meaning of a type, and an array as a column.

use std::any::Any;
use std::collections::{HashMap, HashSet};

use polars_arrow::array::{
    Array, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray, ListArray, MapArray, PrimitiveArray, StructArray,
};
use polars_arrow::datatypes::{ArrowDataType, Field, IntegerType, IntervalUnit, PhysicalType, TimeUnit};
use polars_arrow::types::PrimitiveType;
use polars_utils::float16::pf16;

use super::column::{Bytes, Column, Ends, Ints, Values};
use super::shape::Shape;
use super::texts::{Unit, half};

/// Most types inside each other.
pub(in crate::frame) const MAX_DEPTH: usize = 64;

/// The meaning of a field's values. The error names a type that elt does not read.
pub(in crate::frame) fn shape_of(field: &Field) -> Result<Shape, String> {
    let extension = match (&field.dtype, &field.metadata) {
        (ArrowDataType::Extension(extension), _) => Some(extension.name.to_string()),
        (_, Some(metadata)) => metadata.get("ARROW:extension:name").map(ToString::to_string),
        _ => None,
    };
    let shape = shape(&field.dtype)?;
    Ok(match (extension.as_deref(), shape) {
        (Some("arrow.uuid"), Shape::Binary) => Shape::Uuid,
        (Some("arrow.json"), Shape::Text) => Shape::Json,
        (_, shape) => shape,
    })
}

fn shape(dtype: &ArrowDataType) -> Result<Shape, String> {
    use ArrowDataType as Type;
    let integer = |signed, bits| Shape::Integer { signed, bits };
    Ok(match dtype {
        Type::Null => Shape::Null,
        Type::Boolean => Shape::Boolean,
        Type::Int8 => integer(true, 8),
        Type::Int16 => integer(true, 16),
        Type::Int32 => integer(true, 32),
        Type::Int64 => integer(true, 64),
        Type::UInt8 => integer(false, 8),
        Type::UInt16 => integer(false, 16),
        Type::UInt32 => integer(false, 32),
        Type::UInt64 => integer(false, 64),
        Type::Int128 => Shape::Decimal { precision: 38, scale: 0 },
        Type::Float16 => Shape::Float { bits: 16 },
        Type::Float32 => Shape::Float { bits: 32 },
        Type::Float64 => Shape::Float { bits: 64 },
        Type::Timestamp(unit, zone) => {
            Shape::Timestamp { unit: unit_of(*unit), zoned: zone.as_ref().is_some_and(|zone| !zone.is_empty()) }
        }
        Type::Date32 => Shape::Date,
        Type::Date64 => Shape::DateMillis,
        Type::Time32(unit) | Type::Time64(unit) => Shape::Time(unit_of(*unit)),
        Type::Duration(unit) => Shape::Duration(unit_of(*unit)),
        Type::Interval(_) => Shape::Interval,
        Type::Binary | Type::LargeBinary | Type::BinaryView | Type::FixedSizeBinary(_) => Shape::Binary,
        Type::Utf8 | Type::LargeUtf8 | Type::Utf8View => Shape::Text,
        Type::Decimal(precision, scale)
        | Type::Decimal32(precision, scale)
        | Type::Decimal64(precision, scale)
        | Type::Decimal256(precision, scale) => Shape::Decimal { precision: *precision, scale: *scale },
        Type::List(item) | Type::LargeList(item) | Type::FixedSizeList(item, _) => {
            Shape::List(Box::new(shape_of(item)?))
        }
        Type::Struct(fields) => Shape::Struct(struct_shapes(fields)?),
        Type::Map(entries, _) => match shape_of(entries)? {
            Shape::Struct(fields) => match <[_; 2]>::try_from(fields) {
                Ok([(_, key), (_, value)]) => Shape::Map(Box::new(key), Box::new(value)),
                Err(_) => return Err("a map without key and value".into()),
            },
            _ => return Err("a map without key and value".into()),
        },
        Type::Dictionary(_, value, _) => shape(value)?,
        Type::Extension(extension) => shape(&extension.inner)?,
        Type::UInt128 | Type::Union(_) | Type::Unknown => return Err(format!("{dtype:?}")),
    })
}

fn struct_shapes(fields: &[Field]) -> Result<Vec<(String, Shape)>, String> {
    let names = unique_names(fields.iter().map(|field| field.name.as_str()));
    fields.iter().zip(names).map(|(field, name)| Ok((name, shape_of(field)?))).collect()
}

/// The names of the members of an object, of which no two are the same.
pub(in crate::frame) fn unique_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let (mut unique, mut taken) = (Vec::new(), HashSet::new());
    // The number that a name got last, so that many equal names take no more time than different ones.
    let mut last: HashMap<&str, usize> = HashMap::new();
    for name in names {
        let mut free = name.to_owned();
        while !taken.insert(free.clone()) {
            let count = last.entry(name).or_insert(1);
            *count += 1;
            free = format!("{name}_{count}");
        }
        unique.push(free);
    }
    unique
}

/// Number of types inside each other.
pub(in crate::frame) fn depth(dtype: &ArrowDataType) -> usize {
    use ArrowDataType as Type;
    1 + match dtype {
        Type::List(item) | Type::LargeList(item) | Type::FixedSizeList(item, _) | Type::Map(item, _) => {
            depth(&item.dtype)
        }
        Type::Struct(fields) => fields.iter().map(|field| depth(&field.dtype)).max().unwrap_or(0),
        Type::Dictionary(_, value, _) => depth(value),
        Type::Extension(extension) => depth(&extension.inner),
        _ => 0,
    }
}

fn unit_of(unit: TimeUnit) -> Unit {
    match unit {
        TimeUnit::Second => Unit::Second,
        TimeUnit::Millisecond => Unit::Milli,
        TimeUnit::Microsecond => Unit::Micro,
        TimeUnit::Nanosecond => Unit::Nano,
    }
}

/// An array as a column with the meaning that its field declares.
pub(in crate::frame) fn column(shape: &Shape, array: &dyn Array) -> Result<Column, String> {
    let values = match array.dtype().to_physical_type() {
        PhysicalType::List => {
            let list = cast::<ListArray<i32>>(array)?;
            let offsets = list.offsets().as_slice().iter().map(|&offset| i64::from(offset)).collect();
            list_of(shape, &**list.values(), Ends::Offsets(offsets))?
        }
        PhysicalType::LargeList => {
            let list = cast::<ListArray<i64>>(array)?;
            list_of(shape, &**list.values(), Ends::Offsets(list.offsets().as_slice().to_vec()))?
        }
        PhysicalType::FixedSizeList => {
            let list = cast::<FixedSizeListArray>(array)?;
            let width = match list.dtype().to_storage() {
                ArrowDataType::FixedSizeList(_, width) => *width,
                other => return Err(format!("{other:?}")),
            };
            list_of(shape, &**list.values(), Ends::Every(width))?
        }
        PhysicalType::Map => {
            let map = cast::<MapArray>(array)?;
            let offsets = map.offsets().as_slice().iter().map(|&offset| i64::from(offset)).collect();
            list_of(shape, &**map.field(), Ends::Offsets(offsets))?
        }
        PhysicalType::Struct => {
            let structs = cast::<StructArray>(array)?;
            let Shape::Struct(fields) = shape else { return Err("a struct that is not declared".into()) };
            let columns = fields.iter().zip(structs.values()).map(|((_, shape), array)| column(shape, &**array));
            Values::Struct(columns.collect::<Result<_, _>>()?)
        }
        PhysicalType::Dictionary(_) => return dictionary(shape, array),
        _ => match (leaf(array)?, shape) {
            (Values::Bytes(Bytes::Fixed(array)), Shape::Decimal { .. }) => {
                Values::Bytes(Bytes::Fixed(reversed(&array)))
            }
            (values, _) => values,
        },
    };
    Ok(Column { shape: shape.clone(), validity: array.validity().cloned(), values })
}

/// A type with the same layout in a record batch, where polars does not read the type itself.
pub(in crate::frame) fn readable(dtype: &ArrowDataType) -> ArrowDataType {
    use ArrowDataType as Type;
    let inner = |field: &Field| Box::new(readable_field(field));
    match dtype {
        Type::Decimal256(..) => Type::FixedSizeBinary(32),
        Type::Interval(IntervalUnit::DayTime) => Type::FixedSizeBinary(8),
        Type::List(item) => Type::List(inner(item)),
        Type::LargeList(item) => Type::LargeList(inner(item)),
        Type::FixedSizeList(item, width) => Type::FixedSizeList(inner(item), *width),
        Type::Map(entries, sorted) => Type::Map(inner(entries), *sorted),
        Type::Struct(fields) => Type::Struct(fields.iter().map(readable_field).collect()),
        Type::Dictionary(keys, values, ordered) => Type::Dictionary(*keys, Box::new(readable(values)), *ordered),
        Type::Extension(extension) => readable(&extension.inner),
        other => other.clone(),
    }
}

/// As [`readable`], of a field.
pub(in crate::frame) fn readable_field(field: &Field) -> Field {
    Field { dtype: readable(&field.dtype), ..field.clone() }
}

/// The bytes of each value in the opposite order: Arrow has the lowest byte of a decimal first, Parquet the highest.
fn reversed(array: &FixedSizeBinaryArray) -> FixedSizeBinaryArray {
    let mut bytes = array.values().as_slice().to_vec();
    bytes.chunks_exact_mut(array.size().max(1)).for_each(<[u8]>::reverse);
    FixedSizeBinaryArray::new(array.dtype().clone(), bytes.into(), array.validity().cloned())
}

fn list_of(shape: &Shape, values: &dyn Array, ends: Ends) -> Result<Values, String> {
    let values = match shape {
        Shape::List(item) => column(item, values)?,
        Shape::Map(key, value) => {
            let fields = vec![("key".to_owned(), (**key).clone()), ("value".to_owned(), (**value).clone())];
            column(&Shape::Struct(fields), values)?
        }
        _ => return Err("a list that is not declared".into()),
    };
    Ok(Values::List { values: Box::new(values), ends })
}

fn dictionary(shape: &Shape, array: &dyn Array) -> Result<Column, String> {
    macro_rules! keys {
        ($($variant:ident($key:ty) = $name:ident),+) => {
            match array.dtype().to_storage() {
                $(ArrowDataType::Dictionary(IntegerType::$name, ..) => {
                    let array = cast::<DictionaryArray<$key>>(array)?;
                    (Ints::$variant(array.keys().clone()), array.values())
                })+
                other => return Err(format!("{other:?}")),
            }
        };
    }
    let (keys, values) = keys!(
        I8(i8) = Int8,
        I16(i16) = Int16,
        I32(i32) = Int32,
        I64(i64) = Int64,
        U8(u8) = UInt8,
        U16(u16) = UInt16,
        U32(u32) = UInt32,
        U64(u64) = UInt64
    );
    let values = Box::new(column(shape, &**values)?);
    Ok(Column {
        shape: shape.clone(),
        validity: array.validity().cloned(),
        values: Values::Dictionary { keys, values },
    })
}

/// The values of an array that is not nested.
pub(in crate::frame) fn leaf(array: &dyn Array) -> Result<Values, String> {
    macro_rules! of {
        ($variant:path) => {
            $variant(owned(array)?)
        };
    }
    Ok(match array.dtype().to_physical_type() {
        PhysicalType::Null => Values::Null,
        PhysicalType::Boolean => of!(Values::Boolean),
        PhysicalType::Primitive(primitive) => match primitive {
            PrimitiveType::Int8 => Values::Ints(of!(Ints::I8)),
            PrimitiveType::Int16 => Values::Ints(of!(Ints::I16)),
            PrimitiveType::Int32 => Values::Ints(of!(Ints::I32)),
            PrimitiveType::Int64 => Values::Ints(of!(Ints::I64)),
            PrimitiveType::UInt8 => Values::Ints(of!(Ints::U8)),
            PrimitiveType::UInt16 => Values::Ints(of!(Ints::U16)),
            PrimitiveType::UInt32 => Values::Ints(of!(Ints::U32)),
            PrimitiveType::UInt64 => Values::Ints(of!(Ints::U64)),
            PrimitiveType::Int128 => of!(Values::Wide),
            PrimitiveType::Float16 => Values::Half(halves(array)?),
            PrimitiveType::Float32 => of!(Values::Real),
            PrimitiveType::Float64 => of!(Values::Double),
            PrimitiveType::MonthDayNano => of!(Values::MonthsDaysNanos),
            other => return Err(format!("{other:?}")),
        },
        PhysicalType::BinaryView => Values::Bytes(of!(Bytes::View)),
        PhysicalType::Utf8View => Values::Bytes(of!(Bytes::Utf8View)),
        PhysicalType::Binary => Values::Bytes(of!(Bytes::Small)),
        PhysicalType::LargeBinary => Values::Bytes(of!(Bytes::Large)),
        PhysicalType::Utf8 => Values::Bytes(of!(Bytes::Utf8)),
        PhysicalType::LargeUtf8 => Values::Bytes(of!(Bytes::LargeUtf8)),
        PhysicalType::FixedSizeBinary => Values::Bytes(of!(Bytes::Fixed)),
        other => return Err(format!("{other:?}")),
    })
}

fn halves(array: &dyn Array) -> Result<Vec<f32>, String> {
    let array = cast::<PrimitiveArray<pf16>>(array)?;
    Ok(array.values().iter().map(|value| half(u16::from_le_bytes(value.to_le_bytes()))).collect())
}

/// The array of a type, of which its data type says that it is.
fn cast<T: Any>(array: &dyn Array) -> Result<&T, String> {
    array
        .as_any()
        .downcast_ref()
        .ok_or_else(|| format!("an array of {:?} is not an array of the expected type", array.dtype()))
}

fn owned<T: Any + Clone>(array: &dyn Array) -> Result<T, String> {
    cast::<T>(array).cloned()
}
