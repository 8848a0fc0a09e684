//! Bad days of an API, the same for every style: what the server does instead of answering with the page that was asked for.

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};

use super::{Shared, Style};

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It answers every page.
    Fine,
    /// 500 once for the third page.
    FailsOnce,
    /// 500 always for the third page.
    FailsAlways,
    /// 429 with `Retry-After` once for the third page.
    Limits,
    /// 202 once for the first page.
    NotReadyOnce,
    /// The third page is an error object with status 200.
    ErrorObject,
    /// The connection of the third page ends in its middle, once.
    CutOnce,
    /// Half of the third page comes as a whole answer, once.
    HalfOnce,
    /// The last page with rows names one more, which has no rows.
    EmptyLast,
    /// The last page with rows names one more, which is answered with 404.
    MissingLast,
    /// The total is ten more than the rows.
    TotalTooHigh,
    /// In place of the third page and all later ones the second is answered.
    Stuck,
    /// The third page has the rows of the second, and names the fourth.
    OldRows,
    /// The third page names the second as the next.
    Circle,
}

impl Behaviour {
    /// All of them, with what the table calls them.
    pub const ALL: [(Self, &str); 14] = [
        (Self::Fine, "a good day"),
        (Self::FailsOnce, "500 in the middle, once"),
        (Self::FailsAlways, "500 in the middle, always"),
        (Self::Limits, "429 with Retry-After"),
        (Self::NotReadyOnce, "202 first"),
        (Self::ErrorObject, "error object with status 200"),
        (Self::CutOnce, "connection cut in a page"),
        (Self::HalfOnce, "half a page as a whole answer"),
        (Self::EmptyLast, "an empty page at the end"),
        (Self::MissingLast, "404 after the last page"),
        (Self::TotalTooHigh, "a total that is too high"),
        (Self::Stuck, "one page for ever"),
        (Self::OldRows, "a page with old rows"),
        (Self::Circle, "a page names an earlier one"),
    ];
}

impl Behaviour {
    /// Whether an API of this style can behave so.
    pub fn fits(self, style: &Style) -> bool {
        self != Self::Circle || !style.by_rows
    }
}

/// The answer to the request for the page after `before` rows, which was asked for `times` times.
pub(super) fn answer(shared: &Shared, before: usize, times: usize) -> Response {
    let size = shared.style.size;
    let third = before == 2 * size;
    let mut page = shared.page(before);
    match shared.behaviour {
        Behaviour::NotReadyOnce if before == 0 && times == 1 => {
            (StatusCode::ACCEPTED, [(RETRY_AFTER, "0")]).into_response()
        }
        Behaviour::FailsOnce if third && times == 1 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Behaviour::FailsAlways if third => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Behaviour::Limits if third && times == 1 => {
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")]).into_response()
        }
        Behaviour::ErrorObject if third => axum::Json((shared.style.error)()).into_response(),
        Behaviour::CutOnce if third && times == 1 => cut(shared.written(&page, before)),
        Behaviour::HalfOnce if third && times == 1 => {
            let (headers, body) = shared.written(&page, before);
            (headers, half(&body).to_owned()).into_response()
        }
        Behaviour::EmptyLast | Behaviour::MissingLast if page.count > 0 => {
            page.next = Some(before + size);
            shared.good(&page)
        }
        Behaviour::MissingLast => StatusCode::NOT_FOUND.into_response(),
        Behaviour::TotalTooHigh => {
            page.total += 10;
            shared.good(&page)
        }
        Behaviour::Stuck if before >= 2 * size => shared.good(&shared.page(size)),
        Behaviour::OldRows if third => {
            let (headers, body) = shared.written(&page, size);
            (headers, body).into_response()
        }
        Behaviour::Circle if third => {
            page.next = Some(size);
            shared.good(&page)
        }
        _ => shared.good(&page),
    }
}

/// The first half of a text.
fn half(text: &str) -> &str {
    let middle = (text.len() / 2..).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    &text[..middle]
}

/// Announces the whole answer, sends half of it and closes the connection.
fn cut((mut headers, body): (HeaderMap, String)) -> Response {
    headers.insert(CONTENT_LENGTH, body.len().into());
    let beginning = Bytes::from(half(&body).to_owned());
    let pieces = stream::iter([Ok(beginning)]).chain(stream::once(async {
        // The piece before must be on its way when the connection ends.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Err(std::io::Error::other("cut"))
    }));
    (headers, Body::from_stream(pieces)).into_response()
}
