//! Arrow IPC: files (Feather V2) and streams. They are read record batch by record batch, in the order of the file.
//!
//! # Layout
//! - [`messages`]: where the record batches are, and how much memory each of them needs
//! - this file: record batches become columns

mod messages;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::sync::Arc;

use elt_shared::explained::Code;
use polars_arrow::datatypes::Field;
use polars_arrow::io::ipc::read::{
    Dictionaries, FileMetadata, read_batch, read_dictionary_block, read_file_metadata, read_stream_metadata,
};
use polars_utils::pl_str::PlSmallStr;

use super::columnar::arrow_types::{MAX_DEPTH, column, depth, readable_field, shape_of};
use super::columnar::guard::{damaged, guarded, unsupported};
use super::columnar::shape::Shape;
use super::columnar::{Columnar, DeclaredColumn, Part, Parts, open_file};
use super::read::FileError;
use crate::input::InputFile;
use messages::{Kind, Message, Messages};

/// The record batches of a file that are being read.
pub(super) struct RecordBatches {
    reader: BufReader<File>,
    name: String,
    metadata: FileMetadata,
    shapes: Vec<Shape>,
    messages: Messages,
    dictionaries: Dictionaries,
    scratch: (Vec<u8>, Vec<u8>),
}

/// Opens an Arrow IPC file or stream.
///
/// # Errors
/// When it is damaged or cut off, or its columns cannot be a table's.
pub(super) fn open(file_index: usize, input: &InputFile) -> Result<Columnar<RecordBatches>, FileError> {
    let file = open_file(input)?;
    let name = &input.name;
    let io_failed = |error: std::io::Error| FileError::io(name, &error);
    let mut reader = BufReader::new(file.try_clone().map_err(io_failed)?);
    let mut messages = Messages::find(&file, name)?;
    messages.check_schema(name)?;
    let mut metadata = if messages.is_stream() {
        stream_metadata(&mut reader, name)?
    } else {
        guarded(name, "its footer cannot be read", || read_file_metadata(&mut reader))?
    };
    messages.start(&metadata);
    if metadata.schema.len() != metadata.ipc_schema.fields.len() {
        return Err(damaged(name, "two of its columns have the same name").hint("Give each column a name of its own."));
    }
    if !metadata.ipc_schema.is_little_endian {
        return Err(unsupported(name, "its numbers have their highest byte first"));
    }
    let mut columns = Vec::new();
    for field in metadata.schema.iter_values() {
        if depth(&field.dtype) > MAX_DEPTH {
            let deep = format_args!("the column {} has more than {MAX_DEPTH} types inside each other", field.name);
            return Err(unsupported(name, deep));
        }
        let shape = shape_of(field);
        let shape =
            shape.map_err(|what| unsupported(name, format_args!("the column {} has the type {what}", field.name)))?;
        columns.push(DeclaredColumn { name: field.name.to_string(), shape });
    }
    metadata.schema = Arc::new(metadata.schema.iter_values().map(readable_field).map(named).collect());
    let batches = RecordBatches {
        reader,
        name: name.clone(),
        shapes: columns.iter().map(|column| column.shape.clone()).collect(),
        metadata,
        messages,
        dictionaries: Dictionaries::default(),
        scratch: Default::default(),
    };
    Columnar::new(batches, columns, file, file_index, input)
}

fn named(field: Field) -> (PlSmallStr, Field) {
    (field.name.clone(), field)
}

/// The metadata of a stream in the form of a file's, whose batches are found one after the other.
fn stream_metadata(reader: &mut BufReader<File>, name: &str) -> Result<FileMetadata, FileError> {
    let stream = guarded(name, "its schema cannot be read", || {
        reader.seek(SeekFrom::Start(0)).map_err(polars_arrow_error)?;
        read_stream_metadata(reader)
    })?;
    Ok(FileMetadata {
        schema: Arc::new(stream.schema),
        custom_schema_metadata: None,
        custom_metadata: None,
        ipc_schema: stream.ipc_schema,
        blocks: Vec::new(),
        dictionaries: None,
        size: 0,
    })
}

/// An error of the operating system as polars has it.
fn polars_arrow_error(error: std::io::Error) -> polars::prelude::PolarsError {
    error.into()
}

impl Parts for RecordBatches {
    fn next(&mut self) -> Result<Option<Part>, FileError> {
        while let Some(Message { kind, block }) = self.messages.next(&self.name)? {
            let (messages, data) = &mut self.scratch;
            match kind {
                Kind::Dictionary => guarded(&self.name, "a dictionary cannot be read", || {
                    read_dictionary_block(
                        &mut self.reader,
                        &self.metadata,
                        &block,
                        false,
                        &mut self.dictionaries,
                        messages,
                        data,
                        Default::default(),
                    )
                })?,
                Kind::Batch => {
                    self.metadata.blocks = vec![block];
                    let batch = guarded(&self.name, "a record batch cannot be read", || {
                        read_batch(
                            &mut self.reader,
                            &self.dictionaries,
                            &self.metadata,
                            None,
                            None,
                            0,
                            false,
                            messages,
                            data,
                            Default::default(),
                        )
                    })?;
                    if batch.arrays().len() != self.shapes.len() {
                        return Err(damaged(&self.name, "a record batch has another number of columns than the file"));
                    }
                    let rows = batch.len();
                    let columns = self.shapes.iter().zip(batch.arrays()).map(|(shape, array)| column(shape, &**array));
                    let columns = guarded(&self.name, "a record batch cannot be read", || columns.collect())?;
                    return Ok(Some(Part { columns, rows }));
                }
            }
        }
        Ok(None)
    }
}

/// A file that ends before its last message.
fn cut_off(name: &str) -> FileError {
    FileError::new(
        Code::Truncated,
        name,
        None,
        "it ends in the middle: the Arrow file was cut off, or is still being written",
    )
    .hint("Copy the file again; it is read again when it changes.")
}
