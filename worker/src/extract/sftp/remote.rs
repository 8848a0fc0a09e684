//! A server over several connections: one that breaks is replaced, and the work goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use elt_shared::backoff::{doubled, jittered};
use elt_shared::config::SftpSource;

use super::error::{Result, SftpError};
use super::limits::SftpLimits;
use super::route::Route;
use super::server::Server;
use super::session::Session;
use crate::extract::ExtractContext;

/// Longest pause before a new connection.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A server, and the connection to it. A connection that breaks is replaced by a new one.
pub(super) struct Remote<'a> {
    pub(super) server: Arc<Server>,
    route: Route,
    context: &'a ExtractContext,
    session: Option<Arc<Session>>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(source: &SftpSource, context: &'a ExtractContext, limits: &SftpLimits) -> Result<Self> {
        let route = Route::of(source, limits, context)?;
        Ok(Self { server: Arc::clone(&route.end.server), route, context, session: None })
    }

    /// Does `work` over a connection, and over a new one when that breaks. The count of attempts starts anew when a
    /// connection moved bytes before it broke.
    pub(super) async fn with<T, W>(&mut self, work: impl Fn(Arc<Session>) -> W) -> Result<T>
    where
        W: Future<Output = Result<T>>,
    {
        let mut failures = 0;
        loop {
            let error = match self.session().await {
                Err(error) => error,
                Ok(session) => match work(Arc::clone(&session)).await {
                    Err(error) if error.is_transient() => {
                        self.session = None;
                        if session.received.load(Ordering::Relaxed) > 0 {
                            failures = 0;
                        }
                        error
                    }
                    done => return done,
                },
            };
            if !error.is_transient() {
                return Err(error);
            }
            failures += 1;
            if failures >= self.server.limits.attempts {
                return Err(SftpError::GaveUp { error: Box::new(error), attempts: failures });
            }
            let pause = self.pause(failures);
            tracing::warn!("{error}; connecting anew in {:.1} s", pause.as_secs_f32());
            tokio::time::sleep(pause).await;
        }
    }

    async fn session(&mut self) -> Result<Arc<Session>> {
        if let Some(session) = &self.session {
            return Ok(Arc::clone(session));
        }
        let session = Session::open(&self.route, self.context).await?;
        Ok(Arc::clone(self.session.insert(Arc::new(session))))
    }

    fn pause(&self, failures: u32) -> Duration {
        jittered(doubled(self.server.limits.backoff, LONGEST_PAUSE, failures))
    }
}
