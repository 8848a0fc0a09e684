//! The control database of this process: the one in `DATABASE_URL`, or the private cluster in the data folder.
//!
//! # Layout
//! - `place`: which one a command uses
//! - `connecting`: logins and connections
//! - `rights`: what a login may do
//! - `schema`: whether this program works with its schema, and bringing it up to date
//! - `keys_in_use`: whether this process has the keys of the installation
//! - `to_back_up`: the databases of a backup

mod connecting;
mod keys_in_use;
mod place;
mod rights;
mod schema;
mod to_back_up;

use std::path::PathBuf;

use elt_cluster::Cluster;
use elt_shared::secret::Secret;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::{self, Limits};
use elt_shared::telemetry::{self, Telemetry, TelemetryOptions};
use sqlx::PgPool;

use connecting::{Logins, connect, unreachable};
pub use connecting::{Part, parse_address};
pub use place::{LocalMode, Place};
use place::{data_dir, inbox};
pub use schema::refuse_unusable;

use crate::exit::{Exit, refuse};
use crate::{out, signals};

/// What a process works with.
#[derive(Debug)]
pub struct Databases {
    /// The control database, as the login of this process's part.
    pub control: PgPool,
    /// The default target, if there is one.
    pub target_url: Option<Secret>,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The folder of the pipelines' inboxes.
    pub inbox: PathBuf,
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
        let inbox = inbox(settings, &data_dir)?;
        let folder = match place {
            Place::Given(logins) => {
                let control = connect(logins.of(part), connections, part.limits()).await?;
                let target_url = settings.target_url.clone();
                let logins = logins.as_ref().clone();
                return Ok(Self { control, target_url, data_dir, inbox, part, logins, cluster: None });
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
            Ok((control, logins)) => {
                Ok(Self { control, target_url, data_dir, inbox, part, logins, cluster: Some(cluster) })
            }
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

    /// Works with the login that owns the tables.
    async fn as_owner<T>(&self, work: impl AsyncFnOnce(&PgPool) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let login = &self.logins.owner;
        let owner = match self.part {
            // A command logs in as the owner, so `open` has already checked that this login does not lead to a pooler.
            Part::Command => store::connect(login.clone(), 2, Limits::MIGRATIONS)
                .await
                .map_err(|error| unreachable(login, &error))?,
            Part::Api | Part::Worker => connect(login, 2, Limits::MIGRATIONS).await?,
        };
        let done = work(&owner).await;
        owner.close().await;
        done
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

/// Opens the control database for a command that ends by itself, and names the database on stderr. Ctrl-C ends the
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
