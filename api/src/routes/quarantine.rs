//! Quarantine: rows that broke the contract, why, and loading them after all.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use elt_shared::explained::Code;
use elt_shared::runs::RunKind;
use elt_shared::store::configs::ConfigVersion;
use elt_shared::target::{Compare, Filter, Group, PageQuery as TableQuery, Sort, TableRef, TargetError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{configs, runs};
use crate::AppState;
use crate::audit::{AuditNote, Origin};
use crate::auth::ticket::TicketParameter;
use crate::auth::{AdminData, Caller, OnPipelines, Trigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params};
use crate::idempotency::IdempotencyKey;
use crate::page::PageQuery;
use crate::targets::OpenTarget;
use crate::{download, targets};

/// Where rejected rows are kept, in the target's schema.
const TABLE: &str = "_elt_quarantine";
/// What is shown of a row. The last ones are missing in a table that an older release made and no run has loaded beside
/// since.
const COLUMNS: [&str; 13] = [
    "id",
    "at",
    "run_id",
    "file",
    "line",
    "column_name",
    "code",
    "reason",
    "raw",
    "replayed_by",
    "seen",
    "first_seen",
    "first_run_id",
];

/// The columns that say why a row was rejected.
const REASON: [&str; 2] = ["code", "column_name"];
/// Reasons that are counted one by one.
const MOST_REASONS: u32 = 50;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(export)).routes(routes!(replay))
}

/// Which rows: of one run, or of everything a config's table rejected.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct QuarantineQuery {
    /// Only rows that this run rejected and that no later run has rejected again.
    run_id: Option<Uuid>,
    /// Of the table of this config version, when no run is named.
    config_id: Option<i64>,
    /// Only rejected with this code.
    code: Option<String>,
    /// Only about this column.
    column: Option<String>,
    /// Only rows that no replay has loaded.
    #[serde(default)]
    #[param(default = false)]
    open: bool,
}

/// A rejected row.
#[derive(Serialize, Deserialize, ToSchema)]
struct QuarantinedRow {
    /// Names it for a replay.
    id: i64,
    /// When a run last rejected it.
    at: String,
    /// Id of the run that rejected the row.
    run_id: Uuid,
    file: String,
    line: i64,
    /// The column it is about, when it is about one.
    #[serde(rename(deserialize = "column_name"))]
    column: Option<String>,
    /// Code of the reason, for programs.
    code: String,
    /// The reason as a sentence, for people.
    reason: String,
    /// The row as it stands in the file.
    raw: String,
    /// The run that loaded it after all.
    replayed_by: Option<Uuid>,
    /// How many runs have rejected it: a row that stays in its file is rejected by each of them.
    #[serde(default = "once")]
    seen: i64,
    /// When a run first rejected it.
    #[serde(default)]
    first_seen: Option<String>,
    /// The run that first rejected it.
    #[serde(default)]
    first_run_id: Option<Uuid>,
}

fn once() -> i64 {
    1
}

impl QuarantinedRow {
    /// A row of an older release was rejected once, by the run that it names.
    fn complete(self) -> Self {
        let first_seen = self.first_seen.or_else(|| Some(self.at.clone()));
        Self { first_seen, first_run_id: self.first_run_id.or(Some(self.run_id)), ..self }
    }
}

/// A page of rejected rows, and how many there are.
#[derive(Serialize, ToSchema)]
struct QuarantinePage {
    data: Vec<QuarantinedRow>,
    /// Send it back as `cursor` to get older ones.
    next: Option<String>,
    /// Number of rows that match; `null` when counting takes too long.
    total: Option<i64>,
    /// The reasons for which rows of this run, or of this table, were rejected, the most frequent first and at most 50 of
    /// them, whatever `code` and `column` say. `null` on later pages, and when counting takes too long.
    reasons: Option<Vec<QuarantineReason>>,
}

/// Rows that were rejected for the same reason.
#[derive(Serialize, ToSchema)]
struct QuarantineReason {
    /// Code of the reason, for programs.
    code: String,
    /// The column it is about, when it is about one.
    column: Option<String>,
    /// Number of rows.
    rows: i64,
}

