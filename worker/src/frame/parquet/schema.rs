//! The columns that a Parquet schema declares: their meaning, and how polars decodes each of their leaves.
//!
//! Every leaf is decoded in the form in which it is stored, and its meaning is applied when its values are written. In this way
//! no value is rounded or cut by a type that cannot hold it, such as nanoseconds for a date of the year 1.

use polars_arrow::array::{Array, ListArray, StructArray};
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_parquet::parquet::schema::Repetition;
use polars_parquet::parquet::schema::types::{
    GroupConvertedType, GroupLogicalType, IntegerType, ParquetType, PhysicalType, PrimitiveConvertedType,
    PrimitiveLogicalType, PrimitiveType, TimeUnit,
};

use crate::frame::columnar::arrow_types::{leaf, unique_names};
use crate::frame::columnar::column::{Column, Ends, Values};
use crate::frame::columnar::shape::Shape;
use crate::frame::columnar::texts::Unit;

/// A column, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub name: String,
    nullable: bool,
    kind: NodeKind,
}

#[derive(Debug, Clone)]
enum NodeKind {
    Leaf {
        stored: ArrowDataType,
        shape: Shape,
    },
    List(Box<Node>),
    Struct(Vec<Node>),
    /// Key and value.
    Map(Box<Node>),
}

impl Node {
    /// The column of a top-level type. `None`: it has no leaves, and with that no values.
    pub(super) fn of(declared: &ParquetType) -> Option<Self> {
        let info = declared.get_field_info();
        if info.repetition == Repetition::Repeated {
            // A repeated type that no LIST is around: a list that is never NULL.
            let item = Self { nullable: false, ..Self::once(declared)? };
            return Some(Self { name: info.name.to_string(), nullable: false, kind: NodeKind::List(Box::new(item)) });
        }
        Self::once(declared)
    }

    /// As [`Node::of`], of one value of a type that may be repeated.
    fn once(declared: &ParquetType) -> Option<Self> {
        let info = declared.get_field_info();
        let kind = match declared {
            ParquetType::PrimitiveType(primitive) => {
                let (stored, shape) = stored(primitive);
                let is_unknown = primitive.logical_type == Some(PrimitiveLogicalType::Unknown);
                NodeKind::Leaf { stored, shape: if is_unknown { Shape::Null } else { shape } }
            }
            ParquetType::GroupType { logical_type, converted_type, fields, .. } => {
                match (logical_type, converted_type) {
                    (Some(GroupLogicalType::List), _) | (None, Some(GroupConvertedType::List)) => {
                        list(fields, &info.name)?
                    }
                    (Some(GroupLogicalType::Map), _)
                    | (None, Some(GroupConvertedType::Map | GroupConvertedType::MapKeyValue)) => map(fields)?,
                    _ => NodeKind::Struct(members(fields)?),
                }
            }
        };
        Some(Self { name: info.name.to_string(), nullable: info.repetition == Repetition::Optional, kind })
    }

    /// The meaning of its values.
    pub(super) fn shape(&self) -> Shape {
        match &self.kind {
            NodeKind::Leaf { shape, .. } => shape.clone(),
            NodeKind::List(item) => Shape::List(Box::new(item.shape())),
            NodeKind::Struct(members) => {
                let names = unique_names(members.iter().map(|member| member.name.as_str()));
                Shape::Struct(names.into_iter().zip(members.iter().map(Self::shape)).collect())
            }
            NodeKind::Map(entry) => match &entry.kind {
                NodeKind::Struct(members) if members.len() == 2 => {
                    Shape::Map(Box::new(members[0].shape()), Box::new(members[1].shape()))
                }
                _ => Shape::List(Box::new(entry.shape())),
            },
        }
    }

    /// Number of its leaves, which are columns of the file.
    pub(super) fn leaves(&self) -> usize {
        match &self.kind {
            NodeKind::Leaf { .. } => 1,
            NodeKind::List(item) | NodeKind::Map(item) => item.leaves(),
            NodeKind::Struct(members) => members.iter().map(Self::leaves).sum(),
        }
    }

    /// The field with which polars decodes one of the leaves alone.
    pub(super) fn field(&self, leaf: usize) -> Field {
        let dtype = match &self.kind {
            NodeKind::Leaf { stored, .. } => stored.clone(),
            NodeKind::List(item) | NodeKind::Map(item) => ArrowDataType::LargeList(Box::new(item.field(leaf))),
            NodeKind::Struct(members) => {
                let mut left = leaf;
                let member = members.iter().find(|member| {
                    let is_here = left < member.leaves();
                    if !is_here {
                        left -= member.leaves();
                    }
                    is_here
                });
                ArrowDataType::Struct(member.iter().map(|member| member.field(left)).collect())
            }
        };
        Field::new(self.name.as_str().into(), dtype, self.nullable)
    }

