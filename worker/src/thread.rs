//! Work on a thread of its own.

use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// Drives `work` on a thread of its own until it is done, or `cut` drops it: `None`.
///
/// A run lends its files and connections to async closures, and the compiler cannot prove such a future fit to move
/// between threads.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    cut: CancellationToken,
    work: impl AsyncFnOnce() -> T + Send + 'static,
) -> Result<Option<T>, JoinError> {
    let (runtime, span) = (Handle::current(), Span::current());
    let until_cut = move || runtime.block_on(cut.run_until_cancelled(work().instrument(span)));
    spawn_blocking(until_cut).await
}
