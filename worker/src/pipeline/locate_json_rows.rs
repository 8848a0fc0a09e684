//! Finds the place of the rows in a run's JSON documents when the config does not name it: the place that an earlier
//! run found, else the one that the documents of this run show. It is decided for a whole source, before a row is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use elt_shared::config::{PipelineConfig, SourceConfig};
use elt_shared::explained::{Code, Explained};
use elt_shared::redaction;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{PipelineError, Result};
use crate::extract::{Extracted, http};
use crate::frame::json::row_search::{Document, Members, Rows, examine, path_text};
use crate::input::{Format, InputFile};
use crate::load::records_path::RecordsPath;

/// The place that is stored for an API whose answers are arrays.
const ARRAY: &str = "$[*]";
/// The place that is stored for a source whose objects are rows.
const OBJECT: &str = "$";
/// Longest identity that is stored as it is, in bytes, because the size of an index entry is limited.
const MAX_IDENTITY_BYTES: usize = 1_000;

/// The result of the search.
#[derive(Debug, Default)]
pub struct Located {
    /// Places that no earlier run had found.
    pub found: Vec<RecordsPath>,
    /// Sentences for the report.
    pub warnings: Vec<String>,
}

/// Sets `records` of every file whose rows are in an object. A file whose rows cannot be found is left as it is,
/// because reading it fails with an error that names the `records:` to write.
///
/// # Errors
/// When the answer of an API is not built as it was; [`PipelineError::Stopped`].
pub async fn locate(
    mut extracted: Extracted,
    config: &PipelineConfig,
    base: &Path,
    kept: HashMap<String, String>,
    stop: &CancellationToken,
) -> Result<(Extracted, Located)> {
    let sources = sources_of(config, base, &kept);
    if !extracted.files.iter().any(is_undecided) {
        return Ok((extracted, Located::default()));
    }
    let stop = stop.clone();
    tokio::task::spawn_blocking(move || {
        let mut located = Located::default();
        for (index, source) in sources.into_iter().enumerate() {
            source.locate(index, &mut extracted, &mut located, &stop)?;
        }
        Ok((extracted, located))
    })
    .await
    .map_err(|error| PipelineError::Internal(format!("looking for the rows of JSON files: {error}")))?
}

/// The config's sources with what an earlier run found of each.
fn sources_of(config: &PipelineConfig, base: &Path, kept: &HashMap<String, String>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for source in &config.sources {
        let identity = identity(source, base);
        // Sources of one place differ by their order: they may ask one address for different things.
        let alike = sources.iter().filter(|other| other.identity == identity || other.is_another(&identity)).count();
        let identity = if alike == 0 { identity } else { format!("{identity} #{}", alike + 1) };
        let (kept, is_api) = (kept.get(&identity).cloned(), matches!(source, SourceConfig::Api(_)));
        sources.push(Source { identity, is_api, kept });
    }
    sources
}

/// Whether a file may hold an object, and nothing says where its rows are.
fn is_undecided(file: &InputFile) -> bool {
    matches!(file.format, Format::Json) && file.records.is_none()
}

/// The findings in the files of a source.
#[derive(Default)]
struct Examination {
    /// Files that are one object, by their places among the run's files.
    objects: Vec<(usize, Members)>,
    /// The place of the rows in the first file that shows one.
    found: Option<String>,
    /// Whether another file shows another place.
    mixed: bool,
}

/// The facts about a source that decide where its rows are.
struct Source {
    /// The key under which its place is stored.
    identity: String,
    /// Whether all its documents must be built alike: the answers of an API. A folder may hold arrays beside objects.
    is_api: bool,
    /// The place that an earlier run found.
    kept: Option<String>,
}

impl Source {
    /// Whether it has the same place as an earlier source of that identity.
    fn is_another(&self, identity: &str) -> bool {
        self.identity.strip_prefix(identity).is_some_and(|rest| rest.starts_with(" #"))
    }

    /// Sets `records` of the source's files, at `index` among the config's sources.
    fn locate(
        self,
        index: usize,
        extracted: &mut Extracted,
        located: &mut Located,
        stop: &CancellationToken,
    ) -> Result<()> {
        let Examination { objects, found, mixed } = self.examine(index, &extracted.files, stop)?;
        if mixed && self.kept.is_none() {
            // The files do not agree, so the place of one says nothing about the others: each is read by itself.
            return Ok(());
        }
        let Some(records) = self.kept.clone().or(found) else { return Ok(()) };
        if self.is_api && records == ARRAY {
            if let Some((place, _)) = objects.first() {
                return Err(no_array(&extracted.files[*place]));
            }
            self.note(records, located);
            return Ok(());
        }
        if self.is_api && records != OBJECT {
            // The answer must have the member, also when it is an array now.
            let files = extracted.files.iter_mut().filter(|file| file.source == index && is_undecided(file));
            for file in files {
                http::refuse_error(file, &records)?;
                file.records = Some(records.clone());
            }
        }
        self.warn_of_nested_rows(&objects, located);
        // An object whose only array is empty may be one without rows, even if the objects of other files are rows.
        let unclear = |members: &Members| self.kept.is_none() && records == OBJECT && records_of(members).is_none();
        for (place, _) in objects.iter().filter(|(_, members)| !unclear(members)) {
            extracted.files[*place].records = Some(records.clone());
        }
        self.note(records, located);
        Ok(())
    }

