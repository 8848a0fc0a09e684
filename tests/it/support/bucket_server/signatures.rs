//! The signatures and tokens of requests to S3, Google Cloud Storage and Azure, checked as their servers do.

use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use sha2::{Digest, Sha256};

use super::{Asked, KEY_ID, SECRET_KEY, error, hex};

/// Checks the signature of a request to S3 (AWS Signature Version 4).
pub(super) fn check_aws(
    asked: &Asked,
    uri: &Uri,
    body: &Bytes,
    region: &str,
    now: DateTime<Utc>,
) -> Result<(), Box<Response>> {
    let Some(authorization) = asked.header("authorization") else {
        return Err(error(StatusCode::FORBIDDEN, "AccessDenied", "").into());
    };
    let field = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}=")).expect("a field");
        rest.split(',').next().expect("a value").trim().to_owned()
    };
    let (credential, signed, signature) = (field("Credential"), field("SignedHeaders"), field("Signature"));
    let (key_id, scope) = credential.split_once('/').expect("a scope");
    if key_id != KEY_ID {
        return Err(error(StatusCode::FORBIDDEN, "InvalidAccessKeyId", "").into());
    }
    let parts: Vec<&str> = scope.split('/').collect();
    if parts[1] != region {
        let more = format!("<Region>{region}</Region>");
        return Err(error(StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", &more).into());
    }
    let date = asked.header("x-amz-date").expect("a date");
    let sent = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").expect("a date").and_utc();
    if (now - sent).abs() > TimeDelta::minutes(15) {
        return Err(error(StatusCode::FORBIDDEN, "RequestTimeTooSkewed", "").into());
    }
    let payload = asked.header("x-amz-content-sha256").expect("a digest");
    assert_eq!(payload, hex(&Sha256::digest(body)), "the digest of the body");
    let headers: String = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", asked.header(name).expect("a signed header").trim()))
        .collect();
    let mut query: Vec<String> =
        asked.query.iter().map(|(key, value)| format!("{}={}", strict(key), strict(value))).collect();
    query.sort();
    let canonical = format!("{}\n{}\n{}\n{headers}\n{signed}\n{payload}", asked.method, uri.path(), query.join("&"));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
    for part in parts {
        key = mac(&key, part.as_bytes());
    }
    if hex(&mac(&key, to_sign.as_bytes())) == signature {
        Ok(())
    } else {
        let repeated = format!("<AWSAccessKeyId>{key_id}</AWSAccessKeyId><StringToSign>{to_sign}</StringToSign>");
        Err(error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", &repeated).into())
    }
}

/// Checks the token of a request to Google Cloud Storage.
pub(super) fn check_google(asked: &Asked, key: &Jwk) -> Result<(), Box<Response>> {
    let token = asked.header("authorization").and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(key).expect("a public key");
    match decode::<serde_json::Value>(token, &key, &validation) {
        Ok(_) => Ok(()),
        Err(_) => Err(error(StatusCode::UNAUTHORIZED, "AuthenticationRequired", "").into()),
    }
}

/// Checks the signature made with a shared key. A shared access signature must equal the one that the tests send.
pub(super) fn check_azure(asked: &Asked, uri: &Uri, account: &str) -> Result<(), Box<Response>> {
    let refused = || Box::new(error(StatusCode::FORBIDDEN, "AuthenticationFailed", ""));
    if let Some(signature) = asked.param("sig") {
        return if signature == "canary+sas/signature=" { Ok(()) } else { Err(refused()) };
    }
    let text = |name: &str| asked.header(name).unwrap_or_default().to_owned();
    let length = text("content-length");
    let length = if length == "0" { String::new() } else { length };
    let names = ["content-encoding", "content-language"].map(text).join("\n");
    let more = ["content-md5", "content-type", "date", "if-modified-since", "if-match", "if-none-match"].map(text);
    let more = [more.join("\n"), text("if-unmodified-since"), text("range")].join("\n");
    let mut own: Vec<_> =
        asked.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-ms-")).collect();
    own.sort_unstable();
    let own: String = own.iter().map(|name| format!("{name}:{}\n", text(name))).collect();
    let mut query = asked.query.clone();
    query.sort();
    let query: String = query.iter().map(|(key, value)| format!("\n{key}:{value}")).collect();
    let to_sign = format!("{}\n{names}\n{length}\n{more}\n{own}/{account}{}{query}", asked.method, uri.path());
    let signature = BASE64.encode(mac(SECRET_KEY.as_bytes(), to_sign.as_bytes()));
    match text("authorization") == format!("SharedKey {account}:{signature}") {
        true => Ok(()),
        false => Err(refused()),
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn strict(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
