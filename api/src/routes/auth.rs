//! Logging in and out, and what people do about their own account.

mod external_users;
mod login;
mod oidc;
mod password;
mod sessions;
mod totp;

use utoipa_axum::router::OpenApiRouter;

use crate::AppState;

/// A name and a password fit in this.
const MAX_LOGIN_BYTES: usize = 4 * 1024;

pub fn router() -> OpenApiRouter<AppState> {
    login::router().merge(password::router()).merge(sessions::router()).merge(oidc::router()).merge(totp::router())
}