    /// Looks at the source's files. A file that cannot be read is skipped, because reading its rows reports the error.
    fn examine(&self, index: usize, files: &[InputFile], stop: &CancellationToken) -> Result<Examination> {
        let mut examination = Examination::default();
        let undecided = |(_, file): &(usize, &InputFile)| file.source == index && is_undecided(file);
        for (place, file) in files.iter().enumerate().filter(undecided) {
            if stop.is_cancelled() {
                return Err(PipelineError::Stopped);
            }
            let found = match examine(file) {
                Ok(Document::Object(members)) => {
                    let found = records_of(&members);
                    examination.objects.push((place, members));
                    found
                }
                Ok(Document::Array) if self.is_api => Some(ARRAY.to_owned()),
                _ => None,
            };
            examination.mixed |= examination.found.is_some() && found.is_some() && examination.found != found;
            examination.found = examination.found.or(found);
        }
        Ok(examination)
    }

    /// Warns that an object stays one row although it looks like a wrapper around rows.
    fn warn_of_nested_rows(&self, objects: &[(usize, Members)], located: &mut Located) {
        if self.kept.as_deref() != Some(OBJECT) {
            return;
        }
        let nested = objects.iter().find_map(|(_, members)| records_of(members).filter(|records| records != OBJECT));
        if let Some(records) = nested {
            located.warnings.push(format!(
                "an object of {} is one row, as in earlier runs, although its member `{records}` holds objects: write \
                 `records: {records}` if they are the rows, else `records: $`",
                self.identity
            ));
        }
    }

    /// Notes a place that was found now.
    fn note(self, records: String, located: &mut Located) {
        if self.kept.is_some() || located.found.iter().any(|found| found.source == self.identity) {
            return;
        }
        if ![ARRAY, OBJECT].contains(&records.as_str()) {
            located.warnings.push(format!(
                "the rows of {} are the elements of `{records}`, and later runs keep to that; write `records: {records}` \
                 to say so yourself",
                self.identity
            ));
        }
        located.found.push(RecordsPath { source: self.identity, records });
    }
}

/// The kind and place of a source, without secrets.
fn identity(source: &SourceConfig, base: &Path) -> String {
    let identity = match source {
        SourceConfig::Api(api) => format!("api {}", api.address()),
        SourceConfig::Local(local) => {
            let path = base.join(&local.path).components().collect::<PathBuf>();
            let glob = local.glob.as_ref().map(|glob| format!(" {glob}")).unwrap_or_default();
            format!("local {}{glob}", path.display())
        }
        SourceConfig::Inbox(inbox) => format!("inbox {}", inbox.local.glob.as_deref().unwrap_or("*")),
        SourceConfig::Sftp(sftp) => {
            let through =
                sftp.jump.as_ref().map(|jump| format!(" through {}:{}", jump.host, jump.port)).unwrap_or_default();
            format!("sftp {}:{} {}{through}", sftp.server.host, sftp.server.port, sftp.path)
        }
        place => format!("{} {}", place.kind(), place.address().unwrap_or_default()),
    };
    bounded(redaction::hide(&identity).into_owned())
}

/// The place of the rows that an object shows, as `records:` would say it.
fn records_of(members: &Members) -> Option<String> {
    match members.rows()? {
        Rows::Member(member) => Some(path_text(&member)),
        Rows::Object => Some(OBJECT.to_owned()),
        Rows::Nothing => None,
    }
}

fn no_array(file: &InputFile) -> PipelineError {
    PipelineError::Extract(Explained {
        code: Code::RecordsMissing,
        message: format!("{} answered with an object, where it answered with an array of rows before", file.name),
        next_step:
            "Look at what the API answers: it may be an error. If it is built differently now, write `records:` \
                    with the path of the rows."
                .into(),
    })
}

fn bounded(identity: String) -> String {
    if identity.len() <= MAX_IDENTITY_BYTES {
        return identity;
    }
    let start = identity.floor_char_boundary(MAX_IDENTITY_BYTES - 40);
    format!("{}… {:032x}", &identity[..start], xxh3_128(identity.as_bytes()))
}

#[cfg(test)]
mod tests {
    use elt_shared::config::{Document as Yaml, NoReferences};

    use super::*;

    fn identities(sources: &str) -> Vec<String> {
        let yaml = format!("sources: [{sources}]\ntarget: {{table: t}}\n");
        let config = Yaml::parse(&yaml).and_then(|yaml| yaml.pipeline(&NoReferences)).expect("a config").value;
        let sources = sources_of(&config, Path::new("/base"), &HashMap::new());
        sources.into_iter().map(|source| source.identity).collect()
    }

    #[test]
    fn a_source_is_known_by_its_kind_and_place_and_without_secrets() {
        assert_eq!(
            identities(
                "{type: local, path: ./in/, glob: '*.json'}, \
                 {type: api, url: 'https://ann:canary@h.example:8443/v1/rows?token=canary', params: {key: canary}}, \
                 {type: sftp, host: h.example, username: ann, password: canary, path: out/*.json}"
            ),
            ["local /base/in *.json", "api https://h.example:8443/v1/rows", "sftp h.example:22 out/*.json"]
        );
    }

    #[test]
    fn sources_of_one_place_are_numbered_and_long_places_cut() {
        let api = "{type: api, url: 'https://h.example/rows?kind=a'}";
        assert_eq!(
            identities(&format!("{api}, {api}, {api}")),
            ["api https://h.example/rows", "api https://h.example/rows #2", "api https://h.example/rows #3"]
        );
        let long = identities(&format!(
            "{{type: local, path: /{}}}, {{type: local, path: /{}}}",
            "é".repeat(900),
            "é".repeat(901)
        ));
        assert!(long.iter().all(|identity| identity.len() <= MAX_IDENTITY_BYTES), "{long:?}");
        assert_ne!(long[0], long[1]);
    }
}