    /// The column that the arrays of its leaves are parts of, each of which was decoded alone.
    pub(super) fn column(&self, leaves: &[&dyn Array]) -> Result<Column, String> {
        let first = *leaves.first().ok_or("a column without leaves")?;
        let values = match &self.kind {
            NodeKind::Leaf { .. } => leaf(first)?,
            NodeKind::List(item) | NodeKind::Map(item) => {
                let lists = leaves.iter().map(|leaf| leaf.as_any().downcast_ref::<ListArray<i64>>());
                let lists = lists.collect::<Option<Vec<_>>>().ok_or("a list without the groups of a list")?;
                let offsets = lists[0].offsets().as_slice();
                if lists.iter().any(|list| list.offsets().as_slice() != offsets) {
                    return Err("the lists of its parts have different lengths".into());
                }
                let values: Vec<&dyn Array> = lists.iter().map(|list| &**list.values()).collect();
                Values::List { ends: Ends::Offsets(offsets.to_vec()), values: Box::new(item.column(&values)?) }
            }
            NodeKind::Struct(members) => {
                let structs = leaves.iter().map(|leaf| leaf.as_any().downcast_ref::<StructArray>()?.values().first());
                let parts = structs.collect::<Option<Vec<_>>>().ok_or("a struct whose fields cannot be read")?;
                let mut parts = parts.iter().map(|part| &***part);
                let columns = members.iter().map(|member| {
                    let leaves: Vec<&dyn Array> = parts.by_ref().take(member.leaves()).collect();
                    member.column(&leaves)
                });
                Values::Struct(columns.collect::<Result<_, _>>()?)
            }
        };
        Ok(Column { shape: self.shape(), validity: first.validity().cloned(), values })
    }
}

fn members(fields: &[ParquetType]) -> Option<Vec<Node>> {
    let members: Vec<_> = fields.iter().filter_map(Node::of).collect();
    (!members.is_empty()).then_some(members)
}

/// The list of a group with the annotation LIST, by the rules for files of all ages.
fn list(fields: &[ParquetType], parent: &str) -> Option<NodeKind> {
    let repeated = fields.first()?;
    if repeated.get_field_info().repetition != Repetition::Repeated || fields.len() > 1 {
        return members(fields).map(NodeKind::Struct);
    }
    let inner = match repeated {
        ParquetType::GroupType { fields, field_info, .. } if fields.len() == 1 => {
            let is_element = field_info.name == "array" || field_info.name == format!("{parent}_tuple");
            let is_list = fields[0].get_field_info().repetition == Repetition::Repeated;
            (!is_element && !is_list).then_some(&fields[0])
        }
        _ => None,
    };
    let item = match inner {
        Some(element) => Node::of(element)?,
        None => Node { nullable: false, ..Node::once(repeated)? },
    };
    Some(NodeKind::List(Box::new(item)))
}

fn map(fields: &[ParquetType]) -> Option<NodeKind> {
    let entry = fields.first()?;
    if entry.get_field_info().repetition != Repetition::Repeated || fields.len() > 1 {
        return members(fields).map(NodeKind::Struct);
    }
    let entry = match entry {
        ParquetType::GroupType { fields, .. } => NodeKind::Struct(members(fields)?),
        ParquetType::PrimitiveType(_) => Node::once(entry)?.kind,
    };
    Some(NodeKind::Map(Box::new(Node { name: "key_value".into(), nullable: false, kind: entry })))
}

