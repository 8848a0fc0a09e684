//! What happens to runs and in the log, followed once for all open streams of this process.
//!
//! One listener hears which runs changed; a poll catches what it missed and reads new log lines. Nothing is read while
//! nobody watches.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use elt_shared::store::logs::{self, Line, LineFilter};
use elt_shared::store::runs::{self, Run};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::keyed_limit::{Full, KeyPermit, KeyedLimit};

/// Receives the id of every run that changed.
const RUNS: &str = "elt_runs";
/// Channel that carries the id of every user who was changed or removed, and of every session that ended.
const USERS: &str = "elt_users";
/// New lines are looked for this often.
const LINES_EVERY: Duration = Duration::from_millis(500);
/// Watched runs are looked at this often, in case a notification was lost.
const RUNS_EVERY: Duration = Duration::from_secs(2);
/// A line may become visible this much later than one with a higher id.
const LATE: Duration = Duration::from_secs(5);
/// Longest wait for an answer of the database. The server ends a statement earlier, so a longer wait means that the
/// connection is lost.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);
/// Lines of one look.
const LINES: i64 = 2_000;
/// Events a slow reader may be behind before it is cut off. It resumes where it was.
const BEHIND: usize = 1_024;
/// Streams of one process.
const STREAMS: usize = 512;
/// Streams of one user: a few for each of many tabs.
const STREAMS_OF_ONE: usize = 64;

/// What a stream tells its reader.
#[derive(Debug, Clone)]
pub enum Event {
    /// A watched run changed, or was looked at again.
    Run(Arc<Run>),
    /// New lines, each handed out once. The first ones after a time without readers may be some seconds old.
    Lines(Arc<Vec<Line>>),
    /// The user with this id was changed or removed, or the session with this id ended.
    Login(Uuid),
}

/// Sends events to all clients that follow them.
#[derive(Clone)]
pub struct Events(Arc<Hub>);

struct Hub {
    sender: broadcast::Sender<Event>,
    watched: Mutex<HashMap<Uuid, usize>>,
    streams: KeyedLimit<Uuid>,
}

/// One open stream. Dropping it ends the watching.
pub struct Watch {
    events: Events,
    run: Option<Uuid>,
    /// What happens from now on.
    pub receiver: broadcast::Receiver<Event>,
    _permit: KeyPermit<Uuid>,
}

impl Events {
    /// Nothing is followed until [`Events::follow`] runs.
    pub fn new() -> Self {
        let (sender, _) = broadcast::channel(BEHIND);
        Self(Arc::new(Hub { sender, watched: Mutex::default(), streams: KeyedLimit::new(STREAMS_OF_ONE, STREAMS) }))
    }

    /// Watches one run, or only the log, for a user.
    ///
    /// # Errors
    /// When this user, or all users together, have too many streams open.
    pub fn watch(&self, user: Uuid, run: Option<Uuid>) -> Result<Watch, Full> {
        let permit = self.0.streams.take(user)?;
        if let Some(run) = run {
            *self.watched().entry(run).or_default() += 1;
        }
        Ok(Watch { events: self.clone(), run, receiver: self.0.sender.subscribe(), _permit: permit })
    }

    /// Follows the database until `stop` is cancelled. A lost database is waited for.
    pub async fn follow(self, db: PgPool, stop: CancellationToken) {
        let following = async {
            let mut is_lost = false;
            loop {
                if let Err(error) = self.follow_once(&db, &mut is_lost).await {
                    if mem::replace(&mut is_lost, true) {
                        tracing::debug!(%error, "the control database still does not answer");
                    } else {
                        tracing::warn!(%error, "open streams of events show nothing new until the control database answers");
                    }
                }
                sleep(RUNS_EVERY).await;
            }
        };
        stop.run_until_cancelled(following).await;
    }

