//! The combined output as Parquet: batches are collected into row groups, which polars encodes and writes.

use std::sync::Arc;

use elt_shared::config::{ColumnType, OutputCompression};
use polars::prelude::{
    BooleanChunked, Column as FrameColumn, CompatLevel, DataFrame, DataType, Int128Chunked, IntoColumn,
    NewChunkedArray, PolarsResult, Schema, SchemaExt, Series, TimeUnit, TimeZone,
};
use polars_buffer::Buffer;
use polars_io::parquet::write::get_encodings;
use polars_parquet::parquet::schema::types::{PrimitiveConvertedType, PrimitiveLogicalType};
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, ParquetType, SchemaDescriptor, StatisticsOptions, Version, WriteOptions,
    row_group_iter, to_parquet_type,
};

use super::sink::HashedFile;
use crate::contract::{Layout, TypedBatch};
use crate::frame::value;

/// Rows of a row group, and the bytes at which one ends before that.
const GROUP_ROWS: usize = 1 << 16;
const GROUP_BYTES: usize = 64 << 20;
/// Most digits of a decimal in 128 bits.
const DECIMAL_DIGITS: u16 = 38;

/// A Parquet file that is being written.
pub(super) struct ParquetFile {
    writer: FileWriter<HashedFile>,
    encodings: Buffer<Vec<Encoding>>,
    options: WriteOptions,
    layout: Arc<Layout>,
    group: DataFrame,
}

impl ParquetFile {
    pub(super) fn begin(file: HashedFile, layout: Arc<Layout>, compression: OutputCompression) -> PolarsResult<Self> {
        let compression = match compression {
            OutputCompression::None => CompressionOptions::Uncompressed,
            OutputCompression::Gz => CompressionOptions::Gzip(None),
            OutputCompression::Zst => CompressionOptions::Zstd(None),
        };
        let options = WriteOptions {
            statistics: StatisticsOptions::default(),
            version: Version::V1,
            compression,
            data_page_size: None,
        };
        let columns =
            layout.columns.iter().map(|column| (column.name.as_str().into(), dtype(column.sql_type().known())));
        let schema: Schema = columns.collect();
        let arrow = schema.to_arrow(CompatLevel::newest());
        let fields = arrow.iter_values().zip(&layout.columns).map(|(field, column)| {
            let stored = to_parquet_type(field)?;
            let is_json = column.sql_type().known() == Some(ColumnType::Json);
            Ok(if is_json { as_json(stored) } else { stored })
        });
        let fields = SchemaDescriptor::new("root".into(), fields.collect::<PolarsResult<Vec<_>>>()?);
        let encodings = get_encodings(&arrow);
        let writer = FileWriter::new_with_parquet_schema(file, arrow, fields, options);
        Ok(Self { writer, encodings, options, layout, group: DataFrame::empty_with_schema(&schema) })
    }

    /// Adds the rows of a batch that keep the contract.
    pub(super) fn batch(&mut self, typed: &TypedBatch) -> PolarsResult<()> {
        let rows = typed.raw.rows();
        let columns = typed.frame.columns().iter().zip(&self.layout.columns);
        let columns = columns.map(|(cells, column)| stored(cells, column.sql_type().known()));
        let mut frame = DataFrame::new(rows, columns.collect::<PolarsResult<_>>()?)?;
        if !typed.violations.is_empty() {
            let mut kept = vec![true; rows];
            typed.violations.iter().for_each(|violation| kept[violation.row] = false);
            frame = frame.filter_seq(&BooleanChunked::from_slice("".into(), &kept))?;
        }
        self.group.vstack_mut(&frame)?;
        if self.group.height() >= GROUP_ROWS || self.group.estimated_size() >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> PolarsResult<()> {
        let empty = self.group.clear();
        let mut group = std::mem::replace(&mut self.group, empty);
        group.rechunk_mut();
        let fields = self.writer.parquet_schema().fields().to_vec();
        // One thread, because the loading threads use the cores already.
        for batch in group.iter_chunks(CompatLevel::newest(), false) {
            let rows = batch.len() as u64;
            let columns = row_group_iter(batch, self.encodings.clone(), fields.clone(), self.options);
            self.writer.write(rows, columns)?;
        }
        Ok(())
    }

    /// Writes the last row group and the footer.
    pub(super) fn finish(mut self) -> PolarsResult<()> {
        if self.group.height() > 0 {
            self.write_group()?;
        }
        self.writer.end(None).map(|_| ())
    }
}

/// A column of texts whose readers learn that the texts are JSON, which polars has no type for.
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

/// The type in the file. Decimals without a limit, or with more digits than Parquet's readers know, are texts, as are types
/// that only PostgreSQL has.
fn dtype(column_type: Option<ColumnType>) -> DataType {
    match column_type {
        Some(ColumnType::Boolean) => DataType::Boolean,
        Some(ColumnType::SmallInt | ColumnType::Integer) => DataType::Int32,
        Some(ColumnType::BigInt) => DataType::Int64,
        Some(ColumnType::Numeric(Some((precision, scale)))) if precision <= DECIMAL_DIGITS => {
            DataType::Decimal(precision.into(), scale.into())
        }
        Some(ColumnType::Real) => DataType::Float32,
        Some(ColumnType::Double) => DataType::Float64,
        Some(ColumnType::Date) => DataType::Date,
        Some(ColumnType::Time) => DataType::Time,
        Some(ColumnType::Timestamp) => DataType::Datetime(TimeUnit::Microseconds, None),
        Some(ColumnType::TimestampTz) => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
        Some(
            ColumnType::Numeric(_) | ColumnType::Uuid | ColumnType::Json | ColumnType::Text | ColumnType::Varchar(_),
        )
        | None => DataType::String,
    }
}

/// The cells of a column in the type that they have in the file.
fn stored(cells: &FrameColumn, column_type: Option<ColumnType>) -> PolarsResult<FrameColumn> {
    let series = cells.as_materialized_series();
    Ok(match dtype(column_type) {
        DataType::Decimal(precision, scale) => decimals(series, precision, scale)?.into_column(),
        DataType::Datetime(unit, Some(zone)) => {
            let micros = series.datetime()?.physical().clone();
            polars::prelude::IntoSeries::into_series(micros.into_datetime(unit, Some(zone))).into_column()
        }
        other => series.strict_cast(&other)?.into_column(),
    })
}

/// Texts of decimals, which the contract has found to fit, as whole numbers of the last digit.
fn decimals(series: &Series, precision: usize, scale: usize) -> PolarsResult<Series> {
    let unscaled = series.str()?.iter().map(|text| text.map(|text| unscaled(text, scale)).transpose());
    let unscaled = unscaled.collect::<PolarsResult<Vec<Option<i128>>>>()?;
    let numbers = Int128Chunked::from_slice_options(series.name().clone(), &unscaled);
    Ok(polars::prelude::IntoSeries::into_series(numbers.into_decimal(precision, scale)?))
}

fn unscaled(text: &str, scale: usize) -> PolarsResult<i128> {
    let mut digits = Vec::new();
    let found = value::numeric_canonical(text.as_bytes(), &mut digits);
    let canonical = String::from_utf8(digits).unwrap_or_default();
    let (whole, fraction) = canonical.split_once('.').unwrap_or((&canonical, ""));
    let number = format!("{whole}{fraction:0<scale$}").parse();
    match number {
        Ok(number) if found && fraction.len() <= scale => Ok(number),
        _ => Err(polars::prelude::PolarsError::ComputeError("a decimal does not fit its column".into())),
    }
}
