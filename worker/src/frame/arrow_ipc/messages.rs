//! The messages of an Arrow file or stream: where they are, and how much memory each of them needs, which is checked before
//! polars reads them.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use polars_arrow::io::ipc::read::FileMetadata;
use polars_arrow_format::ipc::planus::ReadAsRoot;
use polars_arrow_format::ipc::{Block, FieldRef, FooterRef, MessageHeaderRef, MessageRef, RecordBatchRef, SchemaRef};

use super::cut_off;
use crate::frame::columnar::arrow_types::MAX_DEPTH;
use crate::frame::columnar::guard::{damaged, guarded, unsupported};
use crate::frame::read::FileError;

/// The mark at both ends of a file.
const MAGIC: &[u8; 6] = b"ARROW1";
/// The mark of files that were written before Arrow's format was settled.
const FEATHER_1: &[u8; 4] = b"FEA1";
/// Bytes of the largest description of a message.
const MAX_HEAD: usize = 64 << 20;
/// Most fields of a schema, with those inside of others.
const MAX_FIELDS: usize = 100_000;
/// Most bytes of the columns of a record batch, unpacked.
const MAX_BATCH_BYTES: u64 = 512 << 20;

/// The messages of a file, in their order.
pub(super) struct Messages {
    file: Arc<File>,
    size: u64,
    /// The messages that the footer of a file names. `None`: a stream, in which one message follows the other.
    named: Option<VecDeque<Message>>,
    /// Place of the next message of a stream.
    next: u64,
    /// Bytes of each dictionary in memory, by its id.
    dictionaries: HashMap<i64, u64>,
}

/// A message with rows or the values of a dictionary.
pub(super) struct Message {
    pub kind: Kind,
    pub block: Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Batch,
    Dictionary,
}

/// The facts about one message.
struct Head {
    kind: Option<Kind>,
    /// Bytes of its description, with their length before them.
    length: u64,
    body: u64,
}

/// What the description of a message says.
struct Measured {
    kind: Option<Kind>,
    /// The id of a dictionary.
    dictionary: Option<i64>,
    /// Bytes of its body.
    body: u64,
    /// Bytes that it needs in memory.
    needed: u64,
}

impl Messages {
    /// Finds out whether a file is a file or a stream.
    pub(super) fn find(file: &Arc<File>, name: &str) -> Result<Self, FileError> {
        let io_failed = |error: std::io::Error| FileError::io(name, &error);
        let size = file.metadata().map_err(io_failed)?.len();
        let mut start = [0; 8];
        let length = size.min(8) as usize;
        file.read_exact_at(&mut start[..length], 0).map_err(io_failed)?;
        if start.starts_with(FEATHER_1) {
            return Err(unsupported(name, "it is a Feather file of version 1")
                .hint("Write it as Feather V2 or Parquet, with a version of its program from after 2020."));
        }
        let named = start.starts_with(MAGIC).then(VecDeque::new);
        if named.is_some() {
            let mut end = [0; 6];
            if size < 22 || file.read_exact_at(&mut end, size - 6).is_err() || &end != MAGIC {
                return Err(cut_off(name));
            }
        } else if start[..4] != [0xFF; 4] {
            return Err(damaged(
                name,
                "it is not an Arrow file, because it does not start with ARROW1, and not a stream",
            ));
        }
        Ok(Self { file: file.clone(), size, named, next: 0, dictionaries: HashMap::new() })
    }

