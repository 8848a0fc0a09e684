//! The keys by which a source says how its files are read. They are the same in every kind of source that has files.

use std::sync::Arc;

use super::archive::{self, ArchiveOptions};
use super::csv::{self, CsvOptions, TextEncoding};
use super::excel::{self, ExcelOptions};
use super::fixed_width::{self, FixedWidth};
use super::format::FileFormat;
use super::json_path;
use super::path_columns::{self, PathColumns};
use super::pgp::{self, PgpOptions};
use super::xml::{self, XmlOptions};
use crate::config::field::Field;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;
use crate::config::shaping::{self, Shaping};

/// How the files of a source are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileOptions {
    /// Format of every file. `None`: by the suffix of each, and files of other suffixes are not read.
    pub format: Option<FileFormat>,
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// How workbooks are read.
    pub excel: ExcelOptions,
    /// JSON path to the rows of JSON files. `None`: it is found.
    pub records: Option<String>,
    /// How archives are opened.
    pub archive: ArchiveOptions,
    /// How encrypted files are decrypted. `None`: they are left out.
    pub pgp: Option<PgpOptions>,
    /// How fixed-width files are read. `None`: the source has no such files.
    pub fixed_width: Option<FixedWidth>,
    /// How XML files are read. `None`: they are not read.
    pub xml: Option<XmlOptions>,
    /// Columns whose values stand in the paths of the files.
    pub path_columns: Option<PathColumns>,
    /// What becomes of the columns. `None`: they stay as they are in the file.
    pub shape: Option<Arc<Shaping>>,
}

impl FileOptions {
    /// The encoding of files of a format.
    pub fn encoding(&self, format: FileFormat) -> TextEncoding {
        match (format, &self.fixed_width, &self.xml) {
            (FileFormat::FixedWidth, Some(options), _) => options.encoding.clone(),
            (FileFormat::Xml, _, Some(options)) => {
                options.encoding.clone().map_or(TextEncoding::Utf8, TextEncoding::Named)
            }
            _ => self.csv.encoding.clone(),
        }
    }

    /// The texts that are NULL in every column of files of a format. `None`: the default rules hold.
    pub fn null_values(&self, format: FileFormat) -> Option<&[String]> {
        let null_values = match format {
            FileFormat::FixedWidth => self.fixed_width.as_ref().and_then(|options| options.null_values.as_ref()),
            FileFormat::Workbook => self.excel.null_values.as_ref(),
            FileFormat::Csv | FileFormat::Txt => self.csv.null_values.as_ref(),
            // They have no such option.
            _ => None,
        };
        null_values.map(Vec::as_slice)
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::choice::<FileFormat>(
        "format",
        "What every file of the source holds, whatever its suffix. Default: the suffix of each says it. The suffix of a \
         compression counts in either case.",
    ),
    Key::of("csv", Shape::Section(csv::KEYS), "How CSV and TXT files are read."),
    Key::of(
        "excel",
        Shape::Section(excel::KEYS),
        "How workbooks (`.xlsx`, `.xlsm`, `.xlsb`, `.xls`, `.ods`) are read.",
    ),
    Key::text(
        "records",
        "JSON path to the rows of JSON files, `data.items`, or `$` when an object is the row. Default: the elements of \
         an object's only member that is an array of objects; what was found holds for later runs.",
    )
    .or(&["records_path"]),
    Key::of("archive", Shape::Section(archive::KEYS), "How zip and tar archives are opened."),
    Key::of("pgp", Shape::Section(pgp::KEYS), "How files that are encrypted with OpenPGP are decrypted."),
    Key::of(
        "fixed_width",
        Shape::Section(fixed_width::KEYS),
        "Where the columns of fixed-width files are. Every file of the source is read so.",
    ),
    Key::of(
        "xml",
        Shape::Section(xml::KEYS),
        "Which elements of XML files are rows. Without it, .xml files are not read.",
    ),
    Key::text(
        "path_columns",
        "Columns from the end of each file's path: `region={region}/year={year:int}/*.csv`. `{name}` is a text, `{name:int}` \
         a whole number, `{name:date}` a date.",
    ),
    shaping::KEY,
];

/// Reads the keys; the defaults for those that are not written.
pub(super) fn read(section: &Section<'_>) -> Option<FileOptions> {
    let records = json_path(section, "records");
    let csv = csv::read(section.field("csv"));
    let fixed_width = optional(section.field("fixed_width"), fixed_width::read);
    let xml = optional(section.field("xml"), xml::read);
    // No suffix says that a file is of fixed width, so the section says it of all.
    let implied = section.has("fixed_width").then_some(FileFormat::FixedWidth);
    let format = section.choice("format");
    check_format(section, format);
    let excel = excel::read(section.field("excel"));
    let archive = archive::read(section.field("archive"));
    let pgp = optional(section.field("pgp"), pgp::read);
    let path_columns = optional(section.field("path_columns"), path_columns::read);
    let shape = shape(section);
    Some(FileOptions {
        format: format.or(implied),
        records,
        archive: archive?,
        pgp: pgp?,
        csv: csv?,
        fixed_width: fixed_width?,
        xml: xml?,
        excel: excel?,
        path_columns: path_columns?,
        shape: shape?,
    })
}

/// Notes a `format:` without the section that its files need, and a section for files of another format.
fn check_format(section: &Section<'_>, format: Option<FileFormat>) {
    let Some(field) = section.field("format") else {
        if let (true, Some(xml)) = (section.has("fixed_width"), section.field("xml")) {
            xml.problem(
                "has no effect beside `fixed_width:`, by which every file of the source is read: remove one of them",
            );
        }
        return;
    };
    for (key, of) in [("fixed_width", FileFormat::FixedWidth), ("xml", FileFormat::Xml)] {
        match (format == Some(of), section.field(key)) {
            (true, None) if !section.wrote(key) => {
                field.problem(format!("needs the key `{key}:` beside it, because nothing in the files says the same"));
            }
            (false, Some(other)) if format.is_some() => {
                other
                    .problem(format!("has no effect on files of the format {}: remove it or `format:`", field.shown()));
            }
            _ => {}
        }
    }
}

/// Reads `shape:` of a source. `Some(None)`: it is not written.
pub(super) fn shape(section: &Section<'_>) -> Option<Option<Arc<Shaping>>> {
    optional(section.field("shape"), |field| shaping::read(field).map(Arc::new))
}

/// `Some(None)`: not written; `None`: written, and wrong.
fn optional<'a, T>(field: Option<&Field<'a>>, read: impl FnOnce(&Field<'a>) -> Option<T>) -> Option<Option<T>> {
    match field {
        Some(field) => read(field).map(Some),
        None => Some(None),
    }
}
