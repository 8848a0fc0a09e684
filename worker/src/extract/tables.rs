//! A table for each file: which table the rows of a file go to.

use std::collections::BTreeMap;

use elt_shared::config::{FileOptions, NamedTable, TablePattern, TargetConfig};
use elt_shared::explained::{Code, Explained};

use super::{Extracted, LeftOut, LeftOutKind, path_columns};
use crate::error::{PipelineError, Result};
use crate::input::{Format, InputFile, stem};

/// Most tables of one run.
const MOST_TABLES: usize = 500;
/// The reason why a workbook is left out whose sheets name tables.
const NO_SHEETS: &str =
    "its sheets cannot be listed: it is damaged, has a password, or lacks a sheet that the config names";

/// Which files of the sources are wanted.
#[derive(Debug, Clone, Default)]
pub enum WantedFiles {
    /// Every file of the sources.
    #[default]
    All,
    /// Only their names, to find the tables of a pattern. A file on a server is not fetched, unless other files are in it.
    Names(TablePattern),
    /// Only the files of one table.
    OfTable {
        /// The pattern of the tables.
        pattern: TablePattern,
        /// Name of the table, without its schema.
        table: String,
    },
}

impl WantedFiles {
    /// The files that a run into this target loads.
    pub fn of(target: &TargetConfig) -> Self {
        match &target.pattern {
            Some(pattern) if !target.has_tables() => {
                Self::OfTable { pattern: pattern.clone(), table: target.table.table.clone() }
            }
            _ => Self::All,
        }
    }

    /// Whether a wanted file on a server has to be fetched. Otherwise an empty file takes its place.
    pub(super) fn is_fetched(&self, format: Format) -> bool {
        match self {
            Self::All | Self::OfTable { .. } => true,
            Self::Names(pattern) => has_parts(pattern, format),
        }
    }

    /// Whether the file with this name, or one that is in it, is wanted.
    pub(super) fn is_wanted(&self, name: &str, format: Format, options: &FileOptions) -> bool {
        match self {
            Self::All | Self::Names(_) => true,
            Self::OfTable { pattern, .. } => has_parts(pattern, format) || self.may_have(name, options),
        }
    }

    /// Whether the file with this name belongs to the table, as far as its name says it.
    fn may_have(&self, name: &str, options: &FileOptions) -> bool {
        let Self::OfTable { pattern, table } = self else { return true };
        let found = pattern.table(|placeholder| match placeholder {
            "sheet" => None,
            "file" | "folder" => of_path(placeholder, name, options),
            column => of_columns(column, name, options),
        });
        found.is_ok_and(|found| found.table == *table)
    }
}

/// Whether a file holds others, each of which may have a table of its own.
fn has_parts(pattern: &TablePattern, format: Format) -> bool {
    let has_sheets = format == Format::Workbook && pattern.placeholders().any(|name| name == "sheet");
    has_sheets || matches!(format, Format::Container(_))
}

/// Whether a file is a workbook whose sheets could not be listed.
fn is_unlisted(pattern: &TablePattern, file: &InputFile) -> bool {
    file.sheet.is_none() && has_parts(pattern, file.format)
}

/// The tables of the files of a run.
#[derive(Debug, Default)]
pub struct Tables {
    /// Their names, without the schema.
    pub names: Vec<String>,
    /// Files without a table, and those that are not read.
    pub left_out: Vec<LeftOut>,
    /// Sentences for the warnings of the report.
    pub warnings: Vec<String>,
}

/// Finds the tables of all files.
///
/// # Errors
/// `table_names` when different values would become one table, or when there are too many.
pub fn of_files(pattern: &TablePattern, extracted: Extracted) -> Result<Tables> {
    let mut tables = Tables { left_out: extracted.left_out, warnings: extracted.warnings, ..Tables::default() };
    let mut known = Known::default();
    for file in &extracted.files {
        match table_of(pattern, file) {
            Ok(named) => known.add(named, &file.name)?,
            Err(reason) => {
                let reason = if is_unlisted(pattern, file) { NO_SHEETS.to_owned() } else { reason };
                tables.left_out.push(LeftOut { name: file.name.clone(), kind: LeftOutKind::Failed, reason });
            }
        }
    }
    let number = known.0.len();
    if number > MOST_TABLES {
        return Err(unusable(
            format!("the files make {number} tables by the pattern {pattern}, more than the {MOST_TABLES} of one run"),
            "Split the sources into several pipelines, or write a pattern that puts more files into one table.",
        ));
    }
    tables.names = known.0.into_keys().collect();
    Ok(tables)
}

