//! Workbooks: each of their sheets that is read becomes a file of its own.

use std::sync::Arc;

use super::{ExtractContext, Extracted, LeftOut, LeftOutKind};
use crate::frame::sheets;
use crate::input::{Format, InputFile, SheetPlace, SpoolFolder};

/// Largest workbook on a server, in bytes, of which a test or a preview shows the columns.
pub(super) const LARGEST_SHOWN: u64 = 16 << 20;

/// Replaces each workbook by those of its sheets that its source reads. A workbook that cannot be opened stays as it is: the
/// reader fails at it with the same reason, and the run treats it like other files that cannot be read.
pub(super) fn expand(extracted: Extracted, context: &ExtractContext) -> Extracted {
    let Extracted { files, mut left_out, mut warnings } = extracted;
    let mut expanded = Vec::with_capacity(files.len());
    for file in files {
        if file.format != Format::Workbook || file.sheet.is_some() {
            expanded.push(file);
            continue;
        }
        if is_mark_of_open_workbook(&file.name) && !file.required {
            let reason = "it only says that a workbook of this name is open in Excel".to_owned();
            left_out.push(LeftOut { name: file.name, kind: LeftOutKind::Skipped, reason });
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
                        sheet: Some(Arc::new(SheetPlace {
                            index: sheet.index,
                            name: sheet.name,
                            spool: SpoolFolder { folder: context.spool.clone(), keep_free: context.unpack.keep_free },
                        })),
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

/// Whether a file is the one that Excel puts beside a workbook while somebody has it open: `~$orders.xlsx`.
fn is_mark_of_open_workbook(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|name| name.starts_with("~$"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use elt_shared::config::AfterLoad;

    use super::*;
    use crate::extract::loaded;
    use crate::input::{Compression, RemoteTask, Version};

    #[test]
    fn the_mark_of_an_open_workbook_is_no_workbook() {
        assert!(is_mark_of_open_workbook("in/~$orders.xlsx") && is_mark_of_open_workbook("~$a.xls"));
        assert!(!is_mark_of_open_workbook("in~$/orders.xlsx") && !is_mark_of_open_workbook("~orders.xlsx"));
    }

    #[test]
    fn a_workbook_on_a_server_is_moved_once_and_only_when_all_of_its_sheets_were_loaded() {
        let sheet = |name: &str, path: &str| InputFile {
            after_load: Some(RemoteTask {
                path: path.to_owned(),
                action: AfterLoad::Delete,
                version: Version::default(),
            }),
            ..InputFile::at(name.to_owned(), PathBuf::from("/"), Format::Workbook, Compression::None).expect("a file")
        };
        let files = [sheet("a!1", "a"), sheet("a!2", "a"), sheet("b!1", "b"), sheet("b!2", "b"), sheet("c", "c")];
        let acting = |is_loaded: &dyn Fn(usize) -> bool| {
            let loaded = loaded(&files, is_loaded);
            let acting = loaded.iter().filter(|file| file.after_load.is_some());
            (loaded.len(), acting.map(|file| file.name.clone()).collect::<Vec<_>>().join(","))
        };
        assert_eq!(acting(&|_| true), (5, "a!1,b!1,c".to_owned()));
        assert_eq!(acting(&|index| index != 3), (4, "a!1,c".to_owned()));
        assert_eq!(acting(&|index| index != 0), (4, "b!1,c".to_owned()));
    }
}
