//! Where the rows of a run's JSON documents are, when the config does not say: as an earlier run found, else as the
//! documents of this run show. It is decided for a whole source, before a row is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use elt_shared::config::{PipelineConfig, SourceConfig};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{PipelineError, Result};
use crate::extract::{Extracted, Format, InputFile, LeftOut, LeftOutKind, http};
use crate::frame::json::survey::{Document, Members, Rows, path_text, survey};
use crate::load::rows_at::RowsAt;

/// What is kept of an API whose answers are arrays.
const ARRAY: &str = "$[*]";
/// What is kept of a source whose objects are rows.
const OBJECT: &str = "$";
/// Longest identity that is kept as it is: an index entry has little room.
const MAX_IDENTITY_BYTES: usize = 1_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Located {
    /// Places that no earlier run had found.
    pub found: Vec<RowsAt>,
    /// Sentences for the report.
    pub warnings: Vec<String>,
}

/// Sets `records` of every file whose rows stand in an object, and takes out the files that contradict the others of
/// their source. A file whose rows nobody can tell is left as it is: reading it fails, with the `records:` to write.
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
    let mut sources: Vec<Source> = Vec::new();
    for source in &config.sources {
        let identity = identity(source, base);
        // Sources of one place differ by their order: they may ask one address for different things.
        let alike = sources.iter().filter(|other| other.identity == identity || other.is_another(&identity)).count();
        let identity = if alike == 0 { identity } else { format!("{identity} #{}", alike + 1) };
        let (kept, is_api) = (kept.get(&identity).cloned(), matches!(source, SourceConfig::Api(_)));
        sources.push(Source { identity, is_api, kept });
    }
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

/// Whether a file may hold an object, and nothing says where its rows are.
fn is_undecided(file: &InputFile) -> bool {
    matches!(file.format, Format::Json) && file.records.is_none()
}

/// A source, as far as it matters here.
struct Source {
    /// What it is kept by.
    identity: String,
    /// Whether all its documents must be built alike: the answers of an API. A folder may hold arrays beside objects.
    is_api: bool,
    /// What an earlier run found.
    kept: Option<String>,
}

impl Source {
    /// Whether it has the same place as an earlier source of that identity.
    fn is_another(&self, identity: &str) -> bool {
        self.identity.strip_prefix(identity).is_some_and(|rest| rest.starts_with(" #"))
    }

    fn locate(
        self,
        index: usize,
        extracted: &mut Extracted,
        located: &mut Located,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut objects: Vec<(usize, Members)> = Vec::new();
        let mut found: Option<String> = None;
        for (place, file) in extracted.files.iter().enumerate().filter(|(_, file)| file.source == index) {
            if stop.is_cancelled() {
                return Err(PipelineError::Stopped);
            }
            if !is_undecided(file) {
                continue;
            }
            // A file that cannot be read says so when its rows are read.
            match survey(file) {
                Ok(Document::Object(members)) => {
                    found = found.or_else(|| records_of(&members));
                    objects.push((place, members));
                }
                Ok(Document::Array) if self.is_api => found = found.or_else(|| Some(ARRAY.to_owned())),
                _ => {}
            }
        }
        let Some(records) = self.kept.clone().or_else(|| found.clone()) else { return Ok(()) };
        if self.is_api && records == ARRAY {
            return match objects.first() {
                Some((place, _)) => Err(no_array(&extracted.files[*place])),
                None => {
                    self.note(records, located);
                    Ok(())
                }
            };
        }
        if self.is_api && records != OBJECT {
            // The answer must have the member, also when it is an array now.
            let files = extracted.files.iter_mut().filter(|file| file.source == index && is_undecided(file));
            files.for_each(|file| file.records = Some(records.clone()));
        }
        let mut contradicting = Vec::new();
        for (place, members) in objects {
            let differs = self.kept.is_none() && records_of(&members).is_some_and(|other| other != records);
            if differs {
                contradicting.push(place);
            } else {
                extracted.files[place].records = Some(records.clone());
            }
        }
        leave_out(extracted, &contradicting, &records)?;
        self.note(records, located);
        Ok(())
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
        located.found.push(RowsAt { source: self.identity, records });
    }
}

/// The kind and place of a source, without secrets.
fn identity(source: &SourceConfig, base: &Path) -> String {
    bounded(match source {
        SourceConfig::Api(api) => format!("api {}", http::address(api)),
        SourceConfig::Local(local) => {
            let path = base.join(&local.path).components().collect::<PathBuf>();
            let glob = local.glob.as_ref().map(|glob| format!(" {glob}")).unwrap_or_default();
            format!("local {}{glob}", path.display())
        }
        SourceConfig::Sftp(sftp) => format!("sftp {}:{} {}", sftp.host, sftp.port, sftp.path),
    })
}

/// The place of the rows that an object shows, as `records:` would say it.
fn records_of(members: &Members) -> Option<String> {
    match members.rows()? {
        Rows::Member(member) => Some(path_text(&member)),
        Rows::Object => Some(OBJECT.to_owned()),
        Rows::Nothing => None,
    }
}

/// Takes out files whose rows are elsewhere than those of the other files of their source.
fn leave_out(extracted: &mut Extracted, places: &[usize], records: &str) -> Result<()> {
    for &place in places.iter().rev() {
        let file = extracted.files.remove(place);
        let reason = format!(
            "{}: its rows are not at `records: {records}`, where those of the other files of the source are",
            file.name
        );
        if file.required {
            return Err(PipelineError::Extract {
                code: "rows_ambiguous",
                message: reason,
                next_step: "Write `records:` for the source, or make sources of their own of such files.".into(),
            });
        }
        extracted.left_out.push(LeftOut { name: file.name, kind: LeftOutKind::Failed, reason });
    }
    Ok(())
}

fn no_array(file: &InputFile) -> PipelineError {
    PipelineError::Extract {
        code: "records_missing",
        message: format!("{} answered with an object, where it answered with an array of rows before", file.name),
        next_step: "Look at what the API answers: it may be an error. If it is built differently now, write `records:` \
                    with the path of the rows."
            .into(),
    }
}

fn bounded(identity: String) -> String {
    if identity.len() <= MAX_IDENTITY_BYTES {
        return identity;
    }
    let start = identity.floor_char_boundary(MAX_IDENTITY_BYTES - 40);
    format!("{}… {:032x}", &identity[..start], xxh3_128(identity.as_bytes()))
}
