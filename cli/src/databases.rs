//! The control database of this process: the one in `DATABASE_URL`, or the private cluster in the data folder.
//!
//! # Layout
//! - `keys_in_use`: whether this process has the keys of the installation
//! - `schema`: whether this program works with its schema, and bringing it up to date
//! - `to_back_up`: the databases of a backup

mod keys_in_use;
mod schema;
mod to_back_up;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use elt_cluster::Cluster;
use elt_shared::secret::Secret;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::{self, Limits};
use elt_shared::target::{AddressProblem, Author, TargetAddress};
use elt_shared::telemetry::{self, Telemetry, TelemetryOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgPool};

pub use schema::refuse_unusable;

use crate::exit::{Exit, cause, refuse, refuse_for_now};
use crate::{out, signals};

/// Whether a command may use a private cluster when `DATABASE_URL` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalMode {
    /// The cluster in the data folder, which is made when it is missing: `up`, `run`, `plan`, `check --connect`.
    Make,
    /// Only a cluster that exists in the data folder the caller named: every other command. They refuse to make one,
    /// because they would otherwise work on a database the caller did not choose.
    Join,
}

/// Which control database a command uses. Chosen from the settings before anything is opened.
#[derive(Debug)]
pub enum Place {
    /// The server of `DATABASE_URL`.
    Given(Box<Logins>),
    /// The private cluster in this data folder.
    Private(PathBuf),
}

impl Place {
    /// Chooses by the settings.
    ///
    /// # Errors
    /// When `DATABASE_URL` is missing and the command may not use a private cluster, or when the URL is invalid.
    pub fn choose(settings: &DatabaseSettings, local: LocalMode) -> anyhow::Result<Self> {
        if let Some(url) = &settings.target_url {
            parse("ELT_TARGET_URL", url)?;
        }
        let owner = settings.owner_database_url.as_ref();
        let owner = owner.map(|url| parse("ELT_OWNER_DATABASE_URL", url)).transpose()?;
        if let Some(url) = &settings.database_url {
            return Ok(Self::Given(Box::new(Logins::given(parse("DATABASE_URL", url)?, owner))));
        }
        if owner.is_some() {
            return Err(refuse(
                Exit::Settings,
                "ELT_OWNER_DATABASE_URL is set, but DATABASE_URL is not",
                "Set DATABASE_URL as well. `elt migrate` may use the owner's URL for both.",
            ));
        }
        let folder = data_dir(settings)?;
        match local {
            LocalMode::Make => Ok(Self::Private(folder)),
            LocalMode::Join if settings.data_dir.is_none() => Err(no_database(&folder)),
            LocalMode::Join if Cluster::exists(&folder) => Ok(Self::Private(folder)),
            LocalMode::Join => Err(refuse(
                Exit::Settings,
                format!("DATABASE_URL is not set, and {} holds no database of `elt up`", folder.display()),
                "Set DATABASE_URL to the control database, or name the data folder of an `elt up` with --data-dir.",
            )),
        }
    }
}

impl fmt::Display for Place {
    /// A line for people, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(folder) => write!(f, "control database: the private PostgreSQL in {}", folder.display()),
            Self::Given(logins) => {
                let database = logins.command.get_database().unwrap_or_default();
                write!(f, "control database: {database} at {}", address(&logins.command))
            }
        }
    }
}

fn no_database(default: &Path) -> anyhow::Error {
    let mut next_step = "Set DATABASE_URL to the control database (postgres://user:password@host:port/database). To \
                         work on the private database of an `elt up`, name its data folder with --data-dir or \
                         ELT_DATA_DIR"
        .to_owned();
    if Cluster::exists(default) {
        next_step.push_str(&format!("; there is one in {}", default.display()));
    }
    refuse(Exit::Settings, "DATABASE_URL is not set", next_step + ".")
}

fn data_dir(settings: &DatabaseSettings) -> anyhow::Result<PathBuf> {
    std::path::absolute(settings.data_dir()).context("could not find the data folder")
}

/// What a process does with the control database. Decides its login and the limits of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Answers requests.
    Api,
    /// Executes runs.
    Worker,
    /// Does one thing at the terminal and ends.
    Command,
}