/// The form in which a leaf is stored, and its meaning.
fn stored(primitive: &PrimitiveType) -> (ArrowDataType, Shape) {
    let (logical, converted) = (primitive.logical_type, primitive.converted_type);
    let decimal = match (logical, converted) {
        (Some(PrimitiveLogicalType::Decimal(precision, scale)), _)
        | (None, Some(PrimitiveConvertedType::Decimal(precision, scale))) => Some(Shape::Decimal { precision, scale }),
        _ => None,
    };
    match primitive.physical_type {
        PhysicalType::Boolean => (ArrowDataType::Boolean, Shape::Boolean),
        PhysicalType::Int32 => (ArrowDataType::Int32, decimal.unwrap_or_else(|| of_integer(32, logical, converted))),
        PhysicalType::Int64 => (ArrowDataType::Int64, decimal.unwrap_or_else(|| of_integer(64, logical, converted))),
        PhysicalType::Int96 => (ArrowDataType::FixedSizeBinary(12), Shape::JulianTimestamp),
        PhysicalType::Float => (ArrowDataType::Float32, Shape::Float { bits: 32 }),
        PhysicalType::Double => (ArrowDataType::Float64, Shape::Float { bits: 64 }),
        PhysicalType::ByteArray => (ArrowDataType::BinaryView, decimal.unwrap_or_else(|| of_bytes(logical, converted))),
        PhysicalType::FixedLenByteArray(length) => {
            let shape = match (logical, converted) {
                (Some(PrimitiveLogicalType::Uuid), _) if length == 16 => Shape::Uuid,
                (Some(PrimitiveLogicalType::Float16), _) if length == 2 => Shape::HalfBytes,
                (None, Some(PrimitiveConvertedType::Interval)) if length == 12 => Shape::IntervalBytes,
                _ => Shape::Binary,
            };
            (ArrowDataType::FixedSizeBinary(length), decimal.unwrap_or(shape))
        }
    }
}

fn of_integer(bits: u8, logical: Option<PrimitiveLogicalType>, converted: Option<PrimitiveConvertedType>) -> Shape {
    use PrimitiveConvertedType as Converted;
    use PrimitiveLogicalType as Logical;
    let integer = |signed, bits| Shape::Integer { signed, bits };
    let utc = |unit| Shape::Timestamp { unit, zoned: true };
    match (logical, converted) {
        (Some(Logical::Date), _) | (None, Some(Converted::Date)) => Shape::Date,
        (Some(Logical::Time { unit, .. }), _) => Shape::Time(unit_of(unit)),
        (None, Some(Converted::TimeMillis)) => Shape::Time(Unit::Milli),
        (None, Some(Converted::TimeMicros)) => Shape::Time(Unit::Micro),
        (Some(Logical::Timestamp { unit, is_adjusted_to_utc }), _) => {
            Shape::Timestamp { unit: unit_of(unit), zoned: is_adjusted_to_utc }
        }
        // The older annotations say that the time is in UTC.
        (None, Some(Converted::TimestampMillis)) => utc(Unit::Milli),
        (None, Some(Converted::TimestampMicros)) => utc(Unit::Micro),
        (Some(Logical::Integer(integer_type)), _) => match integer_type {
            IntegerType::Int8 => integer(true, 8),
            IntegerType::Int16 => integer(true, 16),
            IntegerType::Int32 => integer(true, 32),
            IntegerType::Int64 => integer(true, 64),
            IntegerType::UInt8 => integer(false, 8),
            IntegerType::UInt16 => integer(false, 16),
            IntegerType::UInt32 => integer(false, 32),
            IntegerType::UInt64 => integer(false, 64),
        },
        (None, Some(Converted::Uint8)) => integer(false, 8),
        (None, Some(Converted::Uint16)) => integer(false, 16),
        (None, Some(Converted::Uint32)) => integer(false, 32),
        (None, Some(Converted::Uint64)) => integer(false, 64),
        (None, Some(Converted::Int8)) => integer(true, 8),
        (None, Some(Converted::Int16)) => integer(true, 16),
        _ => integer(true, bits),
    }
}

fn of_bytes(logical: Option<PrimitiveLogicalType>, converted: Option<PrimitiveConvertedType>) -> Shape {
    use PrimitiveConvertedType as Converted;
    use PrimitiveLogicalType as Logical;
    match (logical, converted) {
        (Some(Logical::String | Logical::Enum), _) | (None, Some(Converted::Utf8 | Converted::Enum)) => Shape::Text,
        (Some(Logical::Json), _) | (None, Some(Converted::Json)) => Shape::Json,
        _ => Shape::Binary,
    }
}

fn unit_of(unit: TimeUnit) -> Unit {
    match unit {
        TimeUnit::Milliseconds => Unit::Milli,
        TimeUnit::Microseconds => Unit::Micro,
        TimeUnit::Nanoseconds => Unit::Nano,
    }
}

impl Node {
    /// The same column with another meaning of its leaf.
    pub(super) fn declared_as(self, meaning: &Shape) -> Self {
        let kind = match self.kind {
            NodeKind::Leaf { stored, .. } => NodeKind::Leaf { stored, shape: meaning.clone() },
            kind => kind,
        };
        Self { kind, ..self }
    }
}
