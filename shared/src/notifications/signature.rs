//! Signatures of requests, as Standard Webhooks define them: <https://www.standardwebhooks.com>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How a secret begins that is written in base64.
const PREFIX: &str = "whsec_";
/// Shorter keys could be guessed.
const SHORTEST_KEY: usize = 16;

/// The key in a secret: `whsec_` and its base64, or the bytes of any other text.
///
/// # Errors
/// What was expected, as a sentence.
pub fn signing_key(secret: &str) -> Result<Vec<u8>, String> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).unwrap_or_default(),
        None => secret.as_bytes().to_vec(),
    };
    if key.len() < SHORTEST_KEY {
        return Err(format!("expected `{PREFIX}` and base64 of {SHORTEST_KEY} bytes or more, or as long a text"));
    }
    Ok(key)
}

/// The header `webhook-signature` of a request with this id, Unix time and body.
pub(super) fn signature(key: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference implementations.
    #[test]
    fn a_signature_is_the_one_of_the_standard() {
        let key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        assert_eq!(
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_short_secret_is_no_key() {
        for secret in ["", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%%%%%%%%%%%%%%%%%%%%%%"] {
            assert!(signing_key(secret).is_err(), "{secret}");
        }
        assert_eq!(signing_key("a text of sixteen").expect("a key"), b"a text of sixteen");
    }
}
