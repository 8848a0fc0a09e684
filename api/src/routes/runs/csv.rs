//! The combined output of a run, where this process and the worker share the data folder.

use std::path::{Path as FilePath, PathBuf};

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use elt_shared::explained::Code;
use elt_shared::store::runs::Run;
use elt_shared::store::workers;
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::find;
use crate::AppState;
use crate::audit::Origin;
use crate::auth::ticket::TicketParameter;
use crate::auth::{AdminData, OnPipelines};
use crate::download;
use crate::error::{Error, Problem, Result};
use crate::extract::{Params, Path};

/// The combined output a run wrote: all its rows as they were validated, as CSV, Parquet or NDJSON.
#[utoipa::path(get, path = "/runs/{id}/csv", tag = "runs", security(("token" = []), ("api_token" = ["data"])),
    params(TicketParameter), responses(
    (status = 200, content(
        (String = "text/csv"), (String = "application/vnd.apache.parquet"), (String = "application/x-ndjson"),
        (String = "application/gzip"), (String = "application/zstd"))),
    (status = 404, body = Problem)))]
pub async fn download(
    State(state): State<AppState>,
    caller: OnPipelines<AdminData>,
    origin: Origin,
    Path(id): Path<Uuid>,
    // Its value is not used: the extractor refuses a query that cannot be decoded or has a NUL character.
    Params(_query): Params<Vec<(String, String)>>,
) -> Result<Response> {
    let run = find(&state, &caller, id).await?;
    let written = run.report.as_ref().and_then(|report| report["combined_csv"].as_str()).map(PathBuf::from);
    let written = written.ok_or_else(|| Error::NotFound(format!("combined CSV of the run {id}")))?;
    let Some(file) = open_output(&state.settings.data_dir, &written).await else {
        return Err(elsewhere(&state, &run, &written).await);
    };
    origin.note(&state, &caller, "GET /runs/{id}/csv", &format!("run {id}")).await?;
    Ok(download::file(&run.name, suffix(&written), Body::from_stream(ReaderStream::new(file))))
}

/// The suffix of an output file, by its name.
fn suffix(written: &FilePath) -> &'static str {
    let name = written.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let known = ["csv.gz", "csv.zst", "parquet", "ndjson", "ndjson.gz", "ndjson.zst"];
    known.into_iter().find(|suffix| name.ends_with(&format!(".{suffix}"))).unwrap_or("csv")
}

/// Opens a file of the output folder, wherever links lead: nothing else in the data folder is anyone's to read.
async fn open_output(data_dir: &FilePath, written: &FilePath) -> Option<File> {
    let output = tokio::fs::canonicalize(data_dir.join("output")).await.ok()?;
    let found = tokio::fs::canonicalize(written).await.ok().filter(|found| found.starts_with(&output))?;
    let file = File::open(found).await.ok()?;
    file.metadata().await.ok().filter(std::fs::Metadata::is_file)?;
    Some(file)
}

/// Says where the file is.
async fn elsewhere(state: &AppState, run: &Run, written: &FilePath) -> Error {
    let worker = run.worker_id.as_deref().unwrap_or_default();
    let host =
        workers::find(&state.db, worker).await.ok().flatten().map_or("its worker".to_owned(), |worker| worker.host);
    Error::refused(
        StatusCode::NOT_FOUND,
        Code::CsvElsewhere,
        format!("the combined output is {} on {host}, which this server does not read", written.display()),
        "Fetch it there, or leave `output_csv_path` and `output.path` out and share the data folder between server and workers.",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn only_files_of_the_output_folder_are_opened() {
        let data = std::env::temp_dir().join(format!("elt-api-{}", Uuid::new_v4()));
        std::fs::create_dir_all(data.join("output")).expect("a folder");
        std::fs::write(data.join("keys"), "secret").expect("a file");
        std::fs::write(data.join("output/a.csv"), "a").expect("a file");
        symlink(data.join("keys"), data.join("output/link.csv")).expect("a link");
        for (path, opens) in [
            ("output/a.csv", true),
            ("output/../output/a.csv", true),
            ("output/../keys", false),
            ("keys", false),
            ("output/link.csv", false),
            ("output", false),
            ("output/missing.csv", false),
        ] {
            assert_eq!(open_output(&data, &data.join(path)).await.is_some(), opens, "{path}");
        }
        std::fs::remove_dir_all(data).expect("removed the folder");
    }
}
