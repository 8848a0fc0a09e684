//! What a reader does about each error of an API source.

use std::borrow::Cow;

use super::HttpError;

impl HttpError {
    /// What the reader should do, as a sentence.
    pub(in crate::extract) fn next_step(&self) -> Cow<'static, str> {
        match self {
            Self::PastLast { error, status } => format!(
                "If this is how the API says that there are no more pages, write `end_status: [{}]` in `pagination`. \
                 Otherwise: {}",
                status.as_u16(),
                error.next_step()
            )
            .into(),
            Self::GaveUp { error, .. } | Self::NoLogin { error } | Self::Parent { error, skipped_by: None, .. } => {
                error.next_step()
            }
            Self::Parent { error, skipped_by: Some(key), .. } => format!(
                "{} To load the rows of the other values all the same, write `{key}: skip` in `for_each`.",
                error.next_step()
            )
            .into(),
            _ => self.fixed_next_step().into(),
        }
    }

    fn fixed_next_step(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } | Self::BadHeader { .. } => "Correct the source in the config.",
            Self::BadSigningKey { .. } => "Correct `private_key` or `algorithm` of the source's `auth`.",
            Self::TokenRefused { is_grant: true, .. } => {
                "The refresh token, password or signed claims are not accepted. A refresh token may have been used or \
                 withdrawn: get a new one from the server and write it as `refresh_token`. Then retry the run."
            }
            Self::TokenRefused { .. } => {
                "Check what `auth` of the source sends: `client_id`, `client_secret`, `client_auth` and `scopes`, or the \
                 body of the login. Then retry the run."
            }
            Self::Control { .. } => "Check that the control database is reachable, then retry the run.",
            Self::TokenAnswer { .. } => {
                "Check `token_url`, or `url` and `token_path` of the login, against the API's documentation."
            }
            Self::TokenNotKept { .. } => {
                "Check the control database and `elt keys show`, then retry the run. If the refresh token is refused \
                 then, get a new one from the server and write it as `refresh_token`."
            }
            Self::BadCertificates { .. } => {
                "Store the right texts in PEM form as the secrets of `ca_certificate`, `client_certificate` and `client_key`."
            }
            Self::Encoding { .. } => {
                "Take an `Accept-Encoding` header out of `headers`, or ask the API for plain answers."
            }
            Self::BadPath { .. } => "Write a path like `$.data.items[*]`.",
            Self::Refused { .. } => {
                "Ask the people who run the workers for an exception in ELT_NET_ALLOW, or use another host."
            }
            Self::Unreachable { .. } => {
                "Check the URL, that the server is up, and that workers can reach it; then retry the run."
            }
            Self::Status { limited: true, .. } | Self::GraphQl { limited: true, .. } => {
                "Wait until the API accepts calls again, or call it less often; then retry the run."
            }
            Self::Status { status, .. } => match status.as_u16() {
                407 => "Ask the people who run the workers to check `ELT_HTTP_PROXY`.",
                401 | 403 => "Check `auth_token` and `auth_scheme`, or `auth`, and what the token may read.",
                404 | 410 => "Check the `url`.",
                400..=499 => "Check `url`, `params` and `headers` against the API's documentation.",
                _ => "Look at the API's own status or logs, then retry the run.",
            },
            Self::LongWait { .. } => "Retry the run after that time.",
            Self::Silent { .. } | Self::TooSlow { .. } | Self::Deadline { .. } => {
                "Ask the API for less at once (`pagination`, `params`), find out why it is slow, or raise `idle_seconds`, \
                 `answer_seconds` or `total_seconds` of the source; then retry the run."
            }
            Self::BrokeOff { .. } => "Find out what cuts the answer short (the API, a proxy), then retry the run.",
            Self::TooLarge { .. } => "Ask for smaller pages with `pagination`.",
            Self::NotJson { .. } => {
                "Open the URL with the same token: it must answer with JSON, not with a web or login page."
            }
            Self::Redirect { .. } => {
                "Write the final address in `url`. If the API redirects to the same address again and again, it may want a \
                 login: write it in `auth`."
            }
            Self::NothingThere { after_rows: true, .. } => {
                "Look at what the API answers there, which may be an error: the pages before had rows at that path. Then retry \
                 the run."
            }
            Self::NamedPage { .. } => {
                "Retry the run, because a cursor may have expired. If the API's last page always names one that is not there, \
                 say where the pages end: `has_more_path` or `end_value` in `pagination`."
            }
            Self::NoRows { .. } | Self::NothingThere { .. } => "Correct `records` to where the rows are in the answer.",
            Self::Endless { next_step, .. } => next_step,
            Self::NameTaken { .. } => "Give the column in `include` or `include_headers` another name.",
            Self::SaysError { .. } => {
                "Look at what the API answers there. Retry the run once it answers with rows, or correct `records` if the \
                 rows are elsewhere."
            }
            Self::GraphQl { .. } => {
                "Correct `query` and `variables`, or what the token may read; if the API was busy, retry the run."
            }
            Self::SaysErrorInPart { .. } => {
                "Look at what the API answers to the query, and correct it. Retry the run once there is no error."
            }
            Self::NotReady { .. } | Self::NeverReady { .. } => {
                "Retry the run once the API has made the data, or raise `ready_seconds` of the source if that takes longer. If \
                 the API names another address for the data, such as in the header `Location`, write that one in `url`."
            }
            Self::Partial { .. } => "Take a `Range` header out of `headers`, or ask the API for whole answers.",
            Self::BadLink { .. } => "Check `pagination`, and what the API answers there.",
            Self::BadCursor { .. } => {
                "Correct `pagination.cursor_path` so that it leads to the next page's cursor or link itself."
            }
            Self::LongUrl { .. } | Self::LongBody { .. } => {
                "Ask the API for smaller cursors, or for pages by number, with `pagination`."
            }
            Self::Spool { .. } => {
                "Check the data folder's permissions and free space on the worker, then retry the run."
            }
            Self::GaveUp { error, .. }
            | Self::PastLast { error, .. }
            | Self::Parent { error, .. }
            | Self::NoLogin { error } => error.fixed_next_step(),
        }
    }
}
