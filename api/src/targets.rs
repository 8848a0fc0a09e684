//! Reaching the databases rows were loaded into, as far as the caller may.

use axum::http::StatusCode;
use elt_shared::config::{Document, NoReferences, Resolve, TargetConfig};
use elt_shared::settings::References;
use elt_shared::store::configs::ConfigVersion;
use elt_shared::target::{self, TableRef, TargetError};
use sqlx::PgConnection;

use crate::AppState;
use crate::auth::Caller;
use crate::error::{Error, Result};

/// What a text names as its target. An admin's may refer to what the settings allow; an analyst's refers to nothing.
///
/// # Errors
/// When there is no target in it.
pub fn target_of(state: &AppState, caller: &Caller, document: &Document) -> Result<TargetConfig> {
    let allowed = References::allowed(&state.settings.env_allow);
    let resolve: &dyn Resolve = if caller.is_admin() { &allowed } else { &NoReferences };
    Ok(document.target(resolve)?.value)
}

/// Connects to a target and finds its table, which may not exist.
///
/// # Errors
/// When the target cannot be reached, refuses the login, or is one of our own tables.
pub async fn open(state: &AppState, caller: &Caller, target: &TargetConfig) -> Result<(PgConnection, TableRef)> {
    let (default, network) = (state.settings.target_url.as_ref(), &state.settings.network);
    let opened = async {
        let mut connection = target::connect_allowed(&target.database, default, network, "elt:api").await?;
        let table = TableRef::find(&mut connection, &target.table).await?;
        Ok((connection, table))
    };
    opened.await.map_err(|error| tell(error, caller))
}

/// The same for the target of a kept config.
///
/// # Errors
/// As [`open`].
pub async fn open_config(
    state: &AppState,
    caller: &Caller,
    config: &ConfigVersion,
) -> Result<(PgConnection, TableRef)> {
    let text = config.open(&state.keys)?;
    let document = tokio::task::spawn_blocking(move || Document::parse(text.expose()))
        .await
        .map_err(|error| Error::internal("read a config", error))??;
    open(state, caller, &target_of(state, caller, &document)?).await
}

/// A target's error for the caller. An analyst learns no more about a server than that it cannot be used.
pub fn tell(error: TargetError, caller: &Caller) -> Error {
    use TargetError::{Database, Host, Login, NoConnect, NoDatabase, NoTable, Refused, Reserved, Unreachable};
    let about_the_server = matches!(
        error,
        Login { .. } | NoConnect { .. } | Refused { .. } | Unreachable { .. } | NoDatabase { .. } | Host(_)
    );
    if about_the_server && !caller.is_admin() {
        return Error::refused(
            StatusCode::BAD_GATEWAY,
            "target_unusable",
            "the target cannot be reached, or refused the login",
            "Check host, database, user and password under `target:`.",
        );
    }
    let status = match &error {
        NoTable { .. } | NoDatabase { .. } | Reserved { .. } => StatusCode::NOT_FOUND,
        Login { .. } | NoConnect { .. } | Refused { .. } | Unreachable { .. } | Database(_) => StatusCode::BAD_GATEWAY,
        _ => StatusCode::BAD_REQUEST,
    };
    if let Database(source) = &error {
        // Only the code is logged, because the server's message can quote a value of a row.
        let code = source.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        tracing::warn!(sqlstate = code, "could not read a target");
    }
    Error::refused(status, error.code(), error.to_string(), error.next_step())
}
