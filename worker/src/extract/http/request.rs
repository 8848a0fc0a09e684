//! The requests of a source: the URL with its parameters, and the headers. Headers can carry secrets, so they go to one host only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use elt_shared::config::{ApiSource, AuthScheme, masked_path};
use elt_shared::secret::Secret;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::error::{HttpError, Result};

/// The parts that all requests of a source share.
pub(super) struct Outgoing {
    /// The first URL, with the parameters of the config.
    pub(super) url: Url,
    /// The token and the config's headers: for [`Outgoing::url`]'s host only.
    pub(super) headers: HeaderMap,
}

impl Outgoing {
    pub(super) fn of(source: &ApiSource) -> Result<Self> {
        let mut url = parse(&source.url)?;
        if !source.params.is_empty() || source.folder_param.is_some() {
            let mut query = url.query_pairs_mut();
            for (name, value) in &source.params {
                query.append_pair(name, value.expose());
            }
            if let Some(folder) = &source.folder_param {
                query.append_pair("path", folder);
            }
        }
        let headers = headers(source, &url)?;
        Ok(Self { url, headers })
    }

    /// The headers for a request to `url`: those with secrets only where the config meant them to go.
    pub(super) fn headers_for(&self, url: &Url) -> HeaderMap {
        if may_see_secrets(&self.url, url) { self.headers.clone() } else { HeaderMap::new() }
    }
}

/// A URL as people may see it: without query, fragment and user information, where secrets are, and with `***` in place
/// of tokens in the path.
pub(super) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), masked_path(url.path()))
}

/// Sets a query parameter, in place of any of that name.
pub(super) fn with_param(url: &Url, name: &str, value: &str) -> Url {
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(key, _)| key != name).map(|(key, value)| (key.into(), value.into())).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    url
}

fn parse(text: &str) -> Result<Url> {
    let cut = text.split(['?', '#']).next().unwrap_or_default();
    let visible = masked_path(cut.rsplit_once('@').map_or(cut, |(_, host)| host));
    let refuse = |reason: String| HttpError::BadUrl { url: visible.clone(), reason };
    let url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(refuse(format!("`{scheme}:` is neither http nor https"))),
    }
}

/// Whether a URL has the same host and port as ours, or is the same host's https instead of http.
fn may_see_secrets(ours: &Url, other: &Url) -> bool {
    let ends = |url: &Url| (url.scheme().to_owned(), url.port_or_known_default());
    let upgrade = ends(ours) == ("http".into(), Some(80)) && ends(other) == ("https".into(), Some(443));
    ours.host() == other.host() && (ends(ours) == ends(other) || upgrade)
}

fn headers(source: &ApiSource, url: &Url) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &source.headers {
        let what = || format!("header `{name}`");
        headers.insert(header_name(name, url, what)?, header_value(value.expose(), url, what)?);
    }
    if let Some(token) = &source.auth_token {
        let what = || "token".to_owned();
        let (name, text) = credentials(token, &source.auth_scheme);
        headers.insert(header_name(&name, url, || format!("header `{name}`"))?, header_value(&text, url, what)?);
    }
    Ok(headers)
}

/// The header that carries the token, and its text.
fn credentials(token: &Secret, scheme: &AuthScheme) -> (String, String) {
    let token = token.expose().trim();
    let text = match scheme {
        AuthScheme::Auto if token.contains(' ') => token.to_owned(),
        AuthScheme::Auto | AuthScheme::Bearer => format!("Bearer {token}"),
        AuthScheme::Basic => format!("Basic {}", BASE64.encode(token)),
        AuthScheme::Raw | AuthScheme::Header(_) => token.to_owned(),
    };
    match scheme {
        AuthScheme::Header(name) => (name.clone(), text),
        _ => (AUTHORIZATION.to_string(), text),
    }
}

fn header_name(name: &str, url: &Url, what: impl Fn() -> String) -> Result<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| HttpError::BadHeader { url: shown(url), what: what() })
}

