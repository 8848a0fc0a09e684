//! The first people of a new installation: `admin`, and `user` when a password was given for it.

use anyhow::Context;
use clap::Args;
use elt_shared::password;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::settings::secret;
use elt_shared::store::users::{self, Role};
use serde_json::json;
use sqlx::PgPool;

use crate::audit::Deed;
use crate::keys::generate_password;

/// Passwords of the people made at the first start. They change nothing later.
#[derive(Debug, Args)]
pub struct FirstUsers {
    /// Makes `admin` with this password at the first start. `elt up` generates and prints one when none is given
    #[arg(long, env = "ELT_ADMIN_PASSWORD", hide_env_values = true, value_parser = secret)]
    admin_password: Option<Secret>,
    /// Makes `user`, an analyst, with this password at the first start
    #[arg(long, env = "ELT_USER_PASSWORD", hide_env_values = true, value_parser = secret)]
    user_password: Option<Secret>,
}

/// How the first admin logs in, for the greeting of `elt up`.
pub enum FirstLogin {
    /// There were users already, so none was made.
    AsBefore,
    /// With the password that was given.
    Given,
    /// With this one, which is shown once.
    Generated(Secret),
}

impl FirstUsers {
    /// Makes those whose password was given, and an admin in any case.
    pub async fn make_or_generate(mut self, db: &PgPool, keys: &KeyRing) -> anyhow::Result<FirstLogin> {
        let generated = self.admin_password.is_none().then(|| Secret::new(generate_password()));
        self.admin_password = self.admin_password.or_else(|| generated.clone());
        Ok(match (self.make(db, keys).await?, generated) {
            (false, _) => FirstLogin::AsBefore,
            (true, None) => FirstLogin::Given,
            (true, Some(password)) => FirstLogin::Generated(password),
        })
    }

    /// Makes those whose password was given, unless there are users already; says whether it was the first start.
    pub async fn make(self, db: &PgPool, keys: &KeyRing) -> anyhow::Result<bool> {
        if users::any(db).await.context("could not look for users")? {
            return Ok(false);
        }
        for (name, password, role) in
            [("admin", self.admin_password, Role::Admin), ("user", self.user_password, Role::User)]
        {
            let Some(password) = password else { continue };
            let doing = || format!("could not add the user `{name}`");
            let hash = password::hash_given(password).await.with_context(doing)?;
            let mut tx = db.begin().await.with_context(doing)?;
            users::create(&mut *tx, name, &hash, role).await.with_context(doing)?;
            let detail = json!({ "role": role.as_str() });
            Deed { action: "first start", object: format!("user {name}"), detail }.commit(tx, keys).await?;
        }
        Ok(true)
    }
}
