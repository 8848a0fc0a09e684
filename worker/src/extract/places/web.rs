//! HTTP for places: a client that obeys the rules for hosts, and leaves the bodies of answers as they were sent.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use elt_shared::network::NetworkError;
use elt_shared::secret::Secret;
use elt_shared::settings::NetworkSettings;
use reqwest::{Client, Request, Response};
use tokio::time::timeout;

use super::error::{Result, StoreError};
use super::limits::StoreLimits;
use crate::extract::http::client::{check, of_place};
use crate::extract::http::innermost;

/// The HTTP client of a place.
pub(super) struct Web {
    client: Client,
    network: Arc<NetworkSettings>,
    /// The place as people see it.
    place: String,
    idle: Duration,
}

impl Web {
    /// `authorities`: the only ones that may have signed the certificates of its servers, in PEM form.
    pub(super) fn new(
        place: String,
        network: &Arc<NetworkSettings>,
        limits: &StoreLimits,
        authorities: Option<&Secret>,
    ) -> Result<Self> {
        let refuse = |error: reqwest::Error| StoreError::Other {
            message: format!("the certificates or the proxy for {place} cannot be used: {}", innermost(&error)),
            code: elt_shared::explained::Code::SourceConfig,
            next_step: "Correct `ca_certificate` of the source, or ELT_HTTP_PROXY of the workers.".into(),
        };
        let client = of_place(network, limits.connect, authorities.map(Secret::expose)).map_err(refuse)?;
        Ok(Self { client, network: Arc::clone(network), place, idle: limits.idle })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request, without following redirects, and waits for the head of the answer.
    pub(super) async fn send(&self, request: Request) -> Result<Response> {
        check(&self.network, request.url()).await.map_err(|error| self.not_connected(&error))?;
        match timeout(self.idle, self.client.execute(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.silent("did not answer for")),
        }
    }

    /// The next piece of an answer's body. `None`: it is complete.
    pub(super) async fn piece(&self, response: &mut Response) -> Result<Option<Bytes>> {
        match timeout(self.idle, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(StoreError::Lost { place: self.place.clone(), reason: innermost(&error) }),
            Err(_) => Err(self.silent("sent nothing more for")),
        }
    }

    /// A body, which is refused when it is longer than `limit`.
    pub(super) async fn body(&self, response: &mut Response, limit: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(response).await? {
            if body.len() + piece.len() > limit {
                let what = "sent an answer that is too long".to_owned();
                let limit = crate::humanize::size(limit as u64);
                return Err(StoreError::TooMuch { name: self.place.clone(), what, limit });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn silent(&self, what: &'static str) -> StoreError {
        StoreError::Silent { place: self.place.clone(), what, after: self.idle }
    }

    /// A request that got no answer: refused by the rules for hosts, not found, or not reached.
    fn failed(&self, error: &reqwest::Error) -> StoreError {
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(network) = cause.downcast_ref() {
                return self.not_connected(network);
            }
            source = cause.source();
        }
        let reason = if error.is_timeout() { "connecting took too long".to_owned() } else { innermost(error) };
        StoreError::Unreachable { place: self.place.clone(), reason }
    }

    fn not_connected(&self, error: &NetworkError) -> StoreError {
        let place = self.place.clone();
        match error {
            NetworkError::Refused { host, reason } => {
                StoreError::Refused { place, reason: format!("its host is {host}, and {reason}") }
            }
            NetworkError::NotFound { .. } => {
                StoreError::Unreachable { place, reason: "its host could not be found".into() }
            }
            other => StoreError::Unreachable { place, reason: other.to_string() },
        }
    }
}
