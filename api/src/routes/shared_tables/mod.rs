//! Shared tables: rows of the tables that admins share with the caller. The config behind them stays unseen: the server opens
//! the newest version that an admin has uploaded, and a user's own version of the same name decides nothing.

mod access;
mod export;
mod filters;
mod profile;

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::store::shared_tables::{self, LoadedTable, SharedTable};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::data_view::DataView;
use crate::AppState;
use crate::auth::{Data, OnPipelines};
use crate::error::{Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::page::{Page, PageQuery};
use crate::target_errors::tell_of_shared;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(tables))
        .routes(routes!(rows))
        .routes(routes!(export::export))
        .routes(routes!(profile::profile))
        .routes(routes!(filters::filters))
        .routes(routes!(filters::save_filter, filters::remove_filter))
}

/// How new the rows of a table are.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Freshness {
    /// The last load is as new as the config asks for.
    Fresh,
    /// The last load is older than that.
    Stale,
}

/// A table that is shared with the caller, or the tables of a pipeline with a table for each file.
#[derive(Serialize, ToSchema)]
struct SharedTableView {
    /// Pipeline name, by which the table is asked for.
    pipeline: String,
    /// The table as the last run that loaded names it; `null` before the first one, and with a table for each file.
    table: Option<String>,
    /// Whether there is a table for each file: `GET /shared-tables/{name}/tables` lists them.
    has_tables: bool,
    /// When the last run that loaded ended; `null` before the first one.
    loaded_at: Option<DateTime<Utc>>,
    /// How new the rows are; `null` when the config does not say how new they have to be.
    freshness: Option<Freshness>,
    /// Username of the admin who shared the table.
    shared_by: String,
    shared_at: DateTime<Utc>,
}

impl From<SharedTable> for SharedTableView {
    fn from(shared: SharedTable) -> Self {
        let freshness = shared.stale.map(|is_stale| if is_stale { Freshness::Stale } else { Freshness::Fresh });
        Self {
            pipeline: shared.pipeline,
            table: shared.table,
            has_tables: shared.has_tables,
            loaded_at: shared.loaded_at,
            freshness,
            shared_by: shared.granted_by,
            shared_at: shared.granted_at,
        }
    }
}

/// The tables that are shared with the caller, in the order of the pipelines' names.
#[utoipa::path(get, path = "/shared-tables", tag = "shared tables", security(("token" = []), ("api_token" = ["data"])),
    params(PageQuery), responses((status = 200, body = Page<SharedTableView>)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<SharedTableView>>> {
    let after: Option<String> = page.after()?;
    let (user, names) = (caller.user.id, caller.pipelines());
    let rows = shared_tables::list(&state.db, user, names, after.as_deref(), page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |shared| shared.pipeline.clone(), Into::into)))
}

/// Tables of one read.
const READ: i64 = 1_000;
/// Most reads for a page of tables, so that many tables of an older config do not hold a request for long. A page that needs more
/// is the last one: the tables after it are not listed.
const MOST_READS: usize = 20;

/// One of the tables of a pipeline with a table for each file.
#[derive(Serialize, ToSchema)]
struct LoadedTableView {
    /// Its name, as `table` of the other requests takes it.
    table: String,
    /// When its last run that succeeded ended.
    loaded_at: DateTime<Utc>,
}

impl From<LoadedTable> for LoadedTableView {
    fn from(LoadedTable { table, loaded_at }: LoadedTable) -> Self {
        Self { table, loaded_at }
    }
}

/// The tables of a shared pipeline with a table for each file, by name: those that its runs have loaded. Other pipelines have
/// none here.
#[utoipa::path(get, path = "/shared-tables/{name}/tables", tag = "shared tables",
    security(("token" = []), ("api_token" = ["data"])), params(PageQuery),
    responses((status = 200, body = Page<LoadedTableView>), (status = 404, body = Problem)))]
async fn tables(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    Path(name): Path<String>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<LoadedTableView>>> {
    let after: Option<String> = page.after()?;
    let target = access::target(&state, &caller, &name).await?;
    // Those of an older config with another pattern are not shared, and their names are not told by the cursor either.
    let is_shared = |row: &LoadedTable| crate::targets::one_of_its_tables(&target, &row.table).is_some();
    let (mut shared, mut after) = (Vec::new(), after);
    let wanted = page.fetch() as usize;
    for _ in 0..MOST_READS {
        let read = shared_tables::loaded(&state.db, &name, after.as_deref(), READ).await?;
        after = read.last().filter(|_| read.len() as i64 == READ).map(|row| row.table.clone());
        shared.extend(read.into_iter().filter(is_shared));
        if after.is_none() || shared.len() >= wanted {
            break;
        }
    }
    shared.truncate(wanted);
    Ok(Json(Page::of(shared, &page, |row| row.table.clone(), LoadedTableView::from)))
}

/// Which rows of a shared table.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters")]
struct RowParameters {
    /// Which table, when there is a table for each file.
    table: Option<String>,
    /// How many rows, up to 1000. Default 100.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Number of rows before the page, instead of a cursor. Default 0.
    offset: Option<u32>,
    /// Columns to sort by, separated by commas; `-amount` sorts the largest first.
    sort: Option<String>,
    /// `column:op:value`, any number of times; op is one of eq, ne, lt, le, gt, ge, contains, null, not_null.
    #[param(style = Form, explode)]
    filter: Option<Vec<String>>,
    /// Only these columns, separated by commas.
    columns: Option<String>,
}

/// Rows of a table that is shared with the caller, without the columns that elt adds.
#[utoipa::path(get, path = "/shared-tables/{name}/rows", tag = "shared tables", security(("token" = []), ("api_token" = ["data"])),
    params(RowParameters), responses((status = 200, body = DataView), (status = 404, body = Problem),
    (status = 429, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)))]
async fn rows(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    Path(name): Path<String>,
    Params(parameters): Params<Vec<(String, String)>>,
) -> Result<Json<DataView>> {
    let (target, query) = access::open(&state, &caller, &name, &parameters).await?;
    let table = target.table.clone();
    let page = target.page(table, query).await.map_err(|error| tell_of_shared(error, &name))?;
    Ok(Json(page.into()))
}
