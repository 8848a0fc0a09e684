//! The data view: rows of a target table, with the credentials the YAML names.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use elt_shared::explained::Code;
use elt_shared::store::configs::ConfigAuthor;
use elt_shared::store::uploads::Upload;
use elt_shared::target::{Page, PageQuery};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::configs::{self, YamlForm, check};
use crate::AppState;
use crate::audit::Origin;
use crate::auth::ticket::TicketParameter;
use crate::auth::{AdminData, Caller, Data, OnPipelines};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, UploadedFile};
use crate::targets::OpenTarget;
use crate::{download, table_query, targets};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(data_view, export_of_config))
}

/// Which rows. Also understood as fields of the form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters")]
struct ViewParameters {
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
    /// `true` shows the `_elt_*` columns too.
    internal: Option<bool>,
    /// `csv` answers with a file of all rows, up to `ELT_EXPORT_ROWS`. The name of a file without the others says so.
    format: Option<String>,
    /// `true`: the file keeps texts that look like formulas as they are.
    raw: Option<bool>,
    /// Instead of a file: the target of this config version. Admins only.
    config_id: Option<i64>,
    /// Which table, when the config has a table for each file.
    table: Option<String>,
}

/// Rows of a table.
#[derive(Serialize, ToSchema)]
pub(super) struct DataView {
    /// Names, in the table's order.
    columns: Vec<String>,
    /// The type of each column, as PostgreSQL writes it.
    types: Vec<String>,
    /// Rows as objects. Integers beyond 2^53 and decimals are texts, so that no digit is lost.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
    /// Rows that pass the filters; `null` when counting takes too long.
    total: Option<i64>,
    /// Send it back as `cursor` to get the next page.
    next: Option<String>,
}

impl From<Page> for DataView {
    fn from(page: Page) -> Self {
        let names: Vec<String> = page.columns.iter().map(|column| column.name.clone()).collect();
        let rows = page.rows.into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect();
        let types = page.columns.into_iter().map(|column| column.sql_type).collect();
        Self { columns: names, types, rows, total: page.total, next: page.next }
    }
}

/// Rows of the table a YAML names as its target.
#[utoipa::path(post, path = "/data-view", tag = "data", security(("token" = []), ("api_token" = ["data"])), params(ViewParameters),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 200, body = DataView),
    (status = 404, body = Problem), (status = 429, body = Problem), (status = 502, body = Problem),
    (status = 503, body = Problem)))]
async fn data_view(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    origin: Origin,
    file: UploadedFile,
) -> Result<Response> {
    let query = table_query::of(&file.fields)?;
    let as_file = file.field("format") == Some("csv");
    let for_spreadsheets = file.field("raw") != Some("true");
    let table = file.field("table").map(ToOwned::to_owned);
    let (upload, author) = document_of(&state, &caller, file).await?;
    let target = targets::target_of(&state, &caller, upload.document(), author).await?;
    let target = match &table {
        Some(table) => targets::of_table(&target, table)?,
        None => target,
    };
    let target = targets::open(&state, &caller, &target).await?;
    let table = target.table.clone();
    let told = |error| targets::tell(error, &caller);
    if as_file {
        origin.note(&state, &caller, "POST /data-view?format=csv", &format!("table {table}")).await?;
        return file_of(&state, &caller, target, &query, for_spreadsheets).await;
    }
    let page = target.page(table, query).await.map_err(told)?;
    Ok(Json(DataView::from(page)).into_response())
}

/// Which table and rows a file has.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters")]
struct FileParameters {
    /// The target of this config version.
    config_id: i64,
    /// Which table, when the config has a table for each file.
    table: Option<String>,
    /// `csv`.
    format: Option<String>,
    /// Columns to sort by, separated by commas; `-amount` sorts the largest first.
    sort: Option<String>,
    /// `column:op:value`, any number of times; op is one of eq, ne, lt, le, gt, ge, contains, null, not_null.
    #[param(style = Form, explode)]
    filter: Option<Vec<String>>,
    /// Only these columns, separated by commas.
    columns: Option<String>,
    /// `true` shows the `_elt_*` columns too.
    internal: Option<bool>,
    /// `true`: the file keeps texts that look like formulas as they are.
    raw: Option<bool>,
}

