//! Which control database a command uses.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use elt_cluster::Cluster;
use elt_shared::settings::DatabaseSettings;

use super::connecting::{Logins, Part, address, parse};
use crate::exit::{Exit, refuse};

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
    Given(Box<Logins>),
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
        let owner = settings.owner_database_url.as_ref();
        let owner = owner.map(|url| parse("ELT_OWNER_DATABASE_URL", url)).transpose()?;
        if let Some(url) = &settings.database_url {
            return Ok(Self::Given(Box::new(Logins::given(parse("DATABASE_URL", url)?, owner))));
        }
        if owner.is_some() {
            return Err(refuse(
                Exit::Settings,
                "ELT_OWNER_DATABASE_URL is set, but DATABASE_URL is not",
                "Set DATABASE_URL as well. `elt migrate` may use the owner's URL for both.",
            ));
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
            Self::Given(logins) => {
                let database = logins.of(Part::Command).get_database().unwrap_or_default();
                write!(f, "control database: {database} at {}", address(logins.of(Part::Command)))
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

/// The data folder, from the root of the file system.
pub(super) fn data_dir(settings: &DatabaseSettings) -> anyhow::Result<PathBuf> {
    std::path::absolute(settings.data_dir()).context("could not find the data folder")
}

/// The folder of the inboxes, from the root of the file system.
pub(super) fn inbox(settings: &DatabaseSettings, data_dir: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(settings.inbox(data_dir)).context("could not find the folder of the inboxes")
}

#[cfg(test)]
mod tests {
    use elt_shared::secret::Secret;

    use super::*;

    fn settings(database_url: Option<&str>, data_dir: Option<&Path>) -> DatabaseSettings {
        DatabaseSettings {
            database_url: database_url.map(Secret::new),
            owner_database_url: None,
            target_url: None,
            data_dir: data_dir.map(Path::to_owned),
            inbox: None,
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
