//! What counts as a secret: by the name of its key, or by its own looks. In doubt it is one.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::source::template::Template;
use crate::secret::PLACEHOLDER;

/// Parts of key names that promise a secret, without separators.
const NAME_PARTS: &[&str] = &[
    "password",
    "passwd",
    "passwort",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "signingkey",
    "sharedkey",
    "credential",
    "authorization",
    "cookie",
    "webhook",
    "signature",
];

/// Whole names that promise one.
const NAMES: &[&str] = &["pass", "auth", "bearer", "jwt", "otp", "pin", "sas"];

/// Names close to these are taken for misspelled ones.
const OFTEN_MISSPELLED: &[&str] = &["password", "passphrase", "authtoken", "privatekey", "token", "secret"];

/// Headers whose values anyone may see.
const PLAIN_HEADERS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-type",
    "date",
    "host",
    "origin",
    "prefer",
    "range",
    "referer",
    "user-agent",
];

/// How tokens of well-known services begin.
const TOKEN_PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "pk_live_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "SG.",
    "shpat_",
    "npm_",
    "pypi-",
    "dop_v1_",
    "hvs.",
    "Bearer ",
    "Basic ",
];

/// Whether the value of a key with this name is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = bare(name);
    NAMES.contains(&name.as_str()) || NAME_PARTS.iter().any(|part| name.contains(part)) || is_misspelled(&name)
}

fn is_misspelled(name: &str) -> bool {
    let length = name.chars().count();
    OFTEN_MISSPELLED.iter().any(|secret| {
        let tolerance = secret.len() / 5;
        // The edit distance is at least the difference in length, so most names are ruled out without computing it.
        secret.len().abs_diff(length) <= tolerance && strsim::damerau_levenshtein(name, secret) <= tolerance
    })
}

/// Whether a query parameter with this name carries a secret.
pub fn is_secret_parameter(name: &str) -> bool {
    is_secret_name(name) || matches!(bare(name).as_str(), "key" | "sig" | "code" | "session" | "sessionid" | "hmac")
}

/// Whether a value is a secret by its looks, whatever its name is: what is hidden of the query of a URL.
pub fn looks_secret(value: &str) -> bool {
    is_secret_text(value) || looks_generated(value)
}

/// Whether the value of an HTTP header may be a secret.
pub fn is_secret_header(name: &str) -> bool {
    !PLAIN_HEADERS.contains(&name.to_ascii_lowercase().as_str())
}

fn bare(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a text is a secret by its looks alone.
pub(super) fn is_secret_text(text: &str) -> bool {
    let text = text.trim();
    let is_jwt = text.starts_with("eyJ") && text.matches('.').count() >= 2;
    let is_token = TOKEN_PREFIXES.iter().any(|prefix| text.starts_with(prefix) && text.len() >= prefix.len() + 8);
    text.contains("PRIVATE KEY-----") || is_jwt || is_token
}

/// Whether a word could have been generated: long, of letters and digits.
pub(super) fn looks_generated(word: &str) -> bool {
    word.len() >= 16 && is_one_word(word) && has(word, |c| c.is_ascii_digit()) && has(word, |c| c.is_ascii_alphabetic())
}

/// Whether a word can hardly be anything but generated.
pub(super) fn looks_random(word: &str) -> bool {
    let mixed = has(word, |c| c.is_ascii_lowercase()) && has(word, |c| c.is_ascii_uppercase());
    let hex = word.len() >= 24 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    looks_generated(word) && (mixed || hex)
}

fn is_one_word(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.' | '~' | '%'))
}

fn has(word: &str, is: impl Fn(char) -> bool) -> bool {
    word.chars().any(is)
}

/// A text that is one reference and nothing else gives nothing away.
pub(super) fn is_reference(text: &str) -> bool {
    let inside = text.trim().strip_prefix("${env:").or_else(|| text.trim().strip_prefix("${secret:"));
    inside.and_then(|inside| inside.strip_suffix('}')).is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    })
}

