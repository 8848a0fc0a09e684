//! Links of downloads, which a browser opens without a token and writes to the disk as the rows arrive.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::Uri;
use chrono::{DateTime, Utc};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::{AnyUser, ticket};
use crate::error::{Error, Problem, Result};
use crate::extract::Json;

/// Bytes of an address.
const MOST_BYTES: usize = 16_000;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// What is to be downloaded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Download {
    /// Path and query of a `GET` that answers with a file of rows, such as `/shared-tables/orders/export?format=csv`, encoded
    /// as browsers send it: `%C3%A4` for `ä`, and `%27` for `'` in the query.
    address: String,
}

/// A link that needs no token.
#[derive(Serialize, ToSchema)]
struct DownloadLink {
    /// The address with a ticket. It opens this address only, in the name of the session that asked for it.
    address: String,
    /// The download must begin before this time.
    expires_at: DateTime<Utc>,
}

/// A link for one download. It works for a minute, as long as the session does, and for nothing else.
#[utoipa::path(post, path = "/downloads", tag = "downloads", security(("token" = [])), request_body = Download,
    responses((status = 200, body = DownloadLink), (status = 400, body = Problem)))]
async fn create(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    Json(Download { address }): Json<Download>,
) -> Result<JsonAnswer<DownloadLink>> {
    if address.len() > MOST_BYTES {
        let detail = format!("address has more than {MOST_BYTES} bytes: remove filters or columns");
        return Err(Error::invalid_query(detail));
    }
    if !is_of_rows(&address) {
        return Err(Error::invalid_query(
            "address is the path and query of an export, such as /quarantine/export?run_id=…",
        ));
    }
    if !is_as_browsers_ask(&address) {
        let detail = "address is not written as a browser sends it: encode it as `new URL()` does";
        return Err(Error::invalid_query(detail));
    }
    let signed = state.tokens.ticket(caller.session()?, &address, Utc::now());
    let (ticket, expires_at) = signed.map_err(|error| Error::internal("sign a ticket", error))?;
    Ok(JsonAnswer(DownloadLink { address: ticket::with(&address, &ticket), expires_at }))
}

/// Whether an address is one that answers with a file of rows.
fn is_of_rows(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let is_relative = uri.scheme().is_none() && uri.authority().is_none();
    let has_ticket = uri.query().is_some_and(|query| query.split('&').any(|field| field.starts_with("ticket=")));
    let segments: Vec<_> = uri.path().split('/').skip(1).collect();
    let is_export = matches!(
        segments[..],
        ["shared-tables", _, "export"] | ["runs", _, "csv"] | ["quarantine", "export"] | ["data-view"]
    );
    is_relative && !has_ticket && is_export
}

/// Whether a browser sends an address exactly as it is written. A ticket is valid for one spelling, so it would never open an
/// address that browsers rewrite: one with letters beyond ASCII, quotes, a fragment or `..`.
fn is_as_browsers_ask(address: &str) -> bool {
    let url = Url::parse(&format!("http://localhost{address}"));
    url.is_ok_and(|url| {
        let path = url.path();
        url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")) == address
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exports_of_this_server_get_a_ticket() {
        for address in [
            "/shared-tables/orders%20of%20x/export?format=csv&filter=id:gt:1",
            "/runs/0198a1f0-0000-7000-8000-000000000001/csv",
            "/quarantine/export?run_id=1",
            "/data-view?config_id=1&format=csv",
        ] {
            assert!(is_of_rows(address), "{address}");
        }
        for address in [
            "/users",
            "/shared-tables/a/b/export",
            "/shared-tables/orders/rows",
            "https://example.com/quarantine/export",
            "//example.com/quarantine/export",
            "/quarantine/export?ticket=x",
            "",
        ] {
            assert!(!is_of_rows(address), "{address}");
        }
    }

    #[test]
    fn a_ticket_is_for_an_address_that_a_browser_asks_for_as_it_is_written() {
        for address in [
            "/shared-tables/orders%20of%20x/export?format=csv&filter=name:contains:%27",
            "/runs/0198a1f0-0000-7000-8000-000000000001/csv",
            "/quarantine/export?",
        ] {
            assert!(is_as_browsers_ask(address), "{address}");
        }
        for address in [
            "/shared-tables/größe/export",
            "/shared-tables/%2e%2e/export",
            "/shared-tables/orders/export#rows",
            "/shared-tables/orders/export?filter=name:eq:ä",
            "/shared-tables/orders/export?filter=name:contains:'",
        ] {
            assert!(is_of_rows(address) && !is_as_browsers_ask(address), "{address}");
        }
    }
}
