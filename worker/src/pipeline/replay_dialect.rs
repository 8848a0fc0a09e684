//! The way in which the cells of rejected rows are read when they are replayed: as the config says now for the source that
//! their file belongs to.
//!
//! The quarantine has the name of the file and not its source, which may have moved within the config since. The source is
//! found by the beginning of the name, and only where sources differ in how they read cells.

use std::path::Path;

use elt_shared::config::{CsvOptions, FileOptions, SourceConfig};
use elt_shared::explained::{Code, Explained};

use crate::error::{PipelineError, Result};
use crate::extract::inbox;
use crate::input::{Format, format_of};

/// The end of the name of a file with the rejected rows of another.
pub const REJECTED_ROWS: &str = " (rejected rows)";

/// The options by which the CSV with the rejected rows of the file `name` is read, which elt has written itself.
///
/// # Errors
/// When sources differ in how they read cells, and the file may belong to more than one of them.
pub fn options(sources: &[SourceConfig], name: &str, base: &Path) -> Result<CsvOptions> {
    if is_json(sources, name) {
        return Ok(CsvOptions::default());
    }
    let readings: Vec<_> = sources
        .iter()
        .filter_map(|source| {
            let meaning = meaning(source.files()?, name);
            Some((longest(&beginnings(source, base), name), meaning))
        })
        .collect();
    let nearest = readings.iter().filter_map(|(length, _)| *length).max();
    let alike = |all: Vec<&CsvOptions>| match all.as_slice() {
        [] => Some(CsvOptions::default()),
        [first, others @ ..] => others.iter().all(|other| other == first).then(|| (*first).clone()),
    };
    alike(readings.iter().map(|(_, meaning)| meaning).collect())
        .or_else(|| {
            let near = readings.iter().filter(|(length, _)| nearest.is_some() && *length == nearest);
            alike(near.map(|(_, meaning)| meaning).collect()).filter(|_| nearest.is_some())
        })
        .ok_or_else(|| {
            PipelineError::Extract(Explained {
                code: Code::SourceConfig,
                message: format!(
                    "the sources read numbers or missing values in different ways, and the rejected rows of {name} may be of \
                     more than one of them"
                ),
                next_step: "Correct the rows in the file and run the pipeline, or replay with a config that has only \
                            their source."
                    .into(),
            })
        })
}

/// Whether a file certainly was not delimited text. The cells do not show it once they were replayed.
fn is_json(sources: &[SourceConfig], name: &str) -> bool {
    let name = name.trim_end_matches(REJECTED_ROWS);
    let is_answer = name.starts_with("http://") || name.starts_with("https://");
    let has_files_there = sources.iter().any(|source| matches!(source, SourceConfig::Http(_)));
    matches!(format_of(name, &FileOptions::default()), Some((Format::Json | Format::Ndjson, _)))
        || (is_answer && !has_files_there)
}

/// The options that decide what the text of a cell means in the file of this name. How cells are separated does not matter in a
/// file of elt's own.
fn meaning(files: &FileOptions, name: &str) -> CsvOptions {
    let format = format_in(files, name).unwrap_or(Format::Csv);
    let numbers = files.csv.numbers.filter(|_| matches!(format, Format::Csv | Format::Txt));
    let null_values = files.null_values(format).map(<[String]>::to_vec);
    CsvOptions { numbers, null_values, ..CsvOptions::default() }
}

/// The format of the file of this name, which may be a sheet of a workbook or an entry of an archive. `None`: its name does not
/// show it.
fn format_in(files: &FileOptions, name: &str) -> Option<Format> {
    let name = name.trim_end_matches(REJECTED_ROWS);
    let format = |name: &str| format_of(name, files).map(|(format, _)| format);
    let Some((outer, inner)) = name.rsplit_once('!') else { return format(name) };
    match format(outer) {
        Some(Format::Workbook) => Some(Format::Workbook),
        _ => format(inner),
    }
}

/// Length of the longest of the beginnings that a name has.
fn longest(beginnings: &[String], name: &str) -> Option<usize> {
    beginnings.iter().filter(|beginning| name.starts_with(beginning.as_str())).map(String::len).max()
}