impl Part {
    /// The role in the control database that has the rights of this part.
    fn role(self) -> &'static str {
        match self {
            Self::Api | Self::Command => "elt_api",
            Self::Worker => "elt_worker",
        }
    }

    fn limits(self) -> Limits {
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
    owner: PgConnectOptions,
    api: PgConnectOptions,
    worker: PgConnectOptions,
    command: PgConnectOptions,
}

impl Logins {
    /// The login of `DATABASE_URL` for servers and workers, and the owner's, when it was given, for migrations and commands:
    /// `elt run` does the work of both.
    fn given(own: PgConnectOptions, owner: Option<PgConnectOptions>) -> Self {
        let owner = owner.unwrap_or_else(|| own.clone());
        Self { command: owner.clone(), owner, api: own.clone(), worker: own }
    }

    /// The roles of the private cluster. Commands work as the owner, because only the account that owns the data folder
    /// can read its passwords.
    fn of_cluster(cluster: &Cluster) -> anyhow::Result<Self> {
        let options = |url: Secret| parse("the private cluster's URL", &url);
        let owner = options(cluster.control_url())?;
        let (api, worker) = (options(cluster.api_url())?, options(cluster.worker_url())?);
        Ok(Self { command: owner.clone(), owner, api, worker })
    }

    fn of(&self, part: Part) -> &PgConnectOptions {
        match part {
            Part::Api => &self.api,
            Part::Worker => &self.worker,
            Part::Command => &self.command,
        }
    }
}

/// What a process works with.
#[derive(Debug)]
pub struct Databases {
    /// The control database, as the login of this process's part.
    pub control: PgPool,
    /// The default target, if there is one.
    pub target_url: Option<Secret>,
    /// The data folder.
    pub data_dir: PathBuf,
    part: Part,
    logins: Logins,
    cluster: Option<Cluster>,
}

impl Databases {
    /// Opens the databases for `work`, and closes them however it ends: the last process that leaves a private
    /// cluster stops it, also when a setting turns out to be wrong after the cluster was started.
    ///
    /// # Errors
    /// When a database cannot be opened, when `work` fails, or when the cluster does not stop.
    pub async fn during<T>(
        place: Place,
        settings: &DatabaseSettings,
        part: Part,
        connections: u32,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        Self::open(&place, settings, part, connections).await?.use_for(work).await
    }

    /// Works with the databases, and closes them however the work ends.
    ///
    /// # Errors
    /// When `work` fails, or when the cluster does not stop.
    pub async fn use_for<T>(self, work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let ended = work(&self).await;
        let closed = self.close().await;
        // The first error is returned, because it explains what went wrong; closing may fail for the same reason.
        let value = ended?;
        closed.map(|()| value)
    }

    /// Opens the databases. The caller has to [use](Self::use_for) them, because that closes them.
    ///
    /// # Errors
    /// When a database cannot be opened.
    pub async fn open(
        place: &Place,
        settings: &DatabaseSettings,
        part: Part,
        connections: u32,
    ) -> anyhow::Result<Self> {
        let data_dir = data_dir(settings)?;
        let folder = match place {
            Place::Given(logins) => {
                let control = connect(logins.of(part), connections, part.limits()).await?;
                let target_url = settings.target_url.clone();
                let logins = logins.as_ref().clone();
                return Ok(Self { control, target_url, data_dir, part, logins, cluster: None });
            }
            Place::Private(folder) => folder,
        };
        let cluster = Cluster::start(folder, settings.pg_bin.as_deref()).await?;
        let target_url = Some(settings.target_url.clone().unwrap_or_else(|| cluster.target_url()));
        let connected = async {
            let logins = Logins::of_cluster(&cluster)?;
            Ok((connect(logins.of(part), connections, part.limits()).await?, logins))
        };
        match connected.await {
            Ok((control, logins)) => Ok(Self { control, target_url, data_dir, part, logins, cluster: Some(cluster) }),
            Err(error) => {
                cluster.stop().await?;
                Err(error)
            }
        }
    }

