//! Rejected rows on their way to the quarantine table. They are collected in a file, already encoded, and copied into the
//! table in the loading transaction, with their text, the reason and the cells that a replay loads again. A row that an
//! earlier run rejected already, and that was not replayed since, is counted once more instead ([`open_rows`]).

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use elt_shared::explained::Code;
use elt_shared::target::TableRef;
use serde::Serialize;
use sqlx::PgConnection;

use super::open_rows;
use crate::frame::{BadRecord, CellKind, MAX_RAW_BYTES, RawBatch};
use crate::load::Halt;
use crate::load::copy::binary as copy;
use crate::load::elt_tables::QUARANTINE;
use crate::load::failure::spool as spool_failed;
use crate::load::marker::Attempt;

/// Rejected rows, encoded for COPY.
pub struct RejectedRows {
    file: BufWriter<File>,
    rows: u64,
    row: Vec<u8>,
    attempt: Attempt,
    table: String,
    /// Whether texts are kept in ASCII, beside their bytes, because the database's encoding lacks some characters.
    ascii: bool,
}

/// The reason why a row is rejected.
#[derive(Debug, Clone, Copy)]
pub struct RejectReason<'a> {
    /// The column that the reason is about. `None`: it is about the whole row.
    pub column: Option<&'a str>,
    /// Stable code of the reason.
    pub code: Code,
    /// A sentence, which may quote the value.
    pub reason: &'a str,
}

/// A cell as it was read, with what is needed to convert it again.
#[derive(Debug, Serialize)]
struct Cell<'a> {
    name: &'a str,
    kind: &'static str,
    text: std::borrow::Cow<'a, str>,
}

impl RejectedRows {
    /// An empty collection, kept in an unnamed file of a folder. `ascii`: texts are stored in ASCII, because the database's
    /// encoding lacks some characters.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn in_folder(folder: &Path, table: &TableRef, attempt: Attempt, ascii: bool) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(256 << 10, tempfile::tempfile_in(folder)?);
        file.write_all(copy::HEADER)?;
        Ok(Self { file, rows: 0, row: Vec::new(), attempt, table: table.table.clone(), ascii })
    }

    /// Adds a row that breaks the contract.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn row(&mut self, file: &str, batch: &RawBatch, row: usize, why: RejectReason<'_>) -> io::Result<()> {
        let cells: Vec<_> = batch
            .names
            .iter()
            .zip(&batch.columns)
            .map(|(name, column)| {
                let (kind, bytes) = column.cell(row);
                Cell { name, kind: kind_name(kind), text: without_nul(&bytes[..bytes.len().min(MAX_RAW_BYTES)]) }
            })
            .collect();
        let cells = serde_json::to_vec(&cells)?;
        self.write(file, batch.lines[row], batch.raw_row(row), Some(&cells), why)
    }

    /// Adds a record that is not a row.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn record(&mut self, file: &str, bad: &BadRecord) -> io::Result<()> {
        let why = RejectReason { column: bad.column.as_deref(), code: bad.code, reason: &bad.reason };
        self.write(file, bad.line, &bad.raw, None, why)
    }

    fn write(
        &mut self,
        file: &str,
        line: u64,
        raw: &[u8],
        cells: Option<&[u8]>,
        why: RejectReason<'_>,
    ) -> io::Result<()> {
        let raw = &raw[..raw.len().min(MAX_RAW_BYTES)];
        let ascii = self.ascii;
        let shown = |bytes| if ascii { in_ascii(bytes).into() } else { without_nul(bytes) };
        let text = shown(raw);
        // Cells that ASCII would change are not kept, because a replay must not load changed cells.
        let cells = cells.filter(|cells| !ascii || cells.is_ascii());
        let out = &mut self.row;
        out.clear();
        copy::row(13, out);
        copy::uuid(self.attempt.run_id.as_u128(), out);
        copy::bytes(self.table.as_bytes(), out);
        copy::bigint(self.attempt.config_id, out);
        let file = shown(file.as_bytes());
        copy::bytes(file.as_bytes(), out);
        copy::bigint(line as i64, out);
        match why.column {
            Some(column) => copy::bytes(column.as_bytes(), out),
            None => copy::null(out),
        }
        copy::bytes(why.code.as_str().as_bytes(), out);
        copy::bytes(shown(why.reason.as_bytes()).as_bytes(), out);
        copy::bytes(text.as_bytes(), out);
        if text.as_bytes() == raw {
            copy::null(out);
        } else {
            copy::bytes(raw, out);
        }
        match cells {
            Some(cells) => {
                out.extend_from_slice(&(cells.len() as i32 + 1).to_be_bytes());
                out.push(1);
                out.extend_from_slice(cells);
            }
            None => copy::null(out),
        }
        copy::bytes(&open_rows::place(&file, line, raw), out);
        copy::uuid(self.attempt.run_id.as_u128(), out);
        self.rows += 1;
        self.file.write_all(out)
    }

    /// Copies the rows into the quarantine table, in the loading transaction.
    ///
    /// # Errors
    /// Database failures; a work folder that cannot be read back.
    pub(in crate::load) async fn load(self, tx: &mut PgConnection, table: &TableRef) -> Result<(), Halt> {
        if self.rows == 0 {
            return Ok(());
        }
        let attempt = self.attempt;
        let mut file = self.into_file().map_err(spool_failed)?;
        let mut copy = tx
            .copy_in_raw(&format!(
                "copy {} (run_id, table_name, config_id, file, line, column_name, code, reason, raw, raw_bytes, cells,
                          place, first_run_id)
                 from stdin (format binary)",
                table.sibling(QUARANTINE).sql()
            ))
            .await?;
        let mut chunk = vec![0; 1 << 20];
        loop {
            let length = file.read(&mut chunk).map_err(spool_failed)?;
            if length == 0 {
                break;
            }
            copy.send(&chunk[..length]).await?;
        }
        copy.finish().await?;
        open_rows::count_again(tx, table, attempt).await?;
        Ok(())
    }

    /// The file with all rows, at its start.
    fn into_file(self) -> io::Result<File> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.write_all(copy::TRAILER)?;
        file.rewind()?;
        Ok(file)
    }
}

fn kind_name(kind: CellKind) -> &'static str {
    match kind {
        CellKind::Null => "null",
        CellKind::Bare => "bare",
        CellKind::Quoted => "quoted",
        CellKind::Number => "number",
        CellKind::Bool => "bool",
        CellKind::String => "string",
        CellKind::Nested => "nested",
    }
}

/// The text with `?` in place of NUL and of every character that is not ASCII.
fn in_ascii(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|letter| if letter.is_ascii() && letter != '\0' { letter } else { '?' }).collect()
}

/// The text with U+FFFD in place of invalid UTF-8 and of NUL, which PostgreSQL cannot store.
fn without_nul(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text }
}
