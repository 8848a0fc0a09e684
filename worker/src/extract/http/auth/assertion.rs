//! The signed claims of the grant `jwt_bearer` (RFC 7523).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::Utc;
use elt_shared::config::{JwtAlgorithm, JwtBearer};
use elt_shared::secret::Secret;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pkcs8::PrivateKeyInfo;
use reqwest::Url;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::error::{HttpError, Result};
use super::super::url::shown;

/// Seconds for which an assertion is valid.
const VALID_FOR: i64 = 300;

/// Signs the claims now, for a token endpoint.
pub(super) fn sign(config: &JwtBearer, scopes: &[String], token_url: &Url) -> Result<Secret> {
    let refuse = |reason: &str| HttpError::BadSigningKey { url: shown(token_url), reason: reason.to_owned() };
    let algorithm = algorithm(config.algorithm);
    let key = key(config).map_err(refuse)?;
    let header = Header { kid: config.key_id.clone(), ..Header::new(algorithm) };
    let now = Utc::now().timestamp();
    let mut claims: Map<String, Value> =
        config.claims.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    claims.insert("iss".into(), config.issuer.as_str().into());
    claims.insert("aud".into(), config.audience.as_deref().unwrap_or(token_url.as_str()).into());
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), (now + VALID_FOR).into());
    claims.insert("jti".into(), json!(Uuid::new_v4()));
    if let Some(subject) = &config.subject {
        claims.insert("sub".into(), subject.as_str().into());
    }
    if !scopes.is_empty() {
        claims.insert("scope".into(), scopes.join(" ").into());
    }
    // The library's errors may quote the key.
    let signed = jsonwebtoken::encode(&header, &claims, &key);
    signed.map(Secret::new).map_err(|_| refuse("it is not a key of this algorithm"))
}

fn algorithm(written: JwtAlgorithm) -> Algorithm {
    match written {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Hs384 => Algorithm::HS384,
        JwtAlgorithm::Hs512 => Algorithm::HS512,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Rs384 => Algorithm::RS384,
        JwtAlgorithm::Rs512 => Algorithm::RS512,
        JwtAlgorithm::Ps256 => Algorithm::PS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::Es384 => Algorithm::ES384,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// The key, of which the library wants the DER form: PKCS #1 for RSA, and PKCS #8 for the others.
fn key(config: &JwtBearer) -> std::result::Result<EncodingKey, &'static str> {
    let text = config.key.expose();
    if config.algorithm.is_shared() {
        return Ok(EncodingKey::from_secret(text.as_bytes()));
    }
    let (label, der) = pem(text).ok_or("it is not in PEM form, with lines of BEGIN and END around it")?;
    let is_pkcs8 = label == "PRIVATE KEY";
    if label == "ENCRYPTED PRIVATE KEY" || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("it is encrypted; `openssl pkcs8 -topk8 -nocrypt` writes it without a passphrase");
    }
    match config.algorithm {
        JwtAlgorithm::Es256 | JwtAlgorithm::Es384 if is_pkcs8 => Ok(EncodingKey::from_ec_der(&der)),
        JwtAlgorithm::EdDsa if is_pkcs8 => Ok(EncodingKey::from_ed_der(&der)),
        JwtAlgorithm::Es256 | JwtAlgorithm::Es384 | JwtAlgorithm::EdDsa => {
            Err("it is not in PKCS #8 form (BEGIN PRIVATE KEY), which `openssl pkcs8 -topk8 -nocrypt` writes")
        }
        _ if label == "RSA PRIVATE KEY" => Ok(EncodingKey::from_rsa_der(&der)),
        _ if is_pkcs8 => {
            let inner = PrivateKeyInfo::try_from(&der[..]).map_err(|_| "it is damaged")?;
            Ok(EncodingKey::from_rsa_der(inner.private_key))
        }
        _ => Err("it is not a private RSA key"),
    }
}

/// Label and bytes of the first block of a text in PEM form. A key in one line, with `\n` for its line breaks, as in the JSON
/// of some providers, counts as well.
fn pem(text: &str) -> Option<(String, Vec<u8>)> {
    let text = text.replace("\\n", "\n");
    let (label, rest) = text.split_once("-----BEGIN ")?.1.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    // Lines such as `Proc-Type: …` come before the first empty line.
    let body: String = body.lines().filter(|line| !line.contains(':')).flat_map(str::chars).collect();
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label.to_owned(), BASE64.decode(body).ok()?))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    fn config(key: &str, algorithm: JwtAlgorithm) -> JwtBearer {
        JwtBearer {
            key: key.into(),
            algorithm,
            key_id: Some("k1".into()),
            issuer: "elt".into(),
            subject: Some("ann".into()),
            audience: None,
            claims: vec![("tenant".into(), "acme".into())],
        }
    }

    #[test]
    fn the_claims_are_those_of_the_config_and_end_soon() {
        let url = Url::parse("https://id.example/token").expect("a url");
        let config = config("a shared secret of 32 bytes or more", JwtAlgorithm::Hs256);
        let signed = sign(&config, &["a".into(), "b".into()], &url).expect("signed");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&["https://id.example/token"]);
        let key = DecodingKey::from_secret(config.key.expose().as_bytes());
        let token = jsonwebtoken::decode::<Value>(signed.expose(), &key, &validation).expect("valid");
        assert_eq!(token.header.kid.as_deref(), Some("k1"));
        let claims = token.claims;
        for (name, value) in [("iss", "elt"), ("sub", "ann"), ("scope", "a b"), ("tenant", "acme")] {
            assert_eq!(claims[name], value, "{name}");
        }
        assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(end, start)| end - start), Some(VALID_FOR));
        assert_ne!(sign(&config, &[], &url).expect("signed"), signed, "each one has an id of its own");
    }

    #[test]
    fn a_key_that_cannot_sign_is_refused_without_showing_it() {
        let url = Url::parse("https://id.example/token").expect("a url");
        for text in [
            "c4n4ry",
            "-----BEGIN PRIVATE KEY-----\nYzRuNHJ5\n-----END PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nYzRuNHJ5\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nYzRuNHJ5\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nYzRuNHJ5\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----\nYzRuNHJ5\n-----END EC PRIVATE KEY-----",
        ] {
            for algorithm in [JwtAlgorithm::Rs256, JwtAlgorithm::Ps256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa] {
                let error = sign(&config(text, algorithm), &[], &url).expect_err(text).to_string();
                assert!(!error.contains("c4n4ry") && !error.contains("YzRuNHJ5"), "{error}");
            }
        }
    }
}
