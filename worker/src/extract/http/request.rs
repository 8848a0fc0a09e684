//! The requests of a source: method, URL, headers and body, with the values of their placeholders.
//! Headers and bodies can carry secrets, so they go to one host only.

use std::cmp::Reverse;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use elt_shared::config::template::Values;
use elt_shared::config::{ApiSource, AuthScheme, Method};
use elt_shared::redaction;
use elt_shared::secret::{PLACEHOLDER, Secret};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::answer::graphql::shortened;
use super::body;
use super::error::{HttpError, Result};
use super::next_page::{self, Ask};
use super::url::{address, base, may_see_secrets, parse, shown};

/// The parts that all requests of a source share.
pub(super) struct Outgoing<'a> {
    pub(super) source: &'a ApiSource,
    /// Values that are the same for every page.
    values: Values,
    /// The URL of the first page. Token, headers and body are for its host only.
    pub(super) url: Url,
}

/// A request that can be sent.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: reqwest::Method,
    pub(super) url: Url,
    /// The token and the config's headers.
    pub(super) headers: HeaderMap,
    /// Headers that any host may see.
    pub(super) open_headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn of(source: &'a ApiSource, values: &Values) -> Result<Self> {
        let first = next_page::first(source.pagination.as_ref(), source.into());
        let url = first.url(&base(source, &values.and(&first.values))?);
        Ok(Self { source, values: values.clone(), url })
    }

    /// The request for a page.
    pub(super) fn request(&self, ask: &Ask) -> Result<Request> {
        let values = self.values.and(&ask.values);
        let url = match &ask.link {
            Some(link) => link.clone(),
            None => ask.url(&base(self.source, &values)?),
        };
        let mut headers = headers(self.source, &values, &url)?;
        let body = self.source.body.as_ref().map(|body| body::render(body, &values, &url)).transpose()?;
        if let Some(body) = &body {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(body.content_type));
            if !self.may_see_secrets(&url) {
                let reason = "leads to another host, which must not get the request's body".to_owned();
                return Err(HttpError::BadLink { url: shown(&self.url), reason });
            }
        }
        let method = match self.source.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let open_headers = HeaderMap::new();
        Ok(Request { method, url, headers, open_headers, body: body.map(|body| body.bytes) })
    }

    /// The small request that shows whether something changed: `probe` of the config, or the source's own address without it.
    pub(super) fn probe(&self) -> Result<Request> {
        let source = address(&self.source.url, &self.values)?;
        let mut url = source.clone();
        if let Some(probe) = &self.source.probe {
            url.set_query(None);
            if let Some(link) = &probe.url {
                url = source
                    .join(link)
                    .map_err(|error| HttpError::BadUrl { url: shown(&source), reason: error.to_string() })?;
            }
            for (name, value) in &probe.params {
                if let Some(value) = value.render(&self.values) {
                    url.query_pairs_mut().append_pair(name, &value.to_string());
                }
            }
        }
        let headers = headers(self.source, &self.values, &url)?;
        let (method, open_headers) = (reqwest::Method::GET, HeaderMap::new());
        Ok(Request { method, url: parse(url.as_str())?, headers, open_headers, body: None })
    }

    /// Whether a URL is where the config meant its token, headers and body to go.
    pub(super) fn may_see_secrets(&self, url: &Url) -> bool {
        may_see_secrets(&self.url, url)
    }
}

/// A message of the API as it may be repeated: on one line, cut when it is long, and without what the config sends as a
/// secret, which the API may have repeated.
pub(super) fn quoted(source: &ApiSource, message: &str) -> String {
    let mut shown = redaction::hide(message).into_owned();
    let mut secrets = source.secrets();
    // A secret that is the beginning of another would leave the other's end.
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    for secret in secrets.iter().filter(|secret| secret.len() >= redaction::SHORTEST) {
        shown = shown.replace(secret, PLACEHOLDER);
    }
    shortened(&shown)
}

