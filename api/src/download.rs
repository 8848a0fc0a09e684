//! Answers that are files to keep.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// Number of rows after which an export was cut.
pub const CUT: HeaderName = HeaderName::from_static("elt-export-cut");

/// The rows of a table. `cut`: the export stopped after this many rows because the table has more; the name of the file
/// says so.
pub fn export(name: &str, suffix: &str, cut: Option<u64>, rows: Body) -> Response {
    let Some(most) = cut else { return file(name, suffix, rows) };
    // A file's name has at most 100 characters, and what the file lacks must not be cut off.
    let name: String = name.chars().take(70).collect();
    let mut response = file(&format!("{name}-first-{most}-rows"), suffix, rows);
    response.headers_mut().insert(CUT, HeaderValue::from(most));
    response
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
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        _ => "text/csv; charset=utf-8",
    }
}
