//! The fields of elt's own columns that say where a row came from.

use elt_shared::config::Provenance;

use super::binary;
use crate::input::InputFile;

/// What is known about the origin of the rows of each file.
#[derive(Debug, Default)]
pub struct Origins {
    columns: Vec<Provenance>,
    /// Name and time of the last change of each file, by its index among the run's files.
    files: Vec<(String, Option<i64>)>,
}

impl Origins {
    /// The origins in the files of a pass. With `ascii` other characters of their names are written as `\u{e4}`, for
    /// databases whose encoding lacks some characters.
    pub fn new<'f>(
        columns: Vec<Provenance>,
        files: impl IntoIterator<Item = (usize, &'f InputFile)>,
        ascii: bool,
    ) -> Self {
        let mut origins = Self { columns, files: Vec::new() };
        if origins.columns.is_empty() {
            return origins;
        }
        for (place, file) in files {
            origins.files.resize(origins.files.len().max(place + 1), (String::new(), None));
            // PostgreSQL cannot keep a NUL.
            let name = file.name.replace('\0', "\u{FFFD}");
            let name = if ascii { in_ascii(&name) } else { name };
            origins.files[place] = (name, file.modified);
        }
        origins
    }

    /// Number of fields for each row.
    pub fn fields(&self) -> usize {
        self.columns.len()
    }

    /// Appends the fields of a row that starts at a line of a file.
    #[inline]
    pub fn append(&self, file: usize, line: u64, out: &mut Vec<u8>) {
        for column in &self.columns {
            match column {
                Provenance::File => binary::bytes(self.files[file].0.as_bytes(), out),
                Provenance::Row => binary::bigint(i64::try_from(line).unwrap_or(i64::MAX), out),
                Provenance::Modified => match self.files[file].1 {
                    Some(micros) => binary::timestamptz(micros, out),
                    None => binary::null(out),
                },
            }
        }
    }
}

fn in_ascii(name: &str) -> String {
    let shown = |c: char| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() };
    name.chars().map(shown).collect()
}
