//! The path of a combined CSV: the pipeline that it belongs to, and whether the file that is there may be replaced.
//!
//! A path belongs to the pipeline that wrote there first, for as long as the file is there or the pipeline's run goes on.
//! A file is replaced only when an earlier run of the same pipeline wrote it: the control database remembers each file
//! that runs wrote by inode, size, time and content.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

use elt_shared::config::{InboxSource, OutputConfig, SourceConfig, is_output_name};
use elt_shared::explained::{Code, Explained};
use elt_shared::store::outputs::{self, Claim, FileIdentity, Owner};
use elt_shared::store::runs;

use crate::error::{PipelineError, Result};
use crate::extract::local::walk::same_file;
use crate::extract::{ExtractContext, local};
use crate::load::combined_csv::CombinedCsv;
use crate::roots::{OutputPlace, PlaceError, There};
use crate::run_context::RunContext;

/// Checks, without writing anything, that a run could write its combined CSV.
///
/// # Errors
/// As [`claim`].
pub async fn check(context: &RunContext, extract: &ExtractContext) -> Result<()> {
    // A pipeline with a table for each file writes none.
    if context.config.target.pattern.is_some() {
        return Ok(());
    }
    let path = context.combined_csv();
    refuse_other_suffix(context, &path)?;
    match OutputPlace::look(&context.roots, &path).map_err(|error| no_place(&path, error))? {
        Some(place) => replaceable(context, &place, Some(extract)).await.map(|_| ()),
        None => Ok(()),
    }
}

/// Claims the path of a run's combined CSV for its pipeline, before anything is extracted.
///
/// # Errors
/// When the file may not be written there: it is outside the folders named for writing, it belongs to another pipeline,
/// or no run of this pipeline wrote the file that is there.
pub async fn claim(context: &RunContext) -> Result<Arc<OutputPlace>> {
    let extract = context.extract_context();
    let path = context.combined_csv();
    refuse_other_suffix(context, &path)?;
    let place = OutputPlace::make(&context.roots, &path).map_err(|error| no_place(&path, error))?;
    let owner = replaceable(context, &place, Some(&extract)).await?.owner;
    let real = place.real(place.name()).to_string_lossy().into_owned();
    let claim = Claim {
        path: &place.key(),
        real_path: &real,
        pipeline: &context.config.name,
        run_id: context.run.id,
        config_id: context.config.output.path.is_none().then_some(context.run.config_id),
    };
    let claimed = outputs::claim(&context.control, claim, owner.as_ref()).await;
    if !claimed.map_err(asking)? {
        let owner = owner_of(context, &place).await?;
        return Err(taken(&place, owner.as_ref().map_or("another pipeline", |owner| &owner.pipeline)));
    }
    let place = Arc::new(place);
    // A folder that cannot be written to is found before anything is extracted.
    open(&place, &context.config.output)?;
    Ok(place)
}

/// Refuses a file whose name has the suffix of another format than `output:` says. A name with no suffix of an output file
/// is refused later, with the folders that may not be written to before it.
fn refuse_other_suffix(context: &RunContext, path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match is_output_name(&name) && !context.config.output.fits(path) {
        true => Err(no_place(path, PlaceError::Suffix)),
        false => Ok(()),
    }
}

/// Starts the combined CSV beside its final name.
///
/// # Errors
/// When the folder cannot be written to.
pub fn open(place: &Arc<OutputPlace>, output: &OutputConfig) -> Result<CombinedCsv> {
    CombinedCsv::create_as(place, output).map_err(|source| unwritable(place.shown(), source))
}

/// Gives a combined CSV its name, once the rows are loaded.
///
/// # Errors
/// When what has the name now may not be replaced, or the file cannot be renamed.
pub async fn publish(context: &RunContext, place: &OutputPlace, csv: CombinedCsv) -> Result<()> {
    let file = csv.identity().map_err(|source| unwritable(place.shown(), source))?;
    let replaces = note(context, place, &file).await?;
    csv.publish(replaces).map_err(|source| unwritable(place.shown(), source))
}

/// Publishes the combined CSV that a lost worker left behind. False: it is not there.
///
/// # Errors
/// As [`publish`], and [`claim`].
pub async fn publish_left_behind(context: &RunContext, named: &Path) -> Result<bool> {
    let path = context.combined_csv();
    let place = OutputPlace::look(&context.roots, &path).map_err(|error| no_place(&path, error))?;
    let Some(place) = place else { return Ok(false) };
    let Some(unfinished) = CombinedCsv::left_behind(named, &place) else { return Ok(false) };
    publish_as(context, &place, &unfinished).await.map(|()| true)
}

async fn publish_as(context: &RunContext, place: &OutputPlace, unfinished: &OsStr) -> Result<()> {
    let failed = |source| unwritable(place.shown(), source);
    let file = place.identity(unfinished, None).map_err(failed)?;
    let replaces = note(context, place, &file).await?;
    place.publish(unfinished, replaces).map_err(failed)
}

/// Stores the identity of a file before it gets its final name, so that the next run recognises the file if this worker is
/// lost in between. Returns whether it replaces a file.
async fn note(context: &RunContext, place: &OutputPlace, file: &FileIdentity) -> Result<bool> {
    let Replaceable { file_is_there, unnoted, .. } = replaceable(context, place, None).await?;
    // The file that is there stays known when this worker is lost before the other one gets its name.
    for file in unnoted.iter().chain([file]) {
        let noted = outputs::note(&context.control, &place.key(), &context.config.name, context.run.id, file).await;
        if !noted.map_err(asking)? {
            return Err(taken(place, "another pipeline"));
        }
    }
    Ok(file_is_there)
}