    /// Whether this process uses the private cluster.
    pub fn are_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// A pool for another part of this process, with that part's login.
    pub async fn open_for(&self, part: Part, connections: u32) -> anyhow::Result<PgPool> {
        connect(self.logins.of(part), connections, part.limits()).await
    }

    /// Refuses to go on with a login that does not own the tables.
    pub async fn require_ownership(&self) -> anyhow::Result<()> {
        require_ownership(&self.control).await
    }

    /// Works with the login that owns the tables.
    async fn as_owner<T>(&self, work: impl AsyncFnOnce(&PgPool) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let owner = connect(&self.logins.owner, 2, Limits::MIGRATIONS).await?;
        let done = work(&owner).await;
        owner.close().await;
        done
    }

    /// Refuses to go on with a login that may not enter the control database's schema.
    async fn require_rights(&self) -> anyhow::Result<()> {
        let standing = store::roles::standing(&self.control).await.context("could not look at the control database")?;
        if standing.may_enter {
            return Ok(());
        }
        // A migration gives rights behind its tables, so a server that looks in between has none yet.
        Err(refuse_for_now(
            Exit::Settings,
            "the login has no rights in the control database",
            format!("the login {} has no rights in the control database", standing.login),
            format!(
                "Log in as the owner of the control database and execute `grant {} to \"{}\"`; then run `elt migrate`.",
                self.part.role(),
                standing.login
            ),
        ))
    }

    /// Refuses to go on with a control database that cannot be written to.
    pub async fn require_writable(&self) -> anyhow::Result<()> {
        match self.writable().await?.refusal() {
            None => Ok(()),
            Some(reason) => Err(refuse_for_now(
                Exit::Unavailable,
                "the control database cannot be written to",
                reason,
                "Name the primary server in DATABASE_URL, promote the standby, or turn default_transaction_read_only \
                 off, and start it again.",
            )),
        }
    }

    /// Warns when the control database cannot be written to. Requests that only read are answered meanwhile.
    pub async fn warn_of_read_only(&self) -> anyhow::Result<()> {
        if let Some(reason) = self.writable().await?.refusal() {
            tracing::warn!("{reason}: requests that change something are answered 503 until it can be");
        }
        Ok(())
    }

    async fn writable(&self) -> anyhow::Result<store::Writable> {
        store::writable(&self.control).await.context("could not look at the control database")
    }

    /// Warns when this process's login owns the tables, because a stolen login could then also change the audit.
    pub async fn warn_of_owner(&self) -> anyhow::Result<()> {
        let standing = store::roles::standing(&self.control).await.context("could not look at the control database")?;
        if standing.owns_tables {
            tracing::warn!(
                "the login {login} of this process owns the control database's tables, so that a stolen login could \
                 change or delete everything in it, the audit included. Give this process a login of its own: as the \
                 owner, `create role NAME login password '…'; grant {role} to NAME`, then set DATABASE_URL to it and \
                 ELT_OWNER_DATABASE_URL to the owner's URL for `elt migrate`",
                login = standing.login,
                role = self.part.role()
            );
        }
        Ok(())
    }

    /// Keeps this process's log lines in the control database, over a connection of their own.
    pub async fn keep_lines_of(&self, telemetry: &mut Telemetry) -> anyhow::Result<()> {
        let options = self.logins.of(self.part);
        let db = store::connect(options.clone(), 1, Limits::LOG_LINES).await;
        telemetry.attach_database(db.map_err(|error| unreachable(options, &error))?);
        Ok(())
    }

    async fn close(self) -> anyhow::Result<()> {
        self.control.close().await;
        match self.cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }
}

/// Opens the control database for a command that ends by itself, and says on stderr which one it is. Ctrl-C ends the
/// work early; the database is closed all the same.
///
/// # Errors
/// When no database was named, when it cannot be opened, or when `work` fails.
pub async fn on_control_database<T>(
    process: &'static str,
    settings: &DatabaseSettings,
    lines: &TelemetrySettings,
    work: impl AsyncFnOnce(&Databases) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let _telemetry = telemetry::init(lines, TelemetryOptions::new(process))?;
    let place = Place::choose(settings, LocalMode::Join)?;
    out::problem(&place.to_string());
    let stop = signals::listen()?;
    Databases::during(place, settings, Part::Command, 2, async |databases| {
        tokio::select! {
            ended = work(databases) => ended,
            () = stop.gracefully.cancelled() => Err(refuse(
                Exit::Failed,
                format!("`elt {process}` was interrupted before it was done"),
                "Run it again.",
            )),
        }
    })
    .await
}

