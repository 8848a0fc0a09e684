//! The watch over a session that waits for its server.
//!
//! A connection can be lost without a word: a firewall forgets it, a machine is cut off, a server is frozen. From here that
//! looks like a statement that takes long. So a server that says nothing for a while is asked over a second connection what
//! the session does there. A session that is at work is left alone for as long as it works.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::traffic::{Traffic, Wait};

/// Questions in a row without an answer after which a session is given up. Each comes after one such part of
/// [`Watch::silence`].
const QUESTIONS: u32 = 3;
/// Longest wait for the answer to one question.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How often the traffic is looked at, as a part of the time between two questions.
const LOOKS: u32 = 5;

/// What a server says about a session, on another connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::target) enum Standing {
    /// It works on a statement. `bytes`: how many bytes of a `COPY` it has read; `waits_for`: an event of the server, such
    /// as `Lock:relation`.
    AtWork { waits_for: Option<String>, bytes: Option<i64> },
    /// It waits for the client.
    Idle,
    /// The session does not exist any more.
    Gone,
    /// The server answers, but does not say what the session does. The login may not see it, for example.
    Unsaid,
    /// The server does not answer. The text says why, as the end of a sentence.
    Unreached(String),
}

/// Asks a server about a session. `backend`: the process that the server said it works in.
pub(in crate::target) trait AsksAbout: Send + Sync {
    fn standing(&self, backend: Option<i32>) -> Pin<Box<dyn Future<Output = Standing> + Send + '_>>;
}

/// How a session is watched.
#[derive(Clone)]
pub(in crate::target) struct Watch {
    /// Time without an answer after which a session is given up whose server cannot be asked, or takes no rows. When the
    /// server says that the session has ended or waits for this side, it is given up earlier; when the server does not say
    /// what the session does, it is never given up.
    pub silence: Duration,
    /// Asks the server about the session, over another connection.
    pub server: Arc<dyn AsksAbout>,
}

/// Waits until the session must be given up. Returns the reason, as a sentence about the server.
pub(super) async fn given_up(traffic: &Traffic, watch: &Watch) -> String {
    let every = watch.silence / QUESTIONS;
    let mut doubts = Doubts::default();
    loop {
        sleep(every / LOOKS).await;
        let Some(wait) = traffic.wait().filter(|wait| wait.since.elapsed() >= doubts.next(wait, every)) else {
            continue;
        };
        let asked = timeout(ANSWERED_WITHIN, watch.server.standing(wait.backend)).await;
        let standing = asked.unwrap_or_else(|_| Standing::Unreached("it does not answer".into()));
        // Something moved while the question was on its way, so that its answer says nothing about this wait.
        if traffic.wait() != Some(wait) {
            continue;
        }
        log(&wait, &standing, doubts.questions);
        if let Some(reason) = doubts.add(&wait, wait.since.elapsed(), standing, watch.silence) {
            return reason;
        }
    }
}

/// What was learned during one wait.
#[derive(Debug, Default)]
struct Doubts {
    wait: Option<Instant>,
    /// Questions of this wait.
    questions: u32,
    /// Questions in a row that were not answered.
    unreached: u32,
    /// The answer to the question before.
    before: Option<Standing>,
}

impl Doubts {
    /// How long this wait must last until the next question.
    fn next(&self, wait: &Wait, every: Duration) -> Duration {
        let questions = if self.wait == Some(wait.since) { self.questions } else { 0 };
        every.saturating_mul(questions + 1)
    }

    /// Takes an answer, and returns the reason why the session must be given up.
    fn add(&mut self, wait: &Wait, waited: Duration, standing: Standing, silence: Duration) -> Option<String> {
        if self.wait != Some(wait.since) {
            *self = Self { wait: Some(wait.since), ..Self::default() };
        }
        self.questions = self.questions.saturating_add(1);
        self.unreached = match standing {
            Standing::Unreached(_) => self.unreached.saturating_add(1),
            _ => 0,
        };
        let again = self.before.as_ref() == Some(&standing);
        let reason = match &standing {
            Standing::Gone => Some("it says that the session has ended".to_owned()),
            // Its answer, or the request, can still be on its way at the first question.
            Standing::Idle if again => Some("it says that it waits for this side".to_owned()),
            // A server on the CPU takes the next rows of a COPY within moments, so this one is frozen.
            Standing::AtWork { waits_for: None, bytes: Some(_) } if again && wait.unsent && waited >= silence => {
                Some("it does not take any rows".to_owned())
            }
            // One question can fail by itself, also about a session that has been at work for hours.
            Standing::Unreached(why) if waited >= silence && self.unreached >= QUESTIONS => {
                Some(format!("it cannot be asked on another connection either: {why}"))
            }
            Standing::Idle | Standing::AtWork { .. } | Standing::Unsaid | Standing::Unreached(_) => None,
        };
        self.before = Some(standing);
        reason.map(|reason| format!("the server did not answer for {} s, and {reason}", waited.as_secs()))
    }
}