/// Rows of the target of a config version as a CSV file, up to `ELT_EXPORT_ROWS`. It is what `POST /data-view` answers with
/// `format=csv`, for a link.
#[utoipa::path(get, path = "/data-view", tag = "data", security(("token" = []), ("api_token" = ["data"])),
    params(FileParameters, TicketParameter), responses(
    (status = 200, content_type = "text/csv", body = String), (status = 404, body = Problem), (status = 429, body = Problem),
    (status = 502, body = Problem), (status = 503, body = Problem)))]
async fn export_of_config(
    State(state): State<AppState>,
    caller: OnPipelines<AdminData>,
    origin: Origin,
    Params(fields): Params<Vec<(String, String)>>,
) -> Result<Response> {
    let query = table_query::of(&fields)?;
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if let Some(other) = field("format").filter(|format| *format != "csv") {
        return Err(Error::invalid_query(format!("format is csv, not {other:?}")));
    }
    let id = field("config_id").ok_or_else(|| Error::invalid_query("name a config_id"))?;
    let (upload, author) = stored(&state, &caller, id).await?;
    let target = targets::target_of(&state, &caller, upload.document(), author).await?;
    let target = match field("table") {
        Some(table) => targets::of_table(&target, table)?,
        None => target,
    };
    let target = targets::open(&state, &caller, &target).await?;
    origin.note(&state, &caller, "GET /data-view", &format!("table {}", target.table)).await?;
    file_of(&state, &caller, target, &query, field("raw") != Some("true")).await
}

async fn file_of(
    state: &AppState,
    caller: &Caller,
    target: OpenTarget,
    query: &PageQuery,
    for_spreadsheets: bool,
) -> Result<Response> {
    let (table, export) = (target.table.clone(), state.settings.export_of(for_spreadsheets));
    let exported = target.export(&table, query, export).await.map_err(|error| targets::tell(error, caller))?;
    Ok(download::export(&table.table, "csv", exported.cut, Body::from_stream(exported.rows)))
}

/// The text of a config version, and who has uploaded it.
async fn stored(state: &AppState, caller: &Caller, id: &str) -> Result<(Upload, ConfigAuthor)> {
    let id = id.parse().map_err(|_| Error::invalid_query("config_id is a number"))?;
    let stored = configs::find(state, caller, id).await?;
    let text = stored.open(&state.keys)?.expose().to_owned();
    Ok((check(state, text).await?, stored.author()))
}

/// The YAML sent, or the version an admin names, and who vouches for it: the caller, or who uploaded that version.
async fn document_of(state: &AppState, caller: &Caller, file: UploadedFile) -> Result<(Upload, ConfigAuthor)> {
    match (file.field("config_id"), file.text.clone()) {
        (_, Some(text)) => {
            let upload = check(state, text).await?;
            reach_stored(state, caller, &upload).await?;
            Ok((upload, caller.author()))
        }
        (Some(id), None) if caller.is_admin() => stored(state, caller, id).await,
        (Some(_), None) => Err(Error::Forbidden("admin")),
        (None, None) => Err(Error::no_file("No file uploaded")),
    }
}

/// Refuses a YAML to an API token that is bound to pipelines, unless it is a stored version of one of them: a YAML may
/// name any pipeline and any table.
async fn reach_stored(state: &AppState, caller: &Caller, upload: &Upload) -> Result<()> {
    if caller.pipelines().is_none() {
        return Ok(());
    }
    match upload.known(&state.db, &state.keys).await? {
        Some(stored) => caller.reach(&stored.name),
        None => Err(Error::refused(
            StatusCode::FORBIDDEN,
            Code::OtherPipeline,
            "an API token that is bound to pipelines reads only the tables of their stored configs",
            "Send a stored version unchanged, or its `config_id`.",
        )),
    }
}
