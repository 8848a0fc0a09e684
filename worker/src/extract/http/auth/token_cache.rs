//! What the extractions of one process share: tokens that are still valid, and the keys that seal refresh tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use elt_shared::secret::KeyRing;
use sha2::{Digest, Sha256};

use super::token::Token;

/// Most tokens that are remembered. Those that end first are forgotten.
const MOST: usize = 256;

/// Tokens of APIs for all extractions of a process. Clones share them.
#[derive(Clone, Default)]
pub struct SourceTokens {
    /// Seals refresh tokens. `None`: there is no control database to keep them in.
    pub(super) keys: Option<Arc<KeyRing>>,
    tokens: Arc<Mutex<HashMap<Identity, Arc<Token>>>>,
}

impl fmt::Debug for SourceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceTokens").field("keys", &self.keys).field("tokens", &self.tokens().len()).finish()
    }
}

/// A hash of everything with which a token is got, secrets included: who cannot get a token gets no remembered one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity([u8; 32]);

impl Identity {
    /// The hash of these parts, in this order.
    pub(super) fn of<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // Each length is written, because `a` + `bc` and `ab` + `c` must differ.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The hash in hexadecimal digits.
    pub(super) fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl SourceTokens {
    /// No tokens yet. Refresh tokens are sealed with these keys.
    pub fn new(keys: Option<Arc<KeyRing>>) -> Self {
        Self { keys, tokens: Arc::default() }
    }

    /// A token that is still valid.
    pub(super) fn find(&self, identity: Identity) -> Option<Arc<Token>> {
        self.tokens().get(&identity).filter(|token| !token.is_over()).cloned()
    }

    /// Remembers a token whose end is known.
    pub(super) fn remember(&self, identity: Identity, token: &Arc<Token>) {
        if token.until().is_none() || token.is_over() {
            return;
        }
        let mut tokens = self.tokens();
        tokens.retain(|_, token| !token.is_over());
        tokens.insert(identity, Arc::clone(token));
        while tokens.len() > MOST
            && let Some(first) = tokens.iter().min_by_key(|(_, token)| token.until()).map(|(identity, _)| *identity)
        {
            tokens.remove(&first);
        }
    }

    /// Forgets a token that was refused, unless another one has taken its place.
    pub(super) fn forget(&self, identity: Identity, token: &Arc<Token>) {
        let mut tokens = self.tokens();
        if tokens.get(&identity).is_some_and(|remembered| Arc::ptr_eq(remembered, token)) {
            tokens.remove(&identity);
        }
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<Identity, Arc<Token>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn token(valid_for: Option<u64>) -> Arc<Token> {
        Arc::new(Token::new("token-1", valid_for.map(Duration::from_secs), Instant::now()).expect("a token"))
    }

    #[test]
    fn only_a_token_with_an_end_ahead_is_remembered() {
        let tokens = SourceTokens::default();
        let identity = Identity::of(["a"]);
        for gone in [None, Some(0)] {
            tokens.remember(identity, &token(gone));
            assert!(tokens.find(identity).is_none(), "{gone:?}");
        }
        let (first, second) = (token(Some(60)), token(Some(60)));
        tokens.remember(identity, &first);
        assert!(tokens.clone().find(identity).is_some() && tokens.find(Identity::of(["b"])).is_none());
        tokens.forget(identity, &second);
        assert!(tokens.find(identity).is_some(), "another one was refused");
        tokens.forget(identity, &first);
        assert!(tokens.find(identity).is_none());
    }

    #[test]
    fn the_number_of_tokens_is_bounded_and_the_parts_do_not_run_together() {
        let tokens = SourceTokens::default();
        for n in 0..MOST as u64 + 20 {
            tokens.remember(Identity::of([n.to_string().as_str()]), &token(Some(1000 + n)));
        }
        assert_eq!(tokens.tokens().len(), MOST);
        assert!(tokens.find(Identity::of(["0"])).is_none() && tokens.find(Identity::of(["30"])).is_some());
        assert_ne!(Identity::of(["a", "bc"]), Identity::of(["ab", "c"]));
        assert_ne!(Identity::of(["a", ""]), Identity::of(["a"]));
    }
}
