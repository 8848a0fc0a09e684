//! `elt state`: the cursors of incremental sources.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use elt_shared::config::Document;
use elt_shared::cursor::by_hand::{self, SourceCursor, StateError};
use elt_shared::settings::{AllowedVariables, NetworkSettings};
use elt_shared::store::configs::ConfigAuthor;
use elt_shared::store::secrets;
use elt_shared::stored_secret::{Asker, GrantedSecrets, SecretReferences};
use elt_shared::target::{self, AnswerLimits, TableRef, TargetError};
use serde_json::json;
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::audit::Deed;
use crate::config_file::ConfigFile;
use crate::databases::Databases;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::table::Table;

/// Shows, sets and clears what was read of incremental sources
///
/// The cursor of each source is kept in the target, beside the table. `show` prints it and the value that the next run reads
/// from. `set` makes the next run read from another value, and `clear` lets it read as the first one did; rows that are in the
/// table already are not loaded twice. Changes leave a row in the audit.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done; 1 the target or the value cannot be used; 3 the config cannot run, or has no such source.

Examples:
  elt state show pipeline.yaml --json
  elt state set pipeline.yaml 2026-11-01T00:00:00Z
  elt state clear pipeline.yaml --source 2")]
pub struct State {
    #[command(subcommand)]
    action: Action,
    /// Names `${env:NAME}` in a config may stand for, separated by commas.
    #[arg(long, env = "ELT_ENV_ALLOW", value_delimiter = ',', global = true)]
    env_allow: Vec<String>,
    #[command(flatten)]
    network: NetworkSettings,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the cursors
    Show {
        /// The config, a YAML file
        config: PathBuf,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the next run read from a value
    Set {
        /// The config, a YAML file
        config: PathBuf,
        /// The value, as the API writes it in its rows
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Number of the source in the config, from 1; not needed when only one is incremental
        #[arg(long)]
        source: Option<usize>,
        /// Print the cursors as JSON afterwards
        #[arg(long)]
        json: bool,
    },
    /// Let the next run read as the first one did
    Clear {
        /// The config, a YAML file
        config: PathBuf,
        /// Number of the source in the config, from 1. Default: all sources
        #[arg(long)]
        source: Option<usize>,
        /// Print the cursors as JSON afterwards
        #[arg(long)]
        json: bool,
    },
}

impl State {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let (path, json) = match &self.action {
            Action::Show { config, json } | Action::Set { config, json, .. } | Action::Clear { config, json, .. } => {
                (config.clone(), *json)
            }
        };
        let file = ConfigFile::read(&path)?;
        let sources = self.installation.open("state", async |databases| self.act(databases, &file).await).await?;
        match json {
            true => out::print(&serde_json::to_string_pretty(&sources)?),
            false => out::print(&shown(&sources)),
        }
        Ok(Exit::Done)
    }

    async fn act(&self, databases: &Databases, file: &ConfigFile) -> anyhow::Result<Vec<SourceCursor>> {
        let (mut connection, table) = self.connect(databases, file).await?;
        let config = &file.config;
        let object = format!("pipeline {}", config.name);
        match &self.action {
            Action::Show { .. } => {}
            Action::Set { value, source, .. } => {
                let deed = Deed { action: "state set", object, detail: json!({ "source": source, "value": value }) };
                let set = by_hand::set(&mut connection, &table, config, *source, (value, &operator())).await;
                self.commit(databases, deed, set.map_err(refused)?).await?;
            }
            Action::Clear { source, .. } => {
                let deed = Deed { action: "state clear", object, detail: json!({ "source": source }) };
                let cleared = by_hand::clear(&mut connection, &table, config, *source).await;
                self.commit(databases, deed, cleared.map_err(refused)?).await?;
            }
        }
        let sources = by_hand::show(&mut connection, &table, config).await.map_err(refused)?;
        // A failure is ignored, because the server also ends the session when the socket closes.
        let _ = connection.close().await;
        Ok(sources)
    }

    /// Notes a change of the target in the audit, then commits it: no change is made that was not noted.
    async fn commit(
        &self,
        databases: &Databases,
        deed: Deed<'_>,
        change: Transaction<'_, Postgres>,
    ) -> anyhow::Result<()> {
        let keys = self.installation.keys()?;
        databases.require_keys_in_use(&keys).await?;
        let tx = databases.control.begin().await.context("could not reach the control database")?;
        deed.commit(tx, &keys).await?;
        change.commit().await.map_err(|error| refused(error.into()))
    }

    /// Connects to the target of a config, with what its references stand for.
    async fn connect(&self, databases: &Databases, file: &ConfigFile) -> anyhow::Result<(PgConnection, TableRef)> {
        let document = Document::parse(&file.text)?;
        let keys = self.installation.keys();
        let asker = Asker { pipeline: &file.config.name, author: ConfigAuthor::Admin };
        let granted = match document.secret_names().is_empty() {
            true => GrantedSecrets::default(),
            false => {
                let read = secrets::of_config(&databases.control, &*keys?, &document, asker).await;
                read.context("could not read the secrets that the config refers to")?
            }
        };
        let variables = Some(AllowedVariables::new(&self.env_allow));
        let wanted = document.target(&SecretReferences { variables, secrets: &granted })?.value;
        let default = databases.target_url.as_ref();
        let opened = target::connect(&wanted.database, default, &self.network, "elt:state", AnswerLimits::VIEW).await;
        let mut connection = opened.map_err(unusable)?;
        let table = TableRef::find(&mut connection, &wanted.table).await.map_err(unusable)?;
        Ok((connection, table))
    }
}

fn unusable(error: TargetError) -> anyhow::Error {
    refuse(Exit::Failed, error.to_string(), error.next_step())
}

fn refused(error: StateError) -> anyhow::Error {
    let exit = match error {
        StateError::BadValue(_) | StateError::Database(_) => Exit::Failed,
        _ => Exit::Config,
    };
    let problem = error.explained();
    refuse(exit, problem.message, problem.next_step)
}

fn shown(sources: &[SourceCursor]) -> String {
    let mut table = Table::new(&[">source", "place", "cursor", "read up to", "the next run reads since", "moved by"]);
    for source in sources {
        let by = match (&source.run_id, &source.set_by) {
            (Some(run), _) => format!("run {run}"),
            (None, Some(person)) => person.clone(),
            (None, None) => "-".to_owned(),
        };
        table.row([
            source.number.to_string(),
            source.source.clone(),
            source.cursor.clone(),
            source.value.clone().unwrap_or_else(|| "nothing yet".to_owned()),
            source.since.clone().unwrap_or_else(|| "the beginning".to_owned()),
            by,
        ]);
    }
    table.render()
}
