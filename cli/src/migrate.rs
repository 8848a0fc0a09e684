//! `elt migrate`: brings the control database up to date.

use clap::Args;
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::store::Grants;

use crate::databases::on_control_database;
use crate::exit::Exit;
use crate::{keys, out};

const GRANTED: &str = "\
the roles elt_api, elt_worker and elt_reader have their rights. A login gets those of one with:
  grant elt_api to LOGIN;      -- of `elt serve`
  grant elt_worker to LOGIN;   -- of `elt worker`
  grant elt_reader to LOGIN;   -- of people who look";
const ROLES_MISSING: &str = "\
the roles elt_api, elt_worker and elt_reader are missing, and this login may not create them. One login for everything \
works; for separate ones, as a superuser:
  create role elt_api nologin; create role elt_worker nologin; create role elt_reader nologin;
and then run `elt migrate` again";

/// Brings the control database up to date
///
/// Makes or changes the tables of this version of elt. Safe to run again, from several places at once, and while
/// servers and workers of the version before are still running. Needs DATABASE_URL, or the --data-dir of an `elt up`.
/// With separate logins, ELT_OWNER_DATABASE_URL is the one that owns the tables. Needs ELT_SECRET_KEY, or the data folder's
/// keys, to seal what an earlier release stored in clear; keys that are given must be those of the installation.
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
        let grants = on_control_database("migrate", &self.database, &self.telemetry, async |databases| {
            let keys = keys::find_ring_if_any(&databases.data_dir, &self.secret_keys)?;
            databases.migrate(keys.as_deref()).await
        })
        .await?;
        out::print("the control database is up to date");
        out::print(match grants {
            Grants::Given => GRANTED,
            Grants::RolesMissing => ROLES_MISSING,
        });
        Ok(Exit::Done)
    }
}
