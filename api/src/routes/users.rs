//! Users: adding, changing and removing them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::invisible::is_invisible;
use elt_shared::password::{self, PasswordError};
use elt_shared::secret::Secret;
use elt_shared::store::users::{self, Change, Role, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Admin, Allowed, Manage};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::idempotency::IdempotencyKey;
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(change, remove)).routes(routes!(add_service))
}

/// Someone who may log in.
#[derive(Serialize, ToSchema)]
struct UserView {
    id: Uuid,
    username: String,
    /// `admin` or `user`.
    #[schema(value_type = String)]
    role: Role,
    /// Whether the user is locked out: logins, sessions and tokens are refused.
    disabled: bool,
    /// A service account: it has no password, and only programs act as it, with API tokens.
    is_service: bool,
    /// The identity provider where the user logs in; missing for a user with a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// Whether a login also needs a code of an authenticator app.
    second_factor: bool,
    created_at: DateTime<Utc>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            role: user.role,
            disabled: user.disabled,
            is_service: user.is_service,
            issuer: user.issuer,
            second_factor: user.second_factor,
            created_at: user.created_at,
        }
    }
}

/// Users, by name.
#[utoipa::path(get, path = "/users", tag = "users", security(("token" = []), ("api_token" = ["admin"])), params(PageQuery), responses(
    (status = 200, body = Page<UserView>)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<UserView>>> {
    let after: Option<String> = page.after()?;
    let rows = users::list(&state.db, after.as_deref(), page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |user| user.username.to_lowercase(), Into::into)))
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddUser {
    /// 1 to 100 characters, unique whatever its case.
    username: String,
    /// 8 to 256 characters; common passwords are refused.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// `admin` or `user`.
    #[schema(value_type = String)]
    role: Role,
}

/// Adds a user.
#[utoipa::path(post, path = "/users", tag = "users", security(("token" = [])), request_body = AddUser, responses(
    (status = 201, body = UserView),
    (status = 409, body = Problem)))]
async fn add(
    State(state): State<AppState>,
    Admin(caller): Admin,
    once: IdempotencyKey,
    note: AuditNote,
    Json(request): Json<AddUser>,
) -> Result<Response> {
    note.object("user", &request.username);
    let username = checked_name(&request.username)?;
    let hash = hash(request.password).await?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &(username, request.role)).await? {
        return Ok(known);
    }
    let user = users::create(&mut *tx, username, &hash, request.role).await.map_err(|error| taken(error, username))?;
    let location = format!("/users/{}", user.id);
    let answer = once.answer(&mut tx, &caller, StatusCode::CREATED, Some(location), &UserView::from(user)).await?;
    note.commit(tx, StatusCode::CREATED).await?;
    Ok(answer)
}

/// A name that a user may have.
fn checked_name(username: &str) -> Result<&str> {
    let username = username.trim();
    if !(1..=100).contains(&username.chars().count()) || username.contains(is_invisible) {
        return Err(Error::unprocessable(Code::InvalidUsername, "a username has 1 to 100 printable characters"));
    }
    if users::is_reserved(username) {
        return Err(Error::unprocessable(Code::InvalidUsername, "a username does not start with `token:` or `cli:`"));
    }
    Ok(username)
}

/// A new service account.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddServiceAccount {
    /// 1 to 100 characters, unique among users and service accounts in any case.
    username: String,
    /// `admin` or `user`: the most that its API tokens can do.
    #[schema(value_type = String)]
    role: Role,
}

/// Adds a service account: a user without a password, which only programs act as, with API tokens. It is listed, changed
/// and removed like a user.
#[utoipa::path(post, path = "/service-accounts", tag = "users", security(("token" = [])),
    request_body = AddServiceAccount, responses(
    (status = 201, body = UserView),
    (status = 409, body = Problem)))]
