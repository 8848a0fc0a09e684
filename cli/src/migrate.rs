//! `elt migrate`: brings the control database up to date.

use clap::Args;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::telemetry::{self, TelemetryOptions};

use crate::databases::Databases;
use crate::exit::Exit;
use crate::out;

/// Brings the control database up to date
///
/// Makes or changes the tables of this version of elt. Safe to run again, from several places at once, and while
/// servers and workers of the version before are still running.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Migrate {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let _telemetry = telemetry::init(&self.telemetry, TelemetryOptions::new("migrate"))?;
        let databases = Databases::open(&self.database, 2).await?;
        databases.migrate().await?;
        databases.close().await?;
        out::print("the control database is up to date");
        Ok(Exit::Done)
    }
}
