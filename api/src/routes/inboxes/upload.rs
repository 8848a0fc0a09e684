//! Uploading a file to a pipeline: whole, or in pieces after a broken connection.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use elt_shared::api_token::Scope;
use elt_shared::explained::{Code, Explained};
use elt_shared::inbox::Landed;
use elt_shared::job::QUEUE;
use elt_shared::telemetry::traceparent;
use elt_shared::trigger::{Trigger, trigger};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::access::{self, Access};
use super::{file_name, upload_name};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Upload};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::keyed_limit::{Full, KeyPermit};
use crate::receive::{self, Announced, Complete, Destination, Received, blocking, failed};
use crate::routes::{configs, runs};

/// The address, whose requests may take long.
pub const UPLOAD_PATH: &str = "/pipelines/{name}/files/{file}";
/// `Retry-After` when too many uploads are under way, in seconds.
const PLACE_RETRY: u64 = 10;

/// How to upload.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PutParameters {
    /// A name for the upload, of 8 to 64 letters, digits, `-` and `_`, which is new for each content: by it the client goes on
    /// after a broken connection. What has arrived is kept for as many days as
    /// `ELT_KEEP_UPLOADS_DAYS` says, one by default.
    upload: Option<String>,
    /// xxh3-128 of the whole file as 32 hexadecimal digits. A file that arrives with another hash is not kept.
    hash: Option<String>,
    /// Whether to replace a file of the same name that has another content. Otherwise it is refused.
    #[serde(default)]
    replace: bool,
    /// Whether to start a run of the pipeline when the file is complete. It needs the right to start runs.
    #[serde(default)]
    run: bool,
}

/// What a request did to the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UploadOutcome {
    /// A part of the file is kept, and the rest is missing.
    Partial,
    /// The file is complete, and the pipeline reads it.
    Landed,
    /// The file is complete, and took the place of another one.
    Replaced,
    /// The inbox had the same file with the same content already.
    Unchanged,
}

/// What became of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct PutAnswer {
    /// Name of the file.
    name: String,
    /// What the request did.
    outcome: UploadOutcome,
    /// Bytes that have arrived.
    received: u64,
    /// Size of the whole file in bytes.
    bytes: u64,
    /// xxh3-128 of a complete file, as the receipt of its load shows it; `null` for a part.
    hash: Option<String>,
    /// The run that was started; `null` without `?run=true`.
    run_id: Option<Uuid>,
}

/// Uploads a file to the inbox of a pipeline. It is visible to the pipeline once it is complete and on the disk.
///
/// `Content-Range: bytes FIRST-LAST/TOTAL` sends a piece of an upload that has a name: pieces follow each other, and `GET`
/// answers how much has arrived. A piece that begins at 0 begins the upload anew. `bytes */TOTAL` with an empty body announces
/// a file: the answer says how much has arrived, that the file is complete, or why it may not be uploaded, before a byte is
/// sent. The same file with the same content again changes nothing.
#[utoipa::path(put, path = "/pipelines/{name}/files/{file}", tag = "files",
    security(("token" = []), ("api_token" = ["upload"])),
    params(PutParameters, ("Content-Range" = Option<String>, Header, description = "`bytes FIRST-LAST/TOTAL`: the piece that is sent; `bytes */TOTAL`: none")),
    request_body(content = String, content_type = "application/octet-stream", description = "The bytes of the file."),
    responses((status = 200, body = PutAnswer), (status = 201, body = PutAnswer), (status = 202, body = PutAnswer),
    (status = 404, body = Problem), (status = 408, body = Problem), (status = 409, body = Problem), (status = 411, body = Problem),
    (status = 422, body = Problem), (status = 507, body = Problem)))]
