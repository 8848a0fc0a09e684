//! The documentation inside the program, under `/ui/help/`: the pages of `docs`, the README and the example configs.
//!
//! # Layout
//! - `documents`: the embedded files, and their addresses
//! - `render`: from Markdown to HTML
//! - `contents`: the list of pages, as `docs/README.md` has it
//! - `search`: sections that hold the words of a question
//! - `layout`: what is around each page

mod contents;
mod documents;
mod layout;
mod render;
mod search;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::AppState;
use crate::error::Error;
use documents::Document;

/// Pages hold no code but the script that sets the theme of the dashboard.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// Most sections found for the dashboard.
const MOST_HITS: usize = 8;

/// The pages, and `/llms.txt`, which lists them for programs that read text.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/ui/help", get(|| async { Redirect::permanent("/ui/help/") }))
        .route("/ui/help/", get(start))
        .route("/ui/help/search.json", get(hits))
        .route("/ui/help/{*address}", get(document))
        .route("/llms.txt", get(|headers: HeaderMap| async move { text(contents::for_programs(), &headers) }))
}

#[derive(Deserialize)]
struct Question {
    #[serde(default)]
    q: String,
}

/// The first page, or what was found for a question.
async fn start(Query(Question { q }): Query<Question>, headers: HeaderMap) -> Response {
    let question = q.trim();
    if question.is_empty() {
        return document(Path(String::new()), headers).await;
    }
    page(layout::page("Search", question, "", &search::results(question)), &headers)
}

/// What was found for a question, for the dashboard.
async fn hits(Query(Question { q }): Query<Question>) -> Response {
    let question = q.trim();
    let found = if question.is_empty() { Vec::new() } else { search::hits(question, MOST_HITS) };
    ([(CACHE_CONTROL, "no-cache")], axum::Json(found)).into_response()
}

async fn document(Path(address): Path<String>, headers: HeaderMap) -> Response {
    if address == "help.css" {
        return typed("text/css; charset=utf-8", include_str!("help.css").to_owned(), &headers);
    }
    let Some(found) = Document::at(&address) else {
        return Error::NotFound(format!("help page {address}")).into_response();
    };
    // The address of the file itself gives the text as it was written.
    if address.ends_with(".md") || address.ends_with(".yaml") {
        return text(found.text.into_owned(), &headers);
    }
    let rendered = render::page(&found);
    page(layout::page(&rendered.title, "", &address, &rendered.html), &headers)
}

fn page(html: String, headers: &HeaderMap) -> Response {
    let mut response = with_tag(Html(html.clone()).into_response(), &html, headers);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn text(text: String, headers: &HeaderMap) -> Response {
    typed("text/plain; charset=utf-8", text, headers)
}

fn typed(kind: &'static str, content: String, headers: &HeaderMap) -> Response {
    with_tag(([(CONTENT_TYPE, kind)], content.clone()).into_response(), &content, headers)
}

/// The answer, or 304 when the reader already has this content. Pages change with the program, so that they are asked for
/// again each time.
fn with_tag(response: Response, content: &str, headers: &HeaderMap) -> Response {
    let hash = Sha256::digest(content);
    let tag = format!("\"{}\"", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { response };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
