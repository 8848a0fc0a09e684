//! The listener of a process: one connection that turns the database's notifications into "look now". A notification may
//! get lost, so every task that waits for one also looks by the clock.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{FLEET_CHANNEL, STOP_CHANNEL, TICK_CHANNEL};
use crate::backoff::jittered;

/// The queue's own channel: a ticket was pushed.
const TICKET_CHANNEL: &str = "apalis::job::insert";

/// Pause before a lost connection is made anew.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The notifications that tasks of a process can wait for. Clones share them.
#[derive(Clone, Default)]
pub struct Listener {
    tickets: watch::Sender<()>,
    stops: watch::Sender<()>,
    ticks: watch::Sender<()>,
    fleet: watch::Sender<()>,
}

impl Listener {
    /// Yields when a ticket was pushed on the queue.
    pub fn tickets(&self) -> BoxStream<'static, ()> {
        let tickets = self.tickets.subscribe();
        futures::stream::unfold(tickets, |mut tickets| async move {
            tickets.changed().await.ok()?;
            Some(((), tickets))
        })
        .boxed()
    }

    /// Changes when somebody asked a run to stop.
    pub fn stops(&self) -> watch::Receiver<()> {
        self.stops.subscribe()
    }

    /// Changes when a schedule was made or changed.
    pub fn ticks(&self) -> watch::Receiver<()> {
        self.ticks.subscribe()
    }

    /// Changes when a worker was drained, a queue was paused, or either may go on.
    pub fn fleet(&self) -> watch::Receiver<()> {
        self.fleet.subscribe()
    }

    /// Listens until `stop`, for tickets of `queue`. A lost connection is made anew.
    pub async fn listen(self, options: PgConnectOptions, queue: String, stop: CancellationToken) {
        loop {
            tokio::select! {
                ended = self.listen_once(&options, &queue) => {
                    if let Err(error) = ended {
                        tracing::warn!(%error, "the listener lost the control database");
                    }
                }
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(RECONNECT_PAUSE)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn listen_once(&self, options: &PgConnectOptions, queue: &str) -> sqlx::Result<()> {
        // A pool of its own, because the listener keeps its connection for as long as it lives.
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_TIMEOUT);
        let mut listener = PgListener::connect_with(&own.connect_lazy_with(options.clone())).await?;
        listener.listen_all([TICKET_CHANNEL, STOP_CHANNEL, TICK_CHANNEL, FLEET_CHANNEL]).await?;
        // Notifications sent while no connection listened are lost, so every task looks once now.
        for sender in [&self.tickets, &self.stops, &self.ticks, &self.fleet] {
            sender.send_replace(());
        }
        // `try_recv` returns `None` when the connection was lost, unlike `recv`, which would connect again silently and
        // skip the look above.
        while let Some(notification) = listener.try_recv().await? {
            match notification.channel() {
                STOP_CHANNEL => self.stops.send_replace(()),
                TICK_CHANNEL => self.ticks.send_replace(()),
                FLEET_CHANNEL => self.fleet.send_replace(()),
                _ if is_for(queue, notification.payload()) => self.tickets.send_replace(()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a notification of the queue is about a ticket of this queue: the channel is shared by all queues.
fn is_for(queue: &str, payload: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(payload).is_ok_and(|ticket| ticket["job_type"] == queue)
}
