//! Runs async work on a thread of its own.

use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// Runs `work` on a blocking thread. Returns `None` when `cut` was cancelled first, which drops the work.
///
/// The work keeps its thread, because a run lends its files and connections to async closures, and the compiler cannot prove
/// that such a future may move between threads.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    cut: CancellationToken,
    work: impl AsyncFnOnce() -> T + Send + 'static,
) -> Result<Option<T>, JoinError> {
    let (runtime, span) = (Handle::current(), Span::current());
    let until_cut = move || runtime.block_on(cut.run_until_cancelled(work().instrument(span)));
    spawn_blocking(until_cut).await
}