/// A place whose file may be replaced.
struct Replaceable {
    /// The pipeline that the place belonged to so far.
    owner: Option<Owner>,
    file_is_there: bool,
    /// The file that is there, when it is from before files were noted.
    unnoted: Option<FileIdentity>,
}

/// Checks that a place belongs to no other pipeline, and that an earlier run of this one wrote the file that is there.
async fn replaceable(
    context: &RunContext,
    place: &OutputPlace,
    extract: Option<&ExtractContext>,
) -> Result<Replaceable> {
    let there = place.there().map_err(|source| unwritable(place.shown(), source))?;
    let owner = owner_of(context, place).await?;
    let is_held = |owner: &&Owner| {
        // Its name may differ from this place's in case.
        let its_file = || Path::new(&owner.real_path).symlink_metadata().is_ok();
        owner.is_running || !matches!(there, There::Nothing) || its_file()
    };
    if let Some(other) = owner.as_ref().filter(|owner| owner.pipeline != context.config.name).filter(is_held) {
        return Err(taken(place, &other.pipeline));
    }
    match there {
        There::Nothing => return Ok(Replaceable { owner, file_is_there: false, unnoted: None }),
        There::File(file) => match writer(context, place, file).await? {
            Some(pipeline) if pipeline == context.config.name => {
                return Ok(Replaceable { owner, file_is_there: true, unnoted: None });
            }
            Some(other) => return Err(taken(place, &other)),
            None if wrote_before_files_were_noted(context, place).await? => {
                return Ok(Replaceable { owner, file_is_there: true, unnoted: Some(file) });
            }
            None => {}
        },
        There::Other => {}
    }
    if extract.is_some_and(|extract| is_input(context, place, extract)) {
        return Err(PipelineError::Extract(Explained {
            code: Code::OutputIsInput,
            message: format!(
                "the combined CSV would be written over {}, which is a file of a source",
                place.shown().display()
            ),
            next_step: "Name another file as `output_csv_path`, or move this one away.".into(),
        }));
    }
    Err(PipelineError::Extract(Explained {
        code: Code::OutputNotOurs,
        message: format!(
            "the combined CSV would replace {}, and no run of the pipeline {} wrote what is there now",
            place.shown().display(),
            context.config.name
        ),
        next_step: "Move it away, or name another file as `output_csv_path`. elt replaces only files that it wrote."
            .into(),
    }))
}

/// The pipeline whose run wrote the file that is there.
async fn writer(context: &RunContext, place: &OutputPlace, file: FileIdentity) -> Result<Option<String>> {
    let (control, key) = (&context.control, place.key());
    let known = outputs::writer(control, &key, &file).await.map_err(asking)?;
    if known.is_some() || !outputs::known_sizes(control, &key).await.map_err(asking)?.contains(&file.size) {
        return Ok(known);
    }
    let content_hash = place.content_hash().map_err(|source| unwritable(place.shown(), source))?;
    let file = FileIdentity { content_hash: Some(content_hash), ..file };
    outputs::writer(control, &key, &file).await.map_err(asking)
}

/// Whether the report of a run of this pipeline names the file, and no run noted its file since: versions before 0.1.0 did
/// not note them.
async fn wrote_before_files_were_noted(context: &RunContext, place: &OutputPlace) -> Result<bool> {
    if outputs::has_files(&context.control, &place.key()).await.map_err(asking)? {
        return Ok(false);
    }
    let name = place.name().to_string_lossy();
    let written = runs::combined_csvs(&context.control, &context.config.name, &name).await.map_err(asking)?;
    let real = place.real(place.name());
    Ok(written.iter().any(|written| same_file(Path::new(written), &real)))
}

/// Whether the file that is there is one that a source reads.
fn is_input(context: &RunContext, place: &OutputPlace, extract: &ExtractContext) -> bool {
    let covers = |source: &SourceConfig| match source {
        SourceConfig::Local(source) | SourceConfig::Inbox(InboxSource { local: source, .. }) => {
            local::covers(source, place.shown(), extract)
        }
        _ => false,
    };
    context.config.sources.iter().any(covers)
}

async fn owner_of(context: &RunContext, place: &OutputPlace) -> Result<Option<Owner>> {
    outputs::owner(&context.control, &place.key()).await.map_err(asking)
}

fn asking(source: sqlx::Error) -> PipelineError {
    PipelineError::Control { doing: "find out which pipeline writes the combined CSV", source }
}

fn unwritable(path: &Path, source: io::Error) -> PipelineError {
    PipelineError::Io { doing: format!("write the combined CSV {}", path.display()), source }
}

fn taken(place: &OutputPlace, pipeline: &str) -> PipelineError {
    PipelineError::Extract(Explained {
        code: Code::OutputTaken,
        message: format!("the output path {} belongs to the pipeline {pipeline}", place.shown().display()),
        next_step: format!(
            "Write another `output_csv_path`. If {pipeline} no longer writes there, move its file away and retry the run."
        ),
    })
}

fn no_place(path: &Path, error: PlaceError) -> PipelineError {
    let (code, next_step) = match error {
        PlaceError::Io(source) => return unwritable(path, source),
        PlaceError::Suffix => (
            Code::OutputSuffix,
            "Name a file that ends in .csv as `output_csv_path`, or one with the suffix of its format as `output.path`.",
        ),
        PlaceError::Own | PlaceError::Outside => (
            Code::OutsideRoots,
            "Leave `output_csv_path` out, name a path below the data folder's `output` (where relative paths start), or \
             add its folder to ELT_OUTPUT_ROOTS.",
        ),
    };
    let message = format!("the output path {} {error}", path.display());
    PipelineError::Extract(Explained { code, message, next_step: next_step.into() })
}
