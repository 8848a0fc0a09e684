//! The cookies of one extraction. A cookie that a server sets is sent back to it, and dropped when the extraction ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cookie_store::{CookieStore, RawCookie};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};

/// Most cookies that are kept; further ones are ignored.
const MAX_COOKIES: usize = 50;
/// Longest `Set-Cookie` header that is kept. Browsers have the same limit.
const MAX_COOKIE_BYTES: usize = 4096;
/// Longest `Cookie` header that is sent; servers refuse longer ones.
const MAX_SENT_BYTES: usize = 16 << 10;

/// The cookies of one extraction. Domain, path, age and `Secure` of each cookie are respected.
#[derive(Default)]
pub(super) struct Cookies(Mutex<CookieStore>);

impl Cookies {
    /// Keeps what an answer of `url` sets.
    pub(super) fn keep(&self, url: &Url, headers: &HeaderMap) {
        let mut store = self.store();
        for value in headers.get_all(SET_COOKIE) {
            let Ok(text) = value.to_str() else { continue };
            let Ok(cookie) = RawCookie::parse(text) else { continue };
            // A cookie for a whole top-level domain would be sent to every host below it.
            let too_wide = cookie.domain().is_some_and(|domain| !domain.trim_matches('.').contains('.'));
            let known = store.iter_any().any(|known| known.name() == cookie.name());
            let room = known || store.iter_any().count() < MAX_COOKIES;
            if text.len() <= MAX_COOKIE_BYTES && room && !too_wide {
                // A cookie for another host is refused here.
                let _ = store.insert_raw(&cookie.into_owned(), url);
            }
        }
    }

    /// The `Cookie` header for a request to `url`: the config's own cookies, and those that servers set beside them.
    pub(super) fn header_for(&self, url: &Url, written: Option<&HeaderValue>) -> Option<HeaderValue> {
        let mut text = written.and_then(|value| value.to_str().ok()).unwrap_or_default().trim().to_owned();
        let names: Vec<String> = pairs(&text).map(|(name, _)| name.to_owned()).collect();
        for (name, value) in self.store().get_request_values(url) {
            if names.iter().any(|written| written == name) || text.len() + name.len() + value.len() > MAX_SENT_BYTES {
                continue;
            }
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        let mut header = HeaderValue::try_from(text).ok().filter(|header| !header.is_empty())?;
        header.set_sensitive(true);
        Some(header)
    }

    fn store(&self) -> MutexGuard<'_, CookieStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(';').filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    fn set(cookies: &Cookies, from: &str, value: &str) {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, value.parse().expect("a header"));
        cookies.keep(&url(from), &headers);
    }

    fn sent(cookies: &Cookies, to: &str) -> String {
        cookies.header_for(&url(to), None).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_path_only() {
        let cookies = Cookies::default();
        set(&cookies, "http://api.example/v1/login", "a=1; Path=/v1");
        set(&cookies, "http://api.example/", "other=1; Domain=evil.example");
        set(&cookies, "http://api.example/", "wide=1; Domain=example");
        assert_eq!(sent(&cookies, "http://api.example/v1/rows"), "a=1");
        for other in ["http://api.example/v2", "http://www.api.example.evil/v1", "http://evil.example/v1"] {
            assert_eq!(sent(&cookies, other), "", "{other}");
        }
        set(&cookies, "https://api.example/", "s=1; Secure; Path=/");
        assert_eq!(sent(&cookies, "http://api.example/x"), "", "never in the clear");
        assert_eq!(sent(&cookies, "https://api.example/x"), "s=1");
        set(&cookies, "https://api.example/", "s=1; Secure; Path=/; Max-Age=0");
        assert_eq!(sent(&cookies, "https://api.example/x"), "", "the server takes it back");
    }

    #[test]
    fn cookies_of_the_config_stay_and_the_jar_has_an_end() {
        let cookies = Cookies::default();
        for n in 0..80 {
            set(&cookies, "http://h.example/", &format!("c{n}={n}"));
        }
        set(&cookies, "http://h.example/", &format!("long={}", "x".repeat(5000)));
        assert_eq!(pairs(&sent(&cookies, "http://h.example/")).count(), MAX_COOKIES);
        let written = HeaderValue::from_static("c1=mine; own=1");
        let both = cookies.header_for(&url("http://h.example/"), Some(&written)).expect("cookies");
        let both = both.to_str().expect("text");
        assert!(both.starts_with("c1=mine; own=1; ") && !both.contains("c1=1;"), "{both}");
    }
}
