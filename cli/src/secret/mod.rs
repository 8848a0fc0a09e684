//! `elt secret`: the values that configs refer to as `${secret:NAME}`.
//!
//! # Layout
//! - `value`: reads a value from stdin, a file or a terminal

mod value;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use elt_shared::secret::KeyRing;
use elt_shared::store::secrets::{self, StoredSecret};
use elt_shared::stored_secret::{self, ALL_PIPELINES, ChangeSecret, SecretError};
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::table::Table;

/// Pipelines that the refusal of a removal names.
const NAMED_USES: usize = 20;

/// Stores, lists, grants and removes secrets, which configs refer to as ${secret:NAME}
///
/// Works on the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of
/// an `elt up`. Values are sealed with ELT_SECRET_KEY or the data folder's key, and are never shown again. A pipeline
/// gets only the secrets that are granted to it, and its next run uses what was changed. Every change leaves a row in
/// the audit.
#[derive(Debug, Args)]
pub struct Secret {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Store a secret, or give it another value: the text on stdin, in a file, or typed without being shown
    Set {
        name: String,
        /// File with the value; one line end at its end is not part of it
        #[arg(long)]
        file: Option<PathBuf>,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        grants: Grants,
    },
    /// List all secrets, without their values
    List,
    /// Let pipelines use a secret
    Grant {
        name: String,
        /// Names of pipelines; `*` for all of them
        #[arg(required_unless_present = "users")]
        pipelines: Vec<String>,
        /// Let configs use it that no admin has uploaded. Users can then learn its value
        #[arg(long)]
        users: bool,
    },
    /// Take a secret away from pipelines; their next runs do not get it
    Revoke {
        name: String,
        /// Names of pipelines; `*` when it was granted to all of them
        #[arg(required_unless_present = "users")]
        pipelines: Vec<String>,
        /// Take it away from configs that no admin has uploaded
        #[arg(long)]
        users: bool,
    },
    /// Remove a secret
    Remove {
        name: String,
        /// Remove it although pipelines refer to it; their next runs fail
        #[arg(long)]
        force: bool,
    },
}

/// What `set` grants besides.
#[derive(Debug, Args)]
struct Grants {
    /// Pipeline that may use it, in place of those before; several times for more than one, `*` for all
    #[arg(long = "pipeline", value_name = "NAME")]
    pipelines: Vec<String>,
    /// Let configs use it that no admin has uploaded. Users can then learn its value
    #[arg(long)]
    users: bool,
}

impl Secret {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let change = self.action.given()?;
        let installation = self.installation;
        match self.action {
            Action::List => installation.open("secret", async |databases| list(&databases.control).await).await?,
            action => installation.change("secret", async |db, keys| action.change(db, keys, change).await).await?,
        }
        Ok(Exit::Done)
    }
}

impl Action {
    /// What `set` stores. Read before the database is opened, because a person may take long to type, or give up.
    fn given(&self) -> anyhow::Result<ChangeSecret> {
        let Self::Set { name, file, description, grants } = self else { return Ok(ChangeSecret::default()) };
        stored_secret::check_name(name).map_err(|error| refused(&error))?;
        let change = ChangeSecret {
            value: Some(value::read(name, file.as_deref())?),
            description: description.clone(),
            pipelines: Some(grants.pipelines.clone()).filter(|names| !names.is_empty()),
            usable_by_users: grants.users.then_some(true),
        };
        change.checked().map_err(|error| refused(&error))
    }

    async fn change(self, db: &PgPool, keys: &KeyRing, change: ChangeSecret) -> anyhow::Result<()> {
        let mut tx = db.begin().await.context("could not reach the control database")?;
        let (action, name, detail) = match self {
            Self::Set { name, .. } => {
                let secret = put(&mut tx, keys, &name, &change).await?;
                (
                    "secret set",
                    name,
                    json!({ "value_changed": true, "version": secret.version,
                    "pipelines": secret.pipelines, "usable_by_users": secret.usable_by_users }),
                )
            }
            Self::Grant { name, pipelines, users } => {
                let secret = find(&mut tx, &name).await?;
                let grants = granted(secret, pipelines, users);
                let secret = put(&mut tx, keys, &name, &grants).await?;
                ("secret grant", name, grants_of(&secret))
            }
            Self::Revoke { name, pipelines, users } => {
                let secret = find(&mut tx, &name).await?;
                let grants = revoked(secret, &pipelines, users)?;
                let secret = put(&mut tx, keys, &name, &grants).await?;
                ("secret revoke", name, grants_of(&secret))
            }
            Self::Remove { name, force } => {
                remove(&mut tx, &name, force).await?;
                ("secret remove", name, json!({ "force": force }))
            }
            Self::List => return Ok(()),
        };
        Deed { action, object: format!("secret {name}"), detail }.commit(tx, keys).await
    }
}

