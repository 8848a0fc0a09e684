//! Asks an API whether it is ready.

use serde::Serialize;

use crate::healthcheck::Question;

/// The API at an address, as its health check describes it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Api {
    /// The address that was asked.
    pub url: String,
    /// Whether it was named, so that it has to be there.
    #[serde(skip)]
    pub is_required: bool,
    /// Whether something answered.
    pub answers: bool,
    /// Whether requests may be sent there.
    pub ready: bool,
    /// Why it is not ready.
    pub reason: Option<String>,
}

/// Asks the API at `url`.
pub async fn ask(url: &str, is_required: bool) -> Api {
    let api = Api { url: url.to_owned(), is_required, ..Api::default() };
    let question = Question { url: format!("{}/readyz", url.trim_end_matches('/')), is_own: !is_required, seconds: 3 };
    match question.ask().await {
        Ok(Ok(())) => Api { answers: true, ready: true, ..api },
        Ok(Err(reason)) => Api { answers: true, reason: Some(reason), ..api },
        Err(reason) => Api { reason: Some(reason), ..api },
    }
}
