//! Extract: every source becomes files on this machine. The `match` in this file lists the kinds of source; places of files
//! are one of them, and [`places`] lists these.

mod byte_names;
pub mod cloud;
pub mod containers;
pub mod http;
pub mod inbox;
mod listed_sample;
pub mod local;
pub mod look;
mod parents;
mod path_columns;
pub mod places;
pub mod preview;
pub mod probe;
mod remote_paths;
mod sample;
pub mod sftp;
pub mod tables;
mod workbooks;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::template::Values;
use elt_shared::config::{ApiSource, PipelineConfig, SourceConfig};
use elt_shared::cursor::CursorValue;
use elt_shared::redaction;
pub use elt_shared::runs::report::{LeftOut, LeftOutKind};
use elt_shared::secret::Secret;
use tokio_util::sync::CancellationToken;

use self::cloud::CloudCredentials;
use self::containers::UnpackLimits;
use self::parents::Parents;
pub use self::tables::WantedFiles;
use crate::error::{PipelineError, Result};
use crate::input::InputFile;
use crate::progress::Progress;
use crate::roots::Roots;
use crate::thread::on_own_thread;

/// What an extraction may touch.
#[derive(Clone)]
pub struct ExtractContext {
    /// The folder where relative paths start: the worker's working folder, or the caller's for `elt run`.
    pub base: PathBuf,
    /// The folder for spooled files, which is deleted when the run ends.
    pub spool: PathBuf,
    /// The folders that may be read.
    pub roots: Roots,
    /// Files that are never input: the combined CSV of this pipeline.
    pub never: Vec<PathBuf>,
    /// The hosts that may be called.
    pub network: Arc<elt_shared::settings::NetworkSettings>,
    /// The process's own target, for configs that name no server and ask their target for values.
    pub default_target: Option<Secret>,
    /// Socket of the SSH agent whose keys may be used. `None`: the worker may not use one.
    pub ssh_agent: Option<PathBuf>,
    /// What buckets may use of the worker's own credentials.
    pub cloud: CloudCredentials,
    /// Tokens of APIs, which the extractions of a process share.
    pub tokens: http::SourceTokens,
    /// The control database, for known host keys and refresh tokens.
    pub control: sqlx::PgPool,
    /// Cancelled when the run should stop.
    pub stop: CancellationToken,
    /// How far the extraction is.
    pub progress: Arc<Progress>,
    /// The treatment of files that may still be being written.
    pub young: YoungFiles,
    /// Which of the files are wanted.
    pub files: WantedFiles,
    /// Limits for what comes out of archives and encrypted files.
    pub unpack: UnpackLimits,
    /// Values of the placeholders in each source's requests, such as `since`, in the order of the sources. A source beyond
    /// the end has none.
    pub values: Vec<Values>,
    /// For sources that send their newest rows first, by index: the value below which rows are old. Reading ends with the first
    /// page that has only older rows.
    pub old_below: Vec<(usize, CursorValue)>,
    /// The incremental sources of which earlier runs have loaded rows, by index. They may answer without any rows, because
    /// nothing has changed.
    pub read_before: Vec<usize>,
}

impl ExtractContext {
    /// The values of the placeholders in the requests of the source with this index.
    pub fn values_of(&self, index: usize) -> Values {
        self.values.get(index).cloned().unwrap_or_default()
    }
}

/// The treatment of a local file that changed less than its source's `settle_seconds` ago and may still be being
/// written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YoungFiles {
    /// It is left out, and the next check finds it.
    LeaveOut,
    /// It is taken, because only its name and its beginning are wanted.
    Take,
    /// It is taken when it ends where a record ends. Otherwise the extraction waits until it has not changed for a while.
    WaitForRecord,
    /// The extraction waits until it has not changed for a while.
    Wait,
}

/// The files of all sources.
#[derive(Debug, Clone, Default)]
pub struct Extracted {
    /// The files in the order of the sources and then of their names, which is the order in which rows are loaded.
    pub files: Vec<InputFile>,
    /// Files that are not read.
    pub left_out: Vec<LeftOut>,
    /// Sentences for the warnings of the report.
    pub warnings: Vec<String>,
}

