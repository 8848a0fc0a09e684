//! Tokens: signed at login, checked at every request.

use chrono::{DateTime, TimeDelta, Utc};
use elt_shared::secret::{Secret, is_strong};
use elt_shared::store::users::{Role, User};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ISSUER: &str = "elt";
const AUDIENCE: &str = "elt-api";
const LIFETIME: TimeDelta = TimeDelta::hours(1);
/// Clocks of replicas may differ by this many seconds.
const LEEWAY_SECONDS: u64 = 10;
/// Ours have a third of this. Longer ones are not even parsed.
const MAX_TOKEN_BYTES: usize = 2_048;

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Username.
    pub sub: String,
    /// For clients that show it. Never believed: the role is read from the database.
    pub role: Role,
    /// Id of the session, which must not have ended.
    pub jti: Uuid,
    /// The issuer, always `elt`.
    pub iss: String,
    /// The audience, which keeps a token of another kind from being accepted here.
    pub aud: String,
    /// When it was signed, by the database's clock, with fractions of a second.
    pub iat: f64,
    /// When it expires.
    pub exp: i64,
}

impl Claims {
    /// When it was signed.
    pub fn issued_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros((self.iat * 1e6).round() as i64).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// When it expires.
    pub fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.exp, 0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

/// Signs and checks tokens with one key and one algorithm.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// With this key; `None` when it is too weak.
    pub fn new(key: &Secret) -> Option<Self> {
        if !is_strong(key) {
            return None;
        }
        let key = key.expose().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "sub", "iss", "aud"]);
        Some(Self { encoding: EncodingKey::from_secret(key), decoding: DecodingKey::from_secret(key), validation })
    }

    /// A token of a new session of a user, and what it says.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(&self, user: &User, now: DateTime<Utc>) -> jsonwebtoken::errors::Result<(String, Claims)> {
        let claims = Claims {
            sub: user.username.clone(),
            role: user.role,
            jti: Uuid::new_v4(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            iat: now.timestamp_micros() as f64 / 1e6,
            exp: (now + LIFETIME).timestamp(),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?;
        Ok((token, claims))
    }

    /// What a token says, if this installation issued it and it has not expired. The error is for the client to read.
    pub fn check(&self, token: &str) -> Result<Claims, &'static str> {
        use jsonwebtoken::errors::ErrorKind;
        if token.len() > MAX_TOKEN_BYTES {
            return Err("the token was not issued by this server");
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map(|data| data.claims);
        let claims = claims.map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => "the token has expired",
            ErrorKind::InvalidToken if !token.contains('.') => {
                "this is not a token: log in to get one; a signing key is not sent"
            }
            _ => "the token was not issued by this server",
        })?;
        // A NUL character is refused here, because PostgreSQL would refuse the query with it; no user name has one.
        if claims.sub.contains('\0') { Err("the token was not issued by this server") } else { Ok(claims) }
    }
}
