//! Which configs can be loaded in windows.

use super::windows::Window;
use crate::config::{Dedupe, LoadMode, PipelineConfig};
use crate::explained::{Code, Explained};

/// Checks that each window would load its own part only. Returns warnings.
///
/// # Errors
/// `not_for_backfill`, with the source or the key that it is about.
pub(super) fn require_suitable(pipeline: &PipelineConfig, windows: &[Window]) -> Result<Vec<String>, Explained> {
    let _ = windows;
    if pipeline.load.mode == LoadMode::Replace {
        return Err(Explained {
            code: Code::NotForBackfill,
            message: "load.mode is replace, so each window would replace the rows of the one before it".into(),
            next_step: "Load with `append` or `merge`.".into(),
        });
    }
    let mut warnings = Vec::new();
    if pipeline.load.dedupe == Dedupe::None && pipeline.load.mode == LoadMode::Append {
        warnings.push("load.dedupe is none, so a row that the API returns for two windows is loaded twice".to_owned());
    }
    Ok(warnings)
}
