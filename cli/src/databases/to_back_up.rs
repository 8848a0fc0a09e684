//! The databases of a backup.

use anyhow::Context;
use elt_cluster::{CONTROL as CONTROL_DATABASE, TARGET_DATABASE};
use elt_shared::settings::DatabaseSettings;
use elt_shared::target::TargetAddress;

use super::{Databases, parse_address};
use crate::backup::manifest::{CONTROL, TARGET};

impl Databases {
    /// The databases that a backup has, with the names of their entries in the order of the backup: those of the private
    /// cluster as its superuser, or the one of DATABASE_URL as its owner.
    pub fn to_back_up(&self, settings: &DatabaseSettings) -> anyhow::Result<Vec<(&'static str, TargetAddress)>> {
        if let Some(cluster) = &self.cluster {
            let of = |database: &str| {
                let mut address = parse_address("the private cluster's URL", &cluster.superuser_url())?;
                database.clone_into(&mut address.database);
                Ok::<_, anyhow::Error>(address)
            };
            return Ok(vec![(CONTROL, of(CONTROL_DATABASE)?), (TARGET, of(TARGET_DATABASE)?)]);
        }
        let url = settings.owner_database_url.as_ref().or(settings.database_url.as_ref());
        Ok(vec![(CONTROL, parse_address("DATABASE_URL", url.context("DATABASE_URL is not set")?)?)])
    }
}