    /// Follows until the database is lost. Clears `is_lost` once it answers.
    async fn follow_once(&self, db: &PgPool, is_lost: &mut bool) -> sqlx::Result<()> {
        let mut listener = answered(PgListener::connect_with(db)).await?;
        answered(listener.listen_all([RUNS, USERS])).await?;
        *is_lost = false;
        let mut new_lines = NewLines::default();
        let (mut lines_tick, mut runs_tick) = (interval(LINES_EVERY), interval(RUNS_EVERY));
        lines_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        runs_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = listener.recv() => {
                    let notice = notice?;
                    let id: Option<Uuid> = notice.payload().parse().ok();
                    match notice.channel() {
                        USERS => self.tell_login(id),
                        _ => self.tell_runs(db, id.filter(|id| self.watched().contains_key(id)).as_slice()).await?,
                    }
                }
                _ = runs_tick.tick() => {
                    let watched: Vec<Uuid> = self.watched().keys().copied().collect();
                    self.tell_runs(db, &watched).await?;
                }
                _ = lines_tick.tick() => match self.0.sender.receiver_count() {
                    0 => new_lines = NewLines::default(),
                    _ => self.tell_lines(answered(new_lines.look(db)).await?),
                },
            }
        }
    }

    async fn tell_runs(&self, db: &PgPool, ids: &[Uuid]) -> sqlx::Result<()> {
        if !ids.is_empty() {
            for run in answered(runs::find_all(db, ids)).await? {
                // Nobody may be listening any more.
                let _ = self.0.sender.send(Event::Run(Arc::new(run)));
            }
        }
        Ok(())
    }

    fn tell_login(&self, id: Option<Uuid>) {
        if let Some(id) = id {
            let _ = self.0.sender.send(Event::Login(id));
        }
    }

    fn tell_lines(&self, lines: Vec<Line>) {
        if !lines.is_empty() {
            let _ = self.0.sender.send(Event::Lines(Arc::new(lines)));
        }
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for an answer of the database. Without a limit, a session would wait without end for an answer that was lost.
async fn answered<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {} s", ANSWERED_WITHIN.as_secs()));
    timeout(ANSWERED_WITHIN, answer).await.unwrap_or_else(|_| Err(late().into()))
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(run) = self.run else { return };
        let mut watched = self.events.watched();
        if let Some(count) = watched.get_mut(&run) {
            *count -= 1;
            if *count == 0 {
                watched.remove(&run);
            }
        }
    }
}

/// Finds every new line once, although ids become visible out of order: it looks again at those of the last seconds.
#[derive(Default)]
struct NewLines {
    /// Lines up to here are settled; `None`: nothing was looked at yet.
    floor: Option<i64>,
    next_floor: i64,
    raised_at: Option<Instant>,
    seen: BTreeSet<i64>,
}

impl NewLines {
    async fn look(&mut self, db: &PgPool) -> sqlx::Result<Vec<Line>> {
        let floor = match self.floor {
            Some(floor) => floor,
            // The reader has read the log a moment ago: newer lines are among those of the last seconds.
            None => {
                let settled = logs::newest_before(db, LATE).await?;
                (self.floor, self.next_floor) = (Some(settled), settled);
                settled
            }
        };
        let filter = LineFilter { after: Some(floor), ..LineFilter::default() };
        let lines = logs::list(db, &filter, LINES).await?;
        let full = lines.len() as i64 == LINES;
        let last = lines.last().map_or(floor, |line| line.id);
        let new = lines.into_iter().filter(|line| self.seen.insert(line.id)).collect();
        let due = self.raised_at.is_none_or(|at| at.elapsed() > LATE);
        if due || full {
            // A flood leaves no time for late lines.
            self.floor = Some(if full { last } else { self.next_floor });
            self.next_floor = last;
            self.raised_at = Some(Instant::now());
            self.seen = self.seen.split_off(&self.floor.unwrap_or_default().saturating_add(1));
        }
        Ok(new)
    }
}
