//! Checks of uploaded YAML: a few at a time on blocking threads, stopped when one takes too long or its request ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use elt_shared::config::{ConfigError, TimeLimit};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// Longest wait for a free thread, and longest time for one check. The largest config takes less than a second.
const LONGEST: Duration = Duration::from_secs(10);
/// Most requests that may wait for a thread, because each of them holds a YAML in memory.
const WAITING: usize = 64;
/// `Retry-After` of a refused request, in seconds.
const RETRY_AFTER: u64 = 5;

/// The threads that check YAMLs.
#[derive(Clone)]
pub struct Checks {
    threads: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Checks {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self { threads: Arc::new(Semaphore::new(threads)), queue: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Checks {
    /// Runs `work` on a blocking thread. `work` must return early once its time is up.
    ///
    /// # Errors
    /// Those of `work`; 429 when too many checks wait already; 503 when it takes too long.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(TimeLimit) -> Result<T, ConfigError> + Send + 'static,
    ) -> Result<T> {
        let busy = || Error::TooMany { retry_after: RETRY_AFTER };
        let queued = self.queue.try_acquire().map_err(|_| busy())?;
        let waiting = tokio::time::timeout(LONGEST, Arc::clone(&self.threads).acquire_owned());
        let thread = waiting.await.ok().and_then(Result::ok).ok_or_else(busy)?;
        drop(queued);

        let time_limit = TimeLimit::until(Instant::now() + LONGEST);
        // A request that ends early drops this future, but its thread goes on until it sees that it was cancelled.
        let _cancelled = CancelOnDrop(time_limit.clone());
        let given = time_limit.clone();
        let checking = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            work(given)
        });
        let checked = checking.await.map_err(|error| Error::internal("check the YAML", error))?;
        if time_limit.is_over() {
            // The result is dropped, because the problems found so far may not be all of them.
            return Err(Error::Unavailable("checking the YAML took too long"));
        }
        Ok(checked?)
    }
}

/// Cancels a check when the request that waits for it ends.
struct CancelOnDrop(TimeLimit);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// A check that goes on until its time is up, and then says so.
    fn endless(ended: oneshot::Sender<()>) -> impl FnOnce(TimeLimit) -> Result<(), ConfigError> {
        move |time_limit| {
            while !time_limit.is_over() {
                std::thread::yield_now();
            }
            let _ = ended.send(());
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_check_ends_with_the_request_that_waits_for_it() {
        let checks = Checks::default();
        let (ended, has_ended) = oneshot::channel();
        let request = tokio::spawn({
            let checks = checks.clone();
            async move { checks.run(endless(ended)).await.is_ok() }
        });
        let all = checks.threads.available_permits();
        while checks.threads.available_permits() == all {
            tokio::task::yield_now().await;
        }
        request.abort();
        let noticed = tokio::time::timeout(LONGEST / 2, has_ended).await;
        noticed.expect("the thread ends before its time is over").expect("the check ended");
    }

    #[tokio::test]
    async fn a_crowd_of_checks_is_turned_away() {
        let checks = Checks { threads: Arc::new(Semaphore::new(0)), queue: Arc::new(Semaphore::new(1)) };
        let waiting = tokio::spawn({
            let checks = checks.clone();
            async move { checks.run(|_| Ok(())).await }
        });
        while checks.queue.available_permits() == 1 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(checks.run(|_| Ok(())).await, Err(Error::TooMany { .. })));
        waiting.abort();
    }
}
