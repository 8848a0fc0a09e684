//! Reads the installation's numbers from the control database for all scrapes together: at most once every few seconds,
//! one reading at a time, so that no number of scrapes can load the database.
//!
//! A scrape gets the last good numbers with their age when the database is slow or away. That the database is away is
//! only said after a connection of its own failed, because a reading may also fail or take long while the database is
//! well: all connections are busy, or the machine is.

use std::sync::Arc;
use std::time::Duration;

use elt_shared::store::{gauges, run_totals};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::installation::{Installation, Numbers};
use crate::pool;

/// Numbers younger than this are handed out as they are.
const FRESH: Duration = Duration::from_secs(5);
/// Time that a scrape waits for a reading.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time after which a reading first finds out whether the database answers at all.
const SLOW: Duration = Duration::from_secs(1);
/// Longest time that the queries for one scrape may take.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// The last reading, shared by all scrapes. Clones share it.
#[derive(Debug, Clone)]
pub struct NumbersCache {
    known: watch::Sender<Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    is_up: bool,
    /// When `is_up` was found out.
    looked: Option<Instant>,
    /// The newest numbers, and when they were read.
    numbers: Option<(Arc<Numbers>, Instant)>,
    /// A reading is under way.
    reading: bool,
    /// Whether the last reading failed.
    failed: bool,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.looked.is_some_and(|looked| looked.elapsed() < FRESH)
    }
}

impl Default for NumbersCache {
    fn default() -> Self {
        Self { known: watch::Sender::new(Known::default()) }
    }
}

impl NumbersCache {
    /// What is known, after a new reading if the last one is old.
    pub async fn get(&self, db: &PgPool) -> Installation {
        let mut changes = self.known.subscribe();
        self.read_if_old(db);
        // A scrape that waits in vain reports what was known before: a slow reading does not mean that the numbers are gone.
        let _ = timeout(PATIENCE, changes.wait_for(Known::is_fresh)).await;
        let known = self.known.borrow();
        let numbers = known.numbers.as_ref().map(|(numbers, read)| (Arc::clone(numbers), read.elapsed()));
        // Before the first look is over the database is taken for well: the process started with it.
        Installation { is_up: known.is_up || known.looked.is_none(), numbers }
    }

    /// Starts a reading unless the last one is fresh, or one is under way. It goes on when its scrape goes away.
    fn read_if_old(&self, db: &PgPool) {
        let starts = self.known.send_if_modified(|known| {
            let starts = !known.reading && !known.is_fresh();
            known.reading |= starts;
            starts
        });
        if starts {
            let reading = Reading { cache: self.clone(), db: db.clone() };
            tokio::spawn(async move { reading.read().await });
        }
    }
}

/// A reading that is under way. Its drop says that it is over, also after a panic, because no other reading starts before.
struct Reading {
    cache: NumbersCache,
    db: PgPool,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.cache.known.send_modify(|known| known.reading = false);
    }
}

impl Reading {
    async fn read(&self) {
        let numbers = timeout(READ_WITHIN, numbers(&self.db));
        let mut numbers = std::pin::pin!(numbers);
        let read = tokio::select! {
            read = &mut numbers => read,
            () = sleep(SLOW) => {
                self.note_up(pool::answers(&self.db).await);
                numbers.await
            }
        };
        let failure = match read {
            Ok(Ok(numbers)) => {
                self.cache.known.send_modify(|known| {
                    let now = Instant::now();
                    let numbers = Some((Arc::new(numbers), now));
                    *known = Known { is_up: true, looked: Some(now), numbers, failed: false, ..*known };
                });
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {} s", READ_WITHIN.as_secs()),
        };
        self.note_failure(&failure);
        self.note_up(pool::answers(&self.db).await);
    }

    /// Warns of the first failure. Nothing is said of the next ones until a reading has succeeded, because every scrape would
    /// otherwise write a line.
    fn note_failure(&self, failure: &str) {
        let mut is_first = false;
        self.cache.known.send_modify(|known| is_first = !std::mem::replace(&mut known.failed, true));
        if is_first {
            tracing::warn!(error = %failure, "could not read the numbers of /metrics: scrapes get the last ones");
        }
    }

    fn note_up(&self, is_up: bool) {
        self.cache.known.send_modify(|known| {
            known.is_up = is_up;
            known.looked = Some(Instant::now());
        });
    }
}

async fn numbers(db: &PgPool) -> sqlx::Result<Numbers> {
    Ok(Numbers { gauges: gauges::list(db).await?, totals: run_totals::list(db).await? })
}