fn headers(source: &ApiSource, values: &Values, url: &Url) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &source.headers {
        let what = || format!("header `{name}`");
        if let Some(value) = value.render(values) {
            headers.insert(header_name(name, url, what)?, header_value(&value.to_string(), url, what)?);
        }
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
    use elt_shared::config::template::{SINCE, Template, UNTIL};

    use super::super::url::with_param;
    use super::*;

    fn source(url: &str) -> ApiSource {
        ApiSource { auth_token: Some("xyz".into()), ..ApiSource::at(url) }
    }

    fn request(source: &ApiSource, values: &Values) -> Result<Request> {
        Outgoing::of(source, values)?.request(&Ask::default())
    }

    fn plain(source: &ApiSource) -> Result<Request> {
        request(source, &Values::default())
    }

    fn template(text: &str) -> Template {
        Template::parse(text).expect(text)
    }

    fn sent(token: &str, scheme: AuthScheme) -> (String, String) {
        let source = ApiSource { auth_token: Some(token.into()), auth_scheme: scheme, ..source("http://a/") };
        let headers = plain(&source).expect("a request").headers;
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
            params: vec![("limit".into(), template("5 &"))],
            folder_param: Some("./data/api".into()),
            ..source("http://h/a?b=1")
        };
        let url = plain(&source).expect("a request").url;
        assert_eq!(url.as_str(), "http://h/a?b=1&limit=5+%26&path=.%2Fdata%2Fapi");
        assert_eq!(with_param(&url, "limit", "6").as_str(), "http://h/a?b=1&path=.%2Fdata%2Fapi&limit=6");
    }

    #[test]
    fn secrets_stay_with_their_host() {
        let sees = |other: &str| {
            let source = source("http://api.example/v1");
            let outgoing = Outgoing::of(&source, &Values::default()).expect("a request");
            outgoing.may_see_secrets(&Url::parse(other).expect("a url"))
        };
        assert!(sees("http://api.example/v2?page=2"));
        assert!(sees("https://api.example/v1"), "the same host, encrypted");
        for other in
            ["http://api.example:8080/", "http://example/", "http://api.example.evil/", "https://api.example:80/"]
        {
            assert!(!sees(other), "{other} must not see the token");
        }
        let source = source("https://api.example/");
        let secure = Outgoing::of(&source, &Values::default()).expect("a request");
        assert!(!secure.may_see_secrets(&Url::parse("http://api.example/").expect("a url")), "never in the clear");
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
        let long = Url::parse(&format!("https://h/{}", "a/".repeat(5_000))).expect("a url");
        assert_eq!(shown(&long), format!("https://h/{}a…", "a/".repeat(499)));
        let error = plain(&source("ftp://h/services/aB3dE6gH9jK2mN5pCANARY")).err().expect("refused");
        assert!(!error.to_string().contains("CANARY"), "{error}");
        for bad in ["ftp://ann:canary@h/a?canary", "http://ann:canary@:x/?canary", "file:///etc/passwd"] {
            let error = plain(&source(bad)).err().expect("refused").to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        let broken = ApiSource { auth_token: Some("cana\nry".into()), ..source("http://h/?t=canary") };
        let error = plain(&broken).err().expect("refused").to_string();
        assert_eq!(error, "the token of http://h/ has a character that an HTTP header cannot carry");
    }

    #[test]
    fn a_message_is_repeated_on_one_line_without_the_secrets_of_the_config() {
        let source = ApiSource {
            auth_token: Some("ann:canary-1".into()),
            headers: vec![("X-Key".into(), template("canary"))],
            params: vec![("api_key".into(), template("canary-2")), ("sort".into(), template("name"))],
            ..ApiSource::at("http://h/")
        };
        let told = quoted(&source, "canary-1,\n canary-2\tand canary  by name");
        assert_eq!(told, "***, *** and *** by name");
        let cut = quoted(&source, &format!("{}canary-1 and more", "x".repeat(295)));
        assert_eq!(cut, format!("{}*** a…", "x".repeat(295)));
    }

    #[test]
    fn a_value_stays_in_its_place_of_the_url() {
        let source = ApiSource {
            params: vec![("to".into(), template("{{until}}")), ("from".into(), template("{{since}}"))],
            ..ApiSource::at("")
        };
        let at = |url: &str, since: &str| {
            let source = ApiSource { url: template(url), ..source.clone() };
            request(&source, &Values::default().with(SINCE, since)).map(|request| request.url.to_string())
        };
        let url = "http://h/v1/{{since}}/x?a=1&b={{until}}&c={{since}}&d=[{{until}}]";
        assert_eq!(
            at(url, "p/q?r#s&t").expect("a url"),
            "http://h/v1/p%2Fq%3Fr%23s%26t/x?a=1&c=p%2Fq%3Fr%23s%26t&d=[]&from=p%2Fq%3Fr%23s%26t"
        );
        for climbing in ["..", "."] {
            let refused = at("http://h/v1/{{since}}", climbing).expect_err("another path").to_string();
            assert!(refused.contains("would lead to another path"), "{refused}");
        }
        assert_eq!(at("http://h/{{since}}.json", "..").expect("a url"), "http://h/...json?from=..");
    }

    #[test]
    fn parameters_and_headers_without_a_value_are_left_out() {
        let source = ApiSource {
            headers: vec![("X-From".into(), template("{{since}}")), ("X-To".into(), template("{{until}}"))],
            params: vec![("to".into(), template("{{until}}"))],
            ..ApiSource::at("http://h/a")
        };
        let values = Values::default().with(SINCE, "7");
        let sent = request(&source, &values).expect("a request");
        assert_eq!((sent.url.as_str(), sent.headers.len()), ("http://h/a", 1));
        assert_eq!(sent.headers["x-from"], "7");
        let sent = request(&source, &values.with(UNTIL, "9")).expect("a request");
        assert_eq!((sent.url.as_str(), sent.headers.len()), ("http://h/a?to=9", 2));
        let broken = request(&source, &Values::default().with(SINCE, "a\nb")).err().expect("refused").to_string();
        assert_eq!(broken, "the header `X-From` of http://h/a has a character that an HTTP header cannot carry");
    }
}
