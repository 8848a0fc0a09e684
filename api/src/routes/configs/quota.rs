//! Deleting config versions, and how many of them a user may store.

use axum::extract::State;
use axum::http::StatusCode;
use elt_shared::explained::{Code, Explained};
use elt_shared::store::config_limits::{self, Deletion};
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Admin, Caller};
use crate::error::{Error, Problem, Result};
use crate::extract::Path;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(delete))
}

/// Deletes a version that never ran. The newest version of a pipeline stays, and so do those of runs and schedules.
#[utoipa::path(delete, path = "/configs/{id}", tag = "configs", security(("token" = [])), responses(
    (status = 204),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn delete(
    State(state): State<AppState>,
    _admin: Admin,
    note: AuditNote,
    Path(id): Path<i64>,
) -> Result<StatusCode> {
    note.object("config", id);
    let mut tx = state.db.begin().await?;
    match config_limits::delete(&mut *tx, id).await? {
        Deletion::Deleted => {
            note.commit(tx, StatusCode::NO_CONTENT).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        Deletion::Missing => Err(Error::NotFound(format!("config {id}"))),
        Deletion::InUse => Err(Error::conflict(
            Code::ConfigInUse,
            "a run or a schedule refers to this version",
            "A version that has run, or that a schedule was made for, is kept for the history. \
             To stop using it, upload a newer version and stop the schedule.",
        )),
        Deletion::Newest => Err(Error::conflict(
            Code::ConfigNewest,
            "this is the newest version of its pipeline, or the newest that an admin has uploaded",
            "Upload a newer version first, as an admin if an admin has uploaded this one.",
        )),
    }
}

/// Checks what a user stores, including the version that the transaction has just added. Admins have no limit, because
/// every run they trigger stores what it runs.
///
/// # Errors
/// When it is too much. The transaction must then be rolled back.
pub async fn check_quota(state: &AppState, tx: &mut PgConnection, caller: &Caller) -> Result<()> {
    if caller.is_admin() {
        return Ok(());
    }
    let usage = config_limits::usage(tx, &caller.user).await?;
    let (most, mib) = (state.settings.configs_per_user, state.settings.config_mib_per_user);
    if usage.versions <= i64::from(most) && usage.bytes <= i64::from(mib) << 20 {
        return Ok(());
    }
    let problem = Explained::new(
        Code::QuotaExceeded,
        format!("you may store {most} config versions with {mib} MiB in total, and this one would be too much"),
        "Ask an admin to delete versions that you no longer need (DELETE /configs/{id}), or to raise \
         ELT_CONFIGS_PER_USER or ELT_CONFIG_MIB_PER_USER.",
    );
    Err(Error::limit(StatusCode::FORBIDDEN, problem, None))
}
