//! A mutex for each key: work on the same key is done one after the other, without a database connection for those that wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Most tasks that wait for the same key.
const MOST_WAITING: usize = 64;

type Queue = Arc<tokio::sync::Mutex<()>>;

/// A mutex for each key. Clones are the same mutex.
#[derive(Clone, Default)]
pub struct KeyedMutex(Arc<Mutex<HashMap<String, Queue>>>);

/// The lock of a key, released when it is dropped.
pub struct KeyGuard {
    mutex: KeyedMutex,
    key: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyedMutex {
    /// Waits for the lock of a key. `None`: too many tasks wait for it.
    pub async fn lock(&self, key: String) -> Option<KeyGuard> {
        let mut guard = KeyGuard { mutex: self.clone(), key, held: None };
        let queue = {
            let mut queues = self.queues();
            let queue = queues.entry(guard.key.clone()).or_default();
            if Arc::strong_count(queue) > MOST_WAITING {
                return None;
            }
            Arc::clone(queue)
        };
        guard.held = Some(queue.lock_owned().await);
        Some(guard)
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, HashMap<String, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.held = None;
        let mut queues = self.mutex.queues();
        if queues.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_is_locked_once_at_a_time_and_forgotten_afterwards() {
        let mutex = KeyedMutex::default();
        let first = mutex.lock("a".into()).await.expect("a lock");
        let other = mutex.lock("b".into()).await.expect("another key does not wait");
        let waiting = tokio::spawn({
            let mutex = mutex.clone();
            async move { mutex.lock("a".into()).await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop((first, other));
        assert!(waiting.await.expect("no panic"));
        assert!(mutex.queues().is_empty());
    }

    #[tokio::test]
    async fn too_many_waiting_tasks_are_refused() {
        let mutex = KeyedMutex::default();
        let _held = mutex.lock("a".into()).await.expect("a lock");
        let join = |_| {
            let mutex = mutex.clone();
            tokio::spawn(async move { mutex.lock("a".into()).await.is_some() })
        };
        let crowd: Vec<_> = (1..MOST_WAITING).map(join).collect();
        for _ in &crowd {
            tokio::task::yield_now().await;
        }
        assert!(mutex.lock("a".into()).await.is_none());
        crowd.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
