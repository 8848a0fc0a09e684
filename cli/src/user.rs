//! `elt user`: who may log in.

use std::io::{IsTerminal, Read};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use elt_shared::password;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::store::users::{self, Change, Role};
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::keys::generate_password;
use crate::out;

/// Adds, lists and changes the people who may log in
///
/// Works on the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of
/// an `elt up`. Every change voids the tokens that user holds, and leaves a row in the audit, signed with
/// ELT_SECRET_KEY or the data folder's key.
#[derive(Debug, Args)]
pub struct User {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user with the password on stdin; without one, prints a generated password
    Add {
        name: String,
        /// What they may do
        #[arg(long, value_enum, default_value_t = RoleName::User)]
        role: RoleName,
        /// Add a service account: it has no password, and programs act as it with API tokens (`elt token create`)
        #[arg(long, conflicts_with = "password_stdin")]
        service: bool,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users
    List,
    /// Set the password on stdin; without one, prints a generated password
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
        // Read before the database is opened, because a person may take long to type, or give up.
        let given = self.action.given_password()?;
        let installation = self.installation;
        match self.action {
            Action::List => installation.open("user", async |databases| list(&databases.control).await).await?,
            action => installation.change("user", async |db, keys| action.change(db, keys, given).await).await?,
        }
        Ok(Exit::Done)
    }
}

impl Action {
    /// The password on stdin, for the actions that set one.
    fn given_password(&self) -> anyhow::Result<Option<Secret>> {
        match self {
            Self::Add { service: true, .. } => Ok(None),
            Self::Add { password_stdin, .. } | Self::Password { password_stdin, .. } => {
                password_on_stdin(*password_stdin)
            }
            _ => Ok(None),
        }
    }

    /// What the audit says of it.
    fn deed(&self) -> Deed<'static> {
        let (action, name, detail) = match self {
            Self::Add { name, role, .. } => ("user add", name, json!({ "role": Role::from(*role).as_str() })),
            Self::Role { name, role } => ("user role", name, json!({ "role": Role::from(*role).as_str() })),
            Self::Password { name, .. } => ("user password", name, json!({})),
            Self::Disable { name } => ("user disable", name, json!({})),
            Self::Enable { name } => ("user enable", name, json!({})),
            Self::Remove { name } => ("user remove", name, json!({})),
            Self::List => return Deed { action: "user list", object: "users".into(), detail: json!({}) },
        };
        Deed { action, object: format!("user {name}"), detail }
    }

    /// Does it and writes its row, both or neither. What fails leaves a row as well.
    async fn change(self, db: &PgPool, keys: &KeyRing, given: Option<Secret>) -> anyhow::Result<()> {
        let (done, failed) = (self.deed(), self.deed());
        let work = async {
            let mut tx = db.begin().await.context("could not reach the control database")?;
            let shown = self.execute(&mut tx, given).await?;
            done.commit(tx, keys).await?;
            Ok(shown)
        };
        match work.await {
            Ok(Some((name, password))) => out::print(&format!("password of {name}: {}", password.expose())),
            Ok(None) => {}
            Err(error) => {
                failed.note_failure(db, keys).await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Does it; returns the name and the password to show when one was generated.
    async fn execute(self, db: &mut PgConnection, given: Option<Secret>) -> anyhow::Result<Option<(String, Secret)>> {
        match self {
            Self::Add { name, role, service: true, .. } => add_service(db, &name, role.into()).await?,
            Self::Add { name, role, .. } => {
                require_free(&name)?;
                let (hash, generated) = new_password(given).await?;
                users::create(db, &name, &hash, role.into()).await.map_err(|error| not_added(error, &name))?;
                return Ok(generated.map(|password| (name, password)));
            }
            Self::Password { name, .. } => {
                require_person(&mut *db, &name).await?;
                let (password_hash, generated) = new_password(given).await?;
                change(db, &name, Change { password_hash: Some(password_hash), ..Change::default() }).await?;
                return Ok(generated.map(|password| (name, password)));
            }
            Self::Role { name, role } => {
                change(db, &name, Change { role: Some(role.into()), ..Change::default() }).await?;
            }
            Self::Disable { name } => change(db, &name, Change { disabled: Some(true), ..Change::default() }).await?,
            Self::Enable { name } => change(db, &name, Change { disabled: Some(false), ..Change::default() }).await?,
            Self::Remove { name } => {
                let id = find(&mut *db, &name).await?;
                users::remove(db, id).await.with_context(|| format!("could not remove `{name}`"))?;
            }
            Self::List => {}
        }
        Ok(None)
    }
}

/// # Errors
/// When the user has no password here: a service account, or a person who logs in at the identity provider.
async fn require_person(db: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    match users::find_by_name(db, name).await.context("could not look for the user")? {
        Some(user) if user.is_service => Err(refuse(
            Exit::Failed,
            format!("`{name}` is a service account, which has no password"),
            format!("Create an API token for it: `elt token create NAME --owner {name} --scope …`."),
        )),
        Some(users::User { issuer: Some(issuer), .. }) => Err(refuse(
            Exit::Failed,
            format!("`{name}` logs in at the identity provider {issuer} and has no password here"),
            "Change the password at the identity provider.",
        )),
        _ => Ok(()),
    }
}

/// # Errors
/// When the audit uses such a name for something else than users.
fn require_free(name: &str) -> anyhow::Result<()> {
    match users::is_reserved(name) {
        true => Err(refuse(Exit::Failed, "a username does not start with `token:` or `cli:`", "Choose another name.")),
        false => Ok(()),
    }
}

async fn add_service(db: &mut PgConnection, name: &str, role: Role) -> anyhow::Result<()> {
    require_free(name)?;
    users::create_service(db, name, role).await.map_err(|error| not_added(error, name))?;
    Ok(())
}

fn not_added(error: sqlx::Error, name: &str) -> anyhow::Error {
    match error.as_database_error() {
        Some(database) if database.constraint() == Some("users_username") => refuse(
            Exit::Failed,
            format!("there is already a user `{name}`"),
            "Choose another name, or change that user with `elt user password` and `elt user role`.",
        ),
        _ => anyhow::Error::new(error).context(format!("could not add `{name}`")),
    }
}

async fn list(db: &PgPool) -> anyhow::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = users::list(db, after.as_deref(), 100).await.context("could not list the users")?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.username.clone());
        for user in &page {
            let state = if user.disabled { "disabled" } else { "active" };
            let service = if user.is_service { " (service account)" } else { "" };
            out::print(&format!(
                "{:<24} {:<6} {state:<9} since {}{service}",
                user.username,
                user.role.as_str(),
                user.created_at.format("%Y-%m-%d")
            ));
        }
    }
}

