//! A check reads the sources and says what would be loaded, as what. It writes nothing.

use elt_shared::runs::report::{FileReceipt, RunReport};

use super::execute::Executing;
use super::folder::WorkFolder;
use super::refuse::refuse_failed_source;
use super::{RunContext, output};
use crate::contract::decide;
use crate::error::Result;
use crate::load::session::Session;

/// Extracts and validates: every file is read, every column gets its type, nothing is written.
pub async fn check(context: &RunContext) -> Result<RunReport> {
    let mut session = Session::open(context).await?;
    let folder = WorkFolder::create(context)?;
    let executing = Executing::dry(context, folder.path());
    output::check(context, &executing.extract_context()).await?;
    let (extracted, _) = executing.extract(&[]).await?;
    let before = session.look().await?;
    let (extracted, located) = executing.locate_rows(&mut session, before.as_ref(), extracted).await?;
    let profile = executing.profile(&extracted.files, before.as_ref()).await?;
    refuse_failed_source(&extracted.files, &profile)?;
    let mut report = executing.report(&session, &extracted, &profile);
    report.warnings.extend(located.warnings);
    let decision = decide::decide(&profile, &context.config, before.as_ref().map(|before| &before.known))?;
    for file in profile.files.iter().filter(|file| file.error.is_none()) {
        let rows_read = file.rows + file.bad + file.summary.filtered;
        report.rows_read += rows_read;
        report.bytes += file.summary.bytes;
        report.files.push(FileReceipt {
            name: extracted.files[file.index].name.clone(),
            bytes: file.summary.bytes,
            content_hash: format!("{:032x}", file.summary.content_hash),
            delimiter: file.summary.delimiter.clone(),
            rows_read,
            rows_filtered: file.summary.filtered,
            ..FileReceipt::default()
        });
    }
    report.bound();
    report.columns = decision.reports;
    report.drift = decision.drift;
    report.warnings.extend(decision.warnings);
    session.close().await;
    Ok(report)
}
