//! A run, and a plan, which does what a run would do and rolls it back.

use elt_shared::runs::report::RunReport;

use super::after_commit::{detach_old_partitions, make_models, publish_left_behind};
use super::begin::{Beginning, Finished, begin};
use super::combined_csv_owner;
use super::extract_and_load::{Execution, Purpose};
use super::tables::refuse_table_of_others;
use super::work_folder::WorkFolder;
use crate::error::Result;
use crate::load::failure::Failing;
use crate::load::partitions;
use crate::load::session::Session;
use crate::run_context::RunContext;

/// Extracts, validates and loads.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    let (mut session, report) = match begin(context).await? {
        Beginning::Loaded(Finished { session, mut report, unfinished_csv }) => {
            publish_left_behind(context, &mut report, unfinished_csv.as_deref()).await;
            (session, *report)
        }
        Beginning::Nothing(mut session) => {
            refuse_table_of_others(context, &mut session).await?;
            let folder = WorkFolder::create(context)?;
            // The path is claimed before anything is extracted, because a run that cannot write its CSV must not load. The
            // run of one of many tables writes none, because they all would write the same one.
            let csv = match context.config.target.pattern {
                Some(_) => None,
                None => Some(combined_csv_owner::claim(context).await?),
            };
            let execution = Execution::new(context, folder, Purpose::Run { csv });
            let report = execution.execute(&mut session).await?;
            (session, report)
        }
    };
    let report = detach_old_partitions(context, &mut session, report).await;
    let report = make_models(context, &mut session, report).await;
    session.close().await;
    Ok(report)
}

/// Does what a run would do, and rolls it back.
pub async fn plan(context: &RunContext) -> Result<RunReport> {
    let mut session = Session::open(context).await?;
    refuse_table_of_others(context, &mut session).await?;
    let execution = Execution::dry_run(context)?;
    combined_csv_owner::check(context, &context.extract_context()).await?;
    let mut report = execution.execute(&mut session).await?;
    let partition = context.config.target.partition.as_ref();
    report.old_partitions = partitions::detach::due(&mut session.connection, &session.table, partition)
        .await
        .map_err(|error| Failing::at(&session.table, "look at the partitions").because(error))?;
    session.close().await;
    Ok(report)
}
