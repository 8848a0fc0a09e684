//! Input that a run must not load: files that fail their source, and a replace that is not complete.

use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::RunReport;

use crate::error::{PipelineError, Result};
use crate::extract::{Extracted, LeftOutKind};
use crate::frame::profile::Profile;
use crate::frame::read::FileError;
use crate::input::InputFile;

/// Refuses files that fail their source: one that the config names (or an API's answer) and that cannot be read, one
/// whose header is not its first line, one of which every row is rejected, and files that all lack a column of `shape:`.
pub fn refuse_failed_source(files: &[InputFile], profile: &Profile) -> Result<()> {
    let all_of_source = |source: usize| {
        profile.files.iter().filter(|file| files[file.index].source == source).all(|file| file.error.is_some())
    };
    // A shape that fits no file of its source is wrong, and not the files are.
    let fails = |error: &&FileError, file: &InputFile| {
        file.required
            || error.code == Code::HeaderNotFirst
            || (error.code == Code::ShapeColumns && all_of_source(file.source))
    };
    let failed = profile.files.iter().find_map(|file| {
        let error = file.error.as_ref().filter(|error| fails(error, &files[file.index]));
        error.or(file.nothing_readable.as_ref())
    });
    match failed {
        Some(error) => Err(PipelineError::Extract(Explained {
            code: error.code,
            message: error.message.clone(),
            next_step: error.next_step.clone().into_owned(),
        })),
        None => Ok(()),
    }
}

/// A replace takes away what is not delivered, so it must not run on half of it.
pub fn refuse_incomplete_replace(extracted: &Extracted, profile: &Profile, report: &RunReport) -> Result<()> {
    let failed: Vec<_> =
        report.left_out.iter().filter(|file| file.kind == LeftOutKind::Failed).map(|file| file.name.as_str()).collect();
    if !failed.is_empty() {
        return Err(PipelineError::Contract(Explained {
            code: Code::ReplaceIncomplete,
            message: format!("the table is not replaced because files could not be read: {}", failed.join(", ")),
            next_step: "Correct or remove the files named; the old rows are still there.".into(),
        }));
    }
    if let Some((file, line)) = profile.files.iter().find_map(|file| Some((file, file.broken?))) {
        return Err(PipelineError::Contract(Explained {
            code: Code::ReplaceIncomplete,
            message: format!(
                "the table is not replaced because {}:{line} is not whole JSON",
                extracted.files[file.index].name
            ),
            next_step: "Write the file again; the old rows are still there.".into(),
        }));
    }
    if profile.files.iter().all(|file| file.rows == 0) {
        return Err(PipelineError::Contract(Explained {
            code: Code::ReplaceEmpty,
            message: "the table is not replaced because the sources have no rows".into(),
            next_step: "Check the sources; the old rows are still there. Empty the table by hand if that is meant."
                .into(),
        }));
    }
    Ok(())
}