pub async fn put(
    State(state): State<AppState>,
    caller: OnPipelines<Upload>,
    note: AuditNote,
    Path((name, file)): Path<(String, String)>,
    Params(parameters): Params<PutParameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<PutAnswer>)> {
    note.object("file", format_args!("{name}/{file}"));
    let admitted = admit(&state, &caller, (&name, &file), &parameters, &headers).await;
    let (access, announced, _permit) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            receive::discard(&mut body.into_data_stream()).await;
            return Err(error);
        }
    };
    note.detail("bytes", announced.total);
    let destination = Destination {
        inboxes: state.settings.inboxes(),
        pipeline: name.clone(),
        quota: state.settings.uploads.inbox_quota_bytes,
        silence: state.settings.uploads.silence,
        stop: state.drained.clone(),
    };
    let received = receive::receive(body, &announced, &destination).await?;
    let mut tx = state.db.begin().await?;
    let (complete, hash) = match received {
        Received::Part(received) => {
            note.detail("received", received);
            note.commit(tx, StatusCode::ACCEPTED).await?;
            return Ok(answer(&announced, UploadOutcome::Partial, received, None, None));
        }
        Received::Unchanged(hash) => (None, hash),
        Received::Whole(complete) => {
            let hash = complete.hash;
            (Some(complete), hash)
        }
    };
    // The run begins with the commit, when the file has its name.
    let run = if parameters.run { Some(start(&state, &mut tx, &caller, &access).await?) } else { None };
    let outcome = match complete {
        Some(complete) => land(complete, &announced, &name).await?,
        None => UploadOutcome::Unchanged,
    };
    let hash = format!("{hash:032x}");
    note.detail("hash", hash.clone());
    note.detail("outcome", json!(outcome));
    if let Some(run) = run {
        note.detail("run_id", run.to_string());
    }
    let answer = answer(&announced, outcome, announced.total, Some(hash), run);
    note.commit(tx, answer.0).await?;
    tracing::info!(pipeline = name, "{} uploaded {file} ({} bytes) to {name}", caller.name(), announced.total);
    Ok(answer)
}

/// Checks everything that is known before the first byte.
async fn admit(
    state: &AppState,
    caller: &Caller,
    (pipeline, file): (&str, &str),
    parameters: &PutParameters,
    headers: &HeaderMap,
) -> Result<(Access, Announced, KeyPermit<Uuid>)> {
    let name = file_name(file)?;
    let access = access::of(state, caller, pipeline, parameters.run).await?;
    access.check_name(&name, pipeline)?;
    if parameters.run {
        caller.require(Scope::Trigger)?;
    }
    let (first, length, total) = place(headers)?;
    let announced = Announced {
        upload: parameters.upload.as_deref().map(upload_name).transpose()?,
        hash: parameters.hash.as_deref().map(hash).transpose()?,
        replace: parameters.replace,
        name,
        first,
        length,
        total,
    };
    if headers.contains_key(header::CONTENT_RANGE) && announced.upload.is_none() {
        return Err(invalid("a piece (Content-Range) needs the name of its upload (?upload=)"));
    }
    let most = state.settings.uploads.upload_max_bytes;
    if total > most {
        let detail = format!("{} has {total} bytes; {most} are allowed", announced.name);
        let next_step = "Split or compress the file, or let the operator raise ELT_UPLOAD_MAX_BYTES.";
        return Err(Error::refused(StatusCode::PAYLOAD_TOO_LARGE, Code::FileTooLarge, detail, next_step));
    }
    let permit = state.uploads.take(caller.user.id).map_err(too_many)?;
    Ok((access, announced, permit))
}

/// Gives a complete file its name.
async fn land(complete: Complete, announced: &Announced, pipeline: &str) -> Result<UploadOutcome> {
    let (announced, pipeline) = (announced.clone(), pipeline.to_owned());
    blocking(move || {
        let Complete { inbox, partial, hash, .. } = &complete;
        let name = &announced.name;
        let failed = |error| failed(error, name);
        match inbox.land(partial, name, announced.replace).map_err(failed)? {
            Landed::New => return Ok(UploadOutcome::Landed),
            Landed::Replaced => return Ok(UploadOutcome::Replaced),
            Landed::Taken => inbox.discard(partial).map_err(failed)?,
        }
        let there = inbox.hash(name).map_err(failed)?;
        if there == Some(*hash) { Ok(UploadOutcome::Unchanged) } else { Err(receive::exists(&announced, &pipeline)) }
    })
    .await
}

/// Starts a run of the config version that decides about the inbox.
async fn start(state: &AppState, tx: &mut PgConnection, caller: &Caller, access: &Access) -> Result<Uuid> {
    let config = configs::find(state, caller, access.config_id).await?;
    let pipeline = runs::pipeline_of(state, &config).await?;
    caller.reach(&pipeline.name)?;
    let request = Trigger {
        config: &config,
        pipeline: &pipeline,
        now: false,
        monitor: false,
        queue: QUEUE,
        priority: None,
        options: json!({}),
        traceparent: traceparent(),
        created_by: caller.name(),
    };
    Ok(trigger(tx, &request).await?.run.id)
}

