//! Calls to the identity provider: its discovery document, its keys, and codes for ID tokens. Each call obeys the rules
//! for hosts, follows no redirect, and is bounded in time and size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use elt_shared::network::client::CheckedResolver;
use elt_shared::network::{self, keepalive};
use elt_shared::settings::NetworkSettings;
use jsonwebtoken::jwk::Jwk;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use super::attempt::Attempt;
use super::id_token::{self, Expected, IdClaims, IdTokenError};
use super::settings::{Client, safe_url};

/// How long one call may take, from the lookup of the name to the last byte.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;
/// How long the discovery document and the keys are used.
const FRESH: Duration = Duration::from_secs(3_600);
/// How long a provider that failed is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// Most keys of a provider that are looked at.
const MOST_KEYS: usize = 100;

/// Why the provider did not help. The texts are for the log.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider cannot be reached, or does not answer as OpenID Connect says.
    #[error("{doing}: {reason}")]
    Away {
        /// What the call was for: `get its keys`.
        doing: &'static str,
        /// What happened, without a body.
        reason: String,
    },
    /// The provider refused the code.
    #[error("the provider refused the code")]
    CodeRefused,
    /// The ID token is not valid.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
}

/// The parts of the discovery document that are used.
#[derive(Debug, Clone, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What is known about the provider.
#[derive(Debug, Clone)]
struct Known {
    discovery: Arc<Discovery>,
    keys: Arc<[Jwk]>,
    since: Instant,
}

#[derive(Default)]
struct Memory {
    known: Option<Known>,
    failed_at: Option<Instant>,
}

/// The identity provider.
pub struct Provider {
    /// This installation at the provider.
    pub client: Client,
    http: reqwest::Client,
    network: Arc<NetworkSettings>,
    memory: Mutex<Memory>,
}