    /// Checks the schema before polars reads it, which calls itself for every field that is inside of another.
    pub(super) fn check_schema(&self, name: &str) -> Result<(), FileError> {
        let (at, length) = if self.is_stream() {
            let mut word = [0; 8];
            self.read(&mut word, 0, name)?;
            (8, u64::from(u32::from_le_bytes([word[4], word[5], word[6], word[7]])))
        } else {
            let mut word = [0; 4];
            self.read(&mut word, self.size - 10, name)?;
            let length = u64::from(u32::from_le_bytes(word));
            ((self.size - 10).saturating_sub(length), length)
        };
        if length > MAX_HEAD as u64 || at + length > self.size {
            return Err(cut_off(name));
        }
        let mut bytes = vec![0; length as usize];
        self.read(&mut bytes, at, name)?;
        guarded(name, "its schema cannot be read", || {
            if self.is_stream() {
                let message = MessageRef::read_as_root(&bytes).map_err(|error| error.to_string())?;
                match message.header().map_err(|error| error.to_string())? {
                    Some(MessageHeaderRef::Schema(schema)) => check_fields(schema),
                    _ => Err("it does not begin with a schema".to_owned()),
                }
            } else {
                let footer = FooterRef::read_as_root(&bytes).map_err(|error| error.to_string())?;
                footer.schema().map_err(|error| error.to_string())?.map_or(Ok(()), check_fields)
            }
        })
    }

