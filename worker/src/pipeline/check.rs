//! A check reads the sources and reports which rows would be loaded, and with which types. It writes nothing.

use elt_shared::runs::report::{FileReceipt, RunReport};

use super::combined_csv_owner;
use super::extract_and_load::Execution;
use super::first_pass::Target;
use super::refuse_input::refuse_failed_source;
use super::tables::refuse_table_of_others;
use crate::contract::decide;
use crate::error::Result;
use crate::load::checks::names;
use crate::load::partitions::{self, Partitioning};
use crate::load::session::Session;
use crate::run_context::RunContext;

/// Extracts and validates: every file is read and every column gets its type, and nothing is written.
pub async fn check(context: &RunContext) -> Result<RunReport> {
    let mut session = Session::open(context).await?;
    refuse_table_of_others(context, &mut session).await?;
    let partition = context.config.target.partition.as_ref();
    partitions::require(&mut session.connection, &session.table, partition).await?;
    let execution = Execution::dry_run(context)?;
    combined_csv_owner::check(context, &context.extract_context()).await?;
    let asking = execution.ask(&mut session).await?;
    let (extracted, _) = execution.extract(&asking, &[]).await?;
    let before = session.table_state().await?;
    let (extracted, located) = execution.locate_rows(&mut session, before.as_ref(), extracted).await?;
    let known = before.as_ref().map(|before| &before.known);
    let profile = execution.profile(&extracted.files, known, &context.progress).await?;
    refuse_failed_source(&extracted.files, &profile)?;
    let mut report = execution.report(&Target::of(&session), &extracted, &profile);
    report.warnings.extend(asking.warnings.iter().cloned().chain(located.warnings));
    asking.new_cursors(&extracted.files, &mut report.warnings).await?;
    let decision = decide::decide(&profile, &context.config, known)?;
    if !decision.layout.columns.is_empty() {
        Partitioning::of(partition, &decision.layout)?;
    }
    names::require(&context.config, &session.table, &decision.layout, before.as_ref())?;
    for file in profile.readable() {
        let rows_read = file.rows + file.bad + file.summary.filtered;
        report.rows_read += rows_read;
        report.rows_filtered += file.summary.filtered;
        report.bytes += file.summary.bytes;
        report.files.push(FileReceipt {
            name: extracted.files[file.index].name.clone(),
            bytes: file.summary.bytes,
            content_hash: format!("{:032x}", file.summary.content_hash),
            delimiter: file.summary.delimiter.clone(),
            dialect: file.summary.dialect.clone(),
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
