//! Logging in at an identity provider.
//!
//! The browser goes to the provider (`start`) and comes back with a code (`callback`). The ID token that the code is
//! redeemed for says who it is. Then the dashboard fetches its token (`token`) with a one-time code, which travels in a
//! cookie that scripts cannot read: neither a code nor a token is ever in an address.

use axum::extract::{Extension, State};
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use elt_shared::secret::Secret;
use elt_shared::store::login_codes;
use elt_shared::store::sessions::Method;
use elt_shared::store::users;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::external_users::{Refusal, user_of};
use super::sessions::{Device, LoginAnswer, begin};
use crate::AppState;
use crate::audit::AuditNote;
use crate::client::{ClientIp, RequestId};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params};
use crate::oidc::attempt::{self, Attempt};
use crate::oidc::provider::{Provider, ProviderError};

/// Cookie of a login on its way. The browser sends it along when the provider sends the browser back.
const ATTEMPT: &str = "elt_login";
/// Cookie with the one-time code. The browser sends it with requests of the dashboard's own pages only.
const CODE: &str = "elt_login_code";

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login_methods))
        .routes(routes!(start_oidc))
        .routes(routes!(finish_oidc))
        .routes(routes!(fetch_oidc_token))
}

/// How people can log in here.
#[derive(Serialize, ToSchema)]
struct LoginMethods {
    /// At an identity provider: `GET /auth/oidc/start`.
    oidc: bool,
}

/// How people can log in here. A password is always possible.
#[utoipa::path(get, path = "/auth/methods", tag = "auth", responses((status = 200, body = LoginMethods)))]
async fn login_methods(State(state): State<AppState>) -> Json<LoginMethods> {
    Json(LoginMethods { oidc: state.oidc.is_some() })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StartQuery {
    /// Page of the dashboard to show after the login, as a path within it: `/runs`.
    back: Option<String>,
}

/// Sends the browser to the identity provider.
#[utoipa::path(get, path = "/auth/oidc/start", tag = "auth", params(StartQuery), responses(
    (status = 303, description = "To the identity provider"), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn start_oidc(State(state): State<AppState>, Params(query): Params<StartQuery>) -> Result<Response> {
    let provider = provider(&state)?;
    let back = query.back.unwrap_or_default();
    if !back.is_empty() && !attempt::is_within_dashboard(&back) {
        return Err(Error::invalid_query("`back` is not a path within the dashboard, such as /runs"));
    }
    let attempt = Attempt::new(&back, Utc::now());
    let url = provider.login_url(&attempt).await.map_err(|error| {
        tracing::warn!(error = %error, "could not begin a login at the identity provider");
        Error::Unavailable("the identity provider does not answer")
    })?;
    let cookie =
        cookie(provider, ATTEMPT, "/auth/oidc/callback", "Lax", attempt::VALID_SECONDS, &attempt.seal(&state.keys));
    redirect(url.as_str(), &[cookie])
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CallbackQuery {
    /// The code of the provider.
    code: Option<String>,
    /// As it was sent to the provider.
    state: Option<String>,
    /// The issuer of the answer.
    iss: Option<String>,
    /// Why the provider did not log the person in.
    error: Option<String>,
}

/// Receives the browser from the identity provider and sends it to the dashboard.
#[utoipa::path(get, path = "/auth/oidc/callback", tag = "auth", params(CallbackQuery), responses(
    (status = 303, description = "To the dashboard, which says what came of it"), (status = 404, body = Problem)))]
async fn finish_oidc(
    State(state): State<AppState>,
    Extension(ip): Extension<ClientIp>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    Params(query): Params<CallbackQuery>,
) -> Result<Response> {
    let provider = provider(&state)?;
    let mut cookies = vec![cookie(provider, ATTEMPT, "/auth/oidc/callback", "Lax", 0, "")];
    let mut url = provider.client.public_url.clone();
    url.set_path(&format!("{}/ui/login", url.path().trim_end_matches('/')));
    match finish(&state, provider, (ip, &request_id), &headers, query).await {
        Ok((code, back)) => {
            let seconds = i64::from(login_codes::VALID_SECONDS);
            cookies.push(cookie(provider, CODE, "/auth/oidc/token", "Strict", seconds, code.expose()));
            url.query_pairs_mut().append_pair("sso", "done").extend_pairs((!back.is_empty()).then_some(("back", back)));
        }
        Err(refusal) => {
            url.query_pairs_mut().append_pair("sso", refusal.code());
        }
    }
    redirect(url.as_str(), &cookies)
}

