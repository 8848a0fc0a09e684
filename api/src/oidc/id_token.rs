//! What makes an ID token valid: signed by a key of the provider with RS256 or ES256, for this client, for this login,
//! and not expired.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::Value;

/// The clocks of the provider and of this machine may differ by this many seconds.
const LEEWAY_SECONDS: u64 = 10;
/// An ID token is fetched right after it was issued: an older one was issued for something else.
const OLDEST_SECONDS: i64 = 600;
/// Longest subject, in bytes, as OpenID Connect defines it.
const LONGEST_SUBJECT: usize = 255;

/// What an ID token says about a person.
#[derive(Debug, Clone, Deserialize)]
pub struct IdClaims {
    /// The provider's id of the person.
    pub sub: String,
    aud: Value,
    azp: Option<String>,
    iat: f64,
    nonce: Option<String>,
    /// The name by which the person wants to be called.
    pub preferred_username: Option<String>,
    /// The person's address.
    pub email: Option<String>,
    /// The groups of the person, in the shape that the provider chose.
    pub groups: Option<Value>,
}

/// For whom and for what an ID token must be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Address of the provider, which must be the token's `iss`.
    pub issuer: &'a str,
    /// Id of elt at the provider, which must be in the token's `aud`.
    pub client_id: &'a str,
    /// Of the login that the token answers.
    pub nonce: &'a str,
    /// Seconds since 1970 by this machine's clock.
    pub now: i64,
}

/// Why an ID token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// The provider may have new keys: they are fetched, and the token is tried again.
    #[error("no key of the provider has the id that the ID token names")]
    UnknownKey,
    /// The token is not valid.
    #[error("the ID token is not valid: {0}")]
    Invalid(&'static str),
}

/// The claims of a valid ID token.
///
/// # Errors
/// When the token is not valid, or when its key is not among `keys`.
pub fn verify(token: &str, keys: &[Jwk], expected: Expected<'_>) -> Result<IdClaims, IdTokenError> {
    use IdTokenError::Invalid;
    let header = jsonwebtoken::decode_header(token).map_err(|_| Invalid("it is not a signed token"))?;
    let key = key_for(&header, keys)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| Invalid("its key cannot be used"))?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY_SECONDS;
    validation.validate_nbf = true;
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = jsonwebtoken::decode::<IdClaims>(token, &key, &validation).map(|data| data.claims);
    let claims = claims.map_err(|error| {
        Invalid(match error.kind() {
            ErrorKind::InvalidSignature => "its signature is wrong",
            ErrorKind::ExpiredSignature => "it has expired",
            ErrorKind::ImmatureSignature => "it is not valid yet",
            ErrorKind::InvalidIssuer => "another provider issued it",
            ErrorKind::InvalidAudience => "it is for another client",
            _ => "a claim is missing or has the wrong type",
        })
    })?;
    check(&claims, expected)?;
    Ok(claims)
}

/// What the signature alone does not tell.
fn check(claims: &IdClaims, expected: Expected<'_>) -> Result<(), IdTokenError> {
    use IdTokenError::Invalid;
    let is_shared = claims.aud.as_array().is_some_and(|audiences| audiences.len() != 1);
    let party = claims.azp.as_deref();
    if party.is_some_and(|party| party != expected.client_id) || (is_shared && party.is_none()) {
        return Err(Invalid("it is for another client"));
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(Invalid("it answers another login"));
    }
    let age = expected.now as f64 - claims.iat;
    if !(-(LEEWAY_SECONDS as f64)..=OLDEST_SECONDS as f64).contains(&age) {
        return Err(Invalid("it was not issued just now"));
    }
    if claims.sub.is_empty() || claims.sub.len() > LONGEST_SUBJECT || claims.sub.contains('\0') {
        return Err(Invalid("its subject cannot be used"));
    }
    Ok(())
}

/// The key that a token names, of the kind that its algorithm needs. A token does not choose how its signature is
/// checked: only RS256 with an RSA key and ES256 with a P-256 key are accepted.
fn key_for<'a>(header: &Header, keys: &'a [Jwk]) -> Result<&'a Jwk, IdTokenError> {
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
        return Err(IdTokenError::Invalid("it is not signed with RS256 or ES256"));
    }
    let mut fitting = keys.iter().filter(|key| {
        header.kid.as_ref().is_none_or(|id| key.common.key_id.as_ref() == Some(id)) && fits(key, header.alg)
    });
    let key = fitting.next().ok_or(IdTokenError::UnknownKey)?;
    match header.kid.is_none() && fitting.next().is_some() {
        true => Err(IdTokenError::Invalid("it does not name its key, and the provider has several")),
        false => Ok(key),
    }
}

fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_of_kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => algorithm == Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) => {
            algorithm == Algorithm::ES256 && curve.curve == EllipticCurve::P256
        }
        _ => false,
    };
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = key.common.key_algorithm.map(|name| name.to_string());
    is_of_kind && signs && named.is_none_or(|name| name == format!("{algorithm:?}"))
}
