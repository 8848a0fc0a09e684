//! What the login of this process may do in the control database.

use anyhow::Context;
use elt_shared::store;
use sqlx::PgPool;

use super::Databases;
use crate::exit::{Exit, WRITABLE, refuse, refuse_for_now};

impl Databases {
    /// Refuses to go on with a login that does not own the tables.
    pub async fn require_ownership(&self) -> anyhow::Result<()> {
        require_ownership(&self.control).await
    }

    /// Refuses to go on with a login that may not enter the control database's schema.
    pub(super) async fn require_rights(&self) -> anyhow::Result<()> {
        let standing = store::roles::standing(&self.control).await.context("could not look at the control database")?;
        if standing.may_enter {
            return Ok(());
        }
        // A migration gives rights behind its tables, so a server that looks in between has none yet.
        Err(refuse_for_now(
            Exit::Settings,
            "the login has no rights in the control database",
            format!("the login {} has no rights in the control database", standing.login),
            format!(
                "Log in as the owner of the control database and execute `grant {} to \"{}\"`; then run `elt migrate`.",
                self.part.role(),
                standing.login
            ),
        ))
    }

    /// Refuses to go on with a control database that cannot be written to.
    pub async fn require_writable(&self) -> anyhow::Result<()> {
        require_writable(&self.control).await
    }

    /// Warns when the control database cannot be written to. Requests that only read are answered meanwhile.
    pub async fn warn_of_read_only(&self) -> anyhow::Result<()> {
        if let Some(reason) = writable(&self.control).await?.refusal() {
            tracing::warn!("{reason}: requests that change something are answered 503 until it can be");
        }
        Ok(())
    }

    /// Warns when this process's login owns the tables, because a stolen login could then also change the audit.
    pub async fn warn_of_owner(&self) -> anyhow::Result<()> {
        let standing = store::roles::standing(&self.control).await.context("could not look at the control database")?;
        if standing.owns_tables {
            tracing::warn!(
                "the login {login} of this process owns the control database's tables, so that a stolen login could \
                 change or delete everything in it, the audit included. Give this process a login of its own: as the \
                 owner, `create role NAME login password '…'; grant {role} to NAME`, then set DATABASE_URL to it and \
                 ELT_OWNER_DATABASE_URL to the owner's URL for `elt migrate`",
                login = standing.login,
                role = self.part.role()
            );
        }
        Ok(())
    }
}

async fn writable(db: &PgPool) -> anyhow::Result<store::Writable> {
    store::writable(db).await.context("could not look at the control database")
}

/// Refuses to go on with a control database that cannot be written to.
pub(super) async fn require_writable(db: &PgPool) -> anyhow::Result<()> {
    match writable(db).await?.refusal() {
        None => Ok(()),
        Some(reason) => {
            Err(refuse_for_now(Exit::Unavailable, "the control database cannot be written to", reason, WRITABLE))
        }
    }
}

/// Refuses to go on with a login that does not own the tables.
pub(super) async fn require_ownership(db: &PgPool) -> anyhow::Result<()> {
    let standing = store::roles::standing(db).await.context("could not look at the control database")?;
    if standing.owns_tables {
        return Ok(());
    }
    Err(refuse(
        Exit::Settings,
        format!("the login {} does not own the control database's tables and cannot change them", standing.login),
        "Set ELT_OWNER_DATABASE_URL to the URL of the login that owns them, and run it again.",
    ))
}