impl QuarantineReason {
    fn of(group: Group) -> Self {
        let mut values = group.values.into_iter();
        let (code, column) = (values.next().flatten().unwrap_or_default(), values.next().flatten());
        Self { code, column, rows: group.rows }
    }
}

/// Rejected rows, newest first.
#[utoipa::path(get, path = "/quarantine", tag = "quarantine", security(("token" = []), ("api_token" = ["data"])), params(PageQuery, QuarantineQuery),
    responses((status = 200, body = QuarantinePage), (status = 404, body = Problem), (status = 429, body = Problem),
    (status = 502, body = Problem), (status = 503, body = Problem)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<AdminData>,
    Params(page): Params<PageQuery>,
    Params(query): Params<QuarantineQuery>,
) -> Result<Json<QuarantinePage>> {
    let (mut target, table, asked) = open(&state, &caller, &query).await?;
    let asked = TableQuery { limit: page.limit() as u32, cursor: page.after()?, ..asked };
    let reasons = match page.cursor {
        Some(_) => Ok(None),
        None => reasons(&mut target, &table, &asked.filters).await,
    };
    let found = match reasons {
        Ok(reasons) => target.page(table, asked).await.map(|found| (reasons, found)),
        Err(error) => Err(error),
    };
    let (reasons, found) = match found {
        // A table nothing was ever rejected from has no quarantine yet.
        Err(TargetError::NoTable { .. }) => {
            return Ok(Json(QuarantinePage {
                data: Vec::new(),
                next: None,
                total: Some(0),
                reasons: Some(Vec::new()),
            }));
        }
        found => found.map_err(|error| targets::tell(error, &caller))?,
    };
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    let rows = found.rows.into_iter().map(|row| {
        let row: Map<String, Value> = names.iter().map(|name| (*name).to_owned()).zip(row).collect();
        serde_json::from_value(Value::Object(row))
            .map(QuarantinedRow::complete)
            // The error would quote the value.
            .map_err(|_| {
                targets::tell(TargetError::Database(sqlx::Error::Decode("a column has another type".into())), &caller)
            })
    });
    let next = found.next.map(|next| crate::page::cursor(&next));
    Ok(Json(QuarantinePage { data: rows.collect::<Result<_>>()?, next, total: found.total, reasons }))
}

/// Why rows were rejected, whatever reason the page is about.
async fn reasons(
    target: &mut OpenTarget,
    table: &TableRef,
    filters: &[Filter],
) -> Result<Option<Vec<QuarantineReason>>, TargetError> {
    let filters: Vec<Filter> =
        filters.iter().filter(|filter| !REASON.contains(&filter.column.as_str())).cloned().collect();
    let groups = target.groups(table, &REASON, &filters, MOST_REASONS).await?;
    Ok(groups.map(|groups| groups.into_iter().map(QuarantineReason::of).collect()))
}

/// Rejected rows as a file, to mend and load again.
#[utoipa::path(get, path = "/quarantine/export", tag = "quarantine", security(("token" = []), ("api_token" = ["data"])),
    params(QuarantineQuery, TicketParameter),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = Problem),
    (status = 429, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)))]
async fn export(
    State(state): State<AppState>,
    caller: OnPipelines<AdminData>,
    origin: Origin,
    Params(query): Params<QuarantineQuery>,
) -> Result<Response> {
    let (target, table, asked) = open(&state, &caller, &query).await?;
    origin.note(&state, &caller, "GET /quarantine/export", &format!("table {table}")).await?;
    let all = state.settings.export_of(true);
    let exported = target.export(&table, &asked, all).await.map_err(|error| targets::tell(error, &caller))?;
    Ok(download::export("quarantine", "csv", exported.cut, Body::from_stream(exported.rows)))
}

