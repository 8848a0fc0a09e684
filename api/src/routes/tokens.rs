//! API tokens: creating them for programs, looking at them, and revoking them. Only people may do it.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use elt_shared::api_token::{self, DEFAULT_DAYS, Grant, Scope};
use elt_shared::explained::Code;
use elt_shared::store::api_tokens::{self, ApiToken, Creation};
use elt_shared::store::users::{self, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{AnyUser, Caller};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// One kind of operations. Each operation lists the scope it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TokenScope {
    /// Starts, stops, retries and undoes runs of stored configs, and changes schedules. To run a YAML that is not
    /// stored yet, a token needs `upload` as well. Only for owners with the role `admin`.
    Trigger,
    /// Reads runs, schedules, configs with their secrets masked, workers and log lines. Only for owners with the role
    /// `admin`.
    Read,
    /// Checks and stores configs.
    Upload,
    /// Reads rows of tables; with an owner of the role `admin` also combined CSVs and rejected rows.
    Data,
    /// Reads users and the audit, stores and grants secrets, approves host keys and imports coverage reports. Only for
    /// owners with the role `admin`.
    Admin,
}

impl From<TokenScope> for Scope {
    fn from(scope: TokenScope) -> Self {
        match scope {
            TokenScope::Trigger => Self::Trigger,
            TokenScope::Read => Self::Read,
            TokenScope::Upload => Self::Upload,
            TokenScope::Data => Self::Data,
            TokenScope::Admin => Self::Admin,
        }
    }
}

impl From<Scope> for TokenScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Trigger => Self::Trigger,
            Scope::Read => Self::Read,
            Scope::Upload => Self::Upload,
            Scope::Data => Self::Data,
            Scope::Admin => Self::Admin,
        }
    }
}

/// Whether an API token may be used.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TokenState {
    /// The token is accepted.
    Live,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// An API token, without its text.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    id: Uuid,
    name: String,
    /// Username of the user or service account in whose name it acts.
    owner: String,
    /// What it may do, as far as its owner may do it now.
    scopes: Vec<TokenScope>,
    /// Names of the pipelines it is bound to; `null`: all of them.
    pipelines: Option<Vec<String>>,
    state: TokenState,
    expires_at: DateTime<Utc>,
    /// When it was used last, to the minute; `null`: never.
    last_used_at: Option<DateTime<Utc>>,
    /// The address it was used from then.
    last_used_ip: Option<String>,
    /// `null` unless it was revoked.
    revoked_at: Option<DateTime<Utc>>,
    /// A username, or `cli:` and an account of the operating system.
    created_by: String,
    created_at: DateTime<Utc>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            state: match (token.revoked_at, token.expired) {
                (Some(_), _) => TokenState::Revoked,
                (None, true) => TokenState::Expired,
                (None, false) => TokenState::Live,
            },
            id: token.id,
            name: token.name,
            owner: token.owner,
            scopes: token.scopes.0.into_iter().map(Into::into).collect(),
            pipelines: token.pipelines,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            last_used_ip: token.last_used_ip,
            revoked_at: token.revoked_at,
            created_by: token.created_by,
            created_at: token.created_at,
        }
    }
}

/// API tokens, newest first: an admin's answer has all of them, a user's only the user's own.
#[utoipa::path(get, path = "/tokens", tag = "tokens", security(("token" = [])), params(PageQuery), responses(
    (status = 200, body = Page<TokenView>)))]
async fn list(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<TokenView>>> {
    let owner = (!caller.is_admin()).then_some(caller.user.id);
    let rows = api_tokens::list(&state.db, owner, page.after()?, page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |token| token.id, Into::into)))
}

/// An API token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateToken {
    /// 1 to 100 characters. One token that is not revoked may have it, in any case.
    name: String,
    /// What it may do.
    scopes: Vec<TokenScope>,
    /// Names of the only pipelines it may touch, up to 100; absent: all of them.
    pipelines: Option<Vec<String>>,
    /// Days until it expires. Default 90; the server sets the longest time.
    expires_in_days: Option<u16>,
    /// Username of a service account, for admins; absent: the caller.
    owner: Option<String>,
}