/// Keeps the files that are wanted, and what is said about them. The run that found the tables says the rest.
///
/// # Errors
/// `table_names` when files of the table have different values.
pub(super) fn keep(extracted: Extracted, wanted: &WantedFiles) -> Result<Extracted> {
    let WantedFiles::OfTable { pattern, table } = wanted else { return Ok(extracted) };
    let mut known = Known::default();
    let (mut files, mut unlisted) = (Vec::new(), Vec::new());
    for file in extracted.files {
        match table_of(pattern, &file) {
            Ok(named) if named.table == *table => {
                known.add(named, &file.name)?;
                files.push(file);
            }
            // It may have a sheet of this table, so that a replace must not pass over it.
            Err(_) if is_unlisted(pattern, &file) => {
                unlisted.push(LeftOut { name: file.name, kind: LeftOutKind::Failed, reason: NO_SHEETS.to_owned() });
            }
            _ => {}
        }
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let is_about_one = |text: &String| names.iter().any(|name| text.starts_with(name));
    let warnings = extracted.warnings.into_iter().filter(is_about_one).collect();
    let options = FileOptions::default();
    // What failed may have had rows of this table, whatever its name says: a replace must not pass over it.
    let is_about_it = |file: &LeftOut| file.kind == LeftOutKind::Failed || wanted.may_have(&file.name, &options);
    let left_out = extracted.left_out.into_iter().filter(is_about_it).chain(unlisted).collect();
    Ok(Extracted { files, left_out, warnings })
}

/// Tables with the values that each was made of, and the file they came from.
#[derive(Default)]
struct Known(BTreeMap<String, (Vec<String>, String)>);

impl Known {
    /// Adds the table of a file. Files with equal values are loaded into one table.
    fn add(&mut self, named: NamedTable, file: &str) -> Result<()> {
        let (values, first) =
            self.0.entry(named.table.clone()).or_insert_with(|| (named.values.clone(), file.to_owned()));
        if *values == named.values {
            return Ok(());
        }
        Err(unusable(
            format!("{first} and {file} have different values and would be one table, {}", named.table),
            "Rename one of them, or write another pattern under `target.table`. Nothing was loaded.",
        ))
    }
}

/// The table of a file. The error is a reason to leave the file out.
fn table_of(pattern: &TablePattern, file: &InputFile) -> Result<NamedTable, String> {
    let sheet = file.sheet.as_ref().map(|sheet| sheet.name.as_str());
    let end = sheet.map(|sheet| format!("!{sheet}"));
    let name = end.and_then(|end| file.name.strip_suffix(&end)).unwrap_or(&file.name);
    pattern.table(|placeholder| match placeholder {
        "sheet" => sheet.map(str::to_owned),
        "file" | "folder" => of_path(placeholder, name, &file.options),
        column => {
            let constant = file.constants.iter().find(|(name, _)| name == column);
            constant.and_then(|(_, value)| value.clone())
        }
    })
}

/// The name of a file without its suffixes, or that of the folder it lies in. An entry of an archive lies in a folder of the
/// archive's name.
fn of_path(placeholder: &str, name: &str, options: &FileOptions) -> Option<String> {
    let path = path_columns::in_folders(name, options);
    if placeholder == "file" {
        return Some(stem(&path).to_owned());
    }
    let (folders, _) = path.rsplit_once('/')?;
    let folder = folders.rsplit_once('/').map_or(folders, |(_, last)| last);
    (!folder.is_empty()).then(|| folder.to_owned())
}

/// The value of a column of the path.
fn of_columns(column: &str, name: &str, options: &FileOptions) -> Option<String> {
    let columns = options.path_columns.as_ref()?;
    let place = columns.names().iter().position(|known| known == column)?;
    columns.values(name)?.into_iter().nth(place)?
}

fn unusable(message: String, next_step: &str) -> PipelineError {
    PipelineError::Extract(Explained { code: Code::TableNames, message, next_step: next_step.into() })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use elt_shared::config::{Document, NoReferences};

    use super::*;
    use crate::input::{Compression, SheetPlace, SpoolFolder};

    fn pattern(table: &str) -> TablePattern {
        let yaml = format!("target: {{table: \"{table}\"}}\n");
        let target = Document::parse(&yaml).expect("YAML").target(&NoReferences).expect("a target").value;
        target.pattern.expect("a pattern")
    }

    fn file(name: &str) -> InputFile {
        InputFile::at(name.to_owned(), PathBuf::from("/"), Format::Csv, Compression::None).expect("a file")
    }

    fn extracted(names: &[&str]) -> Extracted {
        Extracted { files: names.iter().map(|name| file(name)).collect(), ..Extracted::default() }
    }

    fn names(table: &str, files: &[&str]) -> Vec<String> {
        of_files(&pattern(table), extracted(files)).expect("tables").names
    }

    #[test]
    fn files_folders_and_entries_of_archives_name_tables() {
        let files = ["in/north/Orders.csv", "in/south/orders-2.csv.gz", "in/box.zip!east/orders-2.csv"];
        assert_eq!(names("raw_{file}", &["in/a.csv", "in/b/a.json", "in/c.csv"]), ["raw_a", "raw_c"]);
        assert_eq!(names("{folder}", &files), ["east", "north", "south"]);
        assert_eq!(names("{folder}_{file}", &["in/box.zip!a.csv"]), ["box_zip_a"]);
        assert_eq!(names("{file}", &["in/x!a.csv", "in/y!a.csv"]), ["x_a", "y_a"]);
        let sheet = |name: &str| {
            let place = SheetPlace {
                index: 0,
                name: name.to_owned(),
                spool: SpoolFolder { folder: PathBuf::new(), keep_free: 0 },
            };
            InputFile { sheet: Some(Arc::new(place)), ..file(&format!("in/Book 1.xlsx!{name}")) }
        };
        let sheets = Extracted { files: vec![sheet("Open!"), sheet("2026")], ..Extracted::default() };
        assert_eq!(
            of_files(&pattern("{file}_{sheet}"), sheets).expect("tables").names,
            ["book_1_2026", "book_1_open_"]
        );
    }

    #[test]
    fn different_values_never_become_one_table() {
        for (table, files) in [("raw_{file}", ["in/Orders.csv", "in/orders.csv"]), ("{file}", ["a-b.csv", "a b.csv"])] {
            let error = of_files(&pattern(table), extracted(&files)).expect_err("one table");
            let message = error.to_string();
            assert!(files.iter().all(|file| message.contains(file)), "{message}");
            assert_eq!(error.code(), Code::TableNames);
        }
        let many: Vec<String> = (0..=MOST_TABLES).map(|number| format!("f{number}.csv")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = of_files(&pattern("{file}"), extracted(&many)).expect_err("too many");
        assert!(error.to_string().contains("501 tables"), "{error}");
    }

    #[test]
    fn a_file_without_a_table_is_left_out_and_the_others_are_not() {
        let files = ["in/_elt_loads.csv", "in/pg_class.csv", "in/--.csv", "in/ok.csv"];
        let tables = of_files(&pattern("{file}"), extracted(&files)).expect("tables");
        assert_eq!(tables.names, ["ok"]);
        let left_out: Vec<&str> = tables.left_out.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(left_out, &files[..3]);
        assert!(tables.left_out.iter().all(|file| file.kind == LeftOutKind::Failed));
    }

    #[test]
    fn a_run_of_a_table_has_its_files_alone() {
        let wanted = WantedFiles::OfTable { pattern: pattern("raw_{file}"), table: "raw_a".to_owned() };
        let kept = keep(extracted(&["in/a.csv", "in/b.csv", "in/x/a.json"]), &wanted).expect("files");
        assert_eq!(kept.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["in/a.csv", "in/x/a.json"]);
        let options = FileOptions::default();
        assert!(wanted.is_wanted("sftp://h/a.csv", Format::Csv, &options));
        assert!(!wanted.is_wanted("sftp://h/b.csv", Format::Csv, &options));
        let zip = Format::Container(elt_shared::config::FileContainer::Zip);
        assert!(wanted.is_wanted("sftp://h/b.zip", zip, &options), "it may have an a.csv");
    }
}