/// Whether a text is one placeholder and nothing else, such as `{{page.cursor}}`.
pub(super) fn is_placeholder(text: &str) -> bool {
    Template::parse(text.trim()).is_ok_and(|template| template.whole().is_some())
}

/// The parts of a text that are secret: user information and secret parameters of URLs, `password=…`, random words.
pub(super) fn secret_parts(text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    for url in URL.find_iter(text) {
        url_parts(text, url.range(), &mut parts);
    }
    parts.extend(USER_INFO.captures_iter(text).filter_map(|found| found.get(1)).map(|part| part.range()));
    for found in ASSIGNMENT.captures_iter(text) {
        if let (Some(name), Some(value)) = (found.get(1), found.get(2))
            && is_secret_name(name.as_str())
            && !is_reference(value.as_str())
            && !text[..name.start()].ends_with("${")
        {
            parts.push(value.range());
        }
    }
    parts
}

/// A constant expression.
pub(super) fn expression(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid expression")
}

static URL: LazyLock<Regex> = LazyLock::new(|| expression(r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>`]+"#));
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| expression(r#"([^\s/:@"'=,{\[(]+:[^\s/@"']+)@[\w\[]"#));
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    expression(r#"(?i)([\w.-]+)["']?\s*[:=]\s*("[^"]*"|'[^']*'|(?:(?:bearer|basic|token)\s+)?[^\s&;,"'}\]]+)"#)
});

fn url_parts(text: &str, url: Range<usize>, parts: &mut Vec<Range<usize>>) {
    let Some(scheme) = text[url.clone()].find("://") else { return };
    let start = url.start + scheme + 3;
    let rest = &text[start..url.end];
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host_start = user_info_end(rest, authority_end).map_or(0, |end| {
        parts.push(start..start + end);
        end + 1
    });
    let query_start = rest[host_start..].find(['?', '#']).map_or(rest.len(), |query| host_start + query);
    let path = &rest[host_start..query_start];
    parts.extend(secret_segments(path).map(|part| start + host_start + part.start..start + host_start + part.end));
    let mut position = query_start;
    for pair in rest[query_start..].split(['?', '#', '&', ';']) {
        if let Some((name, value)) = pair.split_once('=')
            && !is_reference(value)
            && (is_secret_parameter(name) || looks_generated(value))
        {
            let end = start + position + pair.len();
            parts.push(end - value.len()..end);
        }
        position += pair.len() + 1;
    }
}

/// A URL's path with `***` in place of the segments that look like tokens.
pub fn masked_path(path: &str) -> String {
    let mut masked = String::with_capacity(path.len());
    let mut position = 0;
    for segment in secret_segments(path) {
        masked.push_str(&path[position..segment.start]);
        masked.push_str(PLACEHOLDER);
        position = segment.end;
    }
    masked + &path[position..]
}

/// The segments of a path that look like tokens, as in `/services/T01/aB3dE6gH9jK2mN5p`, `/bot123:aB3dE6gH9jK2mN5p/send`
/// and `/token/a1b2c3`.
fn secret_segments(path: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let mut before = "";
    path.split('/').filter_map(move |segment| {
        let range = start..start + segment.len();
        start = range.end + 1;
        let named = is_secret_name(before) && segment.len() >= 6 && has(segment, |c| c.is_ascii_digit());
        before = segment;
        let secret = named || is_secret_text(segment) || segment.split([':', ';', ',', '=']).any(looks_random);
        secret.then_some(range)
    })
}

/// Where `user:password` of a URL ends. A password may hold `@`, and, wrongly, `/` or `?`.
fn user_info_end(rest: &str, authority_end: usize) -> Option<usize> {
    let authority = &rest[..authority_end];
    let in_authority = authority.rfind('@');
    let after_user = &authority[in_authority.map_or(0, |at| at + 1)..];
    let port = after_user.rsplit_once(':').filter(|(host, _)| !host.starts_with('[')).map(|(_, port)| port);
    match port {
        // What follows the last `:` is not a port, so it is part of a password that contains `/`: it ends at the last `@`.
        Some(port) if port.parse::<u16>().is_err() => rest.rfind('@').or(in_authority),
        _ => in_authority,
    }
}