/// Says what a server that does not answer is doing: at the first question, and then more and more seldom.
fn log(wait: &Wait, standing: &Standing, questions: u32) {
    if !(questions + 1).is_power_of_two() {
        return;
    }
    let seconds = wait.since.elapsed().as_secs();
    match standing {
        Standing::AtWork { waits_for: None, .. } => {
            tracing::info!(seconds, "the target has not answered for {seconds} s and says that it is at work");
        }
        Standing::AtWork { waits_for: Some(event), .. } => {
            tracing::info!(seconds, event, "the target has not answered for {seconds} s and says that it waits");
        }
        Standing::Idle | Standing::Gone => {
            tracing::warn!(seconds, "the target has not answered for {seconds} s and says that it is not at work");
        }
        Standing::Unsaid => {
            tracing::warn!(
                seconds,
                "the target has not answered for {seconds} s and does not say what the session does: the run waits; stop it \
                 if nothing moves"
            );
        }
        Standing::Unreached(why) => {
            tracing::warn!(seconds, "the target has not answered for {seconds} s and cannot be asked why: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(45);

    fn at_work() -> Standing {
        Standing::AtWork { waits_for: None, bytes: None }
    }

    fn copying(bytes: i64) -> Standing {
        Standing::AtWork { waits_for: None, bytes: Some(bytes) }
    }

    /// The seconds after which a session is given up whose server answers like this, with the reason. `None`: it is not.
    fn given_up_after(unsent: bool, answers: &[Standing]) -> Option<(u64, String)> {
        let wait = Wait { since: Instant::now(), unsent, backend: None };
        let mut doubts = Doubts::default();
        answers.iter().find_map(|standing| {
            let waited = doubts.next(&wait, SILENCE / QUESTIONS);
            Some((waited.as_secs(), doubts.add(&wait, waited, standing.clone(), SILENCE)?))
        })
    }

    #[test]
    fn a_session_is_given_up_when_its_server_says_that_it_has_stopped_or_cannot_be_asked_three_times() {
        let unreached = || Standing::Unreached("it does not answer".into());
        for (answers, seconds, says) in [
            (vec![Standing::Gone], 15, "has ended"),
            (vec![Standing::Idle, Standing::Idle], 30, "waits for this side"),
            (vec![unreached(), unreached(), unreached()], 45, "cannot be asked"),
            (vec![unreached(), unreached(), Standing::Idle, Standing::Idle], 60, "waits for this side"),
            (vec![Standing::Unsaid, at_work(), Standing::Gone], 45, "has ended"),
            (vec![at_work(), at_work(), at_work(), unreached(), unreached(), unreached()], 90, "cannot be asked"),
        ] {
            let (after, reason) = given_up_after(false, &answers).expect("it is given up");
            assert!(after == seconds && reason.contains(says), "{answers:?}: {after} s, {reason}");
        }
        let locked = Standing::AtWork { waits_for: Some("Lock:relation".into()), bytes: None };
        let varied = [at_work(), locked, Standing::Unsaid, Standing::Idle, at_work(), Standing::Idle];
        let varied = varied.into_iter().cycle().take(600).collect();
        for answers in [vec![at_work(); 1_000], vec![Standing::Unsaid; 1_000], varied] {
            assert_eq!(given_up_after(false, &answers), None);
        }
        assert_eq!(given_up_after(false, &[unreached(), unreached(), at_work()]), None);
        let stalls = [at_work(), unreached(), unreached(), Standing::Unsaid, unreached()];
        let stalls: Vec<_> = stalls.into_iter().cycle().take(600).collect();
        assert_eq!(given_up_after(false, &stalls), None, "it answers one of three questions");
    }

    #[test]
    fn a_server_that_takes_no_rows_of_a_copy_is_frozen_when_it_waits_for_nothing() {
        let (after, reason) = given_up_after(true, &vec![copying(1); 5]).expect("it is given up");
        assert!(after == 45 && reason.contains("does not take any rows"), "{after} s, {reason}");
        let busy: Vec<_> = (0..1_000).map(copying).collect();
        assert_eq!(given_up_after(true, &busy), None, "it reads rows");
        let waiting = Standing::AtWork { waits_for: Some("IO:WALSync".into()), bytes: Some(1) };
        assert_eq!(given_up_after(true, &vec![waiting; 1_000]), None);
        assert_eq!(given_up_after(false, &vec![copying(1); 1_000]), None, "it has all the rows and finishes");
    }

    #[test]
    fn doubts_of_one_wait_do_not_count_for_the_next() {
        let mut doubts = Doubts::default();
        let wait = |since| Wait { since, unsent: false, backend: None };
        let first = wait(Instant::now());
        assert_eq!(doubts.add(&first, SILENCE, Standing::Idle, SILENCE), None);
        let second = wait(first.since + Duration::from_secs(1));
        assert_eq!(doubts.next(&second, SILENCE), SILENCE);
        assert_eq!(doubts.add(&second, SILENCE, Standing::Idle, SILENCE), None);
        assert!(doubts.add(&second, SILENCE, Standing::Idle, SILENCE).is_some());
    }
}
