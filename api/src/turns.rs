//! Turns: things about the same key happen one after the other, without holding a database connection meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// More than this wait for no key.
const WAITING: usize = 64;

type Queue = Arc<tokio::sync::Mutex<()>>;

/// Hands out turns by key.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Queue>>>);

/// The turn of whoever holds it.
pub struct Turn {
    turns: Turns,
    key: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn of a key. `None`: too many are waiting.
    pub async fn take(&self, key: String) -> Option<Turn> {
        let mut turn = Turn { turns: self.clone(), key, held: None };
        let queue = {
            let mut queues = self.queues();
            let queue = queues.entry(turn.key.clone()).or_default();
            if Arc::strong_count(queue) > WAITING {
                return None;
            }
            Arc::clone(queue)
        };
        turn.held = Some(queue.lock_owned().await);
        Some(turn)
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, HashMap<String, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut queues = self.turns.queues();
        if queues.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_is_taken_in_turns_and_forgotten_afterwards() {
        let turns = Turns::default();
        let first = turns.take("a".into()).await.expect("a turn");
        let other = turns.take("b".into()).await.expect("another key does not wait");
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take("a".into()).await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop((first, other));
        assert!(waiting.await.expect("no panic"));
        assert!(turns.queues().is_empty());
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away() {
        let turns = Turns::default();
        let _held = turns.take("a".into()).await.expect("a turn");
        let join = |_| {
            let turns = turns.clone();
            tokio::spawn(async move { turns.take("a".into()).await.is_some() })
        };
        let crowd: Vec<_> = (1..WAITING).map(join).collect();
        for _ in &crowd {
            tokio::task::yield_now().await;
        }
        assert!(turns.take("a".into()).await.is_none());
        crowd.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
