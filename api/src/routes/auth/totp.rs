//! One's own second factor: setting it up and removing it.

use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::StatusCode;
use elt_shared::explained::Code;
use elt_shared::secret::Secret;
use elt_shared::store::users::User;
use elt_shared::store::{login_failures, second_factors, secret_keys, sessions};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

use super::MAX_LOGIN_BYTES;
use super::login::check_password;
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Admin, AnyUser, Caller};
use crate::client::ClientIp;
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Path};
use crate::routes::users::{self, external_user};
use crate::second_factor::{self, Checked};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(begin_second_factor).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
        .routes(routes!(confirm_second_factor).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
        .routes(routes!(remove_second_factor).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
        .routes(routes!(reset_second_factor))
}

/// Checks the code that a login needs when the user has a second factor.
///
/// # Errors
/// 401 `second_factor_required` without a code, 401 `wrong_code` for a wrong or used one, 429 after too many of those.
pub(super) async fn require_code(state: &AppState, ip: ClientIp, user: &User, code: Option<&Secret>) -> Result<()> {
    if !user.second_factor {
        return Ok(());
    }
    let code = code.map(Secret::expose).map(str::trim).filter(|code| !code.is_empty()).ok_or_else(|| {
        Error::refused(
            StatusCode::UNAUTHORIZED,
            Code::SecondFactorRequired,
            "this login also needs a code of the authenticator app",
            "Send the password again together with `code`: six digits, or a recovery code.",
        )
    })?;
    let mut tx = state.db.begin().await?;
    let checked = second_factor::check(&mut tx, &state.keys, user, code, true).await?;
    tx.commit().await?;
    match checked {
        // A factor that was removed since the password was checked is not asked for.
        Checked::Right | Checked::Missing => Ok(()),
        checked => Err(refusal(state, ip, user, checked, StatusCode::UNAUTHORIZED).await?),
    }
}

/// Checks a code and uses it up, in the transaction of the change that it allows: the factor stays locked until the change
/// is committed, so that no other request replaces it in between.
///
/// # Errors
/// 403 `wrong_code`, 409 without a second factor, 429 after too many wrong codes.
async fn use_code<'a>(
    state: &'a AppState,
    ip: ClientIp,
    user: &User,
    code: &Secret,
    confirmed: bool,
) -> Result<Transaction<'a, Postgres>> {
    let mut tx = state.db.begin().await?;
    let checked = second_factor::check(&mut tx, &state.keys, user, code.expose(), confirmed).await?;
    if checked == Checked::Right {
        return Ok(tx);
    }
    // Keeps the count of wrong codes.
    tx.commit().await?;
    Err(refusal(state, ip, user, checked, StatusCode::FORBIDDEN).await?)
}

/// The answer to a code that was not right. A wrong one also counts as a failed login of this name and address.
async fn refusal(state: &AppState, ip: ClientIp, user: &User, checked: Checked, status: StatusCode) -> Result<Error> {
    Ok(match checked {
        Checked::Wait(retry_after) => Error::TooMany { retry_after },
        Checked::Wrong => {
            login_failures::note(&state.db, &user.username, &ip.network()).await?;
            wrong_code(status)
        }
        Checked::Missing | Checked::Right => missing(),
    })
}

fn wrong_code(status: StatusCode) -> Error {
    Error::refused(
        status,
        Code::WrongCode,
        "the code is wrong, or was used before",
        "Wait for the next code of the app; check that the clock of the device is right.",
    )
}

fn missing() -> Error {
    Error::conflict(Code::NoSecondFactor, "there is no such second factor", "Begin with POST /auth/second-factor.")
}

/// The caller's password again, because a stolen session must not change how its user logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Password {
    /// The current password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// The caller, who has sent the password again.
///
/// # Errors
/// 403 `wrong_password`, 409 for a user of an identity provider, 429 after too many wrong passwords.
pub(super) async fn ask_password(state: &AppState, ip: ClientIp, caller: &Caller, password: Secret) -> Result<User> {
    if caller.user.issuer.is_some() {
        return Err(external_user());
    }
    let login = check_password(state, ip, &caller.user.username, password).await?;
    login.map(|login| login.user).filter(|user| user.id == caller.user.id).ok_or_else(|| {
        Error::refused(
            StatusCode::FORBIDDEN,
            Code::WrongPassword,
            "the password is wrong",
            "Send the password you log in with; an admin can set a new one.",
        )
    })
}

