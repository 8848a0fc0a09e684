//! `auth: {type: hmac}`: a signature over each request, made with a shared secret.

use super::super::request;
use super::super::template::{self, Template};
use crate::config::field::Field;
use crate::config::keys::{Choice, Key, Shape, either};
use crate::config::section::Section;
use crate::secret::Secret;

/// How requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRequests {
    /// The shared secret.
    pub secret: Secret,
    /// Names the secret to the API: `{{key_id}}`.
    pub key_id: Option<String>,
    /// The hash function.
    pub algorithm: HmacAlgorithm,
    /// How the signature and the hash of the body are written.
    pub encoding: Encoding,
    /// How `{{timestamp}}` is written.
    pub timestamp: TimeForm,
    /// The text that is signed.
    pub canonical: Template,
    /// The headers that carry the signature and what belongs to it.
    pub headers: Vec<(String, Template)>,
}

/// The hash function of a signature and of `{{body_hash}}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HmacAlgorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Choice for HmacAlgorithm {
    const WORDS: &'static [(&'static str, Self)] = &[("sha256", Self::Sha256), ("sha512", Self::Sha512)];
}

/// How bytes are written as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Hexadecimal, in lower case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

impl Choice for Encoding {
    const WORDS: &'static [(&'static str, Self)] = &[("hex", Self::Hex), ("base64", Self::Base64)];
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeForm {
    /// Seconds since 1970.
    #[default]
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// `2026-11-29T18:00:00Z`
    Rfc3339,
}

impl Choice for TimeForm {
    const WORDS: &'static [(&'static str, Self)] =
        &[("unix", Self::Unix), ("unix_ms", Self::UnixMs), ("rfc3339", Self::Rfc3339)];
}

/// The placeholders of the text that is signed.
const OF_A_REQUEST: [&str; 8] = ["method", "host", "path", "query", "body_hash", "timestamp", "nonce", "key_id"];
/// The placeholder of the signature, for headers.
const SIGNATURE: &str = "signature";

const CANONICAL: &str = "{{method}}\n{{path}}\n{{query}}\n{{timestamp}}\n{{body_hash}}";
const HEADERS: [(&str, &str); 2] = [("X-Timestamp", "{{timestamp}}"), ("X-Signature", "{{signature}}")];

pub(super) const KEYS: &[Key] = &[
    Key::secret("secret", "The secret that elt and the API share.").required(),
    Key::text("key_id", "Names the secret to the API, as `{{key_id}}`."),
    Key::choice::<HmacAlgorithm>("algorithm", "The hash function. Default `sha256`."),
    Key::choice::<Encoding>("encoding", "How signature and body hash are written. Default `hex`."),
    Key::choice::<TimeForm>("timestamp", "How `{{timestamp}}` is written. Default `unix`, which is in seconds."),
    Key::text(
        "canonical",
        "The text that is signed, with `{{method}}`, `{{host}}`, `{{path}}`, `{{query}}`, `{{body_hash}}`, \
         `{{timestamp}}`, `{{nonce}}` and `{{key_id}}`. Default: method, path, query, timestamp and body hash, each on a \
         line.",
    ),
    Key::of(
        "headers",
        Shape::Pairs,
        "The headers that carry the signature, with `{{signature}}` and the placeholders of `canonical`. Default: \
         `X-Timestamp` and `X-Signature`.",
    ),
];

pub(super) fn read(section: &Section<'_>) -> Option<SignRequests> {
    let secret = Secret::new(section.required_text("secret")?);
    let key_id = section.filled_text("key_id");
    let mut known: Vec<String> = OF_A_REQUEST.map(str::to_owned).to_vec();
    let canonical = match section.field("canonical") {
        Some(field) => checked(field, template::read(field, &known)?, &known)?,
        None => Template::parse(CANONICAL).ok()?,
    };
    known.push(SIGNATURE.to_owned());
    let headers = match section.field("headers") {
        Some(field) => headers(field, &known)?,
        None => HEADERS
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), Template::parse(text).ok()?)))
            .collect(),
    };
    if key_id.is_none() {
        let mut names = headers.iter().flat_map(|(_, template)| template.names()).chain(canonical.names());
        if names.any(|name| name == "key_id") {
            section.problem("{{key_id}} has no value: write `key_id`");
            return None;
        }
    }
    Some(SignRequests {
        secret,
        key_id,
        algorithm: section.choice("algorithm").unwrap_or_default(),
        encoding: section.choice("encoding").unwrap_or_default(),
        timestamp: section.choice("timestamp").unwrap_or_default(),
        canonical,
        headers,
    })
}

fn headers(field: &Field<'_>, known: &[String]) -> Option<Vec<(String, Template)>> {
    let mut read = Vec::new();
    for (name, template) in request::headers(field, known)? {
        read.push((name, checked(field, template, known)?));
    }
    if !read.iter().any(|(_, template)| template.names().any(|name| name == SIGNATURE)) {
        field.problem("one of the headers must carry {{signature}}");
        return None;
    }
    Some(read)
}

/// A template that has none of the placeholders of requests for rows, which have no value in a signature.
fn checked(field: &Field<'_>, template: Template, known: &[String]) -> Option<Template> {
    if let Some(name) = template.names().find(|name| !known.iter().any(|known| known == name)) {
        let names = either(known.iter().map(String::as_str));
        field.problem(format!("{{{{{name}}}}} has no value in a signature, expected {names}"));
        return None;
    }
    Some(template)
}