/// A new API token. Its text is in this answer and nowhere else.
#[derive(Serialize, ToSchema)]
struct CreatedToken {
    /// Send it as `Authorization: Bearer …`. It cannot be shown again.
    token: String,
    #[serde(flatten)]
    details: TokenView,
}

/// Creates an API token for the caller, or for a service account. The answer shows its text, once.
#[utoipa::path(post, path = "/tokens", tag = "tokens", security(("token" = [])), request_body = CreateToken, responses(
    (status = 201, body = CreatedToken),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn create(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    note: AuditNote,
    Json(request): Json<CreateToken>,
) -> Result<Response> {
    note.object("token", &request.name);
    let owner = owner_of(&state, &caller, request.owner.as_deref()).await?;
    let bounds = &state.settings.tokens;
    let grant = Grant {
        name: request.name,
        scopes: request.scopes.into_iter().map(Into::into).collect(),
        pipelines: request.pipelines,
        days: request.expires_in_days.unwrap_or(DEFAULT_DAYS.min(bounds.token_max_days)),
    };
    let grant = grant.checked(&owner, bounds.token_max_days);
    let grant = grant.map_err(|error| Error::unprocessable(error.code(), error.to_string()))?;
    note.detail("token_owner", owner.username.as_str());
    note.detail("scopes", grant.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>());
    note.detail("pipelines", grant.pipelines.clone());
    note.detail("expires_in_days", grant.days);
    let (token, hash) = api_token::generate();
    let mut tx = state.db.begin().await?;
    let creation = api_tokens::create(&mut tx, owner.id, &grant, &hash, caller.name(), bounds.tokens_per_owner).await?;
    let created = match creation {
        Creation::Created(created) => *created,
        refused => return Err(not_created(&refused, &owner)),
    };
    note.commit(tx, StatusCode::CREATED).await?;
    let location = HeaderValue::from_str(&format!("/tokens/{}", created.id))
        .map_err(|error| Error::internal("name an API token", error))?;
    let answer = CreatedToken { token: token.expose().to_owned(), details: created.into() };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(answer)).into_response())
}

/// The user in whose name the token will act: the caller, or a service account that an admin names.
async fn owner_of(state: &AppState, caller: &Caller, name: Option<&str>) -> Result<User> {
    let Some(name) = name.filter(|name| name.to_lowercase() != caller.user.username.to_lowercase()) else {
        return Ok(caller.user.clone());
    };
    if !caller.is_admin() {
        return Err(Error::Forbidden("admin"));
    }
    let owner = users::find_by_name(&state.db, name).await?;
    let owner = owner.ok_or_else(|| Error::NotFound(format!("service account {name}")))?;
    match owner.is_service {
        true => Ok(owner),
        false => Err(Error::refused(
            StatusCode::FORBIDDEN,
            Code::OtherOwner,
            "a token of another person can only be created by that person",
            "Create a service account with POST /service-accounts and a token for it.",
        )),
    }
}

fn not_created(refused: &Creation, owner: &User) -> Error {
    match refused {
        Creation::NameTaken => Error::conflict(
            Code::NameTaken,
            "there already is a token with this name",
            "Choose another name, or revoke that token first.",
        ),
        Creation::TooMany => Error::conflict(
            Code::TooManyTokens,
            format!("{} has as many API tokens as this server allows", owner.username),
            "Revoke tokens that are not used any more. Of many tokens created on one day, wait until the next.",
        ),
        Creation::NoOwner | Creation::Created(_) => Error::NotFound(format!("user {}", owner.username)),
    }
}

/// Revokes an API token: its next request is refused, and its open streams end. Users revoke their own, admins any.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", security(("token" = [])), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn revoke(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    note.object("token", id);
    let token = api_tokens::find(&state.db, id).await?;
    let token = token.filter(|token| caller.is_admin() || token.owner_id == caller.user.id);
    let token = token.ok_or_else(|| Error::NotFound(format!("API token {id}")))?;
    note.detail("name", token.name);
    let mut tx = state.db.begin().await?;
    api_tokens::revoke(&mut *tx, id).await?;
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}