/// The answer of the token endpoint.
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Provider {
    /// Nothing is called until somebody logs in.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(client: Client, network: NetworkSettings) -> reqwest::Result<Self> {
        let network = Arc::new(network);
        let builder = reqwest::Client::builder()
            .user_agent(concat!("elt/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(CheckedResolver::of(&network))
            // A proxy would look names up itself, past the rules for hosts.
            .no_proxy()
            .redirect(Policy::none())
            .timeout(LIMIT);
        let http = keepalive::of_client(builder, keepalive::ACKNOWLEDGED_WITHIN).build()?;
        Ok(Self { client, http, network, memory: Mutex::default() })
    }

    /// Where a browser logs in.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn login_url(&self, attempt: &Attempt) -> Result<Url, ProviderError> {
        let known = self.known().await?;
        let mut url = endpoint(&known.discovery.authorization_endpoint, "authorization_endpoint")?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client.client_id)
            .append_pair("redirect_uri", &self.callback_url())
            .append_pair("scope", "openid profile email groups")
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Whether an answer may come from this provider. `iss` is the parameter of that name (RFC 9207): with it, the answer
    /// of another provider is recognised before the code is sent anywhere.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn may_have_answered(&self, iss: Option<&str>) -> Result<bool, ProviderError> {
        match iss {
            Some(iss) => Ok(iss == self.client.issuer),
            None => Ok(!self.known().await?.discovery.authorization_response_iss_parameter_supported),
        }
    }

    /// What the ID token says that the provider gives for this code.
    ///
    /// # Errors
    /// When the provider does not answer or refuses the code, or when the ID token is not valid.
    pub async fn redeem(&self, code: &str, attempt: &Attempt) -> Result<IdClaims, ProviderError> {
        let known = self.known().await?;
        let token = self.id_token(&known.discovery, code, &attempt.verifier).await?;
        let verify = |keys: &[Jwk]| {
            let expected = Expected {
                issuer: &self.client.issuer,
                client_id: &self.client.client_id,
                nonce: &attempt.nonce,
                now: Utc::now().timestamp(),
            };
            id_token::verify(&token, keys, expected)
        };
        match verify(&known.keys) {
            // The provider changed its keys after they were fetched.
            Err(IdTokenError::UnknownKey) => {
                let keys = self.keys(&known.discovery).await?;
                self.memory.lock().await.known = Some(Known { keys: Arc::clone(&keys), ..known });
                Ok(verify(&keys)?)
            }
            verified => Ok(verified?),
        }
    }

    async fn id_token(&self, discovery: &Discovery, code: &str, verifier: &str) -> Result<String, ProviderError> {
        const DOING: &str = "redeem the code";
        let url = endpoint(&discovery.token_endpoint, "token_endpoint")?;
        let callback = self.callback_url();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback.as_str()),
            ("code_verifier", verifier),
        ];
        let (id, secret) = (self.client.client_id.as_str(), self.client.client_secret.expose());
        let methods = discovery.token_endpoint_auth_methods_supported.as_deref();
        let in_the_body = methods.is_some_and(|methods| !methods.iter().any(|method| method == "client_secret_basic"));
        if in_the_body {
            form.extend([("client_id", id), ("client_secret", secret)]);
        }
        let mut request = self.http.post(url.clone()).header("content-type", "application/x-www-form-urlencoded");
        if !in_the_body {
            // RFC 6749, 2.3.1: both parts are form-encoded before they become a password.
            request = request.basic_auth(form_encoded(id), Some(form_encoded(secret)));
        }
        let (status, body) = self.send(DOING, &url, request.body(form_of(&form))).await?;
        match status {
            200 => Ok(parsed::<TokenAnswer>(DOING, &body)?.id_token),
            400..=499 => Err(ProviderError::CodeRefused),
            status => Err(away(DOING, format!("it answered with status {status}"))),
        }
    }

    async fn known(&self) -> Result<Known, ProviderError> {
        // Held while the provider is asked, so that many logins ask it once.
        let mut memory = self.memory.lock().await;
        if let Some(known) = memory.known.as_ref().filter(|known| known.since.elapsed() < FRESH) {
            return Ok(known.clone());
        }
        if memory.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(away("ask the provider", "it failed a moment ago".into()));
        }
        let discovered = self.discover().await;
        memory.failed_at = discovered.is_err().then(Instant::now);
        let known = discovered?;
        memory.known = Some(known.clone());
        Ok(known)
    }

    async fn discover(&self) -> Result<Known, ProviderError> {
        const DOING: &str = "read the discovery document";
        let address = format!("{}/.well-known/openid-configuration", self.client.issuer.trim_end_matches('/'));
        let url = endpoint(&address, "ELT_OIDC_ISSUER")?;
        let discovery: Discovery = parsed(DOING, &self.get(DOING, url).await?)?;
        if discovery.issuer != self.client.issuer {
            return Err(away(DOING, "it is the document of another issuer than ELT_OIDC_ISSUER".into()));
        }
        let keys = self.keys(&discovery).await?;
        Ok(Known { discovery: Arc::new(discovery), keys, since: Instant::now() })
    }

    async fn keys(&self, discovery: &Discovery) -> Result<Arc<[Jwk]>, ProviderError> {
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<Value>,
        }
        const DOING: &str = "read the provider's keys";
        let url = endpoint(&discovery.jwks_uri, "jwks_uri")?;
        let answer: Keys = parsed(DOING, &self.get(DOING, url).await?)?;
        // A key of a kind that is not known here must not hide the others.
        Ok(answer.keys.into_iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value(key).ok()).collect())
    }

    async fn get(&self, doing: &'static str, url: Url) -> Result<Vec<u8>, ProviderError> {
        match self.send(doing, &url, self.http.get(url.clone())).await? {
            (200, body) => Ok(body),
            (status, _) => Err(away(doing, format!("it answered with status {status}"))),
        }
    }

    async fn send(
        &self,
        doing: &'static str,
        url: &Url,
        request: RequestBuilder,
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        network::check_literal(&self.network, url.host_str().unwrap_or_default())
            .map_err(|error| away(doing, error.to_string()))?;
        let failed = |error: reqwest::Error| away(doing, innermost(&error.without_url()));
        let mut response = request.header("accept", "application/json").send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if body.len() + piece.len() > LARGEST_ANSWER {
                return Err(away(doing, format!("its answer has more than {LARGEST_ANSWER} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok((response.status().as_u16(), body))
    }

    fn callback_url(&self) -> String {
        format!("{}/auth/oidc/callback", self.client.public_url.as_str().trim_end_matches('/'))
    }
}

fn away(doing: &'static str, reason: String) -> ProviderError {
    ProviderError::Away { doing, reason }
}

/// An address of the discovery document. The authorization endpoint may have a query of its own.
fn endpoint(address: &str, name: &'static str) -> Result<Url, ProviderError> {
    let (bare, query) = address.split_once('?').map_or((address, None), |(bare, query)| (bare, Some(query)));
    let mut url = safe_url(bare).ok_or_else(|| away("use the discovery document", format!("{name} is not safe")))?;
    url.set_query(query);
    Ok(url)
}

fn parsed<T: DeserializeOwned>(doing: &'static str, body: &[u8]) -> Result<T, ProviderError> {
    // What serde says may quote the body, which can hold tokens.
    serde_json::from_slice(body)
        .map_err(|_| away(doing, "its answer is not the JSON that OpenID Connect defines".into()))
}

fn form_encoded(text: &str) -> String {
    form_of(&[(text, "")]).trim_end_matches('=').to_owned()
}

fn form_of(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://localhost").unwrap_or_else(|_| unreachable!("the address is a constant"));
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
