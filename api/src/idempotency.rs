//! `Idempotency-Key`: a POST sent twice with the same key does its work once and is answered alike.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use elt_shared::explained::Code;
use elt_shared::secret::KeyRing;
use elt_shared::store::idempotency;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::AppState;
use crate::auth::Caller;
use crate::error::{Error, Result};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is a repeated one.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key a caller sent, if any.
#[derive(Debug)]
pub struct IdempotencyKey {
    key: Option<String>,
    route: String,
    keys: Arc<KeyRing>,
}

impl FromRequestParts<AppState> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let key = match parts.headers.get(IDEMPOTENCY_KEY) {
            None => None,
            Some(key) => Some(key.to_str().ok().filter(|key| (1..=255).contains(&key.len())).ok_or_else(|| {
                Error::bad_request(
                    Code::InvalidIdempotencyKey,
                    "Idempotency-Key has 1 to 255 printable characters",
                    "Take a new UUID for each request.",
                )
            })?),
        };
        Ok(Self {
            key: key.map(ToOwned::to_owned),
            route: format!("{} {}", parts.method, parts.uri),
            keys: Arc::clone(&state.keys),
        })
    }
}

impl IdempotencyKey {
    /// The answer given before for this key, if there is one. Otherwise the key is taken until `tx` ends: do the work
    /// in it and finish with [`IdempotencyKey::answer`].
    ///
    /// # Errors
    /// When the key was used for another request.
    pub async fn known(
        &self,
        tx: &mut PgConnection,
        caller: &Caller,
        body: &impl Serialize,
    ) -> Result<Option<Response>> {
        let Some(key) = &self.key else { return Ok(None) };
        let body = serde_json::to_vec(body).map_err(|error| Error::internal("read the request", error))?;
        // An answer may have been kept under a key that is an older one now.
        let hashes = self.keys.with_each(|key| idempotency::request_hash(key, &self.route, &body));
        let current = &hashes[0].1;
        let Some(known) = idempotency::claim(tx, &caller.key(), key, current).await? else { return Ok(None) };
        if !hashes.iter().any(|(_, hash)| *hash == known.request) {
            return Err(Error::unprocessable(
                Code::IdempotencyKeyReused,
                "this Idempotency-Key was used for another request; take a new one for each",
            ));
        }
        let status = u16::try_from(known.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let mut response = response(status.unwrap_or(StatusCode::OK), &known.answer);
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(response))
    }

    /// The answer, kept for the key in the transaction that did the work.
    pub async fn answer(
        &self,
        tx: &mut PgConnection,
        caller: &Caller,
        status: StatusCode,
        location: Option<String>,
        body: &impl Serialize,
    ) -> Result<Response> {
        let body = serde_json::to_value(body).map_err(|error| Error::internal("write the answer", error))?;
        let answer = json!({ "location": location, "body": body });
        if let Some(key) = &self.key {
            idempotency::keep(tx, &caller.key(), key, status.as_u16(), &answer).await?;
        }
        Ok(response(status, &answer))
    }
}

fn response(status: StatusCode, answer: &Value) -> Response {
    let mut response = (status, Json(&answer["body"])).into_response();
    if let Some(location) = answer["location"].as_str().and_then(|location| HeaderValue::from_str(location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
