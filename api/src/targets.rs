//! Reaching the databases rows were loaded into, as far as the caller may.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use elt_shared::api_token::Scope;
use elt_shared::config::{Document, NoReferences, PipelineConfig, TableName, TargetConfig};
use elt_shared::explained::{Code, Explained};
use elt_shared::secret::Secret;
use elt_shared::settings::{AllowedVariables, NetworkSettings};
use elt_shared::store::configs::{ConfigAuthor, ConfigVersion};
use elt_shared::store::secrets::{self, ReadError};
use elt_shared::stored_secret::{Asker, SecretReferences};
use elt_shared::target::{
    self, AnswerLimits, Export, Exported, Filter, Group, Measure, Page, PageQuery, TableRef, TableRows, TargetError,
    count_groups, export_csv, export_rows, read_page,
};
use futures::Stream;
use sqlx::PgConnection;
use tokio::time::timeout;
use uuid::Uuid;

use crate::AppState;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::keyed_limit::{Full, KeyPermit};
use crate::target_errors::is_about_the_server;
pub use crate::target_errors::tell;
use crate::target_failures::FAILURES_PER_MINUTE;

/// Longest time for a page, also with a server that never answers. The server itself ends its queries before.
const LONGEST_PAGE: Duration = Duration::from_secs(50);
/// `Retry-After` of a request that came when all permits were taken, in seconds.
const PLACE_RETRY: u64 = 5;

/// What a text names as its target. For an admin, `${env:NAME}` stands for what the settings allow; for an analyst, or an
/// API token without the scope `admin`, it is left as it is written. `${secret:NAME}` stands for what is granted to the
/// pipeline that the text names: an analyst chooses that name and the host, so only secrets that are usable by users.
///
/// # Errors
/// When there is no target in it, or when it refers to a secret that it does not get.
pub async fn target_of(
    state: &AppState,
    caller: &Caller,
    document: &Document,
    author: ConfigAuthor,
) -> Result<TargetConfig> {
    let is_admin = caller.has(Scope::Admin);
    resolve(state, document, if is_admin { author } else { ConfigAuthor::User }, is_admin).await
}

/// The target of a text with the secrets of its author. `with_variables`: `${env:NAME}` stands for what the settings allow.
async fn resolve(
    state: &AppState,
    document: &Document,
    author: ConfigAuthor,
    with_variables: bool,
) -> Result<TargetConfig> {
    let asker = Asker { pipeline: &document.name(), author };
    let secrets = secrets::of_config(&state.db, &state.keys, document, asker).await.map_err(|error| match error {
        ReadError::Database(error) => Error::from(error),
        ReadError::Open(error) => error.into(),
    })?;
    let variables = with_variables.then(|| AllowedVariables::new(&state.settings.env_allow));
    Ok(document.target(&SecretReferences { variables, secrets: &secrets })?.value)
}

/// The target of a version that an admin has uploaded, as that admin would reach it, for users with whom it is shared.
///
/// # Errors
/// When the version is not an admin's, does not open, or its target cannot be resolved. The error may quote the config.
pub async fn shared_target(state: &AppState, config: &ConfigVersion) -> Result<TargetConfig> {
    if config.author() != ConfigAuthor::Admin {
        return Err(Error::NotFound(format!("config of the pipeline {} that an admin has uploaded", config.name)));
    }
    resolve(state, &parsed(state, config).await?, ConfigAuthor::Admin, true).await
}

/// A connection to a target that counts as open until it is closed.
pub struct OpenTarget {
    /// The table its config names.
    pub table: TableRef,
    connection: PgConnection,
    permit: KeyPermit<Uuid>,
}

impl OpenTarget {
    /// The connection and the table, for short statements.
    pub fn parts(&mut self) -> (&mut PgConnection, &TableRef) {
        (&mut self.connection, &self.table)
    }

