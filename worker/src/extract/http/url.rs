//! The URLs of a source: filled with parameters and the values of placeholders, shown without secrets, and compared with
//! another URL before secrets are sent to it.

use elt_shared::config::template::{SINCE, Template, UNTIL, Values};
use elt_shared::config::{ApiSource, masked_path};
use reqwest::Url;

use super::error::{HttpError, Result};

/// Most characters of a path that are shown.
const SHOWN_PATH: usize = 1_000;

/// The URL with the parameters of the config.
pub(super) fn base(source: &ApiSource, values: &Values) -> Result<Url> {
    let mut url = address(&source.url, values)?;
    if !source.params.is_empty() || source.folder_param.is_some() {
        let mut query = url.query_pairs_mut();
        for (name, value) in &source.params {
            if let Some(value) = value.render(values) {
                query.append_pair(name, &value.to_string());
            }
        }
        if let Some(folder) = &source.folder_param {
            query.append_pair("path", folder);
        }
    }
    if let Some(incremental) = &source.incremental {
        let ends = [(&incremental.param, SINCE), (&incremental.end_param, UNTIL)];
        for (param, name) in ends {
            if let (Some(param), Some(value)) = (param, values.get(name)) {
                url = with_param(&url, param, &value.to_string());
            }
        }
    }
    // Opening the query for parameters that are all left out leaves its question mark.
    if url.query() == Some("") && source.url.split_once('?').is_none() {
        url.set_query(None);
    }
    Ok(url)
}

/// The URL of the config with its values. A value cannot leave the segment of the path, or the parameter, that it stands in.
pub(super) fn address(template: &Template, values: &Values) -> Result<Url> {
    if template.names().next().is_none() {
        return parse(&template.written());
    }
    let (path, query) = template.split_once('?').unwrap_or_else(|| (template.clone(), Template::default()));
    let encoded = |template: &Template| template.render_with(values, |value| percent_encoded(value).into());
    let mut text = encoded(&path);
    let sample = path.render_with(&Values::default(), |_| "x".into());
    // `..` leads to another path, even when it is encoded.
    if dot_segments(&text) != dot_segments(&sample) {
        let reason = "the value of a placeholder would lead to another path".to_owned();
        return Err(HttpError::BadUrl { url: shown(&parse(&sample)?), reason });
    }
    let parameters = query.split('&');
    let written: Vec<String> = parameters.iter().filter(|one| !is_left_out(one, values)).map(encoded).collect();
    if !written.concat().is_empty() {
        text.push('?');
        text.push_str(&written.join("&"));
    }
    parse(&text)
}

/// Number of the segments of a path that mean this level or the one above.
fn dot_segments(path: &str) -> usize {
    path.split('/').filter(|segment| matches!(*segment, "." | "..")).count()
}

/// Whether the value of a parameter, `name={{placeholder}}`, is one placeholder without a value.
fn is_left_out(parameter: &Template, values: &Values) -> bool {
    let value = parameter.split_once('=').and_then(|(_, value)| value.whole().map(ToOwned::to_owned));
    value.is_some_and(|name| values.get(&name).is_none())
}

/// A value as a piece of a URL: everything that could end a segment or a parameter is encoded.
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A URL as people may see it: without query, fragment and user information, where secrets are, and with `***` in place
/// of tokens in the path.
pub(super) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut path = masked_path(url.path());
    // A cursor in the path may be of any length.
    if let Some((end, _)) = path.char_indices().nth(SHOWN_PATH) {
        path.truncate(end);
        path.push('…');
    }
    format!("{}://{}{port}{path}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Sets a query parameter, in place of any of that name.
pub(super) fn with_param(url: &Url, name: &str, value: &str) -> Url {
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(key, _)| key != name).map(|(key, value)| (key.into(), value.into())).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    url
}

/// A URL that can be called: `http` or `https`, with a host.
pub(super) fn parse(text: &str) -> Result<Url> {
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
pub(super) fn may_see_secrets(ours: &Url, other: &Url) -> bool {
    let ends = |url: &Url| (url.scheme().to_owned(), url.port_or_known_default());
    let upgrade = ends(ours) == ("http".into(), Some(80)) && ends(other) == ("https".into(), Some(443));
    ours.host() == other.host() && (ends(ours) == ends(other) || upgrade)
}