/// The one-time code of the person who comes back from the provider, and the page to show.
async fn finish(
    state: &AppState,
    provider: &Provider,
    (ip, request_id): (ClientIp, &RequestId),
    headers: &HeaderMap,
    query: CallbackQuery,
) -> Result<(Secret, String), Refusal> {
    let attempt = sent_cookie(headers, ATTEMPT).and_then(|cookie| Attempt::open(cookie, &state.keys, Utc::now()));
    let attempt = attempt.filter(|attempt| query.state.as_deref() == Some(attempt.state.as_str()));
    let attempt = attempt.ok_or(Refusal::OtherBrowser)?;
    // Every callback costs calls to the provider: few of one address may wait for it.
    let _place = state.oidc_queue.enter(&ip.network()).ok_or(Refusal::Busy)?;
    let failed = |error: ProviderError| {
        tracing::warn!(error = %error, "a login at the identity provider failed");
        Refusal::from(error)
    };
    if !provider.may_have_answered(query.iss.as_deref()).await.map_err(failed)? {
        return Err(Refusal::OtherProvider);
    }
    let code = query.code.filter(|_| query.error.is_none()).ok_or(Refusal::Cancelled)?;
    let claims = provider.redeem(&code, &attempt).await.map_err(failed)?;
    let user = user_of(state, &provider.client, &claims, (ip, request_id)).await?;
    let code = Secret::new(attempt::random());
    login_codes::keep(&state.db, &code, user.id).await?;
    Ok((code, attempt.back))
}

/// Answers with the token of the person who has just logged in at the identity provider, once.
#[utoipa::path(post, path = "/auth/oidc/token", tag = "auth", responses(
    (status = 200, body = LoginAnswer), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn fetch_oidc_token(
    State(state): State<AppState>,
    device: Device,
    note: AuditNote,
    headers: HeaderMap,
) -> Result<Response> {
    let provider = provider(&state)?;
    let refused = || {
        Error::refused(
            StatusCode::UNAUTHORIZED,
            "login_not_finished",
            "this browser has no login at the identity provider to finish",
            "Start again with the button of the login page.",
        )
    };
    let code = sent_cookie(&headers, CODE).map(Secret::new).ok_or_else(refused)?;
    let mut tx = state.db.begin().await?;
    let id = login_codes::redeem(&mut *tx, &code).await?.ok_or_else(refused)?;
    let now = users::now(&mut *tx).await?;
    let user = users::find(&mut *tx, id).await?.filter(|user| !user.disabled).ok_or_else(refused)?;
    note.actor(&user.username);
    let answer = begin(&state, &mut tx, &user, now, Method::Oidc, &device).await?;
    note.commit(tx, StatusCode::OK).await?;
    let mut response = Json(answer).into_response();
    append(&mut response, &cookie(provider, CODE, "/auth/oidc/token", "Strict", 0, ""))?;
    Ok(response)
}

fn provider(state: &AppState) -> Result<&Provider> {
    state.oidc.as_deref().ok_or_else(|| Error::NotFound("identity provider in this installation".into()))
}

/// A cookie that scripts cannot read, for one address of the API. Zero seconds delete it.
fn cookie(provider: &Provider, name: &str, path: &str, same_site: &str, seconds: i64, value: &str) -> String {
    let url = &provider.client.public_url;
    let secure = if url.scheme() == "https" { "; Secure" } else { "" };
    let base = url.path().trim_end_matches('/');
    format!("{name}={value}; Path={base}{path}; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}")
}

fn sent_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
}

fn redirect(to: &str, cookies: &[String]) -> Result<Response> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let to = HeaderValue::from_str(to).map_err(|error| Error::internal("redirect a browser", error))?;
    response.headers_mut().insert(LOCATION, to);
    for cookie in cookies {
        append(&mut response, cookie)?;
    }
    Ok(response)
}

fn append(response: &mut Response, cookie: &str) -> Result<()> {
    let value = HeaderValue::from_str(cookie).map_err(|error| Error::internal("set a cookie", error))?;
    response.headers_mut().append(SET_COOKIE, value);
    Ok(())
}