    /// Names of the columns of another table beside the target's. `None`: there is no such table.
    ///
    /// # Errors
    /// Database failures; a server that does not answer in time.
    pub async fn columns(&mut self, table: &TableRef) -> Result<Option<Vec<String>>, TargetError> {
        let asked = timeout(LONGEST_PAGE, table.existing(&mut self.connection)).await;
        let existing = asked.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))?;
        Ok(existing.map(|existing| existing.columns.into_iter().map(|column| column.name).collect()))
    }

    /// Counts the rows of `table` by the values of `columns`. `None`: counting takes too long.
    ///
    /// # Errors
    /// As [`count_groups`].
    pub async fn groups(
        &mut self,
        table: &TableRef,
        columns: &[&str],
        filters: &[Filter],
        most: u32,
    ) -> Result<Option<Vec<Group>>, TargetError> {
        let counted = timeout(LONGEST_PAGE, count_groups(&mut self.connection, table, columns, filters, most)).await;
        counted.unwrap_or_else(|_| Err(failed(io::ErrorKind::TimedOut.into())))
    }

    /// Reads a page of `table`.
    ///
    /// # Errors
    /// As [`read_page`].
    pub async fn page(self, table: TableRef, query: PageQuery) -> Result<Page, TargetError> {
        let Self { mut connection, permit, .. } = self;
        // The server goes on with a query whose client is gone. The task goes on as well, so that the permit is taken for
        // as long as the server works.
        let reading = tokio::spawn(async move {
            let _permit = permit;
            let read = timeout(LONGEST_PAGE, read_page(&mut connection, &table, &query)).await;
            read.unwrap_or_else(|_| Err(failed(io::ErrorKind::TimedOut.into())))
        });
        reading.await.unwrap_or_else(|error| Err(failed(io::Error::other(error))))
    }

    /// All rows of `table` as CSV.
    ///
    /// # Errors
    /// As [`export_csv`].
    pub async fn export(
        self,
        table: &TableRef,
        query: &PageQuery,
        export: Export,
    ) -> Result<Exported<impl Stream<Item = Result<Bytes, TargetError>> + use<>>, TargetError> {
        export_csv(self.connection, self.permit, table, query, export).await
    }

    /// All rows of its table as values, and the permit, which the writer of the file keeps as well. The columns are measured
    /// first when asked for.
    ///
    /// # Errors
    /// As [`export_rows`].
    pub async fn export_rows(
        self,
        query: &PageQuery,
        export: Export,
        measure: Measure,
    ) -> Result<(Exported<TableRows>, Arc<KeyPermit<Uuid>>), TargetError> {
        let permit = Arc::new(self.permit);
        let rows = export_rows(self.connection, Arc::clone(&permit), &self.table, query, export, measure).await?;
        Ok((rows, permit))
    }
}

fn failed(error: io::Error) -> TargetError {
    TargetError::Database(sqlx::Error::Io(error))
}

/// Connects to a target and finds its table, which may not exist.
///
/// # Errors
/// When the caller has too many connections open or failed too often, when the target cannot be reached or refuses the
/// login, and when the table is one of our own.
pub async fn open(state: &AppState, caller: &Caller, target: &TargetConfig) -> Result<OpenTarget> {
    if target.has_tables() {
        return Err(Error::refused(
            StatusCode::BAD_REQUEST,
            Code::TableNotNamed,
            format!("the config has a table for each file, and {} is their pattern", target.table),
            "Name the table as well (`table`), or the run that loaded it (`run_id`).",
        ));
    }
    let opened = open_chosen(state, caller, target, ChosenBy::of(caller)).await?;
    opened.map_err(|error| tell(error, caller))
}

/// Who has chosen the server of a target. It decides which servers may be called, and whether failures count as tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChosenBy {
    /// An admin who is asking.
    AskingAdmin,
    /// A user, who may be trying passwords or looking for servers.
    User,
    /// An admin, for users with whom a table is shared.
    SharingAdmin,
}

impl ChosenBy {
    fn of(caller: &Caller) -> Self {
        if caller.has(Scope::Admin) { Self::AskingAdmin } else { Self::User }
    }
}

/// Connects to a target that an admin shares with the caller. The inner error may name the server.
///
/// # Errors
/// When the caller has too many connections open.
pub async fn open_shared(
    state: &AppState,
    caller: &Caller,
    target: &TargetConfig,
) -> Result<Result<OpenTarget, TargetError>> {
    open_chosen(state, caller, target, ChosenBy::SharingAdmin).await
}

async fn open_chosen(
    state: &AppState,
    caller: &Caller,
    target: &TargetConfig,
    chosen_by: ChosenBy,
) -> Result<Result<OpenTarget, TargetError>> {
    let permit = state.target_connections.take(caller.user.id).map_err(no_permit)?;
    let are_tries = chosen_by != ChosenBy::SharingAdmin;
    if are_tries && let Some(retry_after) = state.target_failures.must_wait(caller.user.id) {
        return Err(failed_too_often(retry_after));
    }
    let evenly = chosen_by == ChosenBy::User;
    let network = state.settings.network.for_hosts_of(!evenly);
    let (default, wanted) = (state.settings.target_url.clone(), target.clone());
    let (failures, user) = (state.target_failures.clone(), caller.user.id);
    // The task goes on when the client hangs up, so that a failure counts and the permit is taken until it is known.
    let opening = tokio::spawn(async move {
        let opened = connect(&wanted, default.as_ref(), &network, evenly).await;
        if are_tries && opened.as_ref().is_err_and(is_about_the_server) {
            failures.note(user);
        }
        opened.map(|(connection, table)| OpenTarget { table, connection, permit })
    });
    Ok(opening.await.unwrap_or_else(|error| Err(failed(io::Error::other(error)))))
}

