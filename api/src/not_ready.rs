//! Answers while the process cannot work yet: it lives, and is not ready.

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::connections::{self, Terms};
use crate::error::Error;
use crate::routes::health;
use crate::settings::ApiSettings;
use crate::tls::Tls;
use crate::{SetupError, client};

/// Answers at `listener` until `work` ends: `/livez` with 200, and everything else with 503 and what is waited for.
/// Returns what `work` returned. The listener stays open, so that no connection is refused between this and the API.
///
/// # Errors
/// When the certificate of the listener cannot be used.
pub async fn answer_during<T>(
    work: impl Future<Output = T>,
    listener: &TcpListener,
    settings: &ApiSettings,
    awaited: watch::Receiver<&'static str>,
) -> Result<T, SetupError> {
    let tls = Tls::load(settings.tls_cert.as_deref(), settings.tls_key.as_deref())?;
    let answer = async move || Error::Unavailable(*awaited.borrow());
    let router = Router::new().route("/livez", get(health::livez)).fallback(answer).layer(from_fn(client::problems));
    let ended = CancellationToken::new();
    let answering = connections::answer_until(listener, router, Terms::new(settings, tls), ended.clone());
    let working = async {
        let done = work.await;
        ended.cancel();
        done
    };
    let (done, open) = tokio::join!(working, answering);
    open.finish().await;
    Ok(done)
}
