//! Parquet files of rows: typed columns, written to a file in row groups of bounded size.

mod column;

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::sync::Arc;

use elt_shared::target::{PageColumn, TableRows, ValueRange};
use polars_arrow::array::Array;
use polars_arrow::datatypes::{ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_buffer::Buffer;
use polars_parquet::parquet::schema::types::{PrimitiveConvertedType, PrimitiveLogicalType};
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, ParquetType, SchemaDescriptor, StatisticsOptions, Version, WriteOptions,
    get_dtype_encoding, row_group_iter, to_parquet_type,
};
use tokio_util::sync::CancellationToken;

use self::column::{Cells, Kind};
use crate::export_disk::{Disk, LOOK_EVERY};
use crate::write_error::WriteError;

/// Rows of a row group, and the bytes at which one ends before that.
const GROUP_ROWS: usize = 1 << 14;
const GROUP_BYTES: usize = 16 << 20;
/// Bytes that count for each cell beside its text.
const CELL_BYTES: usize = 24;

/// Writes rows as Parquet into a file on `disk` that has no name, and returns it from its beginning. The types hold every
/// value exactly, because the columns were measured. Blocks until the rows end; `stop` ends it after the batch at hand.
///
/// # Errors
/// As [`WriteError`] lists them.
pub fn write(disk: &Disk, rows: TableRows, stop: &CancellationToken) -> Result<File, WriteError> {
    let TableRows { columns, ranges, mut batches } = rows;
    let file = BufWriter::new(tempfile::tempfile_in(disk.folder())?);
    let mut writer = Writer::begin(file, columns, &ranges)?;
    while let Some(batch) = batches.blocking_recv() {
        if stop.is_cancelled() {
            return Err(WriteError::Stopped);
        }
        let batch = batch?;
        disk.check(LOOK_EVERY)?;
        for row in batch {
            writer.row(&row)?;
        }
    }
    disk.check(LOOK_EVERY)?;
    let mut file = writer.finish()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn options() -> WriteOptions {
    WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::Zstd(None),
        data_page_size: None,
    }
}

struct Writer {
    writer: FileWriter<BufWriter<File>>,
    schema: Arc<ArrowSchema>,
    encodings: Buffer<Vec<Encoding>>,
    columns: Vec<PageColumn>,
    kinds: Vec<Kind>,
    /// The row group that is being filled.
    cells: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl Writer {
    fn begin(file: BufWriter<File>, columns: Vec<PageColumn>, ranges: &[ValueRange]) -> Result<Self, WriteError> {
        let range = |at: usize| ranges.get(at).copied().unwrap_or_default();
        let kinds: Vec<_> =
            columns.iter().enumerate().map(|(at, column)| Kind::of(&column.sql_type, range(at))).collect();
        let fields = columns.iter().zip(&kinds);
        let schema: ArrowSchema =
            fields.map(|(column, kind)| Field::new(column.name.as_str().into(), kind.arrow(), true)).collect();
        let stored = schema.iter_values().zip(&kinds).map(|(field, kind)| {
            let stored = to_parquet_type(field).map_err(failed)?;
            Ok(if *kind == Kind::Json { as_json(stored) } else { stored })
        });
        let stored = SchemaDescriptor::new("root".into(), stored.collect::<Result<Vec<_>, WriteError>>()?);
        let encodings = schema.iter_values().map(|field| get_dtype_encoding(&field.dtype)).collect();
        let writer = FileWriter::new_with_parquet_schema(file, schema.clone(), stored, options());
        let cells = kinds.iter().map(|kind| kind.cells()).collect();
        Ok(Self { writer, schema: Arc::new(schema), encodings, columns, kinds, cells, rows: 0, bytes: 0 })
    }

    fn row(&mut self, row: &[Option<String>]) -> Result<(), WriteError> {
        for ((cells, column), value) in self.cells.iter_mut().zip(&self.columns).zip(row) {
            let is_read = cells.push(value.as_deref());
            is_read
                .ok_or_else(|| WriteError::Value { column: column.name.clone(), sql_type: column.sql_type.clone() })?;
            self.bytes += CELL_BYTES + value.as_ref().map_or(0, String::len);
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), WriteError> {
        let empty = self.kinds.iter().map(|kind| kind.cells()).collect();
        let full = std::mem::replace(&mut self.cells, empty);
        let arrays: Vec<Box<dyn Array>> =
            full.into_iter().zip(&self.kinds).map(|(cells, kind)| cells.array(kind)).collect();
        let batch = RecordBatchT::try_new(self.rows, Arc::clone(&self.schema), arrays).map_err(failed)?;
        let fields = self.writer.parquet_schema().fields().to_vec();
        let group = row_group_iter(batch, self.encodings.clone(), fields, options());
        self.writer.write(self.rows as u64, group).map_err(failed)?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Writes the last row group and the footer.
    fn finish(mut self) -> Result<File, WriteError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.writer.end(None).map_err(failed)?;
        let mut file = self.writer.into_inner();
        file.flush()?;
        file.into_inner().map_err(|error| WriteError::Disk(error.into_error()))
    }
}

fn failed(error: impl ToString) -> WriteError {
    WriteError::Parquet { reason: error.to_string() }
}

/// A column of texts whose readers learn that the texts are JSON.
fn as_json(stored: ParquetType) -> ParquetType {
    match stored {
        ParquetType::PrimitiveType(mut primitive) => {
            primitive.logical_type = Some(PrimitiveLogicalType::Json);
            primitive.converted_type = Some(PrimitiveConvertedType::Json);
            ParquetType::PrimitiveType(primitive)
        }
        group => group,
    }
}