    fn read(&self, out: &mut [u8], at: u64, name: &str) -> Result<(), FileError> {
        self.file.read_exact_at(out, at).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => cut_off(name),
            _ => FileError::io(name, &error),
        })
    }

    pub(super) fn is_stream(&self) -> bool {
        self.named.is_none()
    }

    /// Takes the messages that the footer of a file names.
    pub(super) fn start(&mut self, metadata: &FileMetadata) {
        let Some(named) = &mut self.named else { return };
        let dictionaries = metadata.dictionaries.iter().flatten().map(|&block| (Kind::Dictionary, block));
        let batches = metadata.blocks.iter().map(|&block| (Kind::Batch, block));
        *named = dictionaries.chain(batches).map(|(kind, block)| Message { kind, block }).collect();
    }

    /// The next message with rows or the values of a dictionary. `None`: the file has ended.
    pub(super) fn next(&mut self, name: &str) -> Result<Option<Message>, FileError> {
        if let Some(named) = &mut self.named {
            let Some(mut message) = named.pop_front() else { return Ok(None) };
            let at = u64::try_from(message.block.offset).map_err(|_| damaged(name, "its footer makes no sense"))?;
            let head = self.head(at, name)?.ok_or_else(|| cut_off(name))?;
            // The body starts where the message says, whatever the footer says.
            message.block.meta_data_length = head.length as i32;
            return match head.kind == Some(message.kind) {
                true => Ok(Some(message)),
                false => Err(damaged(name, "its footer names a message of another kind")),
            };
        }
        loop {
            let at = self.next;
            let Some(head) = self.head(at, name)? else { return Ok(None) };
            self.next = at + head.length + head.body;
            if let Some(kind) = head.kind {
                let block = Block {
                    offset: at.cast_signed(),
                    meta_data_length: head.length as i32,
                    body_length: head.body.cast_signed(),
                };
                return Ok(Some(Message { kind, block }));
            }
        }
    }

    /// The facts about the message at a place. `None`: the stream ends there.
    fn head(&mut self, at: u64, name: &str) -> Result<Option<Head>, FileError> {
        let io_failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => cut_off(name),
            _ => FileError::io(name, &error),
        };
        if at >= self.size {
            return Ok(None);
        }
        let mut word = [0; 4];
        self.file.read_exact_at(&mut word, at).map_err(io_failed)?;
        let mut start = 4;
        if word == [0xFF; 4] {
            self.file.read_exact_at(&mut word, at + 4).map_err(io_failed)?;
            start = 8;
        }
        let length = u32::from_le_bytes(word) as usize;
        if length == 0 {
            return Ok(None);
        }
        if length > MAX_HEAD || at + start + length as u64 > self.size {
            return Err(cut_off(name));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at + start).map_err(io_failed)?;
        let body_at = at + start + length as u64;
        let read = guarded(name, "a message cannot be read", || self.measure(&bytes, body_at))?;
        let Measured { kind, dictionary, body, mut needed } = read;
        if body_at.saturating_add(body) > self.size {
            return Err(cut_off(name));
        }
        let (mut whose, mut what) = ("a record batch of it needs", "batches");
        if let Some(id) = dictionary {
            // A dictionary takes the place of an earlier one with its id, and all of them stay in memory.
            self.dictionaries.insert(id, needed);
            needed = self.dictionaries.values().fold(0, |sum, bytes| sum.saturating_add(*bytes));
            (whose, what) = ("its dictionaries need", "dictionaries");
        }
        if needed > MAX_BATCH_BYTES {
            let (needed, limit) = (needed >> 20, MAX_BATCH_BYTES >> 20);
            let what = format_args!("{whose} {needed} MiB in memory, and elt reads {what} of {limit}");
            return Err(unsupported(name, what).hint("Write the file with fewer rows in each record batch."));
        }
        Ok(Some(Head { kind, length: start + length as u64, body }))
    }

    /// What the description of a message says.
    fn measure(&self, bytes: &[u8], body_at: u64) -> Result<Measured, String> {
        let message = MessageRef::read_as_root(bytes).map_err(|error| error.to_string())?;
        let wrong = |_| "its lengths make no sense".to_owned();
        let body = u64::try_from(message.body_length().map_err(|error| error.to_string())?).map_err(wrong)?;
        let header = message.header().map_err(|error| error.to_string())?.ok_or("it has no description")?;
        let (kind, dictionary, batch) = match header {
            MessageHeaderRef::RecordBatch(batch) => (Kind::Batch, None, Some(batch)),
            MessageHeaderRef::DictionaryBatch(dictionary) => {
                let id = dictionary.id().map_err(|error| error.to_string())?;
                (Kind::Dictionary, Some(id), dictionary.data().map_err(|error| error.to_string())?)
            }
            _ => return Ok(Measured { kind: None, dictionary: None, body, needed: 0 }),
        };
        let needed = batch.map_or(Ok(0), |batch| self.needed(batch, body_at, body))?;
        Ok(Measured { kind: Some(kind), dictionary, body, needed })
    }

    fn needed(&self, batch: RecordBatchRef<'_>, body_at: u64, body: u64) -> Result<u64, String> {
        let wrong = || "its lengths make no sense".to_owned();
        let is_packed = batch.compression().map_err(|error| error.to_string())?.is_some();
        let rows = u64::try_from(batch.length().map_err(|error| error.to_string())?).map_err(|_| wrong())?;
        let mut needed = rows.div_ceil(8);
        for node in batch.nodes().map_err(|error| error.to_string())?.into_iter().flatten() {
            needed = needed.saturating_add(u64::try_from(node.length()).map_err(|_| wrong())?.div_ceil(8));
        }
        for buffer in batch.buffers().map_err(|error| error.to_string())?.into_iter().flatten() {
            let offset = u64::try_from(buffer.offset()).map_err(|_| wrong())?;
            let length = u64::try_from(buffer.length()).map_err(|_| wrong())?;
            if offset.checked_add(length).is_none_or(|end| end > body) {
                return Err(wrong());
            }
            needed = needed.saturating_add(length);
            if is_packed && length >= 8 {
                let mut unpacked = [0; 8];
                let read = self.file.read_exact_at(&mut unpacked, body_at + offset);
                read.map_err(|_| "it ends in the middle".to_owned())?;
                // -1 stands before bytes that are not packed.
                needed = needed.saturating_add(u64::try_from(i64::from_le_bytes(unpacked)).unwrap_or(0));
            }
        }
        Ok(needed)
    }
}

/// Checks how many fields there are, and how deep they are inside of each other.
fn check_fields(schema: SchemaRef<'_>) -> Result<(), String> {
    let failed = |error: polars_arrow_format::ipc::planus::Error| error.to_string();
    let mut open: Vec<(FieldRef<'_>, usize)> = Vec::new();
    let mut count = 0;
    let top = schema.fields().map_err(failed)?;
    for field in top.into_iter().flatten() {
        open.push((field.map_err(failed)?, 1));
    }
    while let Some((field, depth)) = open.pop() {
        count += 1;
        if depth > MAX_DEPTH || count + open.len() > MAX_FIELDS {
            return Err(format!("it has more than {MAX_FIELDS} fields, or more than {MAX_DEPTH} inside each other"));
        }
        for child in field.children().map_err(failed)?.into_iter().flatten() {
            open.push((child.map_err(failed)?, depth + 1));
        }
    }
    Ok(())
}