async fn require_ownership(db: &PgPool) -> anyhow::Result<()> {
    let standing = store::roles::standing(db).await.context("could not look at the control database")?;
    if standing.owns_tables {
        return Ok(());
    }
    Err(refuse(
        Exit::Settings,
        format!("the login {} does not own the control database's tables and cannot change them", standing.login),
        "Set ELT_OWNER_DATABASE_URL to the URL of the login that owns them, and run it again.",
    ))
}

async fn connect(options: &PgConnectOptions, connections: u32, limits: Limits) -> anyhow::Result<PgPool> {
    // A pool goes on trying and then only says that it waited in vain; one connection says why.
    let first = options.connect().await.map_err(|error| unreachable(options, &error))?;
    first.close().await.map_err(|error| unreachable(options, &error))?;
    store::connect(options.clone(), connections, limits).await.map_err(|error| unreachable(options, &error))
}

fn parse(name: &str, url: &Secret) -> anyhow::Result<PgConnectOptions> {
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

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> anyhow::Error {
    let message = format!("could not connect to the control database at {}: {}", address(options), cause(error));
    if is_of_a_pooler(error) {
        return refuse(
            Exit::Settings,
            message,
            "A connection pooler (PgBouncer) is in between, which does not keep what elt sets for its sessions. Name the \
             PostgreSQL server itself in DATABASE_URL: elt keeps few connections and uses them again.",
        );
    }
    let next_step =
        "Check that the server runs, and that DATABASE_URL names the right host, user, password and database.";
    match store::is_away(error) {
        true => refuse_for_now(Exit::Unavailable, "the control database cannot be reached", message, next_step),
        false => refuse(Exit::Unavailable, message, next_step),
    }
}

/// Whether a pooler refused how a session begins. PostgreSQL itself takes the parameters, and poolers write English.
fn is_of_a_pooler(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("unsupported startup parameter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(database_url: Option<&str>, data_dir: Option<&Path>) -> DatabaseSettings {
        DatabaseSettings {
            database_url: database_url.map(Secret::new),
            owner_database_url: None,
            target_url: None,
            data_dir: data_dir.map(Path::to_owned),
            pg_bin: None,
        }
    }

    #[test]
    fn only_a_named_folder_with_a_cluster_is_joined() {
        let folder = tempfile::tempdir().unwrap();
        let choose = |local| Place::choose(&settings(None, Some(folder.path())), local);
        let refused = choose(LocalMode::Join).unwrap_err().to_string();
        assert!(refused.starts_with("DATABASE_URL is not set, and "), "{refused}");
        assert!(matches!(choose(LocalMode::Make), Ok(Place::Private(_))));

        std::fs::create_dir_all(folder.path().join("postgres/data")).unwrap();
        std::fs::write(folder.path().join("postgres/data/PG_VERSION"), "15\n").unwrap();
        assert!(matches!(choose(LocalMode::Join), Ok(Place::Private(joined)) if joined == folder.path()));
    }

    #[test]
    fn a_url_without_a_database_is_refused_because_the_server_would_choose_one() {
        for url in [
            "postgres://elt@db",
            "postgres://elt@db:5432",
            "postgres://elt@db/",
            "postgres://elt@db?sslmode=require",
            "postgres://elt@db/?dbname=",
        ] {
            let refused = Place::choose(&settings(Some(url), None), LocalMode::Join).unwrap_err();
            assert_eq!(refused.to_string(), "DATABASE_URL names no database", "{url}");
        }
        for url in ["postgres://elt:p%2Fw@db/elt", "postgres://elt@db?dbname=elt", "postgres:///elt?host=/run/pg"] {
            assert!(Place::choose(&settings(Some(url), None), LocalMode::Join).is_ok(), "{url}");
        }
    }
}