async fn change(db: &mut PgConnection, name: &str, change: Change) -> anyhow::Result<()> {
    let id = find(&mut *db, name).await?;
    users::change(db, id, &change).await.with_context(|| format!("could not change `{name}`"))?;
    Ok(())
}

async fn find(db: &mut PgConnection, name: &str) -> anyhow::Result<Uuid> {
    let user = users::find_by_name(db, name).await.context("could not look for the user")?;
    let known = user.map(|user| user.id);
    known.ok_or_else(|| {
        refuse(Exit::Failed, format!("there is no user `{name}`"), "`elt user list` shows who there is.")
    })
}

/// The hash to keep, and the password to show when it is a generated one.
async fn new_password(given: Option<Secret>) -> anyhow::Result<(String, Option<Secret>)> {
    match given {
        Some(password) => Ok((password::hash(password).await?, None)),
        None => {
            let password = Secret::new(generate_password());
            Ok((password::hash(password.clone()).await?, Some(password)))
        }
    }
}

/// Most bytes read from stdin for a password.
const LONGEST_INPUT: u64 = 4_096;

/// The one line on stdin. `None`: stdin is a terminal or empty, and a password is not `required` there.
fn password_on_stdin(required: bool) -> anyhow::Result<Option<Secret>> {
    let stdin = std::io::stdin();
    if !required {
        if stdin.is_terminal() {
            return Ok(None);
        }
        out::problem("reading a password from stdin (`</dev/null` generates one)");
    }
    let mut bytes = Vec::new();
    let read = stdin.lock().take(LONGEST_INPUT + 1).read_to_end(&mut bytes);
    read.context("could not read the password from stdin")?;
    if bytes.is_empty() && !required {
        return Ok(None);
    }
    one_line(bytes)
        .map(Some)
        .map_err(|problem| refuse(Exit::Failed, problem, "Write the password on one line of stdin."))
}

fn one_line(bytes: Vec<u8>) -> Result<Secret, &'static str> {
    if bytes.len() as u64 > LONGEST_INPUT {
        return Err("the text on stdin is too long for a password");
    }
    let text = String::from_utf8(bytes).map_err(|_| "the password on stdin is not UTF-8")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line {
        "" => Err("the password on stdin is empty"),
        // Refused, because inside `while read name; do elt user add "$name"; done` the rest of the list is on stdin.
        _ if line.contains(['\r', '\n']) => Err("there is more than one line on stdin"),
        line => Ok(Secret::new(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_one_line_on_stdin() {
        for (bytes, password) in [
            (&b"correct horse\n"[..], "correct horse"),
            (b"correct horse\r\n", "correct horse"),
            (b" spaces count \n", " spaces count "),
            (b"no line end", "no line end"),
        ] {
            assert_eq!(one_line(bytes.to_vec()).map(|line| line.expose().to_owned()), Ok(password.to_owned()));
        }
        for bytes in [&b"\n"[..], b"\r\n", b"bob\ncarol\n", b"a\rb", b"a\n\n", b"\xff\xfe", &[b'x'; 4_097]] {
            assert!(one_line(bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }
}
