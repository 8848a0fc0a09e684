//! The formats of files: how bytes are compressed and what they hold, by the suffixes of a name.

pub use elt_shared::config::FileFormat as Format;
use elt_shared::config::FileOptions;

/// The compression of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// The bytes are not compressed.
    None,
    /// The bytes are compressed with gzip.
    Gzip,
    /// The bytes are compressed with Zstandard.
    Zstd,
}

/// The suffixes of each format.
const FORMATS: &[(&str, Format)] = &[
    ("csv", Format::Csv),
    ("txt", Format::Txt),
    ("json", Format::Json),
    ("ndjson", Format::Ndjson),
    ("jsonl", Format::Ndjson),
    ("xlsx", Format::Workbook),
    ("xlsm", Format::Workbook),
    ("xlsb", Format::Workbook),
    ("xls", Format::Workbook),
    ("ods", Format::Workbook),
];

/// Suffixes of files that are read only if the config says more about them, and that are skipped otherwise.
const FORMATS_WITH_OPTIONS: &[(&str, Format)] = &[("xml", Format::Xml)];

/// The suffixes of each compression, which come last in a name.
const COMPRESSIONS: &[(&str, Compression)] = &[("gz", Compression::Gzip), ("zst", Compression::Zstd)];

/// The format and compression of a file, by the config and by the suffixes of its name in any case. `None`: elt does not read
/// such files.
pub fn format_of(name: &str, options: &FileOptions) -> Option<(Format, Compression)> {
    let (suffix, compression) = suffixes(name);
    if let Some(format) = options.format {
        return Some((format, compression));
    }
    let with_options = || named(FORMATS_WITH_OPTIONS, &suffix).filter(|format| has_options(*format, options));
    Some((named(FORMATS, &suffix).or_else(with_options)?, compression))
}

/// The suffix of a name before that of its compression, in lower case and empty if it has none, and the compression.
fn suffixes(name: &str) -> (String, Compression) {
    let name = name.to_ascii_lowercase();
    let name = name.rsplit_once('/').map_or(name.as_str(), |(_, last)| last);
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, suffix)) => match named(COMPRESSIONS, suffix) {
            Some(compression) => (stem, compression),
            None => (name, Compression::None),
        },
        None => (name, Compression::None),
    };
    (stem.rsplit_once('.').map_or("", |(_, suffix)| suffix).to_owned(), compression)
}

/// Whether the config says how files of a format are read that cannot be read without.
fn has_options(format: Format, options: &FileOptions) -> bool {
    match format {
        Format::Xml => options.xml.is_some(),
        Format::FixedWidth => options.fixed_width.is_some(),
        _ => true,
    }
}

/// The reason why a file is left out whose suffix is not one of a format that is read.
pub fn other_suffix(name: &str) -> String {
    if named(FORMATS_WITH_OPTIONS, &suffixes(name).0) == Some(Format::Xml) {
        return "it is an XML file, which is loaded with `xml: {records: /path/of/rows}`; `elt init FILE` proposes the path"
            .to_owned();
    }
    format!("its suffix is not loaded: only {} are, also {}", listed(FORMATS, "and"), listed(COMPRESSIONS, "or"))
}

/// The files that a source may name: `.csv, .txt, .json, .ndjson or .jsonl file (also .gz or .zst)`.
pub fn nameable() -> String {
    format!("{} file (also {})", listed(FORMATS, "or"), listed(COMPRESSIONS, "or"))
}

fn named<T: Copy>(table: &[(&str, T)], suffix: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == suffix).map(|(_, value)| *value)
}

/// `.gz or .zst`.
fn listed<T>(table: &[(&str, T)], last: &str) -> String {
    let suffixes: Vec<String> = table.iter().map(|(suffix, _)| format!(".{suffix}")).collect();
    match suffixes.split_last() {
        Some((end, others)) if !others.is_empty() => format!("{} {last} {end}", others.join(", ")),
        _ => suffixes.concat(),
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::config::XmlOptions;

    use super::*;

    fn found(name: &str, format: Option<Format>) -> Option<(Format, Compression)> {
        format_of(name, &FileOptions { format, ..FileOptions::default() })
    }

    #[test]
    fn suffixes_say_what_a_file_is() {
        for (name, expected) in [
            ("in/A.CSV.GZ", Some((Format::Csv, Compression::Gzip))),
            ("a.jsonl.zst", Some((Format::Ndjson, Compression::Zstd))),
            ("x.tar", None),
            ("csv", None),
            ("x.gz", None),
            ("in.csv/data", None),
            ("in.gz/data", None),
        ] {
            assert_eq!(found(name, None), expected, "{name}");
        }
    }

    #[test]
    fn the_config_says_it_for_every_suffix() {
        for (name, compression) in [
            ("export.dat", Compression::None),
            ("data", Compression::None),
            ("lies.json", Compression::None),
            ("data.GZ", Compression::Gzip),
            ("export.dat.zst", Compression::Zstd),
            ("in.gz/data", Compression::None),
        ] {
            assert_eq!(found(name, Some(Format::Csv)), Some((Format::Csv, compression)), "{name}");
        }
    }

    #[test]
    fn xml_is_read_when_the_config_says_what_its_rows_are() {
        assert_eq!(found("a.xml.gz", None), None);
        let options = FileOptions { xml: Some(XmlOptions::default()), ..FileOptions::default() };
        assert_eq!(format_of("a.XML.gz", &options), Some((Format::Xml, Compression::Gzip)));
        assert_eq!(format_of("a.csv", &options), Some((Format::Csv, Compression::None)));
    }

    #[test]
    fn messages_name_every_suffix() {
        assert_eq!(
            nameable(),
            ".csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls or .ods file (also .gz or .zst)"
        );
        assert_eq!(
            other_suffix("a.pdf"),
            "its suffix is not loaded: only .csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls and .ods are, also \
             .gz or .zst"
        );
        assert!(other_suffix("in/A.XML.gz").contains("xml: {records:"));
        assert!(!other_suffix("in.xml/a").contains("records"));
    }
}
