//! `type: http`: files at addresses of web servers.

use reqwest::Url;

use super::api::{self, ApiSource};
use super::files;
use super::place_keys::PlaceOptions;
use crate::config::field::{Field, Reading};
use crate::config::keys::{Key, Shape, joined};
use crate::config::secret_detection::masked_path;
use crate::config::section::Section;
use crate::secret::Secret;

/// `type: http`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpFilesSource {
    /// The addresses of the files, in their order. A query may hold secrets.
    pub urls: Vec<Secret>,
    /// The request for the first file: its headers, its login and its certificates are those of all.
    pub request: Box<ApiSource>,
    /// How the files are read.
    pub place: PlaceOptions,
}

impl HttpFilesSource {
    /// Where the files are, without the queries.
    pub fn address(&self) -> String {
        let shown = |url: &Secret| match Url::parse(url.expose()) {
            Ok(url) => format!("{}{}", url.origin().ascii_serialization(), masked_path(url.path())),
            Err(_) => String::new(),
        };
        self.urls.iter().map(shown).collect::<Vec<_>>().join(" ")
    }
}

pub(super) const KEYS: &[Key] = &joined::<{ HTTP_KEYS.len() + files::KEYS.len() }>(HTTP_KEYS, files::KEYS);

const HTTP_KEYS: &[Key] = &joined::<{ OWN_KEYS.len() + api::IDENTITY_KEYS.len() }>(OWN_KEYS, api::IDENTITY_KEYS);

const OWN_KEYS: &[Key] = &[
    Key::of("url", Shape::Texts, "The address of a file, `http://` or `https://`, or a list of addresses.")
        .or(&["urls"])
        .required(),
    Key::whole(
        "settle_seconds",
        0,
        86_400,
        "Seconds that a file must stay unchanged before it is loaded, by the time that the server gives; default 0.",
    ),
];

pub(super) fn read(section: &Section<'_>) -> Option<HttpFilesSource> {
    let urls = section.required("url").and_then(urls);
    let files = files::read(section);
    let request = api::read_identity(section);
    let (urls, mut request) = (urls?, request?);
    check_hosts(section, &urls);
    if let Some(first) = urls.first() {
        request.url = api::template::Template::literal(first.expose());
    }
    Some(HttpFilesSource {
        urls,
        request: Box::new(request),
        place: PlaceOptions {
            files: files?,
            settle_seconds: section.whole("settle_seconds").unwrap_or(0),
            ..PlaceOptions::default()
        },
    })
}

fn urls(field: &Field<'_>) -> Option<Vec<Secret>> {
    if !field.is_list() {
        return url(field).map(|url| vec![url]);
    }
    let items = field.items()?;
    if items.is_empty() {
        field.problem("expected at least one address");
        return None;
    }
    // Every one is read, so that every problem is reported.
    let urls: Vec<_> = items.iter().map(|item| item.filled_item().and_then(url)).collect();
    urls.into_iter().collect()
}

/// Notes an address on another host than the first one, because that host would get what identifies elt to the first one.
fn check_hosts(section: &Section<'_>, urls: &[Secret]) {
    let mut origins = urls.iter().filter_map(|url| Url::parse(url.expose()).ok()).map(|url| url.origin());
    let first = origins.next();
    if origins.any(|origin| Some(&origin) != first.as_ref())
        && let Some(field) = section.field("url")
    {
        field.problem("the addresses are on several hosts: write a source for each host, with its own login");
    }
}

fn url(field: &Field<'_>) -> Option<Secret> {
    match field.reading()? {
        Reading::Open(text) => Some(Secret::new(text)),
        Reading::Known(text) => {
            let text = text.trim();
            let is_http = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !is_http {
                field.problem(format!("expected a URL that begins with http:// or https://, found {}", field.shown()));
                return None;
            }
            Some(Secret::new(text.to_owned()))
        }
    }
}
