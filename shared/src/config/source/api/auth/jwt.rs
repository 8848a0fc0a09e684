//! `grant: jwt_bearer`: claims that elt signs, in exchange for a token (RFC 7523).

use super::values::is_open;
use crate::config::keys::{Choice, Key, Shape};
use crate::config::section::Section;
use crate::secret::Secret;

/// The claims of an assertion, and the key that signs them. `iat`, `exp` and `jti` are added to each one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtBearer {
    /// A private key in PEM form, or the shared secret of an `HS…` algorithm.
    pub key: Secret,
    /// How it signs.
    pub algorithm: JwtAlgorithm,
    /// `kid` of the header.
    pub key_id: Option<String>,
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: Option<String>,
    /// `aud`. `None`: the token URL.
    pub audience: Option<String>,
    /// Claims beside the standard ones, in the order of the text.
    pub claims: Vec<(String, String)>,
}

/// How an assertion is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA PKCS #1 with SHA-256.
    Rs256,
    /// RSA PKCS #1 with SHA-384.
    Rs384,
    /// RSA PKCS #1 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// Whether the key is a shared secret.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl Choice for JwtAlgorithm {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
    ];
}

pub(super) const PRIVATE_KEY: Key = Key::secret(
    "private_key",
    "For `jwt_bearer`: the key that signs, in PEM form, or the shared secret of an `HS…` algorithm.",
);
pub(super) const ALGORITHM: Key =
    Key::choice::<JwtAlgorithm>("algorithm", "For `jwt_bearer`: how the key signs. Default `RS256`.");
pub(super) const KEY_ID: Key = Key::text("key_id", "For `jwt_bearer`: `kid` of the JWT's header.");
pub(super) const ISSUER: Key = Key::text("issuer", "For `jwt_bearer`: the claim `iss`. Default: `client_id`.");
pub(super) const SUBJECT: Key = Key::text("subject", "For `jwt_bearer`: the claim `sub`. Default: it is left out.");
pub(super) const CLAIMS: Key = Key::of("claims", Shape::Pairs, "For `jwt_bearer`: further claims, as texts.");

/// Claims that elt sets itself.
const OWN_CLAIMS: [&str; 8] = ["iss", "sub", "aud", "iat", "exp", "nbf", "jti", "scope"];

/// The keys above that only this grant has.
pub(super) const NAMES: [&str; 6] = ["private_key", "algorithm", "key_id", "issuer", "subject", "claims"];

pub(super) fn read(section: &Section<'_>, client_id: Option<&String>) -> Option<JwtBearer> {
    let algorithm = section.choice("algorithm").unwrap_or(JwtAlgorithm::Rs256);
    let key = Secret::new(section.required_text("private_key")?);
    if let Some(field) = section.field("private_key")
        && !algorithm.is_shared()
        && !is_open(key.expose())
        && !key.expose().contains("-----BEGIN ")
    {
        field.problem("expected a key in PEM form, which begins with `-----BEGIN PRIVATE KEY-----`");
        return None;
    }
    let Some(issuer) = section.filled_text("issuer").or_else(|| client_id.cloned()) else {
        section.problem("the grant jwt_bearer needs `issuer` or `client_id`");
        return None;
    };
    Some(JwtBearer {
        key,
        algorithm,
        key_id: section.filled_text("key_id"),
        issuer,
        subject: section.filled_text("subject"),
        audience: section.filled_text("audience"),
        claims: claims(section)?,
    })
}

fn claims(section: &Section<'_>) -> Option<Vec<(String, String)>> {
    let Some(field) = section.field("claims") else { return Some(Vec::new()) };
    let mut claims = Vec::new();
    for (name, value) in field.pairs()? {
        if OWN_CLAIMS.contains(&name) {
            value.problem(format!("the claim {name} is set by elt: use `issuer`, `subject`, `audience` and `scopes`"));
            return None;
        }
        claims.push((name.to_owned(), value.text()?));
    }
    Some(claims)
}
