//! From the name of a pipeline to its table, for a caller with whom it is shared.

use elt_shared::config::TargetConfig;
use elt_shared::explained::Code;
use elt_shared::store::configs::{self, ConfigVersion};
use elt_shared::store::shared_tables;
use elt_shared::target::{PageQuery, TargetError};

use crate::AppState;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::table_query;
use crate::target_errors::{tell_of_shared, unavailable};
use crate::targets::{self, OpenTarget};

/// How the columns begin that elt adds to a table. They name files and runs, which are no part of what is shared.
const INTERNAL: &str = "_elt_";

/// The config version that decides about a pipeline that is shared with the caller.
///
/// # Errors
/// 404, in the same words, for a pipeline that is not shared and for one that does not exist; 403 for an API token that is bound
/// to other pipelines.
pub async fn require(state: &AppState, caller: &Caller, pipeline: &str) -> Result<ConfigVersion> {
    caller.reach(pipeline)?;
    let config = configs::shared_with(&state.db, caller.user.id, pipeline).await?;
    config.ok_or_else(|| not_shared(pipeline))
}

/// The target of a pipeline that is shared with the caller. It may be a pattern of tables.
///
/// # Errors
/// As [`require`]; 502 when the config cannot be used.
pub async fn target(state: &AppState, caller: &Caller, pipeline: &str) -> Result<TargetConfig> {
    let config = require(state, caller, pipeline).await?;
    target_of(state, &config, pipeline).await
}

async fn target_of(state: &AppState, config: &ConfigVersion, pipeline: &str) -> Result<TargetConfig> {
    let target = targets::shared_target(state, config).await;
    target.map_err(|error| match error {
        // The control database is away, which concerns all requests alike.
        Error::GaveWay | Error::NoConnection | Error::Unavailable(_) => error,
        error => unavailable(pipeline, error.code()),
    })
}

/// The table that a request is about, opened, and which of its rows are asked for.
///
/// # Errors
/// As [`target`]; parameters that cannot be read; a database that cannot be used, without a word about it.
pub async fn open(
    state: &AppState,
    caller: &Caller,
    pipeline: &str,
    parameters: &[(String, String)],
) -> Result<(OpenTarget, PageQuery)> {
    let config = require(state, caller, pipeline).await?;
    open_version(state, caller, &config, parameters).await
}

/// The same for a config version that [`require`] has found.
///
/// # Errors
/// As [`open`].
pub async fn open_version(
    state: &AppState,
    caller: &Caller,
    config: &ConfigVersion,
    parameters: &[(String, String)],
) -> Result<(OpenTarget, PageQuery)> {
    let pipeline = config.name.as_str();
    let target = target_of(state, config, pipeline).await?;
    let named = parameters.iter().find(|(key, _)| key == "table").map(|(_, table)| table.as_str());
    let target = match named {
        Some(table) => of_table(state, pipeline, &target, table).await?,
        None if target.has_tables() => return Err(table_not_named(pipeline)),
        None => target,
    };
    let query = PageQuery { internal: false, ..table_query::of(parameters)? };
    refuse_internal(&query).map_err(|error| tell_of_shared(error, pipeline))?;
    let opened = targets::open_shared(state, caller, &target).await?;
    Ok((opened.map_err(|error| tell_of_shared(error, pipeline))?, query))
}

/// One of the tables of a pipeline with a table for each file: only what its own runs have loaded.
async fn of_table(state: &AppState, pipeline: &str, target: &TargetConfig, table: &str) -> Result<TargetConfig> {
    let fitting = targets::one_of_its_tables(target, table).ok_or_else(|| not_shared(pipeline))?;
    match shared_tables::has_loaded(&state.db, pipeline, table).await? {
        true => Ok(fitting),
        false => Err(not_shared(pipeline)),
    }
}

/// Whether a column is one that elt adds.
pub fn is_internal(column: &str) -> bool {
    column.starts_with(INTERNAL)
}

fn refuse_internal(query: &PageQuery) -> Result<(), TargetError> {
    let sorted = query.sort.iter().map(|sort| &sort.column);
    let filtered = query.filters.iter().map(|filter| &filter.column);
    let mut named = query.columns.iter().flatten().chain(sorted).chain(filtered);
    match named.find(|column| is_internal(column)) {
        Some(column) => Err(TargetError::NoColumn { column: column.clone() }),
        None => Ok(()),
    }
}

fn table_not_named(pipeline: &str) -> Error {
    let detail = format!("the pipeline {pipeline} has a table for each file");
    Error::bad_request(Code::TableNotNamed, detail, "Name the table as well (`table`).")
}

/// The answer about a pipeline that is not shared, which is the same as about one that does not exist.
pub fn not_shared(pipeline: &str) -> Error {
    Error::NotFound(format!("table of the pipeline {pipeline} that is shared with you"))
}