/// Extracts every source of a pipeline, in order. One failed source fails them all.
///
/// # Errors
/// A source that is missing, unreachable or refused; [`PipelineError::Stopped`] when asked to stop.
pub async fn extract(config: &PipelineConfig, context: &ExtractContext) -> Result<Extracted> {
    let (config, context) = (config.clone(), context.clone());
    // The futures of the network sources borrow across their retries in ways that bind them to one thread, and their files
    // are written with blocking calls.
    let extracting = on_own_thread(CancellationToken::new(), async move || extract_each(&config, &context).await);
    match extracting.await {
        Ok(Some(extracted)) => extracted,
        Ok(None) => Err(PipelineError::Stopped),
        Err(error) => Err(PipelineError::Internal(format!("a source's thread ended early: {error}"))),
    }
}

/// Extracts an API source. `files` are those of the sources before it.
async fn extract_api(
    index: usize,
    api: &ApiSource,
    config: &PipelineConfig,
    files: &[InputFile],
    context: &ExtractContext,
) -> Result<Extracted> {
    let Some(each) = &api.for_each else { return http::extract(index, api, context).await };
    let parents = Parents::find(index, each, config, files, context).await?;
    http::extract_for_each(index, api, each, &parents, context).await
}

/// Moves, deletes or tags the files that were loaded, as their sources say. It is called after the load has committed, so
/// failures are returned as sentences for the report.
pub async fn after_load(sources: &[SourceConfig], files: &[InputFile], context: &ExtractContext) -> Vec<String> {
    let mut warnings = sftp::after_load(sources, files, context).await;
    warnings.extend(places::after_load(sources, files, context).await);
    warnings.extend(inbox::after_load(sources, files).await);
    warnings
}

/// The files that were loaded. Several of them can be parts of one file on a server, as the sheets of a workbook are: then the
/// first part keeps the action on that file, and only if all parts were loaded.
pub fn loaded(files: &[InputFile], is_loaded: impl Fn(usize) -> bool) -> Vec<InputFile> {
    let part_of = |file: &InputFile| file.after_load.as_ref().map(|task| (file.source, task.path.clone()));
    // The first part of each file on a server, and whether all of its parts were loaded.
    let mut wholes: HashMap<(usize, String), (usize, bool)> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        if let Some(whole) = part_of(file) {
            wholes.entry(whole).or_insert((index, true)).1 &= is_loaded(index);
        }
    }
    let loaded = files.iter().enumerate().filter(|(index, _)| is_loaded(*index));
    let with_action = |(index, file): (usize, &InputFile)| {
        let acts = part_of(file).is_some_and(|whole| wholes.get(&whole) == Some(&(index, true)));
        InputFile { after_load: file.after_load.clone().filter(|_| acts), ..file.clone() }
    };
    loaded.map(with_action).collect()
}

async fn extract_each(config: &PipelineConfig, context: &ExtractContext) -> Result<Extracted> {
    let mut all = Extracted::default();
    let mut unpacked = 0;
    for (index, source) in config.sources.iter().enumerate() {
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        let one = match source {
            SourceConfig::Local(local) => local::extract(index, local, context).await,
            SourceConfig::Inbox(inbox) => inbox::extract(index, inbox, context).await,
            SourceConfig::Api(api) => extract_api(index, api, config, &all.files, context).await,
            SourceConfig::Sftp(sftp) => sftp::extract(index, sftp, context).await,
            place => places::extract(index, place, context).await,
        }?;
        let one = containers::unpack(one, &mut unpacked, context).await?;
        // An entry of an archive has a path of its own, and the sheets of a workbook have that of the workbook.
        let one = path_columns::add(index, one)?;
        let one = workbooks::expand(one, context);
        all.files.extend(one.files);
        all.left_out.extend(one.left_out);
        all.warnings.extend(one.warnings);
    }
    // The rows of some sources have values for other sources only.
    all.files.retain(|file| !matches!(&config.sources[file.source], SourceConfig::Api(api) if !api.load));
    // The names are stored in the target and shown to people, and a URL or path may contain a secret.
    let names = all.files.iter_mut().map(|file| &mut file.name);
    for name in names.chain(all.left_out.iter_mut().map(|left_out| &mut left_out.name)) {
        if let Cow::Owned(shown) = redaction::hide(name) {
            *name = shown;
        }
    }
    tables::keep(all, &context.files)
}
