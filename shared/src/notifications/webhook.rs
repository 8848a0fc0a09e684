//! Sending a message to a web address.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode, Url};

use super::signature::{signature, signing_key};
use crate::config::WebhookAddress;
use crate::network::{NetworkError, client};
use crate::settings::NetworkSettings;
use crate::store::configs::ConfigAuthor;

/// Longest time for a connection.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest time for a whole try.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(15);

/// Why a receiver did not take a message. Each is a sentence without the address, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address cannot be used.
    #[error("the address of the webhook cannot be used")]
    Address,
    /// The host may not be called, or was not found.
    #[error(transparent)]
    Host(#[from] NetworkError),
    /// The secret that should sign the requests is invalid.
    #[error("the secret of the webhook cannot sign: {0}")]
    Secret(String),
    /// The receiver did not answer in time.
    #[error("the receiver did not answer within {} s", SEND_WITHIN.as_secs())]
    TimedOut,
    /// The receiver sends the request elsewhere, where the message is not sent.
    #[error("the receiver answered {0} and a redirect, which is not followed")]
    Redirect(StatusCode),
    /// The receiver refused the message.
    #[error("the receiver answered {0}")]
    Answer(StatusCode),
    /// No connection could be made, for this reason.
    #[error("the receiver could not be reached: {0}")]
    Unreachable(String),
}

/// Sends messages to web addresses.
pub(super) struct WebhookSender {
    admins: (Arc<NetworkSettings>, Client),
    users: (Arc<NetworkSettings>, Client),
}

impl WebhookSender {
    pub fn new(network: &NetworkSettings) -> reqwest::Result<Self> {
        let with = |network: NetworkSettings| {
            let network = Arc::new(network);
            let client = client::builder(&network, CONNECT_WITHIN)?.timeout(SEND_WITHIN).build()?;
            Ok::<_, reqwest::Error>((network, client))
        };
        Ok(Self { admins: with(network.for_hosts_of(true))?, users: with(network.for_hosts_of(false))? })
    }

    /// Which hosts may be called for configs that this author vouches for.
    pub fn network(&self, author: ConfigAuthor) -> &NetworkSettings {
        match author {
            ConfigAuthor::Admin => &self.admins.0,
            ConfigAuthor::User => &self.users.0,
        }
    }

    /// Sends a body, signed when the address has a secret. The answer's own body is not read.
    ///
    /// # Errors
    /// When the receiver has not taken it.
    pub async fn send(
        &self,
        author: ConfigAuthor,
        address: &WebhookAddress,
        (id, timestamp): (&str, i64),
        body: String,
    ) -> Result<(), SendError> {
        let client = match author {
            ConfigAuthor::Admin => &self.admins.1,
            ConfigAuthor::User => &self.users.1,
        };
        let url = Url::parse(address.url.expose()).map_err(|_| SendError::Address)?;
        client::check(self.network(author), &url).await?;
        let mut request = client
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp);
        if let Some(secret) = &address.secret {
            let key = signing_key(secret.expose()).map_err(SendError::Secret)?;
            request = request.header("webhook-signature", signature(&key, id, timestamp, &body));
        }
        let status = request.body(body).send().await.map_err(failure)?.status();
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(SendError::Redirect(status)),
            status => Err(SendError::Answer(status)),
        }
    }
}

/// A failed request, without its address.
fn failure(error: reqwest::Error) -> SendError {
    if error.is_timeout() {
        return SendError::TimedOut;
    }
    let error = error.without_url();
    let mut innermost: &(dyn Error + 'static) = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
        if matches!(innermost.downcast_ref(), Some(NetworkError::Refused { .. } | NetworkError::NotFound { .. })) {
            break;
        }
    }
    SendError::Unreachable(innermost.to_string())
}
