//! `elt user`: who may log in.

use std::io::Read;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use elt_shared::password;
use elt_shared::secret::Secret;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::users::{self, Change, Role};
use elt_shared::telemetry::{self, TelemetryOptions};
use sqlx::PgPool;
use uuid::Uuid;

use crate::databases::Databases;
use crate::exit::{Exit, refuse};
use crate::keys::generate_password;
use crate::out;

/// Adds, lists and changes the people who may log in
///
/// Works on the control database directly, so whoever can run it needs no login. Every change voids the tokens that
/// user holds.
#[derive(Debug, Args)]
pub struct User {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user; prints a generated password, unless one is given on stdin
    Add {
        name: String,
        /// What they may do
        #[arg(long, value_enum, default_value_t = RoleName::User)]
        role: RoleName,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users
    List,
    /// Set a new password; prints a generated one, unless one is given on stdin
    Password {
        name: String,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user another role
    Role {
        name: String,
        #[arg(value_enum)]
        role: RoleName,
    },
    /// Lock a user out, at once
    Disable { name: String },
    /// Let a user in again
    Enable { name: String },
    /// Remove a user
    Remove { name: String },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// Owns pipelines
    Admin,
    /// Looks at data
    User,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::User => Self::User,
        }
    }
}

impl User {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let _telemetry = telemetry::init(&self.telemetry, TelemetryOptions::new("user"))?;
        let databases = Databases::open(&self.database, 2).await?;
        databases.require_migrated().await?;
        let done = self.action.execute(&databases.control).await;
        databases.close().await?;
        done.map(|()| Exit::Done)
    }
}

impl Action {
    async fn execute(self, db: &PgPool) -> anyhow::Result<()> {
        match self {
            Self::Add { name, role, password_stdin } => add(db, &name, role.into(), password_stdin).await,
            Self::List => list(db).await,
            Self::Password { name, password_stdin } => {
                let (password_hash, generated) = new_password(password_stdin).await?;
                change(db, &name, Change { password_hash: Some(password_hash), ..Change::default() }).await?;
                show(&name, generated.as_ref());
                Ok(())
            }
            Self::Role { name, role } => {
                change(db, &name, Change { role: Some(role.into()), ..Change::default() }).await
            }
            Self::Disable { name } => change(db, &name, Change { disabled: Some(true), ..Change::default() }).await,
            Self::Enable { name } => change(db, &name, Change { disabled: Some(false), ..Change::default() }).await,
            Self::Remove { name } => {
                let id = find(db, &name).await?;
                users::remove(db, id).await.with_context(|| format!("could not remove `{name}`"))?;
                Ok(())
            }
        }
    }
}

async fn add(db: &PgPool, name: &str, role: Role, from_stdin: bool) -> anyhow::Result<()> {
    let (hash, generated) = new_password(from_stdin).await?;
    users::create(db, name, &hash, role).await.map_err(|error| match error.as_database_error() {
        Some(database) if database.constraint() == Some("users_username") => refuse(
            Exit::Failed,
            format!("there is already a user `{name}`"),
            "Choose another name, or change that user with `elt user password` and `elt user role`.",
        ),
        _ => anyhow::Error::new(error).context(format!("could not add `{name}`")),
    })?;
    show(name, generated.as_ref());
    Ok(())
}

async fn list(db: &PgPool) -> anyhow::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = users::list(db, after.as_deref(), 100).await.context("could not list the users")?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.username.clone());
        for user in &page {
            let state = if user.disabled { "disabled" } else { "active" };
            out::print(&format!(
                "{:<24} {:<6} {state:<9} since {}",
                user.username,
                user.role.as_str(),
                user.created_at.format("%Y-%m-%d")
            ));
        }
    }
}

async fn change(db: &PgPool, name: &str, change: Change) -> anyhow::Result<()> {
    let id = find(db, name).await?;
    users::change(db, id, &change).await.with_context(|| format!("could not change `{name}`"))?;
    Ok(())
}

async fn find(db: &PgPool, name: &str) -> anyhow::Result<Uuid> {
    let login = users::find_login(db, name).await.context("could not look for the user")?;
    let known = login.map(|login| login.user.id);
    known.ok_or_else(|| {
        refuse(Exit::Failed, format!("there is no user `{name}`"), "`elt user list` shows who there is.")
    })
}

/// The hash to keep, and the password to show when it is a generated one.
async fn new_password(from_stdin: bool) -> anyhow::Result<(String, Option<Secret>)> {
    if !from_stdin {
        let password = Secret::new(generate_password());
        return Ok((password::hash(password.clone()).await?, Some(password)));
    }
    let mut text = String::new();
    std::io::stdin().lock().take(4_096).read_to_string(&mut text).context("could not read the password from stdin")?;
    Ok((password::hash(Secret::new(text.trim_end_matches(['\r', '\n']))).await?, None))
}

fn show(name: &str, generated: Option<&Secret>) {
    if let Some(password) = generated {
        out::print(&format!("password of {name}: {}", password.expose()));
    }
}
