//! `elt migrate`: brings the control database up to date, or says whether it is.

use clap::Args;
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::store::{Grants, Migrated, Schema, SchemaState};
use serde::Serialize;

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
const NEWER: &str = "\
the control database is newer than this elt, which works with it: nothing to do";

/// Brings the control database up to date
///
/// Makes or changes the tables of this version of elt. Safe to run again, from several places at once, and while
/// servers and workers of the version before are still running. Leaves a control database alone that a newer elt
/// migrated. Needs DATABASE_URL, or the --data-dir of an `elt up`.
/// With separate logins, ELT_OWNER_DATABASE_URL is the one that owns the tables. Needs ELT_SECRET_KEY, or the data folder's
/// keys, to seal what an earlier release stored in clear; keys that are given must be those of the installation.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes of --check: 0 up to date; 5 migrations are missing; 6 newer than this elt, which works with it;
7 too new for this elt, or made by another build.")]
pub struct Migrate {
    /// Say whether the control database is up to date, and change nothing
    #[arg(long)]
    check: bool,
    /// Say it as JSON
    #[arg(long, requires = "check")]
    json: bool,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Migrate {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        if self.check {
            return self.look().await;
        }
        let migrated = on_control_database("migrate", &self.database, &self.telemetry, async |databases| {
            let keys = keys::find_ring_if_any(&databases.data_dir, &self.secret_keys)?;
            databases.migrate(keys.as_deref()).await
        })
        .await?;
        match migrated {
            Migrated::Newer => out::print(NEWER),
            Migrated::UpToDate(grants) => {
                out::print("the control database is up to date");
                out::print(match grants {
                    Grants::Given => GRANTED,
                    Grants::RolesMissing => ROLES_MISSING,
                });
            }
        }
        Ok(Exit::Done)
    }

    /// Says how the schema stands to this program.
    async fn look(&self) -> anyhow::Result<Exit> {
        let schema =
            on_control_database("migrate", &self.database, &self.telemetry, async |databases| databases.schema().await)
                .await?;
        let found = Found::new(&schema);
        match self.json {
            true => out::print(&serde_json::to_string_pretty(&found)?),
            false => out::print(&found.sentence()),
        }
        Ok(match found.state {
            SchemaState::UpToDate => Exit::Done,
            SchemaState::Behind => Exit::MigrationsMissing,
            SchemaState::Newer => Exit::SchemaNewer,
            SchemaState::TooNew | SchemaState::Foreign => Exit::SchemaTooNew,
        })
    }
}

/// What `--check` found, as `--json` writes it.
#[derive(Debug, Serialize)]
struct Found<'a> {
    state: SchemaState,
    /// Whether `elt serve` and `elt worker` of this program can use the database now.
    usable: bool,
    /// Version of this program.
    version: &'static str,
    /// Migrations of this program that the database lacks.
    missing: &'a [i64],
    /// Migrations of the database that this program does not know.
    unknown: &'a [i64],
    /// The oldest release that may use the database. `null`: the database does not say.
    oldest_release: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn new(schema: &'a Schema) -> Self {
        let state = schema.state();
        Self {
            state,
            usable: matches!(state, SchemaState::UpToDate | SchemaState::Newer),
            version: env!("CARGO_PKG_VERSION"),
            missing: &schema.missing,
            unknown: &schema.unknown,
            oldest_release: schema.oldest.as_ref().map(|oldest| oldest.release.as_str()),
        }
    }

    fn sentence(&self) -> String {
        let (missing, unknown) = (self.missing.len(), self.unknown.len());
        match self.state {
            SchemaState::UpToDate => "the control database is up to date".to_owned(),
            SchemaState::Behind => {
                format!("the control database lacks {missing} migrations of this elt: run `elt migrate`")
            }
            SchemaState::Newer => format!(
                "the control database has {unknown} migrations of a newer elt, and this elt works with it: nothing to do"
            ),
            SchemaState::TooNew => format!(
                "the control database needs elt {} or newer, and this is elt {}: install a newer release",
                self.oldest_release.unwrap_or_default(),
                self.version
            ),
            SchemaState::Foreign => format!(
                "another build of elt made the control database: it has {unknown} migrations that this elt does not know, \
                 and lacks {missing} that this elt has"
            ),
        }
    }
}
