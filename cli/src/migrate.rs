//! `elt migrate`: brings the control database up to date.

use clap::Args;
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::store::sealing;

use crate::databases::on_control_database;
use crate::exit::Exit;
use crate::{keys, out};

/// Brings the control database up to date
///
/// Makes or changes the tables of this version of elt. Safe to run again, from several places at once, and while
/// servers and workers of the version before are still running. Needs DATABASE_URL, or the --data-dir of an `elt up`.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Migrate {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        on_control_database("migrate", &self.database, &self.telemetry, async |databases| {
            databases.migrate().await?;
            if sealing::rows_in_clear(&databases.control).await? > 0 {
                databases.use_keys(&*keys::find_ring(&databases.data_dir, &self.secret_keys)?).await?;
            }
            Ok(())
        })
        .await?;
        out::print("the control database is up to date");
        Ok(Exit::Done)
    }
}
