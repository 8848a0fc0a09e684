//! `elt upgrade-cluster`: the private PostgreSQL of a data folder moves to a newer major version.

use std::path::PathBuf;

use clap::Args;
use elt_cluster::upgrade::{self, ProgramFolders, Upgraded};
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::telemetry::{self, TelemetryOptions};

use crate::exit::{Exit, refuse};
use crate::out;

/// Moves the private PostgreSQL of a data folder to the newest version on this machine
///
/// Needs the server programs of both versions: of the one that made the data folder, and of the new one. Every elt that
/// uses the folder has to be stopped. Databases, roles and passwords are copied into a new cluster beside the old one and
/// compared; only then the new one takes its place. The old one is kept until you remove it. May be interrupted at any
/// point and run again. Free disk space of the size of the cluster is needed.
#[derive(Debug, Args)]
pub struct UpgradeCluster {
    /// Folder with the server programs of the version that made the data folder. --pg-bin names those of the new one
    #[arg(long)]
    old_pg_bin: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl UpgradeCluster {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let _telemetry = telemetry::init(&self.telemetry, TelemetryOptions::new("upgrade-cluster"))?;
        if self.database.database_url.is_some() {
            return Err(refuse(
                Exit::Settings,
                "DATABASE_URL is set, and only a private PostgreSQL is upgraded",
                "Unset DATABASE_URL to upgrade the private PostgreSQL of a data folder. A server of your own is upgraded \
                 with its own tools.",
            ));
        }
        let Some(data_dir) = self.database.data_dir.as_deref() else {
            return Err(refuse(
                Exit::Settings,
                "no data folder is named",
                "Name the folder whose private PostgreSQL is to be upgraded, with --data-dir or ELT_DATA_DIR.",
            ));
        };
        let programs = ProgramFolders { new: self.database.pg_bin.as_deref(), old: self.old_pg_bin.as_deref() };
        match upgrade::upgrade(data_dir, programs, &out::problem).await? {
            Upgraded::UpToDate { version } => {
                out::print(&format!("the cluster has version {version}, the newest one here: nothing to do"));
            }
            Upgraded::Done { from, to, kept } => out::print(&format!(
                "PostgreSQL {from} became PostgreSQL {to}. When everything works, remove {}",
                kept.display()
            )),
        }
        Ok(Exit::Done)
    }
}