fn header_value(text: &str, url: &Url, what: impl Fn() -> String) -> Result<HeaderValue> {
    let refuse = |_| HttpError::BadHeader { url: shown(url), what: what() };
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(refuse)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use elt_shared::config::ApiTimeouts;

    use super::*;

    fn source(url: &str) -> ApiSource {
        ApiSource {
            url: url.into(),
            auth_token: Some("xyz".into()),
            auth_scheme: AuthScheme::Auto,
            headers: Vec::new(),
            params: Vec::new(),
            folder_param: None,
            records: None,
            pagination: None,
            timeouts: ApiTimeouts::default(),
            incremental: None,
            probe: None,
        }
    }

    fn sent(token: &str, scheme: AuthScheme) -> (String, String) {
        let source = ApiSource { auth_token: Some(token.into()), auth_scheme: scheme, ..source("http://a/") };
        let headers = Outgoing::of(&source).expect("a request").headers;
        let (name, value) = headers.iter().next().expect("one header");
        (name.to_string(), value.to_str().expect("text").to_owned())
    }

    #[test]
    fn a_token_is_sent_as_its_scheme_says() {
        let authorization = |text: &str| ("authorization".to_owned(), text.to_owned());
        assert_eq!(sent("xyz123", AuthScheme::Auto), authorization("Bearer xyz123"));
        assert_eq!(sent("Token xyz123", AuthScheme::Auto), authorization("Token xyz123"));
        assert_eq!(sent("xyz123\n", AuthScheme::Auto), authorization("Bearer xyz123"));
        assert_eq!(sent("xyz123", AuthScheme::Raw), authorization("xyz123"));
        assert_eq!(sent("xyz 123", AuthScheme::Bearer), authorization("Bearer xyz 123"));
        assert_eq!(sent("ann:pass", AuthScheme::Basic), authorization("Basic YW5uOnBhc3M="));
        assert_eq!(sent("k", AuthScheme::Header("X-Api-Key".into())), ("x-api-key".into(), "k".into()));
    }

    #[test]
    fn parameters_join_what_the_url_already_has() {
        let source = ApiSource {
            params: vec![("limit".into(), "5 &".into())],
            folder_param: Some("./data/api".into()),
            ..source("http://h/a?b=1")
        };
        let url = Outgoing::of(&source).expect("a request").url;
        assert_eq!(url.as_str(), "http://h/a?b=1&limit=5+%26&path=.%2Fdata%2Fapi");
        assert_eq!(with_param(&url, "limit", "6").as_str(), "http://h/a?b=1&path=.%2Fdata%2Fapi&limit=6");
    }

    #[test]
    fn secrets_stay_with_their_host() {
        let sees = |other: &str| {
            let outgoing = Outgoing::of(&source("http://api.example/v1")).expect("a request");
            !outgoing.headers_for(&Url::parse(other).expect("a url")).is_empty()
        };
        assert!(sees("http://api.example/v2?page=2"));
        assert!(sees("https://api.example/v1"), "the same host, encrypted");
        for other in
            ["http://api.example:8080/", "http://example/", "http://api.example.evil/", "https://api.example:80/"]
        {
            assert!(!sees(other), "{other} must not see the token");
        }
        let secure = Outgoing::of(&source("https://api.example/")).expect("a request");
        assert!(
            secure.headers_for(&Url::parse("http://api.example/").expect("a url")).is_empty(),
            "never in the clear"
        );
    }

    #[test]
    fn no_secret_shows_in_what_people_see() {
        let url = Url::parse("https://ann:canary@h:8443/a/b?token=canary#canary").expect("a url");
        assert_eq!(shown(&url), "https://h:8443/a/b");
        for (path, seen) in [
            ("services/T01/aB3dE6gH9jK2mN5pCANARY", "services/T01/***"),
            ("bot123456:aB3dE6gH9jK2mN5pCANARY/sendMessage", "***/sendMessage"),
            ("token/canary1/rows", "token/***/rows"),
            ("v1/customers/2026-11-29", "v1/customers/2026-11-29"),
        ] {
            let url = Url::parse(&format!("https://h/{path}")).expect("a url");
            assert_eq!(shown(&url), format!("https://h/{seen}"));
        }
        let error = Outgoing::of(&source("ftp://h/services/aB3dE6gH9jK2mN5pCANARY")).err().expect("refused");
        assert!(!error.to_string().contains("CANARY"), "{error}");
        for bad in ["ftp://ann:canary@h/a?canary", "http://ann:canary@:x/?canary", "file:///etc/passwd"] {
            let error = Outgoing::of(&source(bad)).err().expect("refused").to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        let broken = ApiSource { auth_token: Some("cana\nry".into()), ..source("http://h/?t=canary") };
        let error = Outgoing::of(&broken).err().expect("refused").to_string();
        assert_eq!(error, "the token of http://h/ has a character that an HTTP header cannot carry");
    }
}