fn grants_of(secret: &StoredSecret) -> serde_json::Value {
    json!({ "pipelines": secret.pipelines, "usable_by_users": secret.usable_by_users })
}

async fn find(db: &mut PgConnection, name: &str) -> anyhow::Result<StoredSecret> {
    secrets::lock(db, name).await.context("could not look for the secret")?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> anyhow::Error {
    refuse(Exit::Failed, format!("there is no secret `{name}`"), "`elt secret list` shows which there are.")
}

async fn put(db: &mut PgConnection, keys: &KeyRing, name: &str, change: &ChangeSecret) -> anyhow::Result<StoredSecret> {
    let change = change.clone().checked().map_err(|error| refused(&error))?;
    let stored = secrets::put(db, keys, (name, &change), &operator()).await.context("could not store the secret")?;
    stored.map(|(secret, _)| secret).map_err(|error| refused(&error))
}

fn refused(error: &SecretError) -> anyhow::Error {
    let next_step = match error {
        SecretError::TooMany => "Remove secrets that no pipeline uses any more.",
        _ => "Correct the command and run it again.",
    };
    refuse(Exit::Failed, error.to_string(), next_step)
}

/// The grants of a secret and these.
fn granted(secret: StoredSecret, pipelines: Vec<String>, users: bool) -> ChangeSecret {
    let all = || vec![ALL_PIPELINES.to_owned()];
    let is_for_all = |names: &[String]| names.iter().any(|name| name == ALL_PIPELINES);
    let pipelines = match is_for_all(&pipelines) || is_for_all(&secret.pipelines) {
        true => all(),
        false => [secret.pipelines, pipelines].concat(),
    };
    ChangeSecret { pipelines: Some(pipelines), usable_by_users: users.then_some(true), ..ChangeSecret::default() }
}

/// The grants of a secret without these.
fn revoked(secret: StoredSecret, pipelines: &[String], users: bool) -> anyhow::Result<ChangeSecret> {
    if let Some(other) = pipelines.iter().find(|name| !secret.pipelines.contains(name)) {
        let next_step = match secret.pipelines.iter().any(|name| name == ALL_PIPELINES) {
            true => "It is granted to all pipelines: revoke it from `*`, then grant it to those that need it.",
            false => "`elt secret list` shows to which it is granted.",
        };
        return Err(refuse(Exit::Failed, format!("`{}` is not granted to `{other}`", secret.name), next_step));
    }
    let left = secret.pipelines.into_iter().filter(|name| !pipelines.contains(name)).collect();
    Ok(ChangeSecret { pipelines: Some(left), usable_by_users: users.then_some(false), ..ChangeSecret::default() })
}

async fn remove(db: &mut PgConnection, name: &str, force: bool) -> anyhow::Result<()> {
    if !secrets::remove(&mut *db, name).await.context("could not remove the secret")? {
        return Err(missing(name));
    }
    let uses = secrets::uses(db, &[name.to_owned()]).await.context("could not look for the secret's users")?;
    match uses.is_empty() || force {
        true => Ok(()),
        // The transaction ends without a commit, so the secret stays.
        false => Err(refuse(
            Exit::Failed,
            format!("the secret `{name}` is used by {}", secrets::pipelines_of(&uses, NAMED_USES)),
            "Upload configs of these pipelines that do not refer to it and stop schedules that run an older one, or add \
             --force: their next runs then fail.",
        )),
    }
}

async fn list(db: &PgPool) -> anyhow::Result<()> {
    let mut table = Table::new(&["name", "pipelines", "users", "version", "changed", "by", "description"]);
    let mut after: Option<String> = None;
    loop {
        let page = secrets::list(db, after.as_deref(), 100).await.context("could not list the secrets")?;
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        for secret in page {
            let pipelines = match secret.pipelines.as_slice() {
                [] => "none".to_owned(),
                [all] if all == ALL_PIPELINES => "all".to_owned(),
                names => names.join(", "),
            };
            table.row([
                secret.name,
                pipelines,
                if secret.usable_by_users { "yes" } else { "no" }.to_owned(),
                secret.version.to_string(),
                secret.updated_at.format("%Y-%m-%d").to_string(),
                secret.updated_by,
                secret.description,
            ]);
        }
    }
    out::print(&table.render());
    Ok(())
}
