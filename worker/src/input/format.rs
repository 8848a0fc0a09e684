//! The formats of files: how bytes are compressed and what they hold, by the suffixes of a name.

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
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC: a file (Feather V2) or a stream.
    Arrow,
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
}

/// The format and compression of a file, by the suffixes of its name in any case. `None`: elt does not read such files.
pub fn format_of(name: &str) -> Option<(Format, Compression)> {
    let name = name.to_ascii_lowercase();
    let (name, compression) = match name.rsplit_once('.') {
        Some((rest, "gz")) => (rest, Compression::Gzip),
        Some((rest, "zst")) => (rest, Compression::Zstd),
        _ => (name.as_str(), Compression::None),
    };
    let format = match name.rsplit_once('.')?.1 {
        "csv" => Format::Csv,
        "txt" => Format::Txt,
        "json" => Format::Json,
        "ndjson" | "jsonl" => Format::Ndjson,
        "parquet" | "pq" => Format::Parquet,
        "arrow" | "arrows" | "feather" | "ipc" => Format::Arrow,
        _ => return None,
    };
    Some((format, compression))
}
