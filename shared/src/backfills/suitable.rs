//! Which configs can be loaded in windows.

use chrono::{DateTime, Timelike, Utc};

use super::windows::{Window, invalid};
use crate::config::template::{SINCE, UNTIL};
use crate::config::{ApiSource, Dedupe, LoadMode, PipelineConfig, SourceConfig, TimeFormat};
use crate::explained::{Code, Explained};

/// Checks that each window would load its own part only. Returns warnings.
///
/// # Errors
/// `not_for_backfill`, with the source or the key that it is about; `invalid_backfill` when windows begin within a day although
/// a source is asked by days.
pub(super) fn require_suitable(pipeline: &PipelineConfig, windows: &[Window]) -> Result<Vec<String>, Explained> {
    if pipeline.load.mode == LoadMode::Replace {
        return Err(Explained::new(
            Code::NotForBackfill,
            "load.mode is replace, so each window would replace the rows of the one before it",
            "Load with `append` or `merge`.",
        ));
    }
    let mut warnings = Vec::new();
    for (index, source) in pipeline.sources.iter().enumerate() {
        let SourceConfig::Api(source) = source else {
            return Err(loads_everything(format!(
                "sources[{index}] is not an API, so each window would load all of it"
            )));
        };
        warnings.extend(check_source(&format!("sources[{index}]"), source, windows)?);
    }
    if pipeline.load.dedupe == Dedupe::None && pipeline.load.mode == LoadMode::Append {
        warnings.push("load.dedupe is none, so a row that the API answers for two windows is loaded twice".to_owned());
    }
    Ok(warnings)
}

/// Checks that a source is asked for the window. Returns a warning.
fn check_source(name: &str, source: &ApiSource, windows: &[Window]) -> Result<Option<String>, Explained> {
    let incremental = source.incremental.as_ref();
    let begins = source.has_placeholder(SINCE) || incremental.is_some_and(|incremental| incremental.param.is_some());
    let ends = source.has_placeholder(UNTIL) || incremental.is_some_and(|incremental| incremental.end_param.is_some());
    let is_midnight = |at: DateTime<Utc>| at.num_seconds_from_midnight() == 0;
    let is_by_days = incremental.is_some_and(|incremental| incremental.format == Some(TimeFormat::Date));
    if is_by_days && !windows.iter().all(|window| is_midnight(window.from) && is_midnight(window.to)) {
        return Err(invalid(
            format!(
                "{name} is asked by days, because `incremental.format` is date, and windows would begin or end within a day"
            ),
            "Take windows of whole days, between two days.",
        ));
    }
    match (begins, ends) {
        (true, true) => Ok(None),
        _ if windows.len() == 1 && (begins || ends) => Ok(None),
        (true, false) => Ok(Some(format!(
            "{name} does not get the end of a window, so each window loads everything from its beginning on: add `{{{{until}}}}` or \
             `incremental.end_param`"
        ))),
        (false, true) => Ok(Some(format!(
            "{name} does not get the beginning of a window, so each window loads everything up to its end: add `{{{{since}}}}` or \
             `incremental.param`"
        ))),
        (false, false) => Err(loads_everything(format!("{name} asks for everything, whatever the window is"))),
    }
}

fn loads_everything(message: String) -> Explained {
    Explained::new(
        Code::NotForBackfill,
        message,
        "Let every source ask for a part of time: with `{{since}}` and `{{until}}` in its url, params, headers or body, or with \
         `incremental: {param: …, end_param: …}`.",
    )
}
