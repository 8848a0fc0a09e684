//! The formats of files: how bytes are compressed and what they hold, by the suffixes of a name.

pub use elt_shared::config::FileFormat as Format;
use elt_shared::config::{FileContainer as Container, FileOptions};

/// The compression of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// The bytes are not compressed.
    None,
    /// The bytes are compressed with gzip.
    Gzip,
    /// The bytes are compressed with Zstandard.
    Zstd,
    /// The bytes are compressed with bzip2.
    Bzip2,
    /// The bytes are compressed with LZMA2 in an xz container.
    Xz,
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
    ("parquet", Format::Parquet),
    ("pq", Format::Parquet),
    ("arrow", Format::Arrow),
    ("arrows", Format::Arrow),
    ("feather", Format::Arrow),
    ("ipc", Format::Arrow),
];

/// Suffixes of files that are read only if the config says more about them, and that are skipped otherwise.
const FORMATS_WITH_OPTIONS: &[(&str, Format)] = &[("xml", Format::Xml)];

/// The suffixes of each compression, which come last in a name.
const COMPRESSIONS: &[(&str, Compression)] =
    &[("gz", Compression::Gzip), ("zst", Compression::Zstd), ("bz2", Compression::Bzip2), ("xz", Compression::Xz)];

/// The suffixes of archives. A `.tar` may be compressed, too.
const ARCHIVES: &[(&str, (Container, Compression))] = &[
    ("zip", (Container::Zip, Compression::None)),
    ("tgz", (Container::Tar, Compression::Gzip)),
    ("tzst", (Container::Tar, Compression::Zstd)),
    ("tbz2", (Container::Tar, Compression::Bzip2)),
    ("tbz", (Container::Tar, Compression::Bzip2)),
    ("txz", (Container::Tar, Compression::Xz)),
];

/// The suffixes of files that are encrypted with OpenPGP.
const ENCRYPTED: &[(&str, ())] = &[("pgp", ()), ("gpg", ()), ("asc", ())];

/// The format and compression of a file, by the config and by the suffixes of its name in any case. `None`: elt does not read
/// such files. An archive or encrypted file is one whatever the config says, which then counts for the files in it.
pub fn format_of(name: &str, options: &FileOptions) -> Option<(Format, Compression)> {
    match decrypted_name(name) {
        None => plain_format(name, options),
        // A file that is encrypted twice is not read. The name of a server may have any number of these suffixes, so that
        // they are not followed one by one.
        Some(inner) if decrypted_name(inner).is_some() => None,
        Some(inner) => plain_format(inner, options).map(|_| (Format::Container(Container::Pgp), Compression::None)),
    }
}

/// The format and compression of a file that is not encrypted.
fn plain_format(name: &str, options: &FileOptions) -> Option<(Format, Compression)> {
    let (suffix, compression) = match suffixes(name) {
        Suffixes::Archive(archive, compression) => return Some((Format::Container(archive), compression)),
        Suffixes::File(suffix, compression) => (suffix, compression),
    };
    if let Some(format) = options.format {
        return Some((format, compression));
    }
    let with_options = || named(FORMATS_WITH_OPTIONS, &suffix).filter(|format| has_options(*format, options));
    Some((named(FORMATS, &suffix).or_else(with_options)?, compression))
}

/// What the suffixes of a name say.
enum Suffixes {
    /// It is an archive.
    Archive(Container, Compression),
    /// The suffix before that of the compression, in lower case and empty if there is none.
    File(String, Compression),
}

fn suffixes(name: &str) -> Suffixes {
    let name = name.to_ascii_lowercase();
    let name = name.rsplit_once('/').map_or(name.as_str(), |(_, last)| last);
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, suffix)) => match (named(COMPRESSIONS, suffix), named(ARCHIVES, suffix)) {
            (Some(compression), _) => (stem, compression),
            (None, Some((archive, compression))) => return Suffixes::Archive(archive, compression),
            (None, None) => (name, Compression::None),
        },
        None => (name, Compression::None),
    };
    match stem.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "tar" => Suffixes::Archive(Container::Tar, compression),
        suffix => Suffixes::File(suffix.to_owned(), compression),
    }
}

/// Whether the config says how files of a format are read that cannot be read without.
fn has_options(format: Format, options: &FileOptions) -> bool {
    match format {
        Format::Xml => options.xml.is_some(),
        Format::FixedWidth => options.fixed_width.is_some(),
        _ => true,
    }
}

/// The name of a file without the suffix that says it is encrypted. `None`: it has no such suffix.
pub fn decrypted_name(name: &str) -> Option<&str> {
    let (rest, suffix) = name.rsplit_once('.')?;
    named(ENCRYPTED, &suffix.to_ascii_lowercase()).map(|()| rest)
}

