//! `elt token`: keys for programs.

use anyhow::Context;
use clap::{Args, Subcommand};
use elt_shared::api_token::{self, DEFAULT_DAYS, Grant, Scope};
use elt_shared::secret::KeyRing;
use elt_shared::settings::TokenSettings;
use elt_shared::store::api_tokens::{self, Creation};
use elt_shared::store::users::{self, User};
use serde_json::json;
use sqlx::PgPool;

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::table::Table;

/// Creates, lists and revokes API tokens, the keys with which programs call the API
///
/// Works on the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of
/// an `elt up`. Every change leaves a row in the audit, signed with ELT_SECRET_KEY or the data folder's key.
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a token and print it; it cannot be shown again
    Create(Create),
    /// List all tokens
    List,
    /// Revoke a token, at once
    Revoke { name: String },
}

#[derive(Debug, Args)]
struct Create {
    name: String,
    /// User or service account in whose name the token acts (`elt user add --service` adds one)
    #[arg(long)]
    owner: String,
    /// What it may do: trigger, read, upload, data or admin; several times for more than one
    #[arg(long, required = true, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// Pipeline that it may touch; several times for more than one. Default: all
    #[arg(long, value_name = "NAME")]
    pipeline: Vec<String>,
    /// Days until it expires
    #[arg(long, default_value_t = DEFAULT_DAYS)]
    days: u16,
    #[command(flatten)]
    bounds: TokenSettings,
}

impl Token {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let installation = self.installation;
        match self.action {
            Action::List => installation.open("token", async |databases| list(&databases.control).await).await?,
            Action::Create(create) => {
                installation.change("token", async |db, keys| create.execute(db, keys).await).await?;
            }
            Action::Revoke { name } => {
                installation.change("token", async |db, keys| revoke(db, keys, &name).await).await?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Create {
    async fn execute(self, db: &PgPool, keys: &KeyRing) -> anyhow::Result<()> {
        let owner = users::find_by_name(db, &self.owner).await.context("could not look for the owner")?;
        let owner = owner.ok_or_else(|| {
            refuse(
                Exit::Failed,
                format!("there is no user `{}`", self.owner),
                "`elt user list` shows who there is; `elt user add --service` adds a service account.",
            )
        })?;
        let grant = Grant {
            name: self.name,
            scopes: self.scope,
            pipelines: Some(self.pipeline).filter(|names| !names.is_empty()),
            days: self.days,
        };
        let grant = grant
            .checked(&owner, self.bounds.token_max_days)
            .map_err(|error| refuse(Exit::Failed, error.to_string(), "Correct the command and run it again."))?;
        let (token, hash) = api_token::generate();
        let mut tx = db.begin().await.context("could not begin a transaction")?;
        let created =
            api_tokens::create(&mut tx, owner.id, &grant, &hash, &operator(), self.bounds.tokens_per_owner).await;
        let created = match created.context("could not create the token")? {
            Creation::Created(created) => created,
            refused => return Err(not_created(&refused, &grant, &owner)),
        };
        let detail = json!({ "token_owner": owner.username, "scopes": grant.scopes, "pipelines": grant.pipelines,
            "expires_in_days": grant.days });
        let object = format!("token {}", created.name);
        Deed { action: "token create", object, detail }.commit(tx, keys).await?;
        out::problem("Store the token now; it cannot be shown again.");
        out::print(token.expose());
        Ok(())
    }
}

fn not_created(refused: &Creation, grant: &Grant, owner: &User) -> anyhow::Error {
    match refused {
        Creation::NameTaken => refuse(
            Exit::Failed,
            format!("there already is a token `{}`", grant.name),
            format!("Choose another name, or revoke that one with `elt token revoke {}`.", grant.name),
        ),
        Creation::TooMany => refuse(
            Exit::Failed,
            format!("`{}` has as many API tokens as ELT_TOKENS_PER_OWNER allows", owner.username),
            "Revoke tokens that are not used any more with `elt token revoke`.",
        ),
        Creation::NoOwner | Creation::Created(_) => refuse(
            Exit::Failed,
            format!("the user `{}` was removed meanwhile", owner.username),
            "Choose another owner.",
        ),
    }
}

async fn list(db: &PgPool) -> anyhow::Result<()> {
    let mut table = Table::new(&["name", "owner", "scopes", "pipelines", "state", "expires", "last used"]);
    let mut before = None;
    loop {
        let page = api_tokens::list(db, None, before, 100).await.context("could not list the tokens")?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        for token in page {
            let scopes: Vec<&str> = token.scopes.0.iter().map(|scope| scope.as_str()).collect();
            let state = if token.revoked_at.is_some() {
                "revoked"
            } else if token.expired {
                "expired"
            } else {
                "live"
            };
            let pipelines = token.pipelines.map_or_else(|| "all".to_owned(), |names| names.join(", "));
            let used = token.last_used_at.map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d").to_string());
            table.row([
                token.name,
                token.owner,
                scopes.join(", "),
                pipelines,
                state.to_owned(),
                token.expires_at.format("%Y-%m-%d").to_string(),
                used,
            ]);
        }
    }
    out::print(&table.render());
    Ok(())
}

async fn revoke(db: &PgPool, keys: &KeyRing, name: &str) -> anyhow::Result<()> {
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    let token = api_tokens::find_by_name(&mut *tx, name).await.context("could not look for the token")?;
    let token = token.ok_or_else(|| {
        refuse(
            Exit::Failed,
            format!("there is no token `{name}` that could be revoked"),
            "`elt token list` shows which there are.",
        )
    })?;
    api_tokens::revoke(&mut *tx, token.id).await.context("could not revoke the token")?;
    let object = format!("token {}", token.name);
    Deed { action: "token revoke", object, detail: json!({}) }.commit(tx, keys).await
}
