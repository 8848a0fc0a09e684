//! The problem documents about targets that cannot be used.

use axum::http::StatusCode;
use elt_shared::api_token::Scope;
use elt_shared::explained::Code;
use elt_shared::target::TargetError;

use crate::auth::Caller;
use crate::error::Error;

/// Whether an error says what a server or a network answered.
pub fn is_about_the_server(error: &TargetError) -> bool {
    use TargetError::{Certificate, Host, Login, NoConnect, NoDatabase, NoTls, Pooler, Refused, TooMuch, Unreachable};
    matches!(
        error,
        Login { .. }
            | NoConnect { .. }
            | Refused { .. }
            | Pooler { .. }
            | Unreachable { .. }
            | NoTls { .. }
            | Certificate { .. }
            | NoDatabase { .. }
            // Its sentence has a number that is the beginning of what any server, such as one for SSH, says first.
            | TooMuch(_)
            | Host(_)
    )
}

/// A target's error for the caller. An analyst learns no more about a server than that it cannot be used.
pub fn tell(error: TargetError, caller: &Caller) -> Error {
    use TargetError::{
        Certificate, ControlDatabase, Database, Login, NoConnect, NoDatabase, NoTable, NoTls, Pooler, Refused,
        Reserved, TempFolder, TooMuch, Unreachable,
    };
    if is_about_the_server(&error) && !caller.has(Scope::Admin) {
        return Error::refused(
            StatusCode::BAD_GATEWAY,
            Code::TargetUnusable,
            "the target cannot be reached, or refused the login",
            "Check host, database, user and password under `target:`; an admin can tell which hosts ELT_NET_ALLOW_USER allows.",
        );
    }
    let status = match &error {
        NoTable { .. } | NoDatabase { .. } | Reserved { .. } | ControlDatabase => StatusCode::NOT_FOUND,
        Login { .. } | NoConnect { .. } | Refused { .. } | Unreachable { .. } | Database(_) => StatusCode::BAD_GATEWAY,
        NoTls { .. } | Certificate { .. } | Pooler { .. } | TooMuch(_) => StatusCode::BAD_GATEWAY,
        TempFolder { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        TargetError::ExportTooLarge { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    };
    if let TempFolder { .. } = &error {
        tracing::error!(code = error.code().as_str(), "{error}. {}", error.next_step());
    }
    if let Database(source) = &error {
        // Only the code is logged, because the server's message can quote a value of a row.
        let code = source.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        tracing::warn!(sqlstate = code, "could not read a target");
    }
    Error::refused(status, error.code(), error.to_string(), error.next_step())
}

/// The same for a user with whom a table is shared, who knows neither its config nor its server.
pub fn tell_of_shared(error: TargetError, pipeline: &str) -> Error {
    use TargetError::{Cursor, ExportEnded, ExportTooLarge, Filter, NoColumn, NoTable};
    let status = match &error {
        NoTable { .. } => {
            let detail = format!("the table of the pipeline {pipeline} does not exist yet");
            let next_step = "Wait until the pipeline has loaded it, or ask an admin.";
            return Error::refused(StatusCode::NOT_FOUND, error.code(), detail, next_step);
        }
        ExportTooLarge { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        NoColumn { .. } | Cursor | Filter { .. } | ExportEnded => StatusCode::BAD_REQUEST,
        _ => return unavailable(pipeline, error.code()),
    };
    Error::refused(status, error.code(), error.to_string(), error.next_step())
}

/// A shared table that cannot be read, for a reason that only admins learn from the log.
pub fn unavailable(pipeline: &str, reason: Code) -> Error {
    tracing::warn!(pipeline, code = reason.as_str(), "the shared table of {pipeline} cannot be read");
    Error::refused(
        StatusCode::BAD_GATEWAY,
        Code::SharedTableUnavailable,
        format!("the table of the pipeline {pipeline} cannot be read at the moment"),
        "Ask an admin, who finds the reason in the log.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_other_server_says_first_is_about_the_server() {
        let banner = "the server announced a message of 1397239858 bytes".to_owned();
        assert!(is_about_the_server(&TargetError::TooMuch(banner)));
        assert!(!is_about_the_server(&TargetError::Cursor));
    }
}
