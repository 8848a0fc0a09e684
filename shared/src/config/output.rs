//! `output_csv_path` and `output:`: the file with all rows of a run.

use std::path::{Path, PathBuf};

use super::keys::{Choice, Key};
use super::section::Section;

/// The file with all rows of a run, the combined output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutputConfig {
    /// Where it goes; `None`: `<data dir>/output/<name>-<config id>.csv`, or the suffix of its format.
    pub path: Option<PathBuf>,
    /// Format of the written file.
    pub format: OutputFormat,
    /// How its bytes are compressed; in Parquet, those of its pages.
    pub compression: OutputCompression,
}

/// The format of an output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputFormat {
    /// Commas between cells, with a header.
    #[default]
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object on each line.
    Ndjson,
}

/// The compression of an output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputCompression {
    /// The bytes are not compressed.
    #[default]
    None,
    /// gzip.
    Gz,
    /// Zstandard.
    Zst,
}

impl Choice for OutputFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("csv", Self::Csv), ("parquet", Self::Parquet), ("ndjson", Self::Ndjson)];
}

impl Choice for OutputCompression {
    const WORDS: &'static [(&'static str, Self)] = &[("none", Self::None), ("gz", Self::Gz), ("zst", Self::Zst)];
}

pub(super) const KEYS: &[Key] = &[
    Key::text("csv_path", "Where the combined CSV goes; the same as `output_csv_path`."),
    Key::text("path", "Where the file with all rows of a run goes. Its suffix must be that of its format."),
    Key::choice::<OutputFormat>("format", "Format of that file. Default: by the suffix of `path`, else `csv`."),
    Key::choice::<OutputCompression>(
        "compression",
        "Compression of that file; in Parquet, of its pages. Default: by the suffix of `path`; `zst` in Parquet.",
    ),
];

impl OutputConfig {
    /// The suffix that the file's name has: `csv`, `csv.gz`, `parquet`, ….
    pub fn suffix(&self) -> &'static str {
        suffix(self.format, self.compression)
    }

    /// Whether the name of a file has the suffix, in any case.
    pub fn fits(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.strip_suffix(self.suffix()).is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
    }
}

fn suffix(format: OutputFormat, compression: OutputCompression) -> &'static str {
    use OutputCompression::{Gz, None, Zst};
    match (format, compression) {
        (OutputFormat::Parquet, _) => "parquet",
        (OutputFormat::Csv, None) => "csv",
        (OutputFormat::Csv, Gz) => "csv.gz",
        (OutputFormat::Csv, Zst) => "csv.zst",
        (OutputFormat::Ndjson, None) => "ndjson",
        (OutputFormat::Ndjson, Gz) => "ndjson.gz",
        (OutputFormat::Ndjson, Zst) => "ndjson.zst",
    }
}

/// Whether a file's name is one that an output file may have.
pub fn is_output_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let all = OutputFormat::WORDS.iter().flat_map(|(_, format)| {
        OutputCompression::WORDS.iter().map(move |(_, compression)| suffix(*format, *compression))
    });
    all.into_iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|stem| stem.len() > 1 && stem.ends_with('.')))
}

/// Reads `output_csv_path` and `output:`.
pub(super) fn read(root: &Section<'_>) -> OutputConfig {
    let output = root.field("output").and_then(|field| field.section(KEYS));
    let nested = output.as_ref().and_then(|output| output.field("csv_path"));
    let flat = root.field("output_csv_path");
    if let (Some(_), Some(field)) = (flat, nested) {
        field.problem("the same thing is written at output_csv_path already");
    }
    let csv = flat.or(nested);
    let place = output.as_ref().and_then(|output| output.field("path"));
    if let (Some(_), Some(field)) = (csv, place) {
        field.problem("the combined CSV has a path already: write one of them");
    }
    let path = |field: &super::field::Field<'_>| {
        let path = field.without_secrets()?.text()?;
        (!path.trim().is_empty()).then(|| PathBuf::from(path))
    };
    let choices = output.as_ref();
    let format = choices.and_then(|output| output.choice("format"));
    let compression = choices.and_then(|output| output.choice("compression"));
    if let Some(csv) = csv {
        let other = format.is_some_and(|format| format != OutputFormat::Csv);
        if (other || compression.is_some_and(|compression| compression != OutputCompression::None))
            && let Some(field) = root.field("output")
        {
            field.problem("a combined CSV is neither of another format nor compressed: write output.path instead");
        }
        return OutputConfig { path: path(csv), ..OutputConfig::default() };
    }
    let written = place.and_then(path);
    let (found_format, found_compression) = written.as_deref().and_then(of_path).unwrap_or_default();
    let format = format.unwrap_or(found_format);
    let usual = if format == OutputFormat::Parquet { OutputCompression::Zst } else { found_compression };
    let output = OutputConfig { path: written, format, compression: compression.unwrap_or(usual) };
    if let (Some(path), Some(field)) = (&output.path, place)
        && !output.fits(path)
    {
        field.problem(format!("expected a path that ends in .{}, the suffix of its format", output.suffix()));
    }
    output
}

/// The format and compression that a path's suffix names.
fn of_path(path: &Path) -> Option<(OutputFormat, OutputCompression)> {
    let all = OutputFormat::WORDS
        .iter()
        .flat_map(|(_, format)| OutputCompression::WORDS.iter().map(move |(_, compression)| (*format, *compression)));
    all.into_iter().find(|&(format, compression)| OutputConfig { path: None, format, compression }.fits(path))
}
