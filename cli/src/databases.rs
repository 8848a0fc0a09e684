//! The control database of this process: the one in `DATABASE_URL`, or the private cluster in the data folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use elt_shared::local::Cluster;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::{self, sealing, secret_keys};
use elt_shared::telemetry::{self, Telemetry, TelemetryOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::exit::{Exit, cause, refuse};
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
    Given(Box<PgConnectOptions>),
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
        if let Some(url) = &settings.database_url {
            return Ok(Self::Given(Box::new(parse("DATABASE_URL", url)?)));
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
            Self::Given(options) => {
                let database = options.get_database().unwrap_or_default();
                write!(f, "control database: {database} at {}", address(options))
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

/// What a process works with.
#[derive(Debug)]
pub struct Databases {
    /// The control database.
    pub control: PgPool,
    /// The default target, if there is one.
    pub target_url: Option<Secret>,
    /// The data folder.
    pub data_dir: PathBuf,
    options: PgConnectOptions,
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
        connections: u32,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let databases = Self::open(place, settings, connections).await?;
        let ended = work(&databases).await;
        let closed = databases.close().await;
        // The first error is returned, because it explains what went wrong; closing may fail for the same reason.
        let value = ended?;
        closed.map(|()| value)
    }

    async fn open(place: Place, settings: &DatabaseSettings, connections: u32) -> anyhow::Result<Self> {
        let data_dir = data_dir(settings)?;
        let folder = match place {
            Place::Given(options) => {
                let control = connect(&options, connections).await?;
                let target_url = settings.target_url.clone();
                return Ok(Self { control, target_url, data_dir, options: *options, cluster: None });
            }
            Place::Private(folder) => folder,
        };
        let cluster = Cluster::start(&folder, settings.pg_bin.as_deref()).await?;
        let target_url = Some(settings.target_url.clone().unwrap_or_else(|| cluster.target_url()));
        let connected = async {
            let options = parse("the private cluster's URL", &cluster.control_url())?;
            Ok((connect(&options, connections).await?, options))
        };
        match connected.await {
            Ok((control, options)) => Ok(Self { control, target_url, data_dir, options, cluster: Some(cluster) }),
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

    /// Brings the tables up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        store::migrate(&self.control).await.context("could not bring the control database up to date")
    }

    /// Refuses keys that do not open what is sealed here, and seals what an earlier release stored in clear.
    pub async fn use_keys(&self, keys: &KeyRing) -> anyhow::Result<()> {
        let checked = secret_keys::check(&self.control, keys).await.context("could not check the secret keys")?;
        checked.map_err(|wrong| {
            refuse(
                Exit::Settings,
                wrong.to_string(),
                "Start with the key it was sealed with: as ELT_SECRET_KEY, as one of ELT_SECRET_KEY_OLD, or in the \
                 keys.json of the data folder. Nothing was changed.",
            )
        })?;
        sealing::seal_clear_rows(&self.control, keys).await.context("could not seal the stored configs")?;
        Ok(())
    }

    /// Refuses to go on with tables that are older than this program.
    pub async fn require_migrated(&self) -> anyhow::Result<()> {
        let missing =
            store::missing_migrations(&self.control).await.context("could not look at the control database")?;
        if missing == 0 {
            return Ok(());
        }
        let message = format!("the control database lacks {missing} migrations of this version of elt");
        Err(refuse(
            Exit::Settings,
            message,
            "Run `elt migrate` with the same DATABASE_URL or --data-dir first (`elt serve` and `elt worker` also take \
             --migrate).",
        ))
    }

    /// Keeps this process's log lines in the control database, over a connection of their own.
    pub async fn keep_lines_of(&self, telemetry: &mut Telemetry) -> anyhow::Result<()> {
        let db = store::connect(self.options.clone(), 1).await.map_err(|error| unreachable(&self.options, &error))?;
        telemetry.attach_database(db);
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
    Databases::during(place, settings, 2, async |databases| {
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

async fn connect(options: &PgConnectOptions, connections: u32) -> anyhow::Result<PgPool> {
    // A pool goes on trying and then only says that it waited in vain; one connection says why.
    let first = options.connect().await.map_err(|error| unreachable(options, &error))?;
    first.close().await.map_err(|error| unreachable(options, &error))?;
    store::connect(options.clone(), connections).await.map_err(|error| unreachable(options, &error))
}

fn parse(name: &str, url: &Secret) -> anyhow::Result<PgConnectOptions> {
    const FORM: &str = "Write it as postgres://user:password@host:port/database.";
    // The driver's message may quote the URL, password and all.
    let options = PgConnectOptions::from_str(url.expose())
        .map_err(|_| refuse(Exit::Settings, format!("{name} is not a PostgreSQL URL"), FORM))?;
    if !names_database(url.expose()) {
        // Refused, because the server would choose the database that has the name of the user.
        return Err(refuse(Exit::Settings, format!("{name} names no database"), FORM));
    }
    Ok(options)
}

/// Whether a URL has a database, in its path or as `dbname`.
fn names_database(url: &str) -> bool {
    let url = url.split('#').next().unwrap_or_default();
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let path = place.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    path.is_some_and(|(_, database)| !database.trim_matches('/').is_empty())
        || query.split('&').any(|pair| pair.strip_prefix("dbname=").is_some_and(|database| !database.is_empty()))
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> anyhow::Error {
    refuse(
        Exit::Unavailable,
        format!("could not connect to the control database at {}: {}", address(options), cause(error)),
        "Check that the server runs, and that DATABASE_URL names the right host, user, password and database.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(database_url: Option<&str>, data_dir: Option<&Path>) -> DatabaseSettings {
        DatabaseSettings {
            database_url: database_url.map(Secret::new),
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
