//! The formats of files: what their bytes hold and how they are compressed, by the suffixes of a name.

use std::sync::LazyLock;

/// The format of a file's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Separated by commas unless the config names another delimiter.
    Csv,
    /// Separated by pipe, tab, `;` or `,`, which is found from the contents.
    Txt,
    /// An array of objects, one object, or NDJSON under the same suffix.
    Json,
    /// One JSON value on each line.
    Ndjson,
    /// No rows, but files that have rows. The extraction puts those into its place.
    Container(Container),
}

/// The kind of a file that holds other files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A zip archive.
    Zip,
    /// A tar archive, whose bytes may be compressed.
    Tar,
    /// One file or archive that is encrypted with OpenPGP.
    Pgp,
}

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

/// The suffixes of files with rows, in the order in which messages list them.
const ROWS: &[(&str, Format)] = &[
    ("csv", Format::Csv),
    ("txt", Format::Txt),
    ("json", Format::Json),
    ("ndjson", Format::Ndjson),
    ("jsonl", Format::Ndjson),
];
/// The suffixes that may follow those of rows and of tar archives.
const COMPRESSIONS: &[(&str, Compression)] =
    &[("gz", Compression::Gzip), ("zst", Compression::Zstd), ("bz2", Compression::Bzip2), ("xz", Compression::Xz)];
/// The suffixes of archives. The first ones are those that messages list.
const ARCHIVES: &[(&str, Container, Compression)] = &[
    ("zip", Container::Zip, Compression::None),
    ("tar", Container::Tar, Compression::None),
    ("tgz", Container::Tar, Compression::Gzip),
    ("tzst", Container::Tar, Compression::Zstd),
    ("tbz2", Container::Tar, Compression::Bzip2),
    ("tbz", Container::Tar, Compression::Bzip2),
    ("txz", Container::Tar, Compression::Xz),
];
/// The suffixes of files that are encrypted with OpenPGP.
const ENCRYPTED: &[&str] = &["pgp", "gpg", "asc"];

/// The suffixes of the files that are read, for a sentence that lists them.
pub static SUFFIXES: LazyLock<String> = LazyLock::new(|| {
    let list = |names: Vec<&str>, word: &str| {
        let dotted: Vec<String> = names.iter().map(|name| format!(".{name}")).collect();
        let (last, others) = dotted.split_last().map(|(last, others)| (last.as_str(), others)).unwrap_or_default();
        format!("{} {word} {last}", others.join(", "))
    };
    let rows = list(ROWS.iter().map(|(name, _)| *name).collect(), "and");
    let compressions = list(COMPRESSIONS.iter().map(|(name, _)| *name).collect(), "or");
    format!("{rows} (also with {compressions}), and .zip, .tar and .pgp files with these")
});

/// The reason why a file with another suffix is left out.
pub static NOT_LOADED: LazyLock<String> =
    LazyLock::new(|| format!("its suffix is not among those that are loaded: {}", SUFFIXES.as_str()));

/// The format and compression of a file, by the suffixes of its name in any case. `None`: elt does not read such files.
pub fn format_of(name: &str) -> Option<(Format, Compression)> {
    let name = name.to_ascii_lowercase();
    if let Some(encrypted) = decrypted_name(&name) {
        return match format_of(encrypted)? {
            (Format::Container(Container::Pgp), _) => None,
            _ => Some((Format::Container(Container::Pgp), Compression::None)),
        };
    }
    let (rest, suffix) = name.rsplit_once('.')?;
    if let Some((_, container, compression)) = ARCHIVES.iter().find(|(known, ..)| *known == suffix) {
        return Some((Format::Container(*container), *compression));
    }
    let packed = COMPRESSIONS.iter().find(|(known, _)| *known == suffix);
    let (suffix, compression) = match packed {
        Some((_, compression)) => (rest.rsplit_once('.')?.1, *compression),
        None => (suffix, Compression::None),
    };
    if suffix == "tar" {
        return Some((Format::Container(Container::Tar), compression));
    }
    ROWS.iter().find(|(known, _)| *known == suffix).map(|(_, format)| (*format, compression))
}

/// The name of a file without the suffix that says it is encrypted. `None`: it has no such suffix.
pub fn decrypted_name(name: &str) -> Option<&str> {
    let (rest, suffix) = name.rsplit_once('.')?;
    ENCRYPTED.iter().any(|known| suffix.eq_ignore_ascii_case(known)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_say_what_a_file_holds_and_how_it_is_compressed() {
        use Compression::{Bzip2, Gzip, None as Plain, Xz, Zstd};
        let container = Format::Container;
        for (name, expected) in [
            ("a.csv", Some((Format::Csv, Plain))),
            ("in/A.TXT.BZ2", Some((Format::Txt, Bzip2))),
            ("a.b.jsonl.xz", Some((Format::Ndjson, Xz))),
            ("a.zip", Some((container(Container::Zip), Plain))),
            ("a.tar", Some((container(Container::Tar), Plain))),
            ("a.tar.gz", Some((container(Container::Tar), Gzip))),
            ("a.TGZ", Some((container(Container::Tar), Gzip))),
            ("a.tar.zst", Some((container(Container::Tar), Zstd))),
            ("a.tbz", Some((container(Container::Tar), Bzip2))),
            ("a.csv.gz.pgp", Some((container(Container::Pgp), Plain))),
            ("a.zip.GPG", Some((container(Container::Pgp), Plain))),
            ("a.csv.asc", Some((container(Container::Pgp), Plain))),
            ("a.csv.asc.pgp", None),
            ("a.pdf.pgp", None),
            ("a.zip.gz", None),
            ("a.gz", None),
            ("csv.gz", None),
            ("zip", None),
            ("", None),
        ] {
            assert_eq!(format_of(name), expected, "{name}");
        }
    }

    #[test]
    fn the_suffixes_are_listed_once_for_all_messages() {
        let expected = ".csv, .txt, .json, .ndjson and .jsonl (also with .gz, .zst, .bz2 or .xz), and .zip, .tar and .pgp \
                        files with these";
        assert_eq!(SUFFIXES.as_str(), expected);
        assert!(NOT_LOADED.ends_with(expected), "{}", *NOT_LOADED);
    }
}
