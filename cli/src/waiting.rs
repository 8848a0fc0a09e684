//! Waiting at the start for what is not there yet: the control database, its migrations, the address to listen on.

use std::time::{Duration, Instant};

use clap::Args;
use elt_shared::settings::DatabaseSettings;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::databases::{Databases, Part, Place};
use crate::exit;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a line says what is waited for.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// How long a server waits for what it needs to start.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitSettings {
    /// Seconds to wait at the start for a control database that is away or not migrated yet, and for an address that this
    /// machine does not have yet. 0: it says at once what is missing, and ends.
    #[arg(long, env = "ELT_WAIT_SECONDS", default_value_t = 0)]
    wait_seconds: u32,
}

impl WaitSettings {
    /// Begins to wait, until `stop` is cancelled.
    pub fn begin(self, stop: CancellationToken) -> Waiting {
        let longest = Duration::from_secs(self.wait_seconds.into());
        Waiting { longest, began: Instant::now(), stop, awaited: watch::Sender::new("this process is starting") }
    }
}

/// A server that waits for what it needs to start.
#[derive(Debug)]
pub struct Waiting {
    longest: Duration,
    began: Instant,
    stop: CancellationToken,
    awaited: watch::Sender<&'static str>,
}

impl Waiting {
    /// What is waited for now, in words for a readiness probe.
    pub fn awaited(&self) -> watch::Receiver<&'static str> {
        self.awaited.subscribe()
    }

    /// Opens the databases of a server. `None`: asked to stop while it waited.
    ///
    /// A private cluster is not waited for, because this process starts it; its start goes on to the end after a signal,
    /// because PostgreSQL would go on without an elt if the start were given up in the middle. The caller then closes it.
    ///
    /// # Errors
    /// When a database cannot be opened, and waiting does not help or outlasted the longest wait.
    pub async fn open(
        &self,
        place: &Place,
        settings: &DatabaseSettings,
        part: Part,
        connections: u32,
    ) -> anyhow::Result<Option<Databases>> {
        match place {
            Place::Private(_) => Databases::open(place, settings, part, connections).await.map(Some),
            Place::Given(_) => self.until(async || Databases::open(place, settings, part, connections).await).await,
        }
    }

    /// Repeats `attempt` until it succeeds. `None`: asked to stop meanwhile, in the middle of an attempt, too.
    ///
    /// # Errors
    /// A failure of `attempt` that waiting does not help, or that outlasted the longest wait.
    pub async fn until<T>(&self, mut attempt: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        let mut said: Option<(Instant, String)> = None;
        loop {
            let Some(attempted) = self.stop.run_until_cancelled(attempt()).await else { return Ok(None) };
            let error = match attempted {
                Ok(value) => return Ok(Some(value)),
                Err(error) => error,
            };
            let Some(awaited) = exit::awaited(&error).filter(|_| !self.longest.is_zero()) else {
                return Err(error);
            };
            if self.began.elapsed() >= self.longest {
                return Err(exit::outlasted(error));
            }
            self.awaited.send_replace(awaited);
            let message = error.to_string();
            if said.as_ref().is_none_or(|(at, text)| at.elapsed() >= SAY_EVERY || *text != message) {
                tracing::warn!("waiting, for {} s by now: {message}", self.began.elapsed().as_secs());
                said = Some((Instant::now(), message));
            }
            if self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::{Exit, refuse, refuse_for_now};

    fn waiting(seconds: u64) -> Waiting {
        let longest = Duration::from_secs(seconds);
        let awaited = watch::Sender::new("this process is starting");
        Waiting { longest, began: Instant::now(), stop: CancellationToken::new(), awaited }
    }

    fn away() -> anyhow::Error {
        refuse_for_now(Exit::Settings, "the database is not there", "no database", "Start it.")
    }

    #[tokio::test]
    async fn what_can_come_by_itself_is_waited_for() {
        let waiting = waiting(3_600);
        let mut left = 2;
        let got = waiting.until(async || {
            left -= 1;
            if left > 0 { Err(away()) } else { Ok("connected") }
        });
        assert_eq!(got.await.unwrap(), Some("connected"));
        assert_eq!(*waiting.awaited().borrow(), "the database is not there");
    }

    #[tokio::test]
    async fn what_waiting_does_not_help_is_returned_at_once() {
        let refused =
            waiting(3_600).until(async || Err::<(), _>(refuse(Exit::Settings, "a wrong key", "Mend it."))).await;
        assert_eq!(refused.unwrap_err().to_string(), "a wrong key");
        let (mut tried, waiting) = (0, waiting(0));
        let refused = waiting.until(async || {
            tried += 1;
            Err::<(), _>(away())
        });
        assert_eq!(refused.await.unwrap_err().to_string(), "no database");
        assert_eq!(tried, 1);
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait() {
        let waiting = waiting(3_600);
        let stop = waiting.stop.clone();
        let until = waiting.until(async || {
            stop.cancel();
            Err::<(), _>(away())
        });
        assert_eq!(until.await.unwrap(), None);
    }
}
