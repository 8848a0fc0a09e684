//! The dashboard's files, under `/ui/`.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::AppState;
use crate::error::Error;

/// Nothing but our own files may run in the page. Angular and CodeMirror write style elements, hence the exception.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; \
    form-action 'self'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "../dashboard/dist/browser"]
#[allow_missing = true]
struct Files;

/// The dashboard, if it was built.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/ui", get(|| async { Redirect::permanent("/ui/") }))
        .route("/ui/", get(|headers: HeaderMap| async move { file("index.html", &headers) }))
        .route("/ui/{*path}", get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) }))
}

/// A file, or the page itself for the routes inside it.
fn file(path: &str, headers: &HeaderMap) -> Response {
    let is_asset = is_asset(path);
    let path = if is_asset { path } else { "index.html" };
    let Some(file) = Files::get(path) else {
        return match is_asset && path != "index.html" {
            true => Error::NotFound(format!("file {path}")).into_response(),
            false => Error::NotFound("dashboard in this build: run `make dashboard`".into()).into_response(),
        };
    };
    let tag =
        format!("\"{}\"", file.metadata.sha256_hash().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let cache = if is_hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = file.data.into_owned().into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    // Only a document has a policy; scripts and styles are under that of the page that loads them.
    if matches!(file.metadata.mimetype(), "text/html" | "image/svg+xml") {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether an address is that of a file. The name of a pipeline, at the end of the address of its page, may have dots as well.
fn is_asset(path: &str) -> bool {
    !path.starts_with("pipelines/") && path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// Whether Angular put a hash of the content into the name (`chunk-2A6ZIAIU.js`): such a file never changes. The page,
/// the icons and the theme keep their names from build to build, and are asked for again.
fn is_hashed(path: &str) -> bool {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    stem.rsplit_once('-').is_some_and(|(_, hash)| {
        hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::{is_asset, is_hashed};

    #[test]
    fn a_pipeline_with_dots_in_its_name_has_a_page() {
        assert!(is_asset("chunk-2A6ZIAIU.js") && is_asset("media/gone.woff2"));
        for page in ["pipelines/orders.v2", "pipelines/a/b.csv", "runs", "pipelines"] {
            assert!(!is_asset(page), "{page}");
        }
    }

    #[test]
    fn only_files_named_for_their_content_are_kept_for_long() {
        assert!(is_hashed("chunk-2A6ZIAIU.js") && is_hashed("media/inter-latin-5HS3YEHD.woff2"));
        for name in ["index.html", "icons.svg", "theme.js", "favicon.ico", "some-thinking.js"] {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
