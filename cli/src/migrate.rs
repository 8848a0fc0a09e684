//! `elt migrate`: brings the control database up to date.

use clap::Args;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};

use crate::databases::{Databases, on_control_database};
use crate::exit::Exit;
use crate::out;

/// Brings the control database up to date
///
/// Makes or changes the tables of this version of elt. Safe to run again, from several places at once, and while
/// servers and workers of the version before are still running. Needs DATABASE_URL, or the --data-dir of an `elt up`.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Migrate {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        on_control_database("migrate", &self.database, &self.telemetry, Databases::migrate).await?;
        out::print("the control database is up to date");
        Ok(Exit::Done)
    }
}
