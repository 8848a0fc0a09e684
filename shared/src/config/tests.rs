//! What a config means, and what is said about one that means nothing.

mod auth;
mod csv;
mod file_formats;
mod limits;
mod messages;
mod missing_values;
mod notify;
mod partitions;
mod requests;
mod secrets;
mod shapes;
mod tables;
mod time_limit;

use std::path::Path;

use super::{ConfigError, Document, NoReferences, PipelineConfig};

/// The configs kept for the tests, by file name.
pub(super) fn fixtures() -> Vec<(String, String)> {
    yaml_files("../tests/fixtures/configs")
}

/// The configs shown to users.
pub(super) fn project_examples() -> Vec<(String, String)> {
    let mut examples = yaml_files("../examples");
    examples.extend(yaml_files("../examples/apis"));
    examples
}

fn yaml_files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|suffix| suffix == "yaml"));
    let mut files: Vec<_> = yaml
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The fixture of this name.
fn fixture(name: &str) -> String {
    fixtures().into_iter().find(|(file, _)| file == name).unwrap().1
}

/// The pipeline of a text that can run.
#[track_caller]
fn pipeline(text: &str) -> PipelineConfig {
    match Document::parse(text).and_then(|document| document.pipeline(&NoReferences)) {
        Ok(checked) => checked.value,
        Err(error) => panic!("{error}"),
    }
}

/// The sentences about a text that cannot run.
#[track_caller]
fn problems(text: &str) -> Vec<String> {
    match Document::parse(text).and_then(|document| document.pipeline(&NoReferences)) {
        Ok(_) => Vec::new(),
        Err(ConfigError::NotRunnable(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// The warnings about a text, with their place.
#[track_caller]
fn warnings(text: &str) -> Vec<String> {
    let show = |warning: super::Warning| {
        let (line, column) = (warning.line.unwrap_or_default(), warning.column.unwrap_or_default());
        format!("{}: {} at {line}:{column}", warning.path, warning.message)
    };
    Document::parse(text).unwrap().warnings().into_iter().map(show).collect()
}

/// The smallest config that can run, with more lines.
fn with(more: &str) -> String {
    format!("sources: [{{type: local, path: ./in}}]\ntarget: {{table: t}}\n{more}\n")
}

/// A config with one source, written flat.
fn source(keys: &str) -> String {
    format!("sources:\n- {{{keys}}}\ntarget: {{table: t}}\n")
}
