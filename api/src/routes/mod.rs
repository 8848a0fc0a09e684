//! The endpoints, a file a resource.

mod audit;
mod auth;
mod health;
mod logs;
mod runs;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::{AppState, openapi};

/// Every endpoint.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::description())
        .merge(health::router())
        .merge(auth::router())
        .merge(runs::router())
        .merge(logs::router())
        .merge(users::router())
        .merge(audit::router())
}
