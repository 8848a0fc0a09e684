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

/// The suffixes of each compression, which come last in a name.
const COMPRESSIONS: &[(&str, Compression)] = &[("gz", Compression::Gzip), ("zst", Compression::Zstd)];

/// The format and compression of a file, by the config and by the suffixes of its name in any case. `None`: elt does not read
/// such files.
pub fn format_of(name: &str, options: &FileOptions) -> Option<(Format, Compression)> {
    let name = name.to_ascii_lowercase();
    let name = name.rsplit_once('/').map_or(name.as_str(), |(_, last)| last);
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, suffix)) => match named(COMPRESSIONS, suffix) {
            Some(compression) => (stem, compression),
            None => (name, Compression::None),
        },
        None => (name, Compression::None),
    };
    if let Some(format) = options.format {
        return Some((format, compression));
    }
    Some((named(FORMATS, stem.rsplit_once('.')?.1)?, compression))
}

/// The reason why a file is left out that has another suffix than those of the formats.
pub fn other_suffix() -> String {
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
    fn messages_name_every_suffix() {
        assert_eq!(
            nameable(),
            ".csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls or .ods file (also .gz or .zst)"
        );
        assert_eq!(
            other_suffix(),
            "its suffix is not loaded: only .csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls and .ods are, also \
             .gz or .zst"
        );
    }
}
