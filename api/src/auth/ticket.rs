//! Tickets of downloads: a browser that follows a link sends no token, so the link carries a ticket that opens only this link.

use axum::http::Method;
use axum::http::request::Parts;
use utoipa::IntoParams;

/// What a link carries instead of a token.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameter")]
pub struct TicketParameter {
    /// A ticket of `POST /downloads` instead of a token. It is the last parameter.
    ticket: Option<String>,
}

/// The address without its ticket, and the ticket, which is the last parameter of a `GET`.
pub(super) fn of(parts: &Parts) -> Option<(&str, &str)> {
    let address = parts.uri.path_and_query().filter(|_| parts.method == Method::GET)?.as_str();
    let (before, ticket) = address.rsplit_once("ticket=")?;
    Some((before.strip_suffix(['?', '&'])?, ticket))
}

/// An address with a ticket.
pub fn with(address: &str, ticket: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}ticket={ticket}")
}
