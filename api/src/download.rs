//! Answers that are files to keep.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// A CSV file, named for what is in it.
pub fn csv(name: &str, rows: Body) -> Response {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().take(100).map(plain).collect();
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ];
    (headers, rows).into_response()
}
