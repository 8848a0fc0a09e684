//! Proposes the keys of `csv:` that files need to be read, or to be read better, with the reasons.

use std::sync::Arc;

use elt_shared::config::{CsvOptions, NumberFormat, Quote, TextEncoding};
use tokio_util::sync::CancellationToken;

use super::profile::{self, Profile};
use super::read::{CsvFix, FileError};
use crate::error::Result;
use crate::input::{Format, InputFile};

/// Number of proposals after which the search ends.
const MOST_PROPOSALS: usize = 5;

/// A key of `csv:` to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// Name of the key in the config: `delimiter`.
    pub key: &'static str,
    /// Its value as YAML on one line.
    pub value: String,
    /// A sentence that says why.
    pub reason: String,
}

/// The keys of `csv:` for some files of one source, and the files as they are read with them.
pub struct Proposal {
    /// What to write; empty when nothing need be written.
    pub keys: Vec<Proposed>,
    /// What the first pass finds with these keys.
    pub profile: Profile,
}

/// Reads files, and reads them again with what their errors and columns propose, as long as fewer of them fail or more columns
/// are numbers. It blocks its thread.
///
/// # Errors
/// When it is stopped.
pub fn propose(files: &[InputFile], stop: &CancellationToken) -> Result<Proposal> {
    let mut csv = files.first().map_or_else(CsvOptions::default, |file| file.options.csv.clone());
    let may_guess = csv.encoding == TextEncoding::Utf8;
    if may_guess {
        csv.encoding = TextEncoding::Guessed;
    }
    let mut keys = Vec::new();
    let mut profile = read(files, &csv, stop)?;
    for _ in 0..MOST_PROPOSALS {
        let Some((fixes, reason)) = next(&profile, &csv) else { break };
        let mut better = csv.clone();
        fixes.iter().for_each(|fix| fix.apply(&mut better));
        let reread = read(files, &better, stop)?;
        if better == csv || failures(&reread) > failures(&profile) {
            break;
        }
        keys.extend(fixes.iter().flat_map(|fix| fix.proposed(&reason)));
        (csv, profile) = (better, reread);
    }
    if may_guess {
        keys.extend(encoding(files, &profile));
    }
    Ok(Proposal { keys, profile })
}

fn read(files: &[InputFile], csv: &CsvOptions, stop: &CancellationToken) -> Result<Profile> {
    let with = |file: &InputFile| {
        let mut file = file.clone();
        Arc::make_mut(&mut file.options).csv = csv.clone();
        file
    };
    profile::profile(&files.iter().map(with).collect::<Vec<_>>(), &[], stop)
}

fn errors(profile: &Profile) -> impl Iterator<Item = &FileError> {
    profile.files.iter().filter_map(|file| file.error.as_ref().or(file.nothing_readable.as_ref()))
}

fn failures(profile: &Profile) -> usize {
    errors(profile).count()
}

/// What to change next, and why. `None`: nothing.
fn next(profile: &Profile, csv: &CsvOptions) -> Option<(Vec<CsvFix>, String)> {
    if let Some(error) = errors(profile).find(|error| !error.fixes.is_empty()) {
        return Some((error.fixes.clone(), error.message.clone()));
    }
    if csv.numbers.is_some() {
        return None;
    }
    let mut formats = profile.columns.iter().filter_map(|column| Some((column, column.number_format()?)));
    let (first, format) = formats.next()?;
    // Columns that need different formats cannot be read with one.
    let agree = formats.all(|(_, other)| other.decimal == format.decimal);
    let thousands = profile.columns.iter().filter_map(|column| column.number_format()?.thousands).next();
    let cell = first.deciding()?;
    let reason = format!("{} has {:?} in {}:{}", first.name, cell.value, cell.file, cell.line);
    agree.then(|| (vec![CsvFix::Numbers(NumberFormat { thousands, ..format })], reason))
}

