//! A change of one's own password.

use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::StatusCode;
use elt_shared::secret::Secret;
use elt_shared::store::sessions::Method;
use elt_shared::store::users::{self, Change};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::MAX_LOGIN_BYTES;
use super::sessions::{Device, LoginAnswer, begin};
use super::totp::ask_password;
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::AnyUser;
use crate::client::ClientIp;
use crate::error::{Error, Problem, Result};
use crate::extract::Json;
use crate::routes::users::hash;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(change_password).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
}

/// A change of the caller's own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    /// The current password.
    #[schema(value_type = String, format = Password)]
    old_password: Secret,
    /// 8 to 256 characters; common passwords are refused.
    #[schema(value_type = String, format = Password)]
    new_password: Secret,
}

/// Changes the caller's own password. All sessions of the caller end at once; the answer contains a token of a new one.
#[utoipa::path(post, path = "/auth/password", tag = "auth", security(("token" = [])), request_body = ChangePassword,
    responses((status = 200, body = LoginAnswer),
    (status = 409, body = Problem), (status = 429, body = Problem)))]
async fn change_password(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    Extension(ip): Extension<ClientIp>,
    device: Device,
    note: AuditNote,
    Json(request): Json<ChangePassword>,
) -> Result<Json<LoginAnswer>> {
    note.object("user", caller.user.id);
    let known = ask_password(&state, ip, &caller, request.old_password).await?;
    let change = Change { password_hash: Some(hash(request.new_password).await?), ..Change::default() };
    let mut tx = state.db.begin().await?;
    let changed = users::change(&mut *tx, known.id, &change).await?;
    let user = changed.ok_or(Error::Unauthorized("the token is no longer valid: log in again"))?;
    note.detail("password_changed", true);
    // Signed at the instant of the change: older tokens are void, this one is not.
    let answer = begin(&state, &mut tx, &user, user.tokens_after, Method::Password, &device).await?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(answer))
}
