//! The control database of this process: the one in `DATABASE_URL`, or the private cluster in the data folder.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use elt_shared::local::Cluster;
use elt_shared::secret::Secret;
use elt_shared::settings::DatabaseSettings;
use elt_shared::store;
use elt_shared::telemetry::Telemetry;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::exit::{Exit, refuse};

/// What a process works with. [`Databases::close`] it last.
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
    /// Connects to `DATABASE_URL`, or starts (or attaches to) the private cluster in the data folder.
    pub async fn open(settings: &DatabaseSettings, connections: u32) -> anyhow::Result<Self> {
        let data_dir = std::path::absolute(settings.data_dir()).context("could not find the data folder")?;
        // An empty variable, as a compose file passes it on, is as good as none.
        let given = settings.database_url.as_ref().filter(|url| !url.expose().is_empty());
        let (url, target_url, cluster) = match given {
            Some(url) => (url.clone(), settings.target_url.clone(), None),
            None => {
                let cluster = Cluster::start(&data_dir, settings.pg_bin.as_deref()).await?;
                let target_url = settings.target_url.clone().unwrap_or_else(|| cluster.target_url());
                (cluster.control_url(), Some(target_url), Some(cluster))
            }
        };
        match connect(&url, connections).await {
            Ok((options, control)) => Ok(Self { control, target_url, data_dir, options, cluster }),
            Err(error) => {
                if let Some(cluster) = cluster {
                    cluster.stop().await?;
                }
                Err(error)
            }
        }
    }

    /// Brings the tables up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        store::migrate(&self.control).await.context("could not bring the control database up to date")
    }

    /// Refuses to go on with tables that are older than this program.
    pub async fn require_migrated(&self) -> anyhow::Result<()> {
        let missing =
            store::missing_migrations(&self.control).await.context("could not look at the control database")?;
        if missing == 0 {
            return Ok(());
        }
        let message = format!("the control database lacks {missing} migrations of this version of elt");
        Err(refuse(Exit::Settings, message, "Run `elt migrate` first, or start with --migrate."))
    }

    /// Keeps this process's log lines in the control database, over a connection of their own.
    pub async fn keep_lines_of(&self, telemetry: &mut Telemetry) -> anyhow::Result<()> {
        let db = store::connect(self.options.clone(), 1).await.map_err(|error| unreachable(&self.options, &error))?;
        telemetry.attach_database(db);
        Ok(())
    }

    /// Says goodbye. The last process that leaves the private cluster stops it.
    pub async fn close(self) -> anyhow::Result<()> {
        self.control.close().await;
        match self.cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }
}

async fn connect(url: &Secret, connections: u32) -> anyhow::Result<(PgConnectOptions, PgPool)> {
    let options = parse(url)?;
    // A pool goes on trying and then only says that it waited in vain; one connection says why.
    let first = options.connect().await.map_err(|error| unreachable(&options, &error))?;
    first.close().await.map_err(|error| unreachable(&options, &error))?;
    let pool = store::connect(options.clone(), connections).await.map_err(|error| unreachable(&options, &error))?;
    Ok((options, pool))
}

fn parse(url: &Secret) -> anyhow::Result<PgConnectOptions> {
    PgConnectOptions::from_str(url.expose()).map_err(|_| {
        // The driver's message may quote the URL, password and all.
        refuse(
            Exit::Settings,
            "DATABASE_URL is not a PostgreSQL URL",
            "Write it as postgres://user:password@host:port/database.",
        )
    })
}

fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> anyhow::Error {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    refuse(
        Exit::Unavailable,
        format!("could not connect to the control database at {place}: {error}"),
        "Check that the server runs, and that DATABASE_URL names the right host, user and password.",
    )
}