/// The encoding to write when files are not UTF-8.
fn encoding(files: &[InputFile], profile: &Profile) -> Option<Proposed> {
    let read = profile.files.iter().filter(|file| matches!(files[file.index].format, Format::Csv | Format::Txt));
    let found: Vec<_> = read.filter_map(|file| Some((file, file.summary.dialect.as_ref()?))).collect();
    let (file, first) = found.iter().find(|(_, dialect)| dialect.encoding != "utf-8")?;
    let has_mark = file.summary.warnings.iter().all(|warning| !warning.contains("encoding"));
    if has_mark {
        return None;
    }
    let alike = found.iter().all(|(_, dialect)| dialect.encoding == first.encoding);
    let value = if alike { first.encoding.clone() } else { "auto".to_owned() };
    let name = &files[file.index].name;
    let reason = format!("{name} is not UTF-8, and looks like {}, which is a guess: check its letters", first.encoding);
    Some(Proposed { key: "encoding", value, reason })
}

impl CsvFix {
    fn apply(&self, csv: &mut CsvOptions) {
        match *self {
            Self::SkipRows(lines) => csv.skip_rows = lines,
            Self::Delimiter(delimiter) => csv.delimiter = Some(delimiter),
            Self::Escape(escape) => csv.escape = Some(escape),
            Self::NoQuote => csv.quote = Quote::Never,
            Self::Numbers(numbers) => csv.numbers = Some(numbers),
        }
    }

    /// The keys to write.
    fn proposed(&self, reason: &str) -> Vec<Proposed> {
        let text = |text: &str| if text == "\t" { "tab".to_owned() } else { format!("{text:?}") };
        let byte = |byte: u8| text(&char::from(byte).to_string());
        let keys = match *self {
            Self::SkipRows(lines) => vec![("skip_rows", lines.to_string())],
            Self::Delimiter(delimiter) => vec![("delimiter", byte(delimiter))],
            Self::Escape(escape) => vec![("escape", byte(escape))],
            Self::NoQuote => vec![("quote", "none".to_owned())],
            Self::Numbers(NumberFormat { decimal, thousands }) => {
                let decimal = (decimal != b'.').then(|| ("decimal", byte(decimal)));
                decimal.into_iter().chain(thousands.map(|thousands| ("thousands", text(thousands.shown())))).collect()
            }
        };
        keys.into_iter().map(|(key, value)| Proposed { key, value, reason: reason.to_owned() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::TestFile;

    /// What is proposed for a file, as it would be written.
    fn keys(name: &str, bytes: &[u8]) -> String {
        let file = TestFile::new(name, bytes);
        let proposal = propose(std::slice::from_ref(&file.input), &CancellationToken::new()).expect("nobody stops it");
        assert!(proposal.keys.iter().all(|proposed| !proposed.reason.is_empty()));
        let pairs = proposal.keys.iter().map(|proposed| format!("{}: {}", proposed.key, proposed.value));
        pairs.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_a_file_needs_is_proposed() {
        for (name, bytes, expected) in [
            ("a.csv", &b"id,name\n1,x\n"[..], ""),
            ("a.csv", b"Sales\n\nyear,north\n1990,1\n1991,2\n", "skip_rows: 2"),
            ("a.csv", b"Sales\n\nyear;north\n1990;1,5\n1991;2,5\n", "skip_rows: 2, delimiter: \";\", decimal: \",\""),
            ("a.csv", b"id;price\n1;1.234,50\n2;0,20\n", "delimiter: \";\", decimal: \",\", thousands: \".\""),
            ("a.csv", b"id,price\n1,\"1,234,567\"\n2,\"1,000\"\n", "thousands: \",\""),
            ("a.csv", b"id,note\n1,\"a \\\"b\\\" c\"\n", "escape: \"\\\\\""),
            ("a.txt", b"id|city\n1|K\xF6ln\n", "encoding: windows-1252"),
            ("a.csv", b"\xEF\xBB\xBFid,city\n1,K\xC3\xB6ln\n", ""),
            ("a.json", b"[{\"price\": \"1,5\"}]", ""),
            ("a.csv", b"id,note\n1,\"1,5\"\n2,x\n", ""),
        ] {
            assert_eq!(keys(name, bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
