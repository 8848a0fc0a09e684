//! Inboxes: files that people and programs upload to pipelines, which load them.

mod access;
mod upload;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use elt_shared::api_token::Scope;
use elt_shared::inbox::{FileName, Inbox, InboxFile, NameError, UploadName};
use elt_shared::store::inboxes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Manage, OnPipelines, Upload};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::page::{Page, PageQuery};
use crate::receive::{blocking, failed};

pub use upload::UPLOAD_PATH;

/// Headers of the IETF's draft on resumable uploads, for clients that ask with HEAD.
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(list_files))
        .routes(routes!(find, remove))
        .routes(routes!(upload::put))
}

/// A pipeline that takes files.
#[derive(Serialize, ToSchema)]
struct InboxView {
    /// Pipeline name.
    pipeline: String,
    /// Globs, one of which the name of a file must match. Empty: every file is taken.
    globs: Vec<String>,
    /// Whether users who are not admins may upload files, as the newest config says that decides for the caller.
    users: bool,
    /// Whether the caller may start a run together with an upload.
    may_run: bool,
    /// Bytes of the largest file.
    max_bytes: u64,
    /// Bytes that its files may have together.
    quota_bytes: u64,
}

/// The pipelines to which the caller may upload files, in the order of their names.
#[utoipa::path(get, path = "/inboxes", tag = "files", security(("token" = []), ("api_token" = ["upload"])), params(PageQuery),
    responses((status = 200, body = Page<InboxView>)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Upload>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<InboxView>>> {
    let after: Option<String> = page.after()?;
    let for_users = !caller.is_admin();
    let found = inboxes::list(&state.db, for_users, caller.pipelines(), after.as_deref(), page.fetch()).await?;
    let may_run = caller.has(Scope::Trigger);
    let limits = &state.settings.uploads;
    Ok(Json(Page::of(
        found,
        &page,
        |inbox| inbox.name.clone(),
        |inbox| {
            let (globs, users) = inbox.rules.map(|rules| (rules.0.globs, rules.0.users)).unwrap_or_default();
            InboxView {
                pipeline: inbox.name,
                globs,
                users,
                may_run,
                max_bytes: limits.upload_max_bytes,
                quota_bytes: limits.inbox_quota_bytes,
            }
        },
    )))
}

/// A file of an inbox.
#[derive(Serialize, ToSchema)]
struct FileEntry {
    /// Name of the file in the inbox.
    name: String,
    /// Size in bytes.
    bytes: u64,
    /// When its last byte arrived.
    modified: DateTime<Utc>,
}

impl From<InboxFile> for FileEntry {
    fn from(file: InboxFile) -> Self {
        Self { name: file.name, bytes: file.bytes, modified: file.modified.into() }
    }
}

/// The complete files of a pipeline's inbox, by name.
#[utoipa::path(get, path = "/pipelines/{name}/files", tag = "files", security(("token" = []), ("api_token" = ["upload"])),
    params(PageQuery), responses((status = 200, body = Page<FileEntry>), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
async fn list_files(
    State(state): State<AppState>,
    caller: OnPipelines<Upload>,
    Path(name): Path<String>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<FileEntry>>> {
    let after: Option<String> = page.after()?;
    access::of(&state, &caller, &name, false).await?;
    let folder = state.settings.inboxes();
    let listed = blocking(move || {
        let inbox = Inbox::open(&folder, &name).map_err(unreadable)?;
        let contents = inbox.map(|inbox| inbox.contents()).transpose().map_err(unreadable)?;
        Ok(contents.unwrap_or_default().files)
    });
    let mut files = listed.await?;
    files.retain(|file| after.as_ref().is_none_or(|after| file.name > *after));
    files.truncate(page.fetch().unsigned_abs() as usize);
    Ok(Json(Page::of(files, &page, |file| file.name.clone(), Into::into)))
}

/// Which upload of the file.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FindParameters {
    /// The name that the client gave the upload: how much of it has arrived.
    upload: Option<String>,
}

/// How much of a file has arrived.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ArrivalState {
    /// Some of it. The pipeline does not see it.
    Partial,
    /// All of it.
    Complete,
}

/// A file of an inbox, or an upload of it that is not complete.
#[derive(Serialize, ToSchema)]
struct FileView {
    /// Name of the file in the inbox.
    name: String,
    /// How much of it has arrived.
    state: ArrivalState,
    /// Bytes that have arrived.
    received: u64,
    /// Size of the whole file in bytes.
    bytes: u64,
    /// When the last byte of a complete file arrived; `null` for others.
    modified: Option<DateTime<Utc>>,
}

impl IntoResponse for FileView {
    fn into_response(self) -> Response {
        let is_complete = matches!(self.state, ArrivalState::Complete);
        let headers = [
            (UPLOAD_OFFSET, self.received.to_string()),
            (UPLOAD_LENGTH, self.bytes.to_string()),
            (UPLOAD_COMPLETE, if is_complete { "?1" } else { "?0" }.to_owned()),
        ];
        (headers, Json(self)).into_response()
    }
}

/// Says whether a file is there, and how much of an upload has arrived. HEAD answers with `Upload-Offset` and `Upload-Length`.
#[utoipa::path(get, path = "/pipelines/{name}/files/{file}", tag = "files",
    security(("token" = []), ("api_token" = ["upload"])), params(FindParameters),
    responses((status = 200, body = FileView), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn find(
    State(state): State<AppState>,
    caller: OnPipelines<Upload>,
    Path((name, file)): Path<(String, String)>,
    Params(parameters): Params<FindParameters>,
) -> Result<FileView> {
    let file = file_name(&file)?;
    let upload = parameters.upload.as_deref().map(upload_name).transpose()?;
    access::of(&state, &caller, &name, false).await?;
    let folder = state.settings.inboxes();
    let found = blocking(move || {
        let Some(inbox) = Inbox::open(&folder, &name).map_err(unreadable)? else { return Ok(None) };
        let arrived = upload.map(|upload| inbox.arrived(&upload, &file)).transpose().map_err(unreadable)?.flatten();
        if let Some((received, bytes)) = arrived {
            let (name, state) = (file.to_string(), ArrivalState::Partial);
            return Ok(Some(FileView { name, state, received, bytes, modified: None }));
        }
        Ok(inbox.find(&file).map_err(unreadable)?.map(|file| FileView {
            name: file.name,
            state: ArrivalState::Complete,
            received: file.bytes,
            bytes: file.bytes,
            modified: Some(file.modified.into()),
        }))
    });
    found.await?.ok_or_else(|| Error::NotFound("file of this name in the inbox".into()))
}

/// Removes a file from an inbox. What was loaded of it stays in the table.
#[utoipa::path(delete, path = "/pipelines/{name}/files/{file}", tag = "files",
    security(("token" = []), ("api_token" = ["admin"])),
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn remove(
    State(state): State<AppState>,
    caller: OnPipelines<Manage>,
    note: AuditNote,
    Path((name, file)): Path<(String, String)>,
) -> Result<StatusCode> {
    note.object("file", format_args!("{name}/{file}"));
    caller.reach(&name)?;
    let file = file_name(&file)?;
    // The connection is there before the file is gone, so that the removal can be noted.
    let tx = state.db.begin().await?;
    let folder = state.settings.inboxes();
    let removed = blocking(move || {
        let inbox = Inbox::open(&folder, &name).map_err(unreadable)?;
        let Some(inbox) = inbox else { return Ok(false) };
        inbox.remove(&file).map_err(|error| failed(error, &file))
    });
    if !removed.await? {
        return Err(Error::NotFound("file of this name in the inbox".into()));
    }
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unreadable(error: std::io::Error) -> Error {
    Error::internal("look into an inbox", error)
}

fn file_name(name: &str) -> Result<FileName> {
    name.parse().map_err(|error: NameError| access::bad_name(&error))
}

fn upload_name(name: &str) -> Result<UploadName> {
    name.parse().map_err(|()| upload::invalid("upload is a name of 8 to 64 letters, digits, - and _"))
}