async fn add_service(
    State(state): State<AppState>,
    Admin(caller): Admin,
    once: IdempotencyKey,
    note: AuditNote,
    Json(request): Json<AddServiceAccount>,
) -> Result<Response> {
    note.object("service account", &request.username);
    note.detail("role", request.role.as_str());
    let username = checked_name(&request.username)?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &request).await? {
        return Ok(known);
    }
    let user = users::create_service(&mut *tx, username, request.role).await;
    let user = user.map_err(|error| taken(error, username))?;
    let location = format!("/users/{}", user.id);
    let answer = once.answer(&mut tx, &caller, StatusCode::CREATED, Some(location), &UserView::from(user)).await?;
    note.commit(tx, StatusCode::CREATED).await?;
    Ok(answer)
}

fn taken(error: sqlx::Error, username: &str) -> Error {
    match error.as_database_error().and_then(|error| error.constraint()) {
        Some("users_username") => {
            Error::conflict(Code::UsernameTaken, format!("there already is a user {username}"), "Take another name.")
        }
        _ => error.into(),
    }
}

/// The hash of a password that a person chose.
///
/// # Errors
/// 422 when the password is too short, too long or common.
pub async fn hash(password: Secret) -> Result<String> {
    password::hash(password).await.map_err(|error| match error {
        PasswordError::Length { .. } => Error::unprocessable(Code::InvalidPassword, error.to_string()),
        PasswordError::Common => Error::refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::CommonPassword,
            error.to_string(),
            "Choose a longer one, for example several words.",
        ),
        PasswordError::Hasher => Error::internal("hash a password", error),
    })
}

/// What changes about a user; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeUser {
    /// `admin` or `user`.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// Lock out, or let in again.
    disabled: Option<bool>,
    /// A new password of 8 to 256 characters; common passwords are refused.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
}

/// Changes a user. Their tokens stop counting at once.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", security(("token" = [])), request_body = ChangeUser, responses(
    (status = 200, body = UserView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn change(
    State(state): State<AppState>,
    _admin: Admin,
    note: AuditNote,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeUser>,
) -> Result<Json<UserView>> {
    note.object("user", id);
    let password_hash = match request.password {
        Some(password) => Some(hash(password).await?),
        None => None,
    };
    note.detail("role", request.role.map(Role::as_str));
    note.detail("disabled", request.disabled);
    note.detail("password_changed", password_hash.is_some());
    let mut tx = state.db.begin().await?;
    if request.role == Some(Role::User) || request.disabled == Some(true) {
        keep_one_admin(&mut tx, id).await?;
    }
    let change = Change { role: request.role, disabled: request.disabled, password_hash };
    let changed = users::change(&mut *tx, id, &change).await.map_err(without_password)?;
    let user = changed.ok_or_else(|| Error::NotFound(format!("user {id}")))?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(user.into()))
}

fn without_password(error: sqlx::Error) -> Error {
    match error.as_database_error().and_then(|error| error.constraint()) {
        Some("users_service_has_no_password") => {
            Error::unprocessable(Code::ServiceAccount, "a service account has no password; create an API token for it")
        }
        Some("users_local_or_external") => external_user(),
        _ => error.into(),
    }
}

/// Checks that there is a user of this id.
///
/// # Errors
/// 404 when it does not exist.
pub async fn require(state: &AppState, id: Uuid) -> Result<()> {
    users::find(&state.db, id).await?.map(drop).ok_or_else(|| Error::NotFound(format!("user {id}")))
}

/// The answer when a password is asked of a user who logs in at an identity provider.
pub fn external_user() -> Error {
    Error::conflict(
        Code::ExternalUser,
        "this user logs in at the identity provider and has no password here",
        "Change the password there.",
    )
}

/// Removes a user. Their tokens stop counting at once; what they did stays in the audit.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", security(("token" = [])), responses(
    (status = 204), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
async fn remove(
    State(state): State<AppState>,
    _admin: Admin,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    note.object("user", id);
    let mut tx = state.db.begin().await?;
    keep_one_admin(&mut tx, id).await?;
    if !users::remove(&mut *tx, id).await? {
        return Err(Error::NotFound(format!("user {id}")));
    }
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn keep_one_admin(tx: &mut sqlx::PgConnection, losing: Uuid) -> Result<()> {
    if users::lock_admins(tx).await? == [losing] {
        return Err(Error::conflict(
            Code::LastAdmin,
            "this is the last admin who can log in",
            "Make someone else an admin first.",
        ));
    }
    Ok(())
}
