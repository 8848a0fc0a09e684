//! Messages that a queue has no worker. The API sends them, because no worker can.

use std::time::Duration;

use elt_shared::backoff::jittered;
use elt_shared::notifications::{self, Delivery, Sends};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::AppState;

/// Time between two looks for runs that wait where no worker is.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Looks for runs that wait where no worker is, and sends the messages about them, until `stop`.
pub(crate) async fn keep_telling(state: AppState, stop: CancellationToken) {
    let settings = &state.settings;
    let delivery = Delivery {
        db: state.db.clone(),
        sends: Sends::NoWorker,
        keys: Some(state.keys.clone()),
        env_allow: settings.env_allow.clone(),
        network: settings.network.clone(),
        counts: settings.metrics.notifications().clone(),
    };
    tokio::join!(keep_looking(&state.db, &stop), notifications::keep_sending(delivery, stop.clone()));
}

async fn keep_looking(db: &PgPool, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(LOOK_INTERVAL)) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = look(db).await {
            tracing::warn!(%error, "could not look for runs that wait where no worker is");
        }
    }
}

/// One look, which opens incidents.
async fn look(db: &PgPool) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    notifications::open_without_worker(&mut tx).await?;
    tx.commit().await
}
