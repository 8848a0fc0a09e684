//! A test of the connections: every source and the target are tried; nothing is loaded and nothing is changed.

use std::time::Instant;

use elt_shared::target::{self, TableRef, TargetError};
use sqlx::PgConnection;

use super::RunContext;
use super::folder::WorkFolder;
use crate::error::{PipelineError, Result};
use crate::extract::ExtractContext;
use crate::extract::probe::{ProbeProblem, ProbeReport, probe};
use crate::load::schema;
use crate::report::RunReport;

/// Tries every source, one after the other, and then the target. What is not usable is in the report, not an error.
pub async fn test(context: &RunContext) -> Result<RunReport> {
    let folder = WorkFolder::create(context)?;
    let extract = ExtractContext {
        base: context.base.clone(),
        spool: folder.path().to_owned(),
        roots: context.roots.clone(),
        never: Vec::new(),
        network: context.network.clone(),
        control: context.control.clone(),
        stop: context.stop.clone(),
    };
    let mut report = RunReport { table: context.config.target.table.to_string(), ..RunReport::default() };
    for (index, source) in context.config.sources.iter().enumerate() {
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        report.connections.push(probe(index, source, &extract).await);
    }
    report.connections.push(try_target(context).await);
    for connection in &report.connections {
        match &connection.problem {
            None => tracing::info!("{} can be used: {}", connection.what, connection.found),
            Some(problem) => tracing::warn!(code = problem.code, "{}: {}", connection.what, problem.message),
        }
    }
    Ok(report)
}

async fn try_target(context: &RunContext) -> ProbeReport {
    let started = Instant::now();
    match look_at_target(context).await {
        Ok(found) => ProbeReport::usable("target", found, started.elapsed().as_secs_f64()),
        Err(problem) => ProbeReport {
            what: "target".into(),
            seconds: started.elapsed().as_secs_f64(),
            ..ProbeReport::failed(problem)
        },
    }
}

async fn look_at_target(context: &RunContext) -> Result<String, ProbeProblem> {
    let (config, name) = (&context.config.target, format!("elt:{}:test", context.run.id));
    let default = context.default_target.as_ref();
    let mut connection =
        target::connect_allowed(&config.database, default, &context.network, &name).await.map_err(problem)?;
    let table = TableRef::find(&mut connection, &config.table).await.map_err(problem)?;
    let makes_schema = schema::missing(&mut connection, &table, config).await;
    let makes_schema = makes_schema.map_err(|error| ProbeProblem::from(&error))?;
    let failed = |error: sqlx::Error| problem(error.into());
    let existing = table.existing(&mut connection).await.map_err(failed)?;
    if !may_write(&mut connection, &table, existing.as_ref().map(|table| table.oid)).await.map_err(failed)? {
        let what = if existing.is_some() { "write to" } else { "create" };
        return Err(ProbeProblem {
            code: "target_not_writable".into(),
            message: format!("the login may connect, but not {what} {table}"),
            next_step: "Grant the login CREATE on the schema, and make it the owner of the table if there is one."
                .into(),
        });
    }
    Ok(match existing {
        Some(existing) => format!("the table {table} with {} columns", existing.columns.len()),
        None if makes_schema.is_some() => format!("no table {table} yet: the first run creates it and its schema"),
        None => format!("no table {table} yet: the first run creates it"),
    })
}

fn problem(error: TargetError) -> ProbeProblem {
    let (code, next_step) = (error.code().to_owned(), error.next_step().to_owned());
    let message = match &error {
        TargetError::Database(cause) => format!("{error}: {cause}"),
        error => error.to_string(),
    };
    ProbeProblem { code, message, next_step }
}

/// Whether rows can be put into a table, or the table made where it is missing.
async fn may_write(connection: &mut PgConnection, table: &TableRef, oid: Option<i64>) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select case when $1::bigint is not null then has_table_privilege($1::bigint::oid, 'insert')
                     when to_regnamespace(quote_ident($2)) is not null then has_schema_privilege($2, 'create')
                     else has_database_privilege(current_database(), 'create') end",
    )
    .bind(oid)
    .bind(&table.schema)
    .fetch_one(connection)
    .await
}
