//! Logins and connections to the control database.

use elt_cluster::Cluster;
use elt_shared::pooler;
use elt_shared::secret::Secret;
use elt_shared::store::{self, Limits, api_processes};
use elt_shared::target::{AddressProblem, Author, TargetAddress};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::exit::{Exit, WITHOUT_POOLER, cause, refuse, refuse_for_now};

/// What a process does with the control database. Decides its login and the limits of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The process answers HTTP requests.
    Api,
    /// The process executes runs.
    Worker,
    /// Does one thing at the terminal and ends.
    Command,
}

impl Part {
    /// The role in the control database that has the rights of this part.
    pub(super) fn role(self) -> &'static str {
        match self {
            Self::Api | Self::Command => "elt_api",
            Self::Worker => "elt_worker",
        }
    }

    pub(super) fn limits(self) -> Limits {
        match self {
            Self::Api => Limits::REQUESTS,
            Self::Worker => Limits::WORK,
            Self::Command => Limits::COMMANDS,
        }
    }
}

/// How each part logs in to the control database.
#[derive(Debug, Clone)]
pub struct Logins {
    pub(super) owner: PgConnectOptions,
    api: PgConnectOptions,
    worker: PgConnectOptions,
    command: PgConnectOptions,
}

impl Logins {
    /// The login of `DATABASE_URL` for servers and workers, and the owner's, when it was given, for migrations and commands:
    /// `elt run` does the work of both.
    pub(super) fn given(own: PgConnectOptions, owner: Option<PgConnectOptions>) -> Self {
        let owner = owner.unwrap_or_else(|| own.clone());
        Self { command: owner.clone(), owner, api: as_api(own.clone()), worker: own }
    }

    /// The roles of the private cluster. Commands work as the owner, because only the account that owns the data folder
    /// can read its passwords.
    pub(super) fn of_cluster(cluster: &Cluster) -> anyhow::Result<Self> {
        let options = |url: Secret| parse("the private cluster's URL", &url);
        let owner = options(cluster.control_url())?;
        let (api, worker) = (options(cluster.api_url())?, options(cluster.worker_url())?);
        Ok(Self { command: owner.clone(), owner, api: as_api(api), worker })
    }

    pub(super) fn of(&self, part: Part) -> &PgConnectOptions {
        match part {
            Part::Api => &self.api,
            Part::Worker => &self.worker,
            Part::Command => &self.command,
        }
    }
}

/// The options with the name by which others see that an API of this version runs on this machine.
fn as_api(options: PgConnectOptions) -> PgConnectOptions {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    options.application_name(&api_processes::session_name(env!("CARGO_PKG_VERSION"), &host))
}

/// A pool with this login.
pub(super) async fn connect(options: &PgConnectOptions, connections: u32, limits: Limits) -> anyhow::Result<PgPool> {
    // A pool goes on trying and then only says that it waited in vain; one connection says why.
    let mut first = options.connect().await.map_err(|error| unreachable(options, &error))?;
    // Comes before the pool, which gives its sessions settings that would stay in sessions of others.
    if pooler::shares_session_of(&mut first, async { options.connect().await.ok() }).await {
        return Err(in_transaction_mode(options));
    }
    first.close().await.map_err(|error| unreachable(options, &error))?;
    store::connect(options.clone(), connections, limits).await.map_err(|error| unreachable(options, &error))
}

/// The login in the URL of a setting.
pub(super) fn parse(name: &str, url: &Secret) -> anyhow::Result<PgConnectOptions> {
    Ok(parse_address(name, url)?.driver_options())
}

/// The address in the URL of a setting.
pub fn parse_address(name: &str, url: &Secret) -> anyhow::Result<TargetAddress> {
    const FORM: &str = "Write it as postgres://user:password@host:port/database.";
    match TargetAddress::parse(url.expose(), Author::Operator) {
        Ok(address) => Ok(address),
        // Refused, because the server would choose the database that has the name of the user.
        Err(AddressProblem::NoDatabase) => Err(refuse(Exit::Settings, format!("{name} names no database"), FORM)),
        Err(problem) => Err(refuse(Exit::Settings, format!("{name} cannot be used: {problem}"), FORM)),
    }
}

/// `host:port`, or the folder of a socket, for messages.
pub(super) fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Why a login could not connect, and what to do.
pub(super) fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> anyhow::Error {
    let message = format!("could not connect to the control database at {}: {}", address(options), cause(error));
    if is_of_a_pooler(error) {
        return refuse(
            Exit::Settings,
            message,
            "A connection pooler (PgBouncer) is in between. Name the PostgreSQL server itself in DATABASE_URL: elt keeps few \
             connections and uses them again. If the pooler has to stay, let it work in session mode and accept these \
             parameters (PgBouncer: ignore_startup_parameters = extra_float_digits, options).",
        );
    }
    let next_step =
        "Check that the server runs, and that DATABASE_URL names the right host, user, password and database.";
    match store::is_away(error) {
        true => refuse_for_now(Exit::Unavailable, "the control database cannot be reached", message, next_step),
        false => refuse(Exit::Unavailable, message, next_step),
    }
}

/// The refusal of a pooler that gives sessions of the server to several connections in turns.
fn in_transaction_mode(options: &PgConnectOptions) -> anyhow::Error {
    refuse(
        Exit::Settings,
        format!(
            "a connection pooler in transaction mode is before the control database at {}: it gives the transactions of one \
             connection to different sessions of the server",
            address(options)
        ),
        WITHOUT_POOLER,
    )
}

/// Whether a pooler refused how a session begins. PostgreSQL itself takes the parameters, and poolers write English.
fn is_of_a_pooler(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("unsupported startup parameter"))
}
