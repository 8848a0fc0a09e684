//! The endpoints, a file a resource.

#![expect(unused_qualifications, reason = "utoipa names types by their whole path")]

mod audit;
mod auth;
mod configs;
mod coverage;
mod data_view;
mod health;
mod known_hosts;
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
        .merge(configs::router())
        .merge(coverage::router())
        .merge(data_view::router())
        .merge(known_hosts::router())
        .merge(runs::router())
        .merge(logs::router())
        .merge(users::router())
        .merge(audit::router())
}
