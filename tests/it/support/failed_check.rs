//! A run that a check of its config fails, and the rows that the check found.

use elt_shared::runs::{CheckResult, CheckSample};
use elt_worker::error::PipelineError;

use super::loader::Loader;

/// A failed run: its error, and the results of its checks.
pub async fn fail(loader: &Loader, table: &str, more: &str) -> (PipelineError, Vec<CheckResult>) {
    let context = loader.begin("run", &loader.yaml(table, more)).await;
    match loader.execute(&context).await {
        Ok(report) => panic!("it did not fail: {report:#?}"),
        Err(error) => (error, context.progress.snapshot().checks),
    }
}

/// Files and lines of the sample rows, sorted; `?` for a row whose place is unknown.
pub fn places(result: &CheckResult) -> Vec<String> {
    let place = |sample: &CheckSample| Some(format!("{}:{}", sample.file.as_ref()?.rsplit('/').next()?, sample.line?));
    let mut places: Vec<_> = result.samples.iter().map(|sample| place(sample).unwrap_or_else(|| "?".into())).collect();
    places.sort();
    places
}
