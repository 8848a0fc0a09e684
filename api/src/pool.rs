//! Why a request got no connection to the control database: the database is away, or all connections are busy.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::timeout;

use crate::AppState;
use crate::error::Problem;

/// How long a reachable database may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

const AWAY: &str = "the database is away for the moment";
/// Message for a client when other requests use every connection.
pub const ALL_BUSY: &str = "all connections to the database are busy";

/// Marks an answer to a request that got no connection, because the error of the pool does not say why.
#[derive(Debug, Clone, Copy)]
pub struct NoConnection;

/// Finds the reason why a request got no connection, logs it and puts it into the answer.
pub async fn layer(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.extensions_mut().remove::<NoConnection>().is_some() {
        let reason = reason(&state.db).await;
        tracing::warn!("a request got no connection to the control database: {reason}");
        response.extensions_mut().insert(Problem::of_status(StatusCode::SERVICE_UNAVAILABLE, reason));
    }
    response
}

/// Why a query got no connection, as a sentence.
pub async fn reason(db: &PgPool) -> &'static str {
    let full = db.num_idle() == 0 && db.size() >= db.options().get_max_connections();
    // Connections that are still being made count as well, so a full pool alone does not prove that the server is there.
    if full && answers(db).await { ALL_BUSY } else { AWAY }
}

/// Whether the database answers on a new connection outside the pool.
pub async fn answers(db: &PgPool) -> bool {
    if db.is_closed() {
        return false;
    }
    match timeout(ANSWERS_WITHIN, PgConnection::connect_with(&db.connect_options())).await {
        Ok(Ok(connection)) => {
            // An error while closing does not matter, because the server has answered.
            let _ = timeout(ANSWERS_WITHIN, connection.close()).await;
            true
        }
        // A server that refuses, for example because it has no connection left, is there.
        Ok(Err(sqlx::Error::Database(_))) => true,
        Ok(Err(_)) | Err(_) => false,
    }
}
