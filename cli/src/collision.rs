//! Changes whose transactions got into the way of others.

use elt_shared::collision::gave_way;

/// Does something in one transaction, and once more when that transaction gave way to another one.
///
/// # Errors
/// Those of `work`.
pub async fn retried<T>(work: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    match work().await {
        Err(error) if error.chain().filter_map(|cause| cause.downcast_ref()).any(gave_way) => work().await,
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::cell::Cell;
    use std::error::Error;
    use std::fmt;

    use anyhow::Context;
    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    #[derive(Debug)]
    struct Refusal(&'static str);

    impl fmt::Display for Refusal {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Refusal {}

    impl DatabaseError for Refusal {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    /// Does work that PostgreSQL refuses some times with a code. Returns how often it was begun, and whether it was done.
    async fn begun(code: &'static str, refusals: u32) -> (u32, bool) {
        let count = Cell::new(0);
        let done = retried(async || {
            count.set(count.get() + 1);
            let refused =
                Err(sqlx::Error::Database(Box::new(Refusal(code)))).context("could not cancel").context("sorry");
            if count.get() <= refusals { refused } else { Ok(()) }
        })
        .await;
        (count.get(), done.is_ok())
    }

    #[tokio::test]
    async fn a_change_that_gave_way_is_made_once_more() {
        for code in ["40P01", "40001"] {
            assert_eq!(begun(code, 0).await, (1, true));
            assert_eq!(begun(code, 1).await, (2, true));
            assert_eq!(begun(code, 2).await, (2, false));
        }
        assert_eq!(begun("42501", 1).await, (1, false));
    }
}
