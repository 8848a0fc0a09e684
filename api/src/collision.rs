//! Requests whose transactions got into the way of others.

use crate::error::{Error, Result};

/// Message for a client whose change PostgreSQL gave up for that of another one.
pub const GAVE_WAY: &str = "the change gave way to another one at the same moment, and nothing was changed";

/// Does something in one transaction, and once more when that transaction gave way to another one.
///
/// # Errors
/// Those of `work`.
pub async fn retried<T, F: Future<Output = Result<T>>>(work: impl Fn() -> F) -> Result<T> {
    match work().await {
        Err(Error::GaveWay) => {
            tracing::info!("a change gave way to another one, and is made again");
            work().await
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Does work that gives way some times. Returns how often it was begun.
    async fn begun(collisions: u32) -> (u32, Result<&'static str>) {
        let count = Cell::new(0);
        let done = retried(|| {
            count.set(count.get() + 1);
            std::future::ready(if count.get() <= collisions { Err(Error::GaveWay) } else { Ok("done") })
        })
        .await;
        (count.get(), done)
    }

    #[tokio::test]
    async fn a_change_that_gave_way_is_made_once_more() {
        assert!(matches!(begun(0).await, (1, Ok("done"))));
        assert!(matches!(begun(1).await, (2, Ok("done"))));
        assert!(matches!(begun(2).await, (2, Err(Error::GaveWay))));
        let count = Cell::new(0);
        let refused: Result<()> = retried(|| {
            count.set(count.get() + 1);
            std::future::ready(Err(Error::Forbidden("admin")))
        })
        .await;
        assert!(matches!(refused, Err(Error::Forbidden("admin"))) && count.get() == 1);
    }
}
