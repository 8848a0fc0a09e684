//! Shared tables as files.

use std::fs::File as StdFile;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use elt_shared::explained::Code;
use elt_shared::target::{Measure, PageQuery, TableRows};
use futures::StreamExt;
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::access;
use crate::AppState;
use crate::audit::{AuditNote, Origin};
use crate::auth::ticket::TicketParameter;
use crate::auth::{Data, OnPipelines};
use crate::download;
use crate::error::{Error, Problem, Result};
use crate::export_disk::Disk;
use crate::extract::{Params, Path};
use crate::target_errors::tell_of_shared;
use crate::targets::OpenTarget;
use crate::write_error::WriteError;
use crate::{parquet, xlsx};

/// Time for reading the rows of a file that is written before the answer begins: an answer has a minute to begin.
const READ_WITHIN: Duration = Duration::from_secs(45);

/// Which rows, and what kind of file.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters")]
struct ExportParameters {
    /// `csv` (the default), `xlsx` or `parquet`.
    format: Option<String>,
    /// `true`: a CSV keeps texts that look like formulas as they are.
    raw: Option<bool>,
    /// Which table, when there is a table for each file.
    table: Option<String>,
    /// Columns to sort by, separated by commas; `-amount` sorts the largest first.
    sort: Option<String>,
    /// `column:op:value`, any number of times; op is one of eq, ne, lt, le, gt, ge, contains, null, not_null.
    #[param(style = Form, explode)]
    filter: Option<Vec<String>>,
    /// Only these columns, separated by commas.
    columns: Option<String>,
}

/// The rows of a shared table as a file, up to `ELT_EXPORT_ROWS` and `ELT_EXPORT_MIB`. The name of a file that has not all rows
/// says so, and the header `Elt-Export-Cut` has their number. A CSV with too many bytes breaks off with an error.
#[utoipa::path(get, path = "/shared-tables/{name}/export", tag = "shared tables", security(("token" = []), ("api_token" = ["data"])),
    params(ExportParameters, TicketParameter), responses(
    (status = 200, content((String = "text/csv"), (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (String = "application/vnd.apache.parquet"))),
    (status = 404, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 502, body = Problem),
    (status = 503, body = Problem), (status = 507, body = Problem)))]
pub async fn export(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    note: AuditNote,
    origin: Origin,
    Path(name): Path<String>,
    Params(parameters): Params<Vec<(String, String)>>,
) -> Result<Response> {
    note.object("pipeline", &name);
    let field = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let written = match field("format") {
        None | Some("csv") => None,
        Some("xlsx") => Some(Written::Workbook),
        Some("parquet") => Some(Written::Parquet),
        Some(other) => return Err(Error::invalid_query(format!("format is csv, xlsx or parquet, not {other:?}"))),
    };
    let (target, query) = access::open(&state, &caller, &name, &parameters).await?;
    let table = target.table.clone();
    let object = format!("pipeline {name}, table {table}");
    origin.note(&state, &caller, "GET /shared-tables/{name}/export", &object).await?;
    if let Some(written) = written {
        return file(&state, target, &query, &name, written).await;
    }
    let export = state.settings.export_of(field("raw") != Some("true"));
    let exported = target.export(&table, &query, export).await.map_err(|error| tell_of_shared(error, &name))?;
    Ok(download::export(&table.table, "csv", exported.cut, Body::from_stream(exported.rows)))
}

/// A kind of file that elt writes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Workbook,
    Parquet,
}

impl Written {
    fn suffix(self) -> &'static str {
        match self {
            Self::Workbook => "xlsx",
            Self::Parquet => "parquet",
        }
    }

    fn measure(self) -> Measure {
        match self {
            Self::Workbook => Measure::Nothing,
            Self::Parquet => Measure::Ranges,
        }
    }

    fn write(self, disk: &Disk, rows: TableRows, stop: &CancellationToken) -> Result<StdFile, WriteError> {
        match self {
            Self::Workbook => xlsx::write(disk, rows, stop),
            Self::Parquet => parquet::write(disk, rows, stop),
        }
    }
}

/// The rows as a file that is written to the disk before the first byte is sent, so that a failure is an answer and not half a
/// file.
async fn file(
    state: &AppState,
    target: OpenTarget,
    query: &PageQuery,
    pipeline: &str,
    kind: Written,
) -> Result<Response> {
    let mut export = state.settings.export_of(false);
    if kind == Written::Workbook {
        export.max_rows = export.max_rows.min(xlsx::MOST_ROWS);
    }
    let longest = export.longest;
    export.longest = longest.min(READ_WITHIN);
    let table = target.table.table.clone();
    let told = |error| tell_of_shared(error, pipeline);
    let (exported, permit) = target.export_rows(query, export, kind.measure()).await.map_err(told)?;
    // Dropped when the client goes away while the file is written.
    let folder = folder(&state.settings.data_dir);
    let (stop, disk) = (CancellationToken::new(), Disk::of(folder.clone()));
    let _stop = stop.clone().drop_guard();
    let writing = tokio::task::spawn_blocking(move || (kind.write(&disk, exported.rows, &stop), permit));
    let (written, permit) = writing.await.map_err(|error| Error::internal("write an export", error))?;
    let file = written.map_err(|error| match error {
        error if error.is_about_room() => no_room(&folder),
        WriteError::Rows(error) => told(error),
        WriteError::CellTooLong { .. } => Error::refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::ExportTooLarge,
            error.to_string(),
            "Hide the column, filter the row out, or export as CSV, whose cells have no limit.",
        ),
        error => Error::internal("write an export", error),
    })?;
    let end = Instant::now() + longest;
    let rows = ReaderStream::new(File::from_std(file)).map(move |chunk| {
        // The file takes room on the disk until the client has all of it, and so long it is one of the user's connections.
        let _held = &permit;
        if Instant::now() < end { chunk } else { Err(io::ErrorKind::TimedOut.into()) }
    });
    Ok(download::export(&table, kind.suffix(), exported.cut, Body::from_stream(rows)))
}

fn no_room(folder: &FilePath) -> Error {
    tracing::warn!(
        "an export was not written, because the disk of {} has too little room: make room there",
        folder.display()
    );
    Error::refused(
        StatusCode::INSUFFICIENT_STORAGE,
        Code::ExportDiskFull,
        "the disk with the data folder of the API has no room for the file",
        "Export as CSV, which needs no room there, or let the operator make room.",
    )
}

/// Where a file is written. The file has no name, so it is gone with the process.
fn folder(data_dir: &FilePath) -> PathBuf {
    if data_dir.is_dir() { data_dir.to_owned() } else { std::env::temp_dir() }
}