/// The name of a file without its folders and without the suffixes that elt knows: `orders.2026` for `in/orders.2026.csv.gz`.
pub fn stem(name: &str) -> &str {
    let mut stem = name.rsplit_once('/').map_or(name, |(_, last)| last);
    let is_known = |suffix: &str| {
        named(FORMATS, suffix).or_else(|| named(FORMATS_WITH_OPTIONS, suffix)).is_some()
            || named(COMPRESSIONS, suffix).is_some()
            || named(ARCHIVES, suffix).is_some()
            || named(ENCRYPTED, suffix).is_some()
            || suffix == "tar"
    };
    while let Some((before, suffix)) = stem.rsplit_once('.') {
        if before.is_empty() || !is_known(&suffix.to_ascii_lowercase()) {
            break;
        }
        stem = before;
    }
    stem
}

/// The reason why a file is left out whose suffix is not one of a format that is read.
pub fn other_suffix(name: &str) -> String {
    if let Suffixes::File(suffix, _) = suffixes(name)
        && named(FORMATS_WITH_OPTIONS, &suffix) == Some(Format::Xml)
    {
        return "it is an XML file, which is loaded with `xml: {records: /path/of/rows}`; `elt init FILE` proposes the path"
            .to_owned();
    }
    let (formats, compressions) = (listed(FORMATS, "and"), listed(COMPRESSIONS, "or"));
    format!("its suffix is not loaded: only {formats} are, also {compressions}, and .zip, .tar and .pgp with them")
}

/// The files that a source may name: `.csv, .txt, .json, .ndjson or .jsonl file (also .gz or .zst)`.
pub fn nameable() -> String {
    let (formats, compressions) = (listed(FORMATS, "or"), listed(COMPRESSIONS, "or"));
    format!("{formats} file (also {compressions}), or a .zip, .tar or .pgp file with them")
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
            ("in/A.TXT.BZ2", Some((Format::Txt, Compression::Bzip2))),
            ("a.b.jsonl.xz", Some((Format::Ndjson, Compression::Xz))),
            ("a.zip", Some((Format::Container(Container::Zip), Compression::None))),
            ("a.tar", Some((Format::Container(Container::Tar), Compression::None))),
            ("a.tar.gz", Some((Format::Container(Container::Tar), Compression::Gzip))),
            ("a.TGZ", Some((Format::Container(Container::Tar), Compression::Gzip))),
            ("a.tar.zst", Some((Format::Container(Container::Tar), Compression::Zstd))),
            ("a.tbz", Some((Format::Container(Container::Tar), Compression::Bzip2))),
            ("a.csv.gz.pgp", Some((Format::Container(Container::Pgp), Compression::None))),
            ("a.zip.GPG", Some((Format::Container(Container::Pgp), Compression::None))),
            ("a.xlsx.asc", Some((Format::Container(Container::Pgp), Compression::None))),
            ("a.csv.asc.pgp", None),
            ("a.pdf.pgp", None),
            ("a.zip.gz", None),
            ("x.rar", None),
            ("zip", None),
            ("csv", None),
            ("x.gz", None),
            ("in.csv/data", None),
            ("in.gz/data", None),
        ] {
            assert_eq!(found(name, None), expected, "{name}");
        }
    }

    #[test]
    fn a_name_with_very_many_suffixes_takes_no_more_of_the_stack() {
        for suffix in [".gpg", ".gz", ".zip", "."] {
            let name = format!("a.csv{}", suffix.repeat(1 << 20));
            for format in [None, Some(Format::Csv)] {
                assert!(!matches!(found(&name, format), Some((Format::Container(Container::Pgp), _))), "{suffix}");
            }
        }
    }

    #[test]
    fn a_stem_has_no_suffix_that_elt_knows() {
        for (name, expected) in [
            ("in/orders.2026.csv.gz", "orders.2026"),
            ("A.CSV.GZ.PGP", "A"),
            ("box.tar.gz", "box"),
            ("export.dat", "export.dat"),
            ("orders", "orders"),
            (".csv", ".csv"),
            ("in.csv/a.xlsx", "a"),
            ("https://h/x/y.ndjson", "y"),
        ] {
            assert_eq!(stem(name), expected, "{name}");
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
        let (zip, pgp) = (Format::Container(Container::Zip), Format::Container(Container::Pgp));
        assert_eq!(found("data.zip", Some(Format::Csv)), Some((zip, Compression::None)), "for the files in it");
        assert_eq!(found("data.pgp", Some(Format::Csv)), Some((pgp, Compression::None)), "for the file in it");
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
            ".csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls, .ods, .parquet, .pq, .arrow, .arrows, .feather \
             or .ipc file (also .gz, .zst, .bz2 or .xz), or a .zip, .tar or .pgp file with them"
        );
        assert_eq!(
            other_suffix("readme.md"),
            "its suffix is not loaded: only .csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls, .ods, .parquet, \
             .pq, .arrow, .arrows, .feather and .ipc are, also .gz, .zst, .bz2 or .xz, and .zip, .tar and .pgp with them"
        );
        assert!(other_suffix("in/A.XML.gz").contains("xml: {records:"));
        assert!(!other_suffix("in.xml/a").contains("records"));
    }
}
