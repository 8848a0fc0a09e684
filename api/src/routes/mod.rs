//! The endpoints, a file a resource.

#![expect(unused_qualifications, reason = "utoipa names types by their whole path")]

mod audit;
mod auth;
mod backfills;
mod channels;
mod configs;
mod coverage;
mod data_view;
mod downloads;
mod events;
pub(crate) mod health;
mod inboxes;
mod jobs;
mod known_hosts;
mod logs;
mod notifications;
mod overview;
mod pipelines;
mod plan_and_test;
mod preview;
mod profiles;
mod quarantine;
mod queues;
mod retention;
mod runs;
mod schedules;
mod secrets;
mod shared_tables;
mod shares;
mod source_state;
mod timing;
mod tokens;
mod users;
mod workers;

pub(crate) use health::ready;
pub(crate) use inboxes::UPLOAD_PATH;
use utoipa_axum::router::OpenApiRouter;

use crate::{AppState, openapi};

/// Every endpoint.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::description())
        .merge(health::router())
        .merge(auth::router())
        .merge(configs::router())
        .merge(pipelines::router())
        .merge(inboxes::router())
        .merge(source_state::router())
        .merge(plan_and_test::router())
        .merge(preview::router())
        .merge(coverage::router())
        .merge(data_view::router())
        .merge(downloads::router())
        .merge(shares::router())
        .merge(shared_tables::router())
        .merge(known_hosts::router())
        .merge(jobs::router())
        .merge(runs::router())
        .merge(profiles::router())
        .merge(backfills::router())
        .merge(events::router())
        .merge(schedules::router())
        .merge(workers::router())
        .merge(queues::router())
        .merge(overview::router())
        .merge(quarantine::router())
        .merge(retention::router())
        .merge(logs::router())
        .merge(users::router())
        .merge(tokens::router())
        .merge(secrets::router())
        .merge(channels::router())
        .merge(notifications::router())
        .merge(audit::router())
}
