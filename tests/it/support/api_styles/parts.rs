//! What several styles share.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::Style;

/// A style whose rows are objects with an `id` and the members.
pub fn plain(name: &'static str) -> Style {
    Style {
        name,
        size: 100,
        asked: |_| Err("no style".into()),
        page: |_| (Vec::new(), Value::Null),
        row: |number, members| format!("{{\"id\":{number},{members}}}"),
        cell: |name| format!("{name}::text"),
        error: || json!({"message": "Internal error", "status": 500}),
        has_total: false,
        by_rows: false,
        always_names_next: false,
    }
}

/// A position that is a plain number; 0 when it is missing.
pub fn number(text: Option<&str>) -> Result<usize, String> {
    let text = text.unwrap_or("0");
    text.parse().map_err(|_| format!("{text} is no position"))
}

/// A cursor with characters that must be encoded in a URL.
pub fn opaque(position: usize) -> String {
    BASE64.encode(format!("{{\"last\":{position},\"x\":\"?>~\u{ff}\"}}"))
}

/// The position in an opaque cursor.
pub fn position(cursor: Option<&str>) -> Result<usize, String> {
    let Some(cursor) = cursor else { return Ok(0) };
    let bytes = BASE64.decode(cursor).map_err(|_| format!("{cursor} is no cursor"))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| format!("{cursor} is no cursor"))?;
    Ok(value["last"].as_u64().unwrap_or_default() as usize)
}

/// A value as a part of a query.
pub fn encoded(value: &str) -> String {
    let mut url = reqwest::Url::parse("http://h/").expect("a URL");
    url.query_pairs_mut().append_pair("v", value);
    url.query().unwrap_or_default()[2..].to_owned()
}