async fn connect(
    target: &TargetConfig,
    default: Option<&Secret>,
    network: &NetworkSettings,
    evenly: bool,
) -> Result<(PgConnection, TableRef), TargetError> {
    let (database, limits) = (&target.database, AnswerLimits::VIEW);
    let mut connection = match evenly {
        true => target::connect_evenly(database, default, network, "elt:api", limits).await?,
        false => target::connect(database, default, network, "elt:api", limits).await?,
    };
    let table = TableRef::find(&mut connection, &target.table).await?;
    Ok((connection, table))
}

fn no_permit(full: Full) -> Error {
    let (status, code, detail) = match full {
        Full::One => (
            StatusCode::TOO_MANY_REQUESTS,
            Code::TooManyTargetConnections,
            "you have as many data views and exports open as one user may",
        ),
        Full::All => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TargetConnectionsBusy,
            "as many data views and exports are open as this server allows",
        ),
    };
    let next_step = "Wait until one of them has ended, or end it; ELT_TARGET_CONNECTIONS and \
                     ELT_TARGET_CONNECTIONS_PER_USER set the limits.";
    Error::limit(status, Explained::new(code, detail, next_step), Some(PLACE_RETRY))
}

fn failed_too_often(retry_after: u64) -> Error {
    let problem = Explained::new(
        Code::TooManyTargetFailures,
        format!("{FAILURES_PER_MINUTE} of your connections to targets failed within a minute"),
        "Correct host, database, user and password under `target:`, and wait the time in `Retry-After`.",
    );
    Error::limit(StatusCode::TOO_MANY_REQUESTS, problem, Some(retry_after))
}

/// The same for the target of a kept config. `run_table`: the table of the run that is asked about, as the run keeps it.
///
/// # Errors
/// As [`open`].
pub async fn open_config(
    state: &AppState,
    caller: &Caller,
    config: &ConfigVersion,
    run_table: Option<&str>,
) -> Result<OpenTarget> {
    let document = parsed(state, config).await?;
    let target = target_of(state, caller, &document, config.author()).await?;
    let target = run_table.map_or_else(|| target.clone(), |table| target.of_run(table));
    open(state, caller, &target).await
}

/// The target of one table of a config with a table for each file.
///
/// # Errors
/// When the pattern makes no table of this name, or the config names one table.
pub fn of_table(target: &TargetConfig, table: &str) -> Result<TargetConfig> {
    match (&target.pattern, one_of_its_tables(target, table)) {
        (_, Some(target)) => Ok(target),
        (Some(pattern), None) => {
            Err(Error::invalid_query(format!("table: {table:?} is not a table of the pattern {pattern}")))
        }
        (None, None) => Err(Error::invalid_query("table: the config names its table itself")),
    }
}

/// The target of one table of a config with a table for each file. `None`: its pattern makes no table of this name, or the
/// target has no pattern.
pub fn one_of_its_tables(target: &TargetConfig, table: &str) -> Option<TargetConfig> {
    let named = table.parse::<TableName>().ok();
    let named = named.filter(|named| named.schema.is_none() || named.schema == target.table.schema)?;
    let pattern = target.pattern.as_ref()?;
    pattern.fits(&named.table).then(|| target.with_table(&named.table))
}

/// A kept config that can run, and its target.
///
/// # Errors
/// As [`open`]; a config that cannot run.
pub async fn open_pipeline(
    state: &AppState,
    caller: &Caller,
    config: &ConfigVersion,
) -> Result<(PipelineConfig, OpenTarget)> {
    let document = parsed(state, config).await?;
    let pipeline = document.pipeline(&NoReferences)?.value;
    let target = target_of(state, caller, &document, config.author()).await?;
    Ok((pipeline, open(state, caller, &target).await?))
}

/// A kept config as a document.
///
/// # Errors
/// When the text does not open, or is not YAML.
pub async fn parsed(state: &AppState, config: &ConfigVersion) -> Result<Document> {
    let text = config.open(&state.keys)?;
    let parsed = tokio::task::spawn_blocking(move || Document::parse(text.expose())).await;
    Ok(parsed.map_err(|error| Error::internal("read a config", error))??)
}
