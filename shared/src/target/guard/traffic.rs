//! What passes between the driver and the server, and which of them the other one waits for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::requests::{Request, Requests};

/// The state of a session's traffic. The relay writes it, and the watch reads it.
#[derive(Debug)]
pub(super) struct Traffic(Mutex<State>);

#[derive(Debug)]
struct State {
    requests: Requests,
    /// When bytes moved last: the server sent some or took some, or the driver gave some to send.
    moved: Instant,
    /// Answers that the server owes. Each ends with "ready for query".
    owed: u32,
    /// Whether the server reads the rows of a `COPY`. It owes nothing until the driver says that these are all.
    copying: bool,
    /// Whether the server has yet to take bytes that the driver sent.
    unsent: bool,
    /// Whether the driver has yet to take bytes that the server sent.
    undelivered: bool,
    /// Whether the driver has the beginning of a message whose end has not arrived.
    within_message: bool,
    /// The process that the server said it works in.
    backend: Option<i32>,
}

/// What the server said in some bytes, as far as it matters to who waits for whom.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// Number of requests it is done with.
    pub done: u32,
    /// Whether it now reads the rows of a `COPY`. `None`: as before.
    pub copying: Option<bool>,
    /// The process that it says it works in.
    pub backend: Option<i32>,
}

/// A moment at which a session waits for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// When bytes moved last.
    pub since: Instant,
    /// Whether the server does not take bytes, as opposed to not answering.
    pub unsent: bool,
    /// The process that the server said it works in.
    pub backend: Option<i32>,
}

impl Traffic {
    /// The traffic of a session that is about to begin: the server owes the answer to the login.
    pub fn new() -> Self {
        Self(Mutex::new(State {
            requests: Requests::default(),
            moved: Instant::now(),
            owed: 1,
            copying: false,
            unsent: false,
            undelivered: false,
            within_message: false,
            backend: None,
        }))
    }

    /// The process that the server said it works in.
    pub fn process(&self) -> Option<i32> {
        self.state().backend
    }

    /// The driver gave these bytes to send.
    pub fn sending(&self, bytes: &[u8]) {
        let mut state = self.state();
        let mut requests = std::mem::take(&mut state.requests);
        requests.read(bytes, |request| match request {
            Request::Answered => state.owed = state.owed.saturating_add(1),
            Request::EndsCopy => state.copying = false,
        });
        state.requests = requests;
        state.unsent = true;
        state.moved = Instant::now();
    }

    /// The server's machine took what the driver gave to send.
    pub fn sent(&self) {
        let mut state = self.state();
        state.unsent = false;
        state.moved = Instant::now();
    }

    /// The server sent bytes in which it said this. The driver has yet to take them.
    pub fn received(&self, said: Said) {
        let mut state = self.state();
        state.owed = state.owed.saturating_sub(said.done);
        state.copying = said.copying.unwrap_or(state.copying);
        state.backend = said.backend.or(state.backend);
        state.undelivered = true;
        state.moved = Instant::now();
    }

    /// The driver took all that arrived. `within_message`: it waits for the end of a message.
    pub fn delivered(&self, within_message: bool) {
        let mut state = self.state();
        state.undelivered = false;
        state.within_message = within_message;
        state.moved = Instant::now();
    }

    /// Whether the session waits for its server. `None`: the driver's turn.
    pub fn wait(&self) -> Option<Wait> {
        let state = self.state();
        let waits = !state.undelivered && (state.unsent || (state.owed > 0 && !state.copying));
        waits.then_some(Wait { since: state.moved, unsent: state.unsent, backend: state.backend })
    }

    /// Whether a message of the guard's own would become part of another message.
    pub fn is_within_message(&self) -> bool {
        let state = self.state();
        state.within_message || state.undelivered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8) -> Vec<u8> {
        vec![kind, 0, 0, 0, 4]
    }

    fn done() -> Said {
        Said { done: 1, ..Said::default() }
    }

    fn answer(traffic: &Traffic, said: Said) {
        traffic.received(said);
        traffic.delivered(false);
    }

    #[test]
    fn a_session_waits_until_every_request_is_answered() {
        let traffic = Traffic::new();
        assert!(traffic.wait().is_some(), "the login");
        answer(&traffic, Said { backend: Some(7), ..done() });
        assert_eq!(traffic.wait(), None, "it is the driver's turn");
        traffic.sending(&[message(b'Q'), message(b'P'), message(b'S')].concat());
        assert!(traffic.wait().is_some_and(|wait| wait.unsent && wait.backend == Some(7)));
        traffic.sent();
        answer(&traffic, done());
        assert!(traffic.wait().is_some_and(|wait| !wait.unsent), "one of two answers is owed");
        answer(&traffic, Said::default());
        assert!(traffic.wait().is_some(), "rows are no end of an answer");
        answer(&traffic, done());
        assert_eq!(traffic.wait(), None);
    }

    #[test]
    fn a_server_that_reads_a_copy_owes_nothing_unless_it_does_not_take_the_rows() {
        let traffic = Traffic::new();
        answer(&traffic, done());
        traffic.sending(&message(b'Q'));
        traffic.sent();
        answer(&traffic, Said { copying: Some(true), ..Said::default() });
        assert_eq!(traffic.wait(), None, "the driver may take its time between two rows");
        traffic.sending(&message(b'd'));
        assert!(traffic.wait().is_some());
        traffic.sent();
        assert_eq!(traffic.wait(), None);
        traffic.sending(&message(b'c'));
        traffic.sent();
        assert!(traffic.wait().is_some(), "the end of the rows is answered");
        answer(&traffic, Said { copying: Some(false), ..done() });
        assert_eq!(traffic.wait(), None);
    }

    #[test]
    fn a_driver_that_does_not_read_waits_for_itself() {
        let traffic = Traffic::new();
        traffic.received(Said::default());
        assert_eq!(traffic.wait(), None);
        assert!(traffic.is_within_message());
        traffic.delivered(true);
        assert!(traffic.wait().is_some() && traffic.is_within_message());
        traffic.received(done());
        traffic.delivered(false);
        assert!(!traffic.is_within_message());
    }
}
