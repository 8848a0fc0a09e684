//! The tokens of sessions (JWT): signed at login, checked at every request.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use elt_shared::secret::{Secret, is_strong};
use elt_shared::store::users::{Role, User};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const ISSUER: &str = "elt";
const AUDIENCE: &str = "elt-api";
const LIFETIME: TimeDelta = TimeDelta::hours(1);
/// Clocks of replicas may differ by this many seconds.
const LEEWAY_SECONDS: u64 = 10;
/// Who a ticket is for: a ticket is not a token, and a token is not a ticket.
const TICKET_AUDIENCE: &str = "elt-download";
const TICKET_LIFETIME: TimeDelta = TimeDelta::minutes(1);
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

/// What a ticket says: the session that it stands for, and the only address that it opens.
#[derive(Debug, Serialize, Deserialize)]
struct TicketClaims {
    #[serde(flatten)]
    session: Claims,
    /// SHA-256 of the address.
    address: String,
}

/// Signs and checks tokens with one key and one algorithm.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    ticket_validation: Validation,
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
        let mut ticket_validation = validation.clone();
        ticket_validation.set_audience(&[TICKET_AUDIENCE]);
        let (encoding, decoding) = (EncodingKey::from_secret(key), DecodingKey::from_secret(key));
        Some(Self { encoding, decoding, validation, ticket_validation })
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

    /// A ticket for one address in the name of a session, and when it expires. It ends with its session.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn ticket(
        &self,
        session: &Claims,
        address: &str,
        now: DateTime<Utc>,
    ) -> jsonwebtoken::errors::Result<(String, DateTime<Utc>)> {
        let exp = session.exp.min((now + TICKET_LIFETIME).timestamp());
        let session = Claims { aud: TICKET_AUDIENCE.into(), exp, ..session.clone() };
        let expires_at = session.expires_at();
        let claims = TicketClaims { session, address: hash_of(address) };
        Ok((jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?, expires_at))
    }

    /// The session that a ticket for this address stands for. The error is for the client to read.
    pub fn check_ticket(&self, ticket: &str, address: &str) -> Result<Claims, &'static str> {
        const INVALID: &str = "the ticket of the download has expired, or is for another address";
        if ticket.len() > MAX_TOKEN_BYTES {
            return Err(INVALID);
        }
        let claims = jsonwebtoken::decode::<TicketClaims>(ticket, &self.decoding, &self.ticket_validation);
        let claims = claims.map_err(|_| INVALID)?.claims;
        let is_usable = claims.address == hash_of(address) && !claims.session.sub.contains('\0');
        if is_usable { Ok(claims.session) } else { Err(INVALID) }
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

fn hash_of(address: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_its_own_address_until_its_minute_or_its_session_is_over() {
        let tokens = Tokens::new(&Secret::new("an example of a signing key, 0123456789 abcdefghijklmnopqrstuvwxyz"))
            .expect("a strong key");
        let now = Utc::now();
        let session = Claims {
            sub: "ann".into(),
            role: Role::User,
            jti: Uuid::new_v4(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            iat: now.timestamp_micros() as f64 / 1e6,
            exp: (now + LIFETIME).timestamp(),
        };
        let ticket = |at, session: &Claims| tokens.ticket(session, "/runs/1/csv", at).expect("a ticket");
        let (fresh, expires_at) = ticket(now, &session);
        let found = tokens.check_ticket(&fresh, "/runs/1/csv").expect("a session");
        assert_eq!((found.jti, found.issued_at()), (session.jti, session.issued_at()));
        assert!(expires_at <= now + TICKET_LIFETIME);
        assert!(tokens.check_ticket(&fresh, "/runs/2/csv").is_err());
        assert!(tokens.check(&fresh).is_err(), "a ticket is not a token");

        let (old, _) = ticket(now - TimeDelta::minutes(2), &session);
        assert!(tokens.check_ticket(&old, "/runs/1/csv").is_err());
        let ending = Claims { exp: now.timestamp() + 5, ..session };
        assert_eq!(ticket(now, &ending).1.timestamp(), ending.exp);
    }
}
