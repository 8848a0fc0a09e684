//! How much of the code the tests run.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::store::coverage::{self, Imported, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Allowed, Data, Manage};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params};

/// Reports of the history.
const HISTORY: i64 = 100;
/// `llvm-cov export` writes a lot about a large project.
const MAX_REPORT_BYTES: usize = 32 << 20;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(newest)).routes(routes!(import).layer(DefaultBodyLimit::max(MAX_REPORT_BYTES)))
}

/// A report in coverage.py's shape.
#[derive(Serialize, ToSchema)]
struct CoverageReport {
    /// `covered_lines`, `num_statements`, `missing_lines`, `percent_covered`, `percent_covered_display`.
    totals: Value,
    /// The same for each file, under `summary`.
    #[schema(value_type = Object)]
    files: Map<String, Value>,
    /// `totals.covered_lines`
    covered_lines: i64,
    /// `totals.num_statements`
    num_statements: i64,
    /// `totals.percent_covered`
    percent_covered: f64,
    /// What wrote it.
    meta: Value,
    /// The commit it is about.
    commit: Option<String>,
    /// When it was imported.
    at: Option<DateTime<Utc>>,
    /// Earlier reports and this one, oldest first.
    history: Vec<CoveragePoint>,
}

/// The numbers of one report.
#[derive(Serialize, ToSchema)]
struct CoveragePoint {
    at: DateTime<Utc>,
    commit: Option<String>,
    covered_lines: i64,
    num_statements: i64,
    percent_covered: f64,
}

impl From<Imported> for CoveragePoint {
    fn from(report: Imported) -> Self {
        Self {
            at: report.at,
            commit: report.commit_id,
            covered_lines: report.covered_lines,
            num_statements: report.num_statements,
            percent_covered: report.percent_covered,
        }
    }
}

/// The newest coverage report, or the one this program was built with.
#[utoipa::path(get, path = "/coverage-report", tag = "coverage", security(("token" = []), ("api_token" = ["data"])), responses(
    (status = 200, body = CoverageReport), (status = 404, body = Problem)))]
async fn newest(State(state): State<AppState>, _caller: Allowed<Data>) -> Result<Json<CoverageReport>> {
    let (report, commit, at) = match coverage::newest(&state.db).await? {
        Some(imported) => (imported.report, imported.commit_id, Some(imported.at)),
        None => (built_in().ok_or_else(none_yet)?.json, None, None),
    };
    let history = coverage::history(&state.db, HISTORY).await?;
    let totals = report["totals"].clone();
    let number = |name: &str| totals[name].as_i64().unwrap_or_default();
    Ok(Json(CoverageReport {
        covered_lines: number("covered_lines"),
        num_statements: number("num_statements"),
        percent_covered: totals["percent_covered"].as_f64().unwrap_or_default(),
        files: report["files"].as_object().cloned().unwrap_or_default(),
        meta: report["meta"].clone(),
        totals,
        commit,
        at,
        history: history.into_iter().map(Into::into).collect(),
    }))
}

/// The report this program was built with; empty when there was none.
const BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/coverage.json"));

fn built_in() -> Option<Report> {
    // Only a release is built from the commit its report is about.
    let json = serde_json::from_str(BUILT_IN).ok().filter(|_| !cfg!(debug_assertions))?;
    Report::read(&json).ok()
}

fn none_yet() -> Error {
    Error::refused(
        StatusCode::NOT_FOUND,
        Code::NoCoverage,
        "no coverage report was imported yet",
        "Run `make coverage`.",
    )
}

/// Which commit a report is about.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// Hash of the commit that was tested.
    commit: Option<String>,
}

/// The id of an imported report.
#[derive(Serialize, ToSchema)]
struct ImportAnswer {
    id: i64,
    percent_covered: f64,
}

/// Imports a report: coverage.py's JSON or `cargo llvm-cov --json`'s.
#[utoipa::path(post, path = "/coverage-report", tag = "coverage", security(("token" = []), ("api_token" = ["admin"])), params(ImportQuery),
    request_body = Object, responses(
    (status = 201, body = ImportAnswer)))]
async fn import(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    note: AuditNote,
    Params(query): Params<ImportQuery>,
    Json(report): Json<Value>,
) -> Result<(StatusCode, Json<ImportAnswer>)> {
    let report = Report::read(&report).map_err(|error| Error::unprocessable(Code::NotAReport, error.to_string()))?;
    let mut tx = state.db.begin().await?;
    let id = coverage::import(&mut *tx, &report, query.commit.as_deref()).await?;
    note.object("coverage report", id);
    note.commit(tx, StatusCode::CREATED).await?;
    Ok((StatusCode::CREATED, Json(ImportAnswer { id, percent_covered: report.percent_covered() })))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_second_build_does_nothing_because_every_watched_file_is_there() {
        let output = Path::new(env!("OUT_DIR")).with_file_name("output");
        let output = std::fs::read_to_string(&output).expect("what the build script said");
        let watched: Vec<&str> =
            output.lines().filter_map(|line| line.strip_prefix("cargo:rerun-if-changed=")).collect();
        assert!(!watched.is_empty(), "{output}");
        for path in watched {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path} is missing");
        }
    }
}
