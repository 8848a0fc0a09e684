//! A token as a token endpoint gave it: checked, hidden in messages, and with the time until which it is used.

use std::time::Duration;

use elt_shared::redaction::{self, Held};
use elt_shared::secret::Secret;
use tokio::time::Instant;

/// Longest token that is used. Servers refuse longer headers.
pub(super) const LONGEST: usize = 32 << 10;
/// Longest time for which a token is taken to be valid.
pub(super) const LONGEST_VALID: Duration = Duration::from_hours(24 * 30);
/// A token is renewed this long before its end, because requests are on their way for a while.
const BEFORE_ITS_END: Duration = Duration::from_secs(30);

/// A token that can be sent.
#[derive(Debug)]
pub(super) struct Token {
    value: Secret,
    /// When it is renewed at the latest. `None`: when the API refuses it.
    until: Option<Instant>,
    _held: Held,
}

impl Token {
    /// A token that was asked for at `asked`, and how long it is valid according to the server.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn new(text: &str, valid_for: Option<Duration>, asked: Instant) -> Result<Self, &'static str> {
        let is_sendable = text.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte));
        match text.len() {
            0 => return Err("is empty"),
            1..=LONGEST => {}
            _ => return Err("is longer than 32 KiB"),
        }
        if !is_sendable || text.trim() != text {
            return Err("has line breaks or other characters that cannot be sent in a header");
        }
        let value = Secret::new(text);
        Ok(Self { _held: redaction::hold(&value), until: valid_for.map(|time| asked + used_for(time)), value })
    }

    /// The text to send.
    pub(super) fn value(&self) -> &Secret {
        &self.value
    }

    /// Whether it is to be renewed before the next request.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// When it is to be renewed.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

/// How long a token is used that is valid for this long: a bit less, and not for ever.
pub(super) fn used_for(valid_for: Duration) -> Duration {
    let valid_for = valid_for.min(LONGEST_VALID);
    valid_for - BEFORE_ITS_END.min(valid_for / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_a_header_cannot_carry_is_refused() {
        let now = Instant::now();
        for good in ["a", "eyJ.a-b_c~d+/=", "two words", &"x".repeat(LONGEST)] {
            assert!(Token::new(good, None, now).is_ok(), "{good:.20}");
        }
        for bad in ["", "a\nb", "a\r\nX-Evil: 1", "a\0", "tök", " a", "a ", "a\u{7f}", &"x".repeat(LONGEST + 1)] {
            assert!(Token::new(bad, None, now).is_err(), "{bad:.20}");
        }
    }

    #[test]
    fn a_token_is_renewed_a_bit_before_its_end() {
        let seconds = |valid_for| used_for(Duration::from_secs(valid_for)).as_secs();
        assert_eq!([seconds(3600), seconds(100), seconds(0)], [3570, 90, 0]);
        assert_eq!(seconds(u64::MAX / 2), 30 * 86_400 - 30);
        let now = Instant::now();
        assert!(!Token::new("a", None, now).expect("a token").is_over());
        assert!(Token::new("a", Some(Duration::ZERO), now).expect("a token").is_over());
    }

    #[test]
    fn a_token_shows_nothing() {
        let token = Token::new("c4n4ry-of-a-token", None, Instant::now()).expect("a token");
        assert!(!format!("{token:?}").contains("c4n4ry"));
        assert_eq!(redaction::hide("Bearer c4n4ry-of-a-token"), "Bearer ***");
    }
}
