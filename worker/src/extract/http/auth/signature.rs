//! Signs requests with a shared secret, as `auth: {type: hmac}` describes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, SecondsFormat, Utc};
use elt_shared::config::template::Values;
use elt_shared::config::{Encoding, HmacAlgorithm, SignRequests, TimeForm};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::super::error::{HttpError, Result};
use super::super::request::Request;
use super::super::url::shown;

/// Adds the signature of a request to its headers. Nothing else of the request may change afterwards.
pub(super) fn sign(config: &SignRequests, request: &mut Request) -> Result<()> {
    let values = values(config, request, Utc::now(), &Uuid::new_v4().simple().to_string());
    let text = config.canonical.render_with(&values, |value| value.into());
    let values = values.with("signature", signature(config, &text));
    for (name, template) in &config.headers {
        let text = template.render_with(&values, |value| value.into());
        let refuse = || HttpError::BadHeader { url: shown(&request.url), what: format!("header `{name}`") };
        let name = HeaderName::try_from(name).map_err(|_| refuse())?;
        let mut value = HeaderValue::try_from(text).map_err(|_| refuse())?;
        value.set_sensitive(true);
        request.headers.insert(name, value);
    }
    Ok(())
}

/// The values of the placeholders, without the signature.
fn values(config: &SignRequests, request: &Request, now: DateTime<Utc>, nonce: &str) -> Values {
    let url = &request.url;
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let body = request.body.as_deref().unwrap_or_default();
    let hash = match config.algorithm {
        HmacAlgorithm::Sha256 => written(config.encoding, &Sha256::digest(body)),
        HmacAlgorithm::Sha512 => written(config.encoding, &Sha512::digest(body)),
    };
    let timestamp = match config.timestamp {
        TimeForm::Unix => now.timestamp().to_string(),
        TimeForm::UnixMs => now.timestamp_millis().to_string(),
        TimeForm::Rfc3339 => now.to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    Values::default()
        .with("method", request.method.as_str())
        .with("host", host)
        .with("path", url.path())
        .with("query", url.query().unwrap_or_default())
        .with("body_hash", hash)
        .with("timestamp", timestamp)
        .with("nonce", nonce)
        .with("key_id", config.key_id.as_deref().unwrap_or_default())
}

fn signature(config: &SignRequests, text: &str) -> String {
    let secret = config.secret.expose().as_bytes();
    match config.algorithm {
        HmacAlgorithm::Sha256 => written(config.encoding, &mac::<Hmac<Sha256>>(secret, text)),
        HmacAlgorithm::Sha512 => written(config.encoding, &mac::<Hmac<Sha512>>(secret, text)),
    }
}

fn mac<M: Mac + KeyInit>(secret: &[u8], text: &str) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn written(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Encoding::Base64 => BASE64.encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::config::template::Template;
    use reqwest::Url;
    use reqwest::header::HeaderMap;

    use super::*;

    fn config(canonical: &str) -> SignRequests {
        SignRequests {
            secret: "key".into(),
            key_id: Some("id-1".into()),
            algorithm: HmacAlgorithm::Sha256,
            encoding: Encoding::Hex,
            timestamp: TimeForm::Unix,
            canonical: Template::parse(canonical).expect("a template"),
            headers: vec![(
                "Authorization".into(),
                Template::parse("HMAC {{key_id}}:{{signature}}").expect("a template"),
            )],
        }
    }

    fn request(url: &str, body: Option<&'static str>) -> Request {
        Request {
            open_headers: HeaderMap::new(),
            method: reqwest::Method::POST,
            url: Url::parse(url).expect("a url"),
            headers: HeaderMap::new(),
            body: body.map(Into::into),
        }
    }

    #[test]
    fn a_known_text_has_its_known_signature() {
        // The test vector of RFC 4231's kind that Wikipedia shows for HMAC.
        let config = config("The quick brown fox jumps over the lazy dog");
        let mut request = request("https://h/", None);
        sign(&config, &mut request).expect("signed");
        assert_eq!(
            request.headers["authorization"],
            "HMAC id-1:f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        let in_base64 = SignRequests { encoding: Encoding::Base64, ..config.clone() };
        assert_eq!(
            signature(&in_base64, "The quick brown fox jumps over the lazy dog"),
            "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg="
        );
        let with_512 = SignRequests { algorithm: HmacAlgorithm::Sha512, ..config };
        let signed = signature(&with_512, "The quick brown fox jumps over the lazy dog");
        assert!(signed.starts_with("b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb"), "{signed}");
    }

    #[test]
    fn the_text_is_made_of_the_request_as_it_is_sent() {
        let now = "2026-11-29T18:00:00.250Z".parse().expect("a time");
        let all = "{{method}} {{host}} {{path}} {{query}} {{body_hash}} {{timestamp}} {{nonce}} {{key_id}}";
        let text = |config: &SignRequests, request: &Request| {
            config.canonical.render_with(&values(config, request, now, "n1"), |value| value.into())
        };
        let config = config(all);
        assert_eq!(
            text(&config, &request("https://h:8443/a%20b?x=1&y=%20", Some("abc"))),
            "POST h:8443 /a%20b x=1&y=%20 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 1795975200 n1 id-1"
        );
        let config = SignRequests { timestamp: TimeForm::Rfc3339, ..config };
        assert_eq!(
            text(&config, &request("https://h/", None)),
            "POST h /  e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 2026-11-29T18:00:00Z n1 id-1"
        );
        let config = SignRequests { timestamp: TimeForm::UnixMs, ..config };
        assert!(text(&config, &request("https://h/", None)).contains(" 1795975200250 "));
    }
}