/// What an authenticator app needs. It is shown this once.
#[derive(Serialize, ToSchema)]
struct SecondFactorSetup {
    /// To type into the app, in Base32.
    secret: String,
    /// To open with the app.
    uri: String,
    /// To scan with the app: a QR code as SVG.
    qr_svg: String,
}

/// Begins to set a second factor up. Logins need it as soon as it is confirmed.
#[utoipa::path(post, path = "/auth/second-factor", tag = "auth", security(("token" = [])), request_body = Password,
    responses((status = 200, body = SecondFactorSetup),
    (status = 409, body = Problem), (status = 429, body = Problem)))]
async fn begin_second_factor(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    Extension(ip): Extension<ClientIp>,
    note: AuditNote,
    Json(request): Json<Password>,
) -> Result<Json<SecondFactorSetup>> {
    note.object("user", caller.user.id);
    let user = ask_password(&state, ip, &caller, request.password).await?;
    let mut tx = state.db.begin().await?;
    let key = secret_keys::register(&mut *tx, &state.keys).await?;
    let enrolment = second_factor::enrol(&user, &key)?;
    if !second_factors::begin(&mut *tx, user.id, &enrolment.sealed).await? {
        return Err(Error::conflict(
            Code::SecondFactorExists,
            "there already is a second factor",
            "Remove it first with POST /auth/second-factor/remove.",
        ));
    }
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(SecondFactorSetup { secret: enrolment.secret, uri: enrolment.uri, qr_svg: enrolment.qr_svg }))
}

/// The first code of the app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FirstCode {
    /// The six digits that the app shows.
    #[schema(value_type = String, format = Password)]
    code: Secret,
}

/// Codes that each replace the app once. They are shown this once.
#[derive(Serialize, ToSchema)]
struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// Confirms the second factor with a first code. From now on logins need a code; other sessions of the caller end.
#[utoipa::path(post, path = "/auth/second-factor/confirm", tag = "auth", security(("token" = [])),
    request_body = FirstCode, responses(
    (status = 200, body = RecoveryCodes), (status = 409, body = Problem), (status = 429, body = Problem)))]
async fn confirm_second_factor(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    Extension(ip): Extension<ClientIp>,
    note: AuditNote,
    Json(request): Json<FirstCode>,
) -> Result<Json<RecoveryCodes>> {
    note.object("user", caller.user.id);
    let mut tx = use_code(&state, ip, &caller.user, &request.code, false).await?;
    let (recovery_codes, hashes) = second_factor::recovery_codes();
    second_factors::confirm(&mut *tx, caller.user.id, &hashes).await?;
    sessions::end_all(&mut *tx, caller.user.id, Some(caller.session()?.jti)).await?;
    note.detail("second_factor", "confirmed");
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// What it takes to remove one's own second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemoveSecondFactor {
    /// The current password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// A code of the app, or a recovery code.
    #[schema(value_type = String, format = Password)]
    code: Secret,
}

/// Removes the caller's own second factor.
#[utoipa::path(post, path = "/auth/second-factor/remove", tag = "auth", security(("token" = [])),
    request_body = RemoveSecondFactor, responses(
    (status = 204), (status = 409, body = Problem), (status = 429, body = Problem)))]
async fn remove_second_factor(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    Extension(ip): Extension<ClientIp>,
    note: AuditNote,
    Json(request): Json<RemoveSecondFactor>,
) -> Result<StatusCode> {
    note.object("user", caller.user.id);
    let user = ask_password(&state, ip, &caller, request.password).await?;
    let mut tx = use_code(&state, ip, &user, &request.code, true).await?;
    second_factors::remove(&mut *tx, user.id).await?;
    note.detail("second_factor", "removed");
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the second factor of a user who has lost it. The user's sessions end.
#[utoipa::path(delete, path = "/users/{id}/second-factor", tag = "users", security(("token" = [])), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn reset_second_factor(
    State(state): State<AppState>,
    _admin: Admin,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    note.object("user", id);
    users::require(&state, id).await?;
    let mut tx = state.db.begin().await?;
    if !second_factors::remove(&mut *tx, id).await? {
        return Err(Error::NotFound(format!("second factor of user {id}")));
    }
    sessions::end_all(&mut *tx, id, None).await?;
    note.detail("second_factor", "reset");
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}
