//! `auth:`: how elt identifies itself to an API.
//!
//! # Layout
//! - [`token`]: a fixed token, or a user with a password; also written as `auth_token` and `auth_scheme`
//! - [`api_key`]: a fixed key in a header, the query or a cookie
//! - [`oauth2`]: a token of an OAuth 2.0 server; [`jwt`]: the signed claims of its grant `jwt_bearer`
//! - [`login`]: a token that another request gets
//! - [`send`]: how such a token is sent
//! - [`signature`]: a signature over each request
//! - [`values`]: what several of them have

mod api_key;
mod jwt;
mod login;
mod oauth2;
mod send;
mod signature;
mod token;
mod values;

pub use api_key::ApiKey;
pub use jwt::{JwtAlgorithm, JwtBearer};
pub use login::LoginRequest;
pub use oauth2::{ClientAuth, Grant, OAuth2};
pub use send::{SendToken, TokenPlace};
pub use signature::{Encoding, HmacAlgorithm, SignRequests, TimeForm};
pub use token::AuthScheme;
pub(super) use token::{AUTH_KEYS, Scheme};

use crate::config::keys::{Choice, Variant, either};
use crate::config::section::Section;
use crate::secret::Secret;

/// A way to be identified that needs more than a fixed token in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiAuth {
    /// `type: api_key`.
    ApiKey(ApiKey),
    /// `type: oauth2`.
    OAuth2(Box<OAuth2>),
    /// `type: login`.
    Login(Box<LoginRequest>),
    /// `type: hmac`.
    Hmac(Box<SignRequests>),
}

/// The values of `type` that have keys of their own.
pub(super) const VARIANTS: &[Variant] = &[
    Variant { word: "api_key", about: "A key in a header, the query or a cookie.", keys: api_key::KEYS },
    Variant { word: "oauth2", about: "An access token of an OAuth 2.0 server.", keys: oauth2::KEYS },
    Variant { word: "login", about: "A token or cookies that a login request gets.", keys: login::KEYS },
    Variant { word: "hmac", about: "A signature over each request.", keys: signature::KEYS },
];

/// What a source says about its authentication.
pub(super) struct Written {
    pub token: Option<Secret>,
    pub scheme: AuthScheme,
    pub auth: Option<ApiAuth>,
}

/// Reads `auth`, `auth_token` and `auth_scheme` of a source.
pub(super) fn read(source: &Section<'_>) -> Option<Written> {
    let Some(field) = source.field("auth") else {
        return Some(Written { token: token::token(source, None), scheme: token::scheme(source, None), auth: None });
    };
    let kind = field.is_mapping().then(|| field.child("type")).flatten();
    let word = kind.as_ref().and_then(|kind| kind.text()).unwrap_or_default();
    let variant = VARIANTS.iter().find(|variant| variant.word.eq_ignore_ascii_case(word.trim()));
    let Some(variant) = variant else {
        let simple = || Scheme::WORDS.iter().map(|(word, _)| *word);
        if let Some(kind) = kind.filter(|_| !word.contains("${") && !simple().any(|known| is_word(known, &word))) {
            let words = simple().chain(VARIANTS.iter().map(|variant| variant.word));
            kind.problem(format!("unknown variant {}, expected {}", kind.shown(), either(words)));
            return None;
        }
        let auth = field.section(AUTH_KEYS)?;
        let (token, scheme) = (token::token(source, Some(&auth)), token::scheme(source, Some(&auth)));
        return Some(Written { token, scheme, auth: None });
    };
    for name in ["auth_token", "auth_scheme", "auth_header"] {
        if let Some(also) = source.field(name) {
            also.problem(format!(
                "is for a fixed token, and `auth` is of the type {}: remove one of them",
                variant.word
            ));
        }
    }
    let section = Section::open(vec![field.clone()], variant.keys, Some("type"))?;
    let auth = match variant.word {
        "api_key" => ApiAuth::ApiKey(api_key::read(&section)?),
        "oauth2" => ApiAuth::OAuth2(Box::new(oauth2::read(&section)?)),
        "login" => ApiAuth::Login(Box::new(login::read(&section)?)),
        _ => ApiAuth::Hmac(Box::new(signature::read(&section)?)),
    };
    Some(Written { token: None, scheme: AuthScheme::default(), auth: Some(auth) })
}

fn is_word(known: &str, written: &str) -> bool {
    known.eq_ignore_ascii_case(written.trim())
}
