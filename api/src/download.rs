//! Answers that are files to keep.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// A CSV file, named for what is in it.
pub fn csv(name: &str, rows: Body) -> Response {
    file(name, "csv", rows)
}

/// A file with the suffix of an output file, named for what is in it.
pub fn file(name: &str, suffix: &str, rows: Body) -> Response {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().take(100).map(plain).collect();
    let headers = [
        (header::CONTENT_TYPE, content_type(suffix).to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{suffix}\"")),
    ];
    (headers, rows).into_response()
}

/// The content type of an output file. A compressed file is sent as it is, not as a compressed answer.
fn content_type(suffix: &str) -> &'static str {
    match suffix.rsplit('.').next() {
        Some("parquet") => "application/vnd.apache.parquet",
        Some("ndjson") => "application/x-ndjson",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        _ => "text/csv; charset=utf-8",
    }
}