fn answer(
    announced: &Announced,
    outcome: UploadOutcome,
    received: u64,
    hash: Option<String>,
    run_id: Option<Uuid>,
) -> (StatusCode, Json<PutAnswer>) {
    let status = match outcome {
        UploadOutcome::Partial => StatusCode::ACCEPTED,
        UploadOutcome::Landed => StatusCode::CREATED,
        UploadOutcome::Replaced | UploadOutcome::Unchanged => StatusCode::OK,
    };
    let name = announced.name.to_string();
    (status, Json(PutAnswer { name, outcome, received, bytes: announced.total, hash, run_id }))
}

/// First byte, length and total of what a request sends. Without a first byte it announces a file.
fn place(headers: &HeaderMap) -> Result<(Option<u64>, u64, u64)> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let length: Option<u64> = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let Some(range) = text(header::CONTENT_RANGE) else {
        let length = length.ok_or_else(length_required)?;
        return Ok((Some(0), length, length));
    };
    let read = || {
        let (piece, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let total: u64 = total.parse().ok()?;
        if piece == "*" {
            return Some((None, 0, total));
        }
        let (first, last) = piece.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && last < total).then(|| (Some(first), last - first + 1, total))
    };
    let (first, piece, total) = read()
        .ok_or_else(|| invalid(&format!("Content-Range is {range:?}, and bytes FIRST-LAST/TOTAL is expected")))?;
    match length {
        Some(length) if length != piece => {
            Err(invalid(&format!("Content-Range names {piece} bytes, and Content-Length {length}")))
        }
        _ => Ok((first, piece, total)),
    }
}

fn hash(text: &str) -> Result<u128> {
    let is_hash = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = u128::from_str_radix(text, 16).ok().filter(|_| is_hash);
    hash.ok_or_else(|| invalid("hash is the xxh3-128 of the whole file as 32 hexadecimal digits"))
}

pub fn invalid(detail: &str) -> Error {
    Error::bad_request(Code::InvalidUpload, detail, "Correct it and send the request again.")
}

fn length_required() -> Error {
    Error::refused(
        StatusCode::LENGTH_REQUIRED,
        Code::LengthRequired,
        "the request has neither Content-Length nor Content-Range",
        "Send the size of the file: Content-Length, or Content-Range with the size of the whole file.",
    )
}

fn too_many(full: Full) -> Error {
    let (status, detail) = match full {
        Full::One => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("{} files are being uploaded in your name already", receive::MOST_OF_ONE),
        ),
        Full::All => (StatusCode::SERVICE_UNAVAILABLE, "too many files are being uploaded at the moment".to_owned()),
    };
    let problem = Explained::new(Code::TooManyUploads, detail, "Wait until one of them has ended.");
    Error::limit(status, problem, Some(PLACE_RETRY))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(all: &[(HeaderName, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn a_range_says_which_bytes_come() {
        let range = |text| place(&headers(&[(header::CONTENT_RANGE, text)]));
        assert_eq!(range("bytes 0-9/10").expect("read"), (Some(0), 10, 10));
        assert_eq!(range("bytes 5-5/6").expect("read"), (Some(5), 1, 6));
        assert_eq!(range("bytes */6").expect("read"), (None, 0, 6));
        for wrong in [
            "bytes 0-9",
            "0-9/10",
            "bytes 9-0/10",
            "bytes 0-10/10",
            "bytes 0-9/*",
            "bytes */*",
            "bytes -1-2/9",
            "bytes 0-1/1 ",
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes 0-9/99999999999999999999",
        ] {
            assert_eq!(range(wrong).expect_err(wrong).status(), StatusCode::BAD_REQUEST);
        }
        let both = headers(&[(header::CONTENT_RANGE, "bytes 0-9/10"), (header::CONTENT_LENGTH, "11")]);
        assert_eq!(place(&both).expect_err("they differ").status(), StatusCode::BAD_REQUEST);
        assert_eq!(place(&headers(&[])).expect_err("no size").status(), StatusCode::LENGTH_REQUIRED);
    }

    #[test]
    fn a_hash_has_32_hexadecimal_digits() {
        assert_eq!(hash("000000000000000000000000000000ff").expect("a hash"), 255);
        for wrong in ["ff", "+00000000000000000000000000000ff", "zz000000000000000000000000000000"] {
            assert!(hash(wrong).is_err(), "{wrong}");
        }
    }
}
