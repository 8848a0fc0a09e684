//! What to write when an API wants a login: by the `WWW-Authenticate` header of its answer.

use elt_shared::config::ApiSource;
use elt_shared::explained::{Code, Explained};

use super::super::error::HttpError;
use crate::error::PipelineError;

/// The error of a look at an API, with the keys to write when the API wants a login.
pub(super) fn explain(error: HttpError, source: &ApiSource) -> PipelineError {
    match &error {
        HttpError::Status { status, limited: false, challenge, .. } if matches!(status.as_u16(), 401 | 403) => {
            let asks = challenge.as_deref().map(|named| format!(" (it names: {named})")).unwrap_or_default();
            let sent = if source.auth_token.is_some() { " The token that was sent is not accepted." } else { "" };
            PipelineError::Extract(Explained {
                code: Code::SourceLogin,
                message: format!("{error}{asks}"),
                next_step: format!("{}{sent}", advice(challenge.as_deref())),
            })
        }
        HttpError::TooLarge { .. } => PipelineError::Extract(Explained {
            code: Code::HttpTooLarge,
            message: error.to_string(),
            next_step:
                "Ask the API for less at once with a parameter of the URL, such as `limit=100`: a look reads no more. \
                        A run has a higher limit."
                    .to_owned(),
        }),
        _ => error.into(),
    }
}

/// The keys for the ways to log in that an answer names.
fn advice(challenge: Option<&str>) -> String {
    let named = challenge.unwrap_or_default().to_lowercase();
    let has = |scheme: &str| named.split([',', ' ']).any(|word| word == scheme);
    if has("basic") {
        "Write `auth: {type: basic, username: …, password: \"${secret:api_password}\"}`.".to_owned()
    } else if has("bearer") || has("token") {
        "Give the token with `--token`, or write `auth_token: \"${secret:api_token}\"`.".to_owned()
    } else if named.contains("key") {
        "Write `auth: {type: header, header: X-API-Key, token: \"${secret:api_token}\"}`, with the header that the API names."
            .to_owned()
    } else if has("digest") || has("ntlm") || has("negotiate") {
        "elt cannot log in this way. Look whether the API accepts a token or a password as well.".to_owned()
    } else {
        "Look up how the API wants its token. `auth_token: \"${secret:api_token}\"` sends it as `Bearer`; `auth: {type: \
         header, header: X-API-Key, token: \"${secret:api_token}\"}` sends it in a header of its own; `auth: {type: basic, \
         username: …, password: …}` sends a password."
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_to_write_follow_the_header() {
        for (challenge, keys) in [
            (Some("Basic realm=\"x\""), "auth: {type: basic"),
            (Some("Bearer"), "auth_token:"),
            (Some("bearer realm=\"x\", error=\"invalid_token\""), "auth_token:"),
            (Some("ApiKey realm=\"x\""), "X-API-Key"),
            (Some("Negotiate"), "cannot log in this way"),
            (None, "Look up how"),
        ] {
            assert!(advice(challenge).contains(keys), "{challenge:?}: {}", advice(challenge));
        }
    }
}
