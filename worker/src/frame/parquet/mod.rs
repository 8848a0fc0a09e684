//! Parquet files. A row group is read in slices of rows, and of each column only the pages that a slice needs, so that a file
//! of any size, with row groups of any size, is read in the same memory.
//!
//! # Layout
//! - [`footer`], [`thrift`]: the footer, checked before polars decodes it
//! - [`schema`]: the columns
//! - [`pages`], [`levels`]: the pages of a column
//! - this file: slices of row groups

mod footer;
mod levels;
mod pages;
mod schema;
#[cfg(test)]
pub(super) mod tests;
mod thrift;

use std::fs::File;
use std::io::Cursor;
use std::sync::Arc;

use polars_arrow::array::Array;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit};
use polars_parquet::parquet::metadata::{ColumnChunkMetadata, FileMetadata};
use polars_parquet::parquet::read::{BasicDecompressor, PageMetaData, PageReader};
use polars_parquet::parquet::schema::types::{PhysicalType, PrimitiveType};
use polars_parquet::read::schema::read_custom_key_value_metadata;
use polars_parquet::read::{Filter, column_iter_to_arrays};

use super::columnar::column::Column;
use super::columnar::guard::{damaged, guarded};
use super::columnar::shape::Shape;
use super::columnar::texts::Unit;
use super::columnar::{Columnar, DeclaredColumn, Part, Parts, open_file};
use super::read::FileError;
use crate::input::InputFile;
use pages::{Chunk, Loaded};
use schema::Node;

/// Most rows of a slice.
const MAX_ROWS: u64 = 1 << 16;
/// Bytes of the columns of a slice, about. A slice has at least one row.
const SLICE_BYTES: u64 = 64 << 20;
/// Largest page header or page that polars is asked to read, which elt has checked before.
const MAX_PAGE_SIZE: usize = 512 << 20;

/// The row groups of a file that are being read.
pub(super) struct RowGroups {
    file: Arc<File>,
    name: String,
    metadata: FileMetadata,
    nodes: Vec<Node>,
    /// Index of the next row group.
    next: usize,
    group: Option<Group>,
}

/// One row group, and how far it was read.
struct Group {
    rows: u64,
    done: u64,
    most: u64,
    chunks: Vec<Chunk>,
}

/// Opens a Parquet file.
///
/// # Errors
/// When it is damaged, cut off or encrypted, or its columns cannot be a table's.
pub(super) fn open(file_index: usize, input: &InputFile) -> Result<Columnar<RowGroups>, FileError> {
    let file = open_file(input)?;
    let metadata = footer::read(&file, &input.name)?;
    let fields = metadata.schema().fields();
    let nodes: Vec<Node> = fields.iter().filter_map(Node::of).collect();
    let hints = durations(&metadata, &input.name);
    let columns = nodes.iter().map(|node| {
        let shape = match (node.shape(), hints.iter().find(|(name, _)| *name == node.name)) {
            (Shape::Integer { signed: true, bits: 64 }, Some((_, unit))) => Shape::Duration(*unit),
            (shape, _) => shape,
        };
        DeclaredColumn { name: node.name.clone(), shape }
    });
    let columns: Vec<_> = columns.collect();
    let nodes = nodes.into_iter().zip(&columns).map(|(node, column)| node.declared_as(&column.shape)).collect();
    let groups = RowGroups { file: file.clone(), name: input.name.clone(), metadata, nodes, next: 0, group: None };
    Columnar::new(groups, columns, file, file_index, input)
}

/// The columns that are durations by the Arrow schema in the file, because Parquet has no type for them.
fn durations(metadata: &FileMetadata, name: &str) -> Vec<(String, Unit)> {
    let read = || {
        let mut pairs = read_custom_key_value_metadata(metadata.key_value_metadata());
        polars_parquet::read::schema::read_schema_from_metadata(&mut pairs)
    };
    // A schema that cannot be read is ignored, because Parquet's own is there.
    let schema: ArrowSchema = guarded(name, "its Arrow schema cannot be read", read).ok().flatten().unwrap_or_default();
    let duration = |field: &Field| match field.dtype {
        ArrowDataType::Duration(unit) => Some((
            field.name.to_string(),
            match unit {
                TimeUnit::Second => Unit::Second,
                TimeUnit::Millisecond => Unit::Milli,
                TimeUnit::Microsecond => Unit::Micro,
                TimeUnit::Nanosecond => Unit::Nano,
            },
        )),
        _ => None,
    };
    schema.iter_values().filter_map(duration).collect()
}

impl Parts for RowGroups {
    fn next(&mut self) -> Result<Option<Part>, FileError> {
        loop {
            match &mut self.group {
                Some(group) if group.done < group.rows => {
                    let (start, end) = group.plan(&self.name)?;
                    let columns = self.decode(start, end)?;
                    if let Some(group) = &mut self.group {
                        group.done = end;
                    }
                    return Ok(Some(Part { columns, rows: (end - start) as usize }));
                }
                _ => {}
            }
            if self.next == self.metadata.row_groups.len() || self.nodes.is_empty() {
                return Ok(None);
            }
            self.group = Some(self.open_group()?);
            self.next += 1;
        }
    }
}

