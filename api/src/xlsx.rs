//! Workbooks of rows: one sheet, written to a file row by row, so that any number of rows needs little memory.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use elt_shared::target::{PageColumn, TableRows};
use rust_xlsxwriter::{Workbook, Worksheet};
use tokio_util::sync::CancellationToken;

use crate::export_disk::{Disk, LOOK_EVERY};
use crate::write_error::WriteError;

/// Rows of a sheet of Excel, without the one with the names of the columns.
pub const MOST_ROWS: u64 = 1_048_575;
/// Characters that a cell of Excel holds, counted in units of UTF-16.
const MOST_CHARACTERS: usize = 32_767;
/// Significant digits that a number of Excel keeps.
const EXACT_DIGITS: usize = 15;
/// The largest and the smallest number that Excel keeps.
const MAGNITUDES: std::ops::RangeInclusive<f64> = 2.23e-308..=9.99e307;

/// Writes rows as a workbook into a file on `disk` that has no name, and returns it from its beginning. Blocks until the
/// rows end; `stop` ends it after the batch at hand.
///
/// # Errors
/// As [`WriteError`] lists them.
pub fn write(disk: &Disk, rows: TableRows, stop: &CancellationToken) -> Result<File, WriteError> {
    let TableRows { columns, mut batches, .. } = rows;
    let mut workbook = Workbook::new();
    workbook.set_tempdir(disk.folder())?;
    // A sheet may have more than 4 GiB of XML.
    workbook.use_zip_large_file(true);
    let sheet = workbook.add_worksheet_with_constant_memory();
    let sheet = sheet?;
    for (place, column) in (0..).zip(&columns) {
        text(sheet, (0, place), column, &column.name)?;
    }
    let mut row = 0;
    while let Some(batch) = batches.blocking_recv() {
        if stop.is_cancelled() {
            return Err(WriteError::Stopped);
        }
        let batch = batch?;
        // Looked at before each batch, because the library cannot go on when it finds the disk full.
        disk.check(LOOK_EVERY)?;
        for values in batch {
            row += 1;
            for ((place, column), value) in (0..).zip(&columns).zip(&values) {
                cell(sheet, (row, place), column, value.as_deref())?;
            }
        }
    }
    let mut file = tempfile::tempfile_in(disk.folder())?;
    workbook.save_to_writer(disk.watch(&file))?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// A cell without a value stays empty. Numbers that Excel would round are texts, and a text is never a formula.
fn cell(sheet: &mut Worksheet, at: (u32, u16), column: &PageColumn, value: Option<&str>) -> Result<(), WriteError> {
    let Some(value) = value else { return Ok(()) };
    match column.sql_type.as_str() {
        "boolean" => _ = sheet.write_boolean(at.0, at.1, value == "true" || value == "t")?,
        kind if is_number(kind) => match exact(value) {
            Some(number) => _ = sheet.write_number(at.0, at.1, number)?,
            None => text(sheet, at, column, value)?,
        },
        _ => text(sheet, at, column, value)?,
    }
    Ok(())
}

fn text(sheet: &mut Worksheet, at: (u32, u16), column: &PageColumn, value: &str) -> Result<(), WriteError> {
    let characters = if value.len() > MOST_CHARACTERS { value.encode_utf16().count() } else { 0 };
    if characters > MOST_CHARACTERS {
        return Err(WriteError::CellTooLong { column: column.name.clone(), characters, most: MOST_CHARACTERS });
    }
    sheet.write_string(at.0, at.1, value)?;
    Ok(())
}

fn is_number(sql_type: &str) -> bool {
    matches!(sql_type, "smallint" | "integer" | "bigint" | "real" | "double precision" | "numeric")
        || sql_type.starts_with("numeric(") && !sql_type.ends_with(']')
}

/// The number that a text is, if Excel keeps all of its digits.
fn exact(text: &str) -> Option<f64> {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.trim_start_matches('-').replace('.', "");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    let number: f64 = text.parse().ok()?;
    let is_kept = match significant.is_empty() {
        true => !text.starts_with('-'),
        false => significant.len() <= EXACT_DIGITS && MAGNITUDES.contains(&number.abs()),
    };
    is_kept.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_excel_would_round_is_a_text() {
        for (text, number) in
            [("0", 0.0), ("-12.50", -12.5), ("999999999999999", 999_999_999_999_999.0), ("1e+20", 1e20)]
        {
            assert_eq!(exact(text), Some(number), "{text}");
        }
        for text in ["1234567890123456", "0.1000000000000001", "-0", "NaN", "Infinity", "1e-310", "1e308", "", "0x10"] {
            assert_eq!(exact(text), None, "{text}");
        }
    }

    #[test]
    fn a_workbook_leaves_the_room_on_the_disk_that_must_stay_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let written = |keep_free, rows: usize| {
            let (sender, batches) = tokio::sync::mpsc::channel(2);
            if rows > 0 {
                sender.try_send(Ok(vec![vec![Some("a".to_owned())]; rows])).expect("there is room");
            }
            drop(sender);
            let columns = vec![PageColumn { name: "a".into(), sql_type: "text".into() }];
            let disk = Disk::that_keeps(folder.path().into(), keep_free);
            write(&disk, TableRows { columns, ranges: Vec::new(), batches }, &CancellationToken::new())
        };
        assert!(written(0, 1).expect("written").metadata().expect("a file").len() > 0);
        for rows in [0, 1] {
            let error = written(u64::MAX, rows).expect_err("there is no room");
            assert!(error.is_about_room(), "{error:?}");
        }
    }

    #[test]
    fn only_plain_numbers_are_numbers() {
        assert!(["integer", "numeric(20,2)", "double precision"].into_iter().all(is_number));
        assert!(!["integer[]", "numeric(20,2)[]", "money", "text", "interval"].into_iter().any(is_number));
    }
}
