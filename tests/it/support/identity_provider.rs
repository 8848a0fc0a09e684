//! An identity provider of a test's own, which can be told to answer wrongly, and a browser that logs in there.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Url;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::app::TestApp;
use super::folder::Folder;

/// The client id of elt at the provider.
pub const CLIENT_ID: &str = "elt & co";
/// The client secret of elt at the provider.
pub const CLIENT_SECRET: &str = "a client secret: 100%";

/// A key that signs ID tokens.
#[derive(Clone)]
pub struct SigningKey {
    pub id: String,
    pub algorithm: Algorithm,
    pub key: EncodingKey,
}

impl SigningKey {
    /// A new key for RS256 or ES256.
    pub fn new(id: &str, algorithm: Algorithm) -> Self {
        let (name, format) = match algorithm {
            Algorithm::RS256 => ("RS256", "PEM"),
            _ => ("ES256", "PKCS8"),
        };
        let pem = pem_of_a_new_key(name, format);
        let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = BASE64_STANDARD.decode(text).expect("base64");
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_der(&der),
            _ => EncodingKey::from_ec_der(&der),
        };
        Self { id: id.into(), algorithm, key }
    }

    /// The public key as the provider shows it.
    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).expect("JSON")
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).expect("a token")
    }
}

/// A new private key for this algorithm of JWTs, in the form `PEM` (which is PKCS #1 for RSA) or `PKCS8`.
pub fn pem_of_a_new_key(algorithm: &str, format: &str) -> String {
    let folder = Folder::new();
    let file = folder.path().join("key");
    let (kind, bits) = if algorithm.starts_with("ES") { ("ecdsa", "256") } else { ("rsa", "2048") };
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-t", kind, "-b", bits, "-m", format, "-f"])
        .arg(&file)
        .status()
        .expect("ssh-keygen is there");
    assert!(made.success());
    std::fs::read_to_string(&file).expect("a key")
}

/// What the provider answers.
#[derive(Default)]
struct Answers {
    discovery: Value,
    keys: Vec<Value>,
    /// By code: the PKCE challenge, and the ID token.
    codes: HashMap<String, (String, String)>,
    asked_for_keys: usize,
}

/// See the module.
pub struct IdentityProvider {
    pub issuer: String,
    answers: Arc<Mutex<Answers>>,
}

type Shared = Arc<Mutex<Answers>>;

fn locked(answers: &Shared) -> std::sync::MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IdentityProvider {
    /// A provider with these keys.
    pub async fn start(keys: &[&SigningKey]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let issuer = format!("http://{}/realm", listener.local_addr().expect("an address"));
        let discovery = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize?tenant=7"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        });
        let answers = Arc::new(Mutex::new(Answers { discovery, ..Answers::default() }));
        let router = Router::new()
            .route(
                "/realm/.well-known/openid-configuration",
                get(|State(answers): State<Shared>| async move { Json(locked(&answers).discovery.clone()) }),
            )
            .route(
                "/realm/keys",
                get(|State(answers): State<Shared>| async move {
                    let mut answers = locked(&answers);
                    answers.asked_for_keys += 1;
                    Json(json!({ "keys": answers.keys }))
                }),
            )
            .route("/realm/token", post(token))
            .with_state(Arc::clone(&answers));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let provider = Self { issuer, answers };
        provider.set_keys(keys);
        provider
    }

    /// Changes the keys that the provider shows.
    pub fn set_keys(&self, keys: &[&SigningKey]) {
        // A key of an unknown kind stands beside the others, as at providers that try new algorithms.
        let unknown = json!({ "kty": "LATTICE", "kid": "new", "x": 1 });
        locked(&self.answers).keys = std::iter::once(unknown).chain(keys.iter().map(|key| key.jwk())).collect();
    }

    /// Changes the discovery document.
    pub fn set_discovery(&self, member: &str, value: impl Into<Value>) {
        locked(&self.answers).discovery[member] = value.into();
    }

    /// How often the keys were fetched.
    pub fn asked_for_keys(&self) -> usize {
        locked(&self.answers).asked_for_keys
    }

    /// The claims of a good ID token for a login.
    pub fn claims(&self, login: &Login, subject: &str, groups: impl Into<Value>) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({
            "iss": self.issuer, "aud": CLIENT_ID, "sub": subject, "iat": now, "exp": now + 300,
            "nonce": login.parameter("nonce"), "preferred_username": subject, "groups": groups.into(),
        })
    }

    /// A code that is redeemed for this ID token.
    pub fn code_for(&self, login: &Login, id_token: String) -> String {
        let code = uuid::Uuid::new_v4().to_string();
        let challenge = login.parameter("code_challenge");
        locked(&self.answers).codes.insert(code.clone(), (challenge, id_token));
        code
    }
}