impl RowGroups {
    fn open_group(&self) -> Result<Group, FileError> {
        let group = &self.metadata.row_groups[self.next];
        let rows = group.num_rows() as u64;
        let size = self.file.metadata().map_err(|error| FileError::io(&self.name, &error))?.len();
        let columns = group.parquet_columns();
        let chunks = columns.iter().map(|column| self.chunk(column, size)).collect::<Result<Vec<_>, _>>()?;
        let unpacked = columns.iter().map(|column| column.uncompressed_size().max(0).cast_unsigned());
        let row_bytes: u64 = unpacked.map(|bytes| (bytes / rows.max(1)).max(8)).fold(1, u64::saturating_add);
        Ok(Group { rows, done: 0, most: (SLICE_BYTES / row_bytes).clamp(1, MAX_ROWS), chunks })
    }

    fn chunk(&self, column: &ColumnChunkMetadata, size: u64) -> Result<Chunk, FileError> {
        let path = column.descriptor().path_in_schema.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(".");
        let start = match column.dictionary_page_offset() {
            Some(offset) if offset > 0 => offset,
            _ => column.data_page_offset(),
        };
        let length = column.compressed_size();
        let end = start.checked_add(length).filter(|&end| start >= 0 && length >= 0 && end.cast_unsigned() <= size);
        let Some(end) = end else {
            return Err(damaged(&self.name, format_args!("the column {path} lies outside the file: it was cut off")));
        };
        let mut descriptor = column.descriptor().descriptor.clone();
        if descriptor.primitive_type.physical_type == PhysicalType::Int96 {
            descriptor.primitive_type.physical_type = PhysicalType::FixedLenByteArray(12);
        }
        let range = start.cast_unsigned()..end.cast_unsigned();
        let (values, compression) = (column.num_values(), column.compression());
        Ok(Chunk::new(self.file.clone(), &self.name, path, range, values, (compression, descriptor)))
    }

    /// Decodes the rows from `start` to `end` of the current row group.
    fn decode(&self, start: u64, end: u64) -> Result<Vec<Column>, FileError> {
        let Some(group) = &self.group else { return Ok(Vec::new()) };
        let mut chunks = group.chunks.iter();
        let columns = self.nodes.iter().map(|node| {
            let mut arrays: Vec<Box<dyn Array>> = Vec::new();
            for (leaf, chunk) in chunks.by_ref().take(node.leaves()).enumerate() {
                let loaded = chunk.load(start, end)?;
                arrays.push(self.decode_leaf(chunk, loaded, node.field(leaf), (start, end))?);
            }
            let leaves: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
            node.column(&leaves).map_err(|what| damaged(&self.name, format_args!("the column {}: {what}", node.name)))
        });
        columns.collect()
    }

    fn decode_leaf(
        &self,
        chunk: &Chunk,
        loaded: Loaded,
        field: Field,
        (start, end): (u64, u64),
    ) -> Result<Box<dyn Array>, FileError> {
        let range = (start - loaded.first_row) as usize..(end - loaded.first_row) as usize;
        let rows = range.len();
        let primitive: &PrimitiveType = &chunk.descriptor.primitive_type;
        let decoded = guarded(&self.name, &format!("the column {} cannot be read", field.name), || {
            let about = PageMetaData::new(0, loaded.values, chunk.compression, chunk.descriptor.clone());
            let pages = PageReader::new_with_page_meta(Cursor::new(loaded.bytes), about, Vec::new(), MAX_PAGE_SIZE);
            let pages = BasicDecompressor::new(pages, Vec::new());
            column_iter_to_arrays(vec![pages], vec![primitive], field, Some(Filter::Range(range)))
        })?;
        let (mut arrays, _) = decoded;
        match (arrays.pop(), arrays.is_empty()) {
            (Some(array), true) if array.len() == rows => Ok(array),
            _ => Err(chunk.broken("its pages hold fewer values than the file says")),
        }
    }
}

impl Group {
    /// The next rows to decode, few enough that the pages of all columns fit into memory. At least one row.
    fn plan(&mut self, name: &str) -> Result<(u64, u64), FileError> {
        let start = self.done;
        let mut end = self.rows.min(start + self.most);
        let mut bytes = 0_u64;
        for chunk in &mut self.chunks {
            let pages = chunk.reach(start, end)?;
            for page in pages.iter().filter(|page| page.first_row < end) {
                bytes += page.bytes() as u64;
                if bytes > 4 * SLICE_BYTES && page.first_row > start {
                    end = page.first_row;
                    break;
                }
            }
            if chunk.rows() < end {
                return Err(damaged(
                    name,
                    format_args!("a row group has {} rows, but one of its columns has {}", self.rows, chunk.rows()),
                ));
            }
        }
        Ok((start, end))
    }
}
