//! `elt restore`: an installation from the file of an `elt backup`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use elt_cluster::{Cluster, DumpTools, Restoring};
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::store::{self, SchemaState, server_major};
use elt_shared::target::TargetAddress;
use elt_shared::telemetry::{self, TelemetryOptions};
use tokio::fs::File;

use crate::backup::archive::Reader;
use crate::backup::manifest::{self, CONTROL, FORMAT, Manifest, TARGET};
use crate::databases::{Databases, LocalMode, Part, Place, parse_address, refuse_unusable};
use crate::exit::{Exit, refuse};
use crate::{keys, out};

/// Objects and rights belong to the login that restores: the roles of the other installation may be missing here, and
/// `elt migrate` gives the rights again.
const ARGUMENTS: [&str; 4] = ["--single-transaction", "--no-owner", "--no-privileges", "--no-comments"];

/// Makes an installation from the file of an `elt backup`
///
/// Without DATABASE_URL it makes a private PostgreSQL in the folder of --data-dir or ELT_DATA_DIR, which has to be named and
/// must hold none yet; an interrupted restore starts over when it is run again. With DATABASE_URL it fills that database,
/// which must be empty. The server may be of another version of PostgreSQL than the one of the backup. The file is checked
/// first. Put the keys.json of the installation into the data folder before or after this, or set ELT_SECRET_KEY. Needs
/// pg_restore.
#[derive(Debug, Args)]
pub struct Restore {
    /// The file of the backup
    file: PathBuf,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Restore {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let _telemetry = telemetry::init(&self.telemetry, TelemetryOptions::new("restore"))?;
        let place = Place::choose(&self.database, LocalMode::Make)?;
        let manifest = check(&self.file).await?;
        out::problem(&format!(
            "the backup of {} by elt {} (PostgreSQL {}) is whole",
            manifest.made_at, manifest.elt_version, manifest.postgres
        ));
        out::problem(&place.to_string());
        match &place {
            Place::Private(folder) => self.fill_folder(folder, &manifest).await?,
            Place::Given(_) => self.fill_given(&place, &manifest).await?,
        }
        self.look_at_keys(&place, &manifest).await
    }

    async fn fill_folder(&self, folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
        if self.database.data_dir.is_none() {
            return Err(refuse(
                Exit::Settings,
                "no data folder is named",
                "Name an empty folder with --data-dir or ELT_DATA_DIR, or an empty database with DATABASE_URL.",
            ));
        }
        let restoring = Restoring::begin(folder, self.database.pg_bin.as_deref()).await?;
        let filled = self.fill_cluster(&restoring.cluster, manifest).await;
        let filled = filled.and_then(|()| Ok(restoring.finish()?));
        let stopped = restoring.cluster.stop().await;
        filled?;
        Ok(stopped?)
    }

    async fn fill_cluster(&self, cluster: &Cluster, manifest: &Manifest) -> anyhow::Result<()> {
        let urls = [(TARGET, cluster.target_url()), (CONTROL, cluster.control_url())];
        for (entry, url) in urls {
            if manifest.databases.iter().any(|saved| saved == entry) {
                self.fill(entry, &parse_address("the private cluster's URL", &url)?).await?;
            }
        }
        Ok(())
    }

    async fn fill_given(&self, place: &Place, manifest: &Manifest) -> anyhow::Result<()> {
        if manifest.databases.iter().any(|saved| saved == TARGET) {
            out::problem(
                "the backup also has the target of a private PostgreSQL, which is not restored into DATABASE_URL",
            );
        }
        let databases = Databases::open(place, &self.database, Part::Command, 2).await?;
        databases
            .use_for(async |databases| {
                let is_empty = store::is_empty(&databases.control).await;
                if !is_empty.context("could not look at the control database")? {
                    return Err(refuse(
                        Exit::Failed,
                        "the database of DATABASE_URL is not empty",
                        "Make an empty one (`create database NAME`), and name it in DATABASE_URL.",
                    ));
                }
                let [(_, address)] = databases
                    .to_back_up(&self.database)?
                    .try_into()
                    .map_err(|_| anyhow::anyhow!("DATABASE_URL names one database"))?;
                self.fill(CONTROL, &address).await
            })
            .await
    }

    /// Fills a database from an entry of the archive, in one transaction.
    async fn fill(&self, entry: &str, address: &TargetAddress) -> anyhow::Result<()> {
        out::problem(&format!("filling the database {}", address.database));
        let server = async {
            let mut connection = sqlx::ConnectOptions::connect(&address.driver_options()).await?;
            server_major(&mut connection).await
        };
        let server = server.await.context("could not ask the server for its version")?;
        let tools = DumpTools::for_restore(self.database.pg_bin.as_deref(), server).await?;
        let mut archive = open(&self.file).await?;
        while let Some((name, mut content)) = archive.entry().await.context("could not read the backup")? {
            if name != entry {
                continue;
            }
            let mut program = tools.restore(address, &ARGUMENTS)?;
            let mut input = program.input().context("pg_restore reads from no pipe")?;
            // A program that fails closes its pipe, and says why.
            let sent = tokio::io::copy(&mut content, &mut input).await;
            drop(input);
            program.finish().await?;
            sent.context("could not read the backup")?;
            return Ok(());
        }
        Err(anyhow::anyhow!("the backup has no {entry}"))
    }

    /// Brings the schema up to date, and says whether the keys are there that open what is sealed.
    async fn look_at_keys(&self, place: &Place, manifest: &Manifest) -> anyhow::Result<Exit> {
        let databases = Databases::open(place, &self.database, Part::Command, 2).await?;
        databases
            .use_for(async |databases| {
                databases.migrate_tables().await?;
                out::print("restored; `elt up`, or `elt serve` and `elt worker`, can start");
                let keys = keys::find_ring_if_any(&databases.data_dir, &self.secret_keys)?;
                let opens = match &keys {
                    Some(keys) => databases.check_keys(keys).await.is_ok(),
                    None => manifest.secret_keys.is_empty(),
                };
                if !opens {
                    out::print(&format!(
                        "before that, put the keys of the installation here: keys.json into {}, or its ELT_SECRET_KEY and \
                         ELT_JWT_KEY. Without the secret keys {} nothing that is sealed opens, and nothing starts",
                        databases.data_dir.display(),
                        manifest.secret_keys.join(" and ")
                    ));
                }
                Ok(Exit::Done)
            })
            .await
    }
}

/// Checks the whole file before anything is changed.
async fn check(file: &Path) -> anyhow::Result<Manifest> {
    let unusable = |why: String| refuse(Exit::Failed, why, "Choose another backup. Nothing was changed.");
    let damaged = |error: std::io::Error| unusable(format!("{} cannot be restored: {error}", file.display()));
    open(file).await?.verify().await.map_err(damaged)?;
    let text = open(file).await?.text(manifest::NAME).await.map_err(damaged)?;
    let format = serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|all| all["format"].as_u64());
    if format.is_some_and(|format| format > u64::from(FORMAT)) {
        return Err(unusable(format!("a newer elt made {}, in a format that this one does not know", file.display())));
    }
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|_| unusable(format!("{} is not a backup of elt", file.display())))?;
    let schema = manifest.schema();
    match schema.state() {
        SchemaState::TooNew | SchemaState::Foreign => Err(refuse_unusable(&schema)),
        SchemaState::UpToDate | SchemaState::Behind | SchemaState::Newer => Ok(manifest),
    }
}

async fn open(file: &Path) -> anyhow::Result<Reader> {
    let opened = async { Reader::new(File::open(file).await?).await };
    opened.await.with_context(|| format!("could not read {}", file.display()))
}
