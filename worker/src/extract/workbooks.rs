//! Workbooks: each of their sheets that is read becomes a file of its own.

use std::sync::Arc;

use super::{ExtractContext, Extracted};
use crate::frame::sheets;
use crate::input::{Format, InputFile, SheetPlace};

/// Largest workbook on a server, in bytes, of which a test or a preview shows the columns.
pub(super) const LARGEST_SHOWN: u64 = 16 << 20;

/// Replaces each workbook by those of its sheets that its source reads. A workbook that cannot be opened stays as it is: the
/// reader fails at it with the same reason, and the run treats it like other files that cannot be read.
pub(super) fn expand(extracted: Extracted, context: &ExtractContext) -> Extracted {
    let Extracted { files, left_out, mut warnings } = extracted;
    let mut expanded = Vec::with_capacity(files.len());
    for file in files {
        if file.format != Format::Workbook || file.sheet.is_some() {
            expanded.push(file);
            continue;
        }
        match sheets::chosen(&file) {
            Ok((chosen, doubt)) => {
                warnings.extend(doubt.map(|doubt| format!("{}: {doubt}", file.name)));
                let sheet = |sheet: sheets::Chosen| {
                    let column = file.options.excel.sheet_column.clone();
                    let mut constants = file.constants.clone();
                    constants.extend(column.map(|column| (column, Some(sheet.name.clone()))));
                    InputFile {
                        name: format!("{}!{}", file.name, sheet.name),
                        sheet: Some(Arc::new(SheetPlace { index: sheet.index, spool: context.spool.clone() })),
                        constants,
                        ..file.clone()
                    }
                };
                expanded.extend(chosen.into_iter().map(sheet));
            }
            Err(error) => {
                tracing::debug!("the sheets of {} cannot be listed: {}", file.name, error.reason);
                expanded.push(file);
            }
        }
    }
    Extracted { files: expanded, left_out, warnings }
}
