//! Asked to stop (Ctrl-C, SIGTERM), and asked again.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::out;

/// After the second signal, what can be handed back in this time is.
const LAST_MOMENT: Duration = Duration::from_millis(800);

/// Cancelled by the first signal (graceful stop) and the second one (immediate stop).
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Finish what is at hand and end.
    pub gracefully: CancellationToken,
    /// End now.
    pub now: CancellationToken,
}

/// Listens from now on. The first signal asks to stop, the second one forces it.
pub fn listen() -> anyhow::Result<Stop> {
    let interrupt = signal(SignalKind::interrupt()).context("could not listen for Ctrl-C")?;
    let terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let stop = Stop::default();
    tokio::spawn(obey(interrupt, terminate, stop.clone()));
    Ok(stop)
}

async fn obey(mut interrupt: Signal, mut terminate: Signal, stop: Stop) {
    next(&mut interrupt, &mut terminate).await;
    out::problem("stopping; a second signal forces it");
    stop.gracefully.cancel();
    let signal = next(&mut interrupt, &mut terminate).await;
    stop.now.cancel();
    tokio::time::sleep(LAST_MOMENT).await;
    std::process::exit(128 + signal.as_raw_value());
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
    }
}