async fn token(State(answers): State<Shared>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let form = Url::parse(&format!("http://localhost/?{body}")).expect("a form");
    let form: HashMap<String, String> = form.query_pairs().into_owned().collect();
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error })));
    // Both parts are form-encoded (RFC 6749, 2.3.1).
    let credentials = format!("{}:{}", "elt+%26+co", "a+client+secret%3A+100%25");
    let expected = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(expected.as_str()) {
        return refused("invalid_client");
    }
    let code = locked(&answers).codes.remove(&form["code"]);
    let Some((challenge, id_token)) = code else { return refused("invalid_grant") };
    let verifier = Sha256::digest(form["code_verifier"].as_bytes());
    if BASE64_URL_SAFE_NO_PAD.encode(verifier) != challenge || form["grant_type"] != "authorization_code" {
        return refused("invalid_grant");
    }
    (StatusCode::OK, Json(json!({ "token_type": "Bearer", "access_token": "unused", "id_token": id_token })))
}

/// A login that a browser began: where elt sent it, and the cookie that elt gave it.
#[derive(Clone)]
pub struct Login {
    pub url: Url,
    pub cookie: String,
}

impl Login {
    /// A parameter of the address at the provider.
    pub fn parameter(&self, name: &str) -> String {
        let mut pairs = self.url.query_pairs();
        pairs.find(|(key, _)| key == name).unwrap_or_else(|| panic!("{} has no {name}", self.url)).1.into_owned()
    }
}

/// What came of a login: the cookies, and the parameters of the dashboard's address.
#[derive(Debug)]
pub struct Finished {
    pub address: Url,
    pub cookies: Vec<String>,
}

impl Finished {
    /// What the login page is told.
    pub fn outcome(&self) -> String {
        self.parameter("sso").unwrap_or_default()
    }

    /// A parameter of the dashboard's address.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The cookie with the one-time code, as a browser sends it.
    pub fn code_cookie(&self) -> Option<String> {
        let cookie = self.cookies.iter().find(|cookie| cookie.starts_with("elt_login_code="))?;
        Some(cookie.split(';').next()?.to_owned())
    }
}

/// A browser that follows redirects only when the test says so.
pub struct Browser<'a> {
    app: &'a TestApp,
    http: reqwest::Client,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { app, http }
    }

    /// Begins a login.
    pub async fn begin(&self) -> Login {
        let (status, location, cookies) = self.open("/auth/oidc/start", None).await;
        assert_eq!(status, 303, "{location:?}");
        let cookie = cookies[0].split(';').next().expect("a cookie").to_owned();
        Login { url: location.expect("a redirect"), cookie }
    }

    /// Comes back from the provider with these parameters.
    pub async fn come_back(&self, cookie: Option<&str>, parameters: &[(&str, &str)]) -> Finished {
        let mut url = Url::parse("http://localhost/auth/oidc/callback").expect("a URL");
        url.query_pairs_mut().extend_pairs(parameters);
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let (status, location, cookies) = self.open(&path, cookie).await;
        assert_eq!(status, 303);
        Finished { address: location.expect("a redirect"), cookies }
    }

    /// Comes back from the provider with a code, in the same browser.
    pub async fn finish(&self, login: &Login, code: &str) -> Finished {
        self.come_back(Some(&login.cookie), &[("code", code), ("state", &login.parameter("state"))]).await
    }

    async fn open(&self, path: &str, cookie: Option<&str>) -> (u16, Option<Url>, Vec<String>) {
        let mut request = self.http.get(format!("http://{}{path}", self.app.address));
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("theme=dark; {cookie}"));
        }
        let response = request.send().await.expect("an answer");
        let headers = response.headers();
        let text = |name: &str| headers.get_all(name).into_iter().map(|value| value.to_str().expect("text").to_owned());
        let location = text("location").next().map(|url| url.parse().expect("a URL"));
        (response.status().as_u16(), location, text("set-cookie").collect())
    }
}
