//! One login on its way to the provider and back. The server keeps nothing about it: it is sealed into a cookie of the
//! browser that began it, so that no other browser can finish it and anonymous requests write no row.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use elt_shared::secret::{KeyRing, Sealed};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Seconds in which a person can log in at the provider.
pub const VALID_SECONDS: i64 = 600;

/// What a cookie of this kind is sealed for.
const CONTEXT: &[u8] = b"a login on its way to the identity provider";

/// Longest address within the dashboard to go back to, in bytes.
const LONGEST_BACK: usize = 500;

/// One login on its way.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Comes back with the code: ties the answer to this browser.
    pub state: String,
    /// Comes back in the ID token: ties the token to this login.
    pub nonce: String,
    /// Proves to the provider that the code is redeemed by the one who asked for it (PKCE).
    pub verifier: String,
    /// The page of the dashboard to show afterwards; empty: the usual one.
    pub back: String,
    expires_at: DateTime<Utc>,
}

impl Attempt {
    /// A new one, which goes back to this page of the dashboard.
    pub fn new(back: &str, now: DateTime<Utc>) -> Self {
        Self {
            state: random(),
            nonce: random(),
            verifier: random(),
            back: back.to_owned(),
            expires_at: now + TimeDelta::seconds(VALID_SECONDS),
        }
    }

    /// The PKCE challenge of the verifier, method S256.
    pub fn challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// As the value of a cookie.
    pub fn seal(&self, keys: &KeyRing) -> String {
        let sealed = keys.seal(CONTEXT, serde_json::to_vec(self).unwrap_or_default().as_slice());
        format!("{}.{}", sealed.key_id, BASE64_URL_SAFE_NO_PAD.encode(sealed.bytes))
    }

    /// From the value of a cookie; `None` when it is not of this installation, or has expired.
    pub fn open(cookie: &str, keys: &KeyRing, now: DateTime<Utc>) -> Option<Self> {
        let (key_id, bytes) = cookie.split_once('.')?;
        let sealed = Sealed { key_id: key_id.to_owned(), bytes: BASE64_URL_SAFE_NO_PAD.decode(bytes).ok()? };
        let attempt: Self = serde_json::from_slice(&keys.open(CONTEXT, &sealed).ok()?).ok()?;
        (attempt.expires_at > now).then_some(attempt)
    }
}

/// 256 random bits.
pub fn random() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>())
}

/// Whether a text is an address within the dashboard: a path, which no browser takes for another site.
pub fn is_within_dashboard(back: &str) -> bool {
    let is_path = back.starts_with('/') && !back[1..].starts_with(['/', '\\']);
    is_path && back.len() <= LONGEST_BACK && !back.chars().any(|c| c.is_control() || c == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &str) -> KeyRing {
        KeyRing::of(key.into(), Vec::new()).expect("a key ring")
    }

    #[test]
    fn a_cookie_opens_in_its_time_and_with_its_key_only() {
        let (own, other) = (keys("a key of this test, 32 bytes or more"), keys("another key of this test, 32 or more"));
        let now = Utc::now();
        let attempt = Attempt::new("/runs", now);
        let cookie = attempt.seal(&own);
        assert!(!cookie.contains(&attempt.verifier) && !cookie.contains(&attempt.state));
        assert_eq!(Attempt::open(&cookie, &own, now).as_ref(), Some(&attempt));
        assert_eq!(Attempt::open(&cookie, &other, now), None);
        assert_eq!(Attempt::open(&cookie, &own, now + TimeDelta::seconds(VALID_SECONDS)), None);
        let mut changed = cookie.clone();
        let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
        changed.push(last);
        for forged in [changed.as_str(), "", ".", "a.b", &cookie[1..]] {
            assert_eq!(Attempt::open(forged, &own, now), None, "{forged}");
        }
    }

    #[test]
    fn two_logins_share_nothing() {
        let (one, two) = (Attempt::new("", Utc::now()), Attempt::new("", Utc::now()));
        let all = [&one.state, &one.nonce, &one.verifier, &two.state, &two.nonce, &two.verifier];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), 6);
        assert!(all.iter().all(|text| text.len() == 43));
    }

    #[test]
    fn only_a_page_of_the_dashboard_is_gone_back_to() {
        for back in ["/", "/runs/1?tab=log#last", "/data-view?url=https://a.example"] {
            assert!(is_within_dashboard(back), "{back}");
        }
        let long = format!("/{}", "x".repeat(500));
        for back in [
            "",
            "runs",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/a\\b",
            &long,
        ] {
            assert!(!is_within_dashboard(back), "{back}");
        }
    }
}