/// Connects to the target, and says which of its rejected rows are asked for.
async fn open(
    state: &AppState,
    caller: &Caller,
    query: &QuarantineQuery,
) -> Result<(OpenTarget, TableRef, TableQuery)> {
    let (config, run_table) = config_of(state, caller, query.run_id, query.config_id).await?;
    let mut target = targets::open_config(state, caller, &config, run_table.as_deref()).await?;
    let table = target.table.clone();
    let there = target.columns(&table.sibling(TABLE)).await.map_err(|error| targets::tell(error, caller))?;
    let is_there = |column: &&str| there.as_ref().is_none_or(|there| there.iter().any(|name| name == column));
    let is = |column: &str, value: String| Filter { column: column.into(), compare: Compare::Equal, value };
    let mut filters = vec![is("table_name", table.table.clone())];
    filters.extend(query.run_id.map(|id| is("run_id", id.to_string())));
    filters.extend(query.code.clone().map(|code| is("code", code)));
    filters.extend(query.column.clone().map(|column| is("column_name", column)));
    filters.extend(query.open.then(|| Filter {
        column: "replayed_by".into(),
        compare: Compare::IsNull,
        value: String::new(),
    }));
    let asked = TableQuery {
        columns: Some(COLUMNS.into_iter().filter(is_there).map(ToOwned::to_owned).collect()),
        sort: vec![Sort { column: "id".into(), descending: true }],
        filters,
        ..TableQuery::default()
    };
    Ok((target, table.sibling(TABLE), asked))
}

/// The config version, and the table of the run when one is named.
async fn config_of(
    state: &AppState,
    caller: &Caller,
    run_id: Option<Uuid>,
    config_id: Option<i64>,
) -> Result<(ConfigVersion, Option<String>)> {
    let (config_id, run_table) = match (run_id, config_id) {
        (Some(run), _) => {
            let run = runs::find(state, caller, run).await?;
            (run.config_id, Some(run.target_table))
        }
        (None, Some(config)) => (config, None),
        (None, None) => return Err(Error::invalid_query("name a run_id or a config_id")),
    };
    Ok((configs::find(state, caller, config_id).await?, run_table))
}

/// Which rows to load after all.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// The run that rejected them.
    run_id: Uuid,
    /// Convert them as this config version says; absent: as the run's own.
    config_id: Option<i64>,
    /// Only these rows; absent: all that it was the first or the last run to reject, and so more than
    /// `GET /quarantine?run_id=` shows, which leaves out those that a later run has rejected again.
    ids: Option<Vec<i64>>,
}

/// Loads rejected rows after all, as a run of its own. A row that was loaded meanwhile is counted as a duplicate.
///
/// A record that could not be read as a row, or of which `shape` could not compute a column, has no cells to load. It stays in the
/// quarantine, and the run's report warns of the number of such records.
#[utoipa::path(post, path = "/quarantine/replay", tag = "quarantine", security(("token" = []), ("api_token" = ["trigger"])), request_body = Replay,
    responses((status = 202, body = runs::RunView), (status = 404, body = Problem)))]
async fn replay(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Json(request): Json<Replay>,
) -> Result<Response> {
    note.object("run", request.run_id);
    if request.ids.as_ref().is_some_and(|ids| ids.is_empty() || ids.len() > 10_000) {
        return Err(Error::unprocessable(Code::InvalidIds, "ids holds 1 to 10000 rows; leave it out to replay all"));
    }
    let run = runs::find(&state, &caller, request.run_id).await?;
    let config = configs::find(&state, &caller, request.config_id.unwrap_or(run.config_id)).await?;
    let mut pipeline = runs::pipeline_of(&state, &config).await?;
    caller.reach(&pipeline.name)?;
    runs::refuse_whole(&run)?;
    pipeline.target = pipeline.target.of_run(&run.target_table);
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &request).await? {
        return Ok(known);
    }
    let options = match &request.ids {
        Some(ids) => json!({ "quarantine_ids": ids }),
        None => json!({}),
    };
    let kind = runs::Kind { subject: Some(run.id), options, ..runs::Kind::new(RunKind::Replay) };
    let replay = runs::of_config(&mut tx, &caller, &config, &pipeline, kind).await?;
    runs::accepted((&once, &note), tx, &caller, replay).await
}