/// The texts that the names of a source's files begin with.
fn beginnings(source: &SourceConfig, base: &Path) -> Vec<String> {
    match source {
        SourceConfig::Local(local) => {
            let path = Path::new(&local.path);
            let path = path.strip_prefix(base).or_else(|_| path.strip_prefix(".")).unwrap_or(path);
            vec![literal(&path.to_string_lossy()).to_owned()]
        }
        SourceConfig::Sftp(sftp) => vec![
            format!("sftp://{}{}", sftp.server.host, literal(&sftp.path)),
            format!("sftp://{}:{}{}", sftp.server.host, sftp.server.port, literal(&sftp.path)),
        ],
        SourceConfig::Ftp(ftp) => ["ftp", "ftps"].iter().map(|scheme| format!("{scheme}://{}", ftp.host)).collect(),
        SourceConfig::S3(s3) => vec![literal(&s3.url.to_string()).to_owned()],
        SourceConfig::Http(http) => http.address().split(' ').map(str::to_owned).collect(),
        SourceConfig::Inbox(_) => vec![inbox::SHOWN.to_owned()],
        SourceConfig::Api(_) => Vec::new(),
    }
}

/// The part of a path before its first wildcard.
fn literal(path: &str) -> &str {
    path.find(['*', '?', '[', '{']).map_or(path, |end| &path[..end])
}

#[cfg(test)]
mod tests {
    use elt_shared::config::{Document, NoReferences, Thousands};

    use super::*;

    fn thousands(sources: &str, name: &str) -> Option<Option<Thousands>> {
        let yaml = format!("sources: [{sources}]\ntarget: {{table: t}}\n");
        let config = Document::parse(&yaml).unwrap().pipeline(&NoReferences).unwrap().value;
        let csv = options(&config.sources, name, Path::new("/base")).ok()?;
        Some(csv.numbers.and_then(|numbers| numbers.thousands))
    }

    #[test]
    fn a_file_is_read_as_its_source_says() {
        let german = "{type: local, path: de, csv: {decimal: \",\", thousands: \".\"}}";
        let xml = "{type: local, path: de, xml: {records: /a/b}, csv: {decimal: \",\", thousands: \".\"}}";
        let fixed = "{type: local, path: de, fixed_width: {widths: [5]}, csv: {decimal: \",\", thousands: \".\"}}";
        let english = "{type: local, path: \"/base/de/en/*.csv\", csv: {thousands: \",\"}}";
        let plain = "{type: sftp, host: h, username: u, password: p, path: /out}";
        let api = "{type: api, url: \"https://h/rows\"}";
        let (point, comma) = (Some(Some(Thousands::Point)), Some(Some(Thousands::Comma)));
        for (sources, name, expected) in [
            (vec![german], "de/a.csv", point),
            (vec![german], "elsewhere/a.csv", point),
            (vec![german, api], "de/a.csv", point),
            (vec![german, api], "https://h/rows", Some(None)),
            (vec![german], "de/a.json", Some(None)),
            (vec![german], "de/a.json (rejected rows)", Some(None)),
            (vec![german], "de/box.zip!a.csv", point),
            (vec![german], "de/a.xlsx!Jan.csv", Some(None)),
            (vec![german], "de/box.zip!a.xlsx!Jan (rejected rows)", Some(None)),
            (vec![xml], "de/a.xml", Some(None)),
            (vec![xml], "de/a.csv", point),
            (vec![fixed], "de/a.dat", Some(None)),
            (vec![german, plain], "sftp://h/out/a.csv", Some(None)),
            (vec![german, plain], "de/a.csv (rejected rows)", point),
            (vec![german, english], "de/a.csv", point),
            (vec![german, english], "de/en/a.csv", comma),
            (vec![german, english], "elsewhere/a.csv", None),
            (vec![api], "https://h/rows", Some(None)),
        ] {
            assert_eq!(thousands(&sources.join(", "), name), expected, "{sources:?} {name}");
        }
    }
}
