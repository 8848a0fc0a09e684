//! The roles of the control database: the owner, who migrates it, and the roles of API, workers and readers.

use sqlx::{Connection, PgConnection, PgExecutor};

/// What each role may do.
const GRANTS: &str = include_str!("grants.sql");

/// Whether the roles have their rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// Each role has exactly the rights of this release.
    Given,
    /// The roles are missing, and this login may not make them. One login for everything works all the same.
    RolesMissing,
}

/// Makes the roles when this login may, and gives each exactly the rights of this release. Safe to run again.
///
/// Two processes that change the rights of one table at the same time would fail, so the caller keeps others out.
///
/// # Errors
/// Database failures; the tables belong to another role.
pub async fn grant(db: &mut PgConnection) -> sqlx::Result<Grants> {
    let mut tx = db.begin().await?;
    sqlx::raw_sql(
        "do $$
         declare role text;
         begin
             foreach role in array array['elt_api', 'elt_worker', 'elt_reader'] loop
                 begin
                     if not exists (select from pg_roles where rolname = role) then
                         execute format('create role %I nologin', role);
                     end if;
                 exception when duplicate_object or unique_violation or insufficient_privilege then
                     null;
                 end;
             end loop;
         end $$",
    )
    .execute(&mut *tx)
    .await?;
    let roles: i64 =
        sqlx::query_scalar("select count(*) from pg_roles where rolname in ('elt_api', 'elt_worker', 'elt_reader')")
            .fetch_one(&mut *tx)
            .await?;
    if roles == 3 {
        sqlx::raw_sql(GRANTS).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(if roles == 3 { Grants::Given } else { Grants::RolesMissing })
}

/// What this login is in the control database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Name of the login.
    pub login: String,
    /// Whether it owns the tables, or is a superuser. It could change or delete everything then, the audit included.
    pub owns_tables: bool,
    /// Whether it may enter the schema `elt`. True before the first migration, too.
    pub may_enter: bool,
}

/// Asks the database what this login is in it.
pub async fn standing(db: impl PgExecutor<'_>) -> sqlx::Result<Standing> {
    let (login, owns_tables, may_enter) = sqlx::query_as(
        "select current_user::text,
                coalesce((select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = 'elt'), true),
                coalesce((select has_schema_privilege(oid, 'usage') from pg_namespace where nspname = 'elt'), true)",
    )
    .fetch_one(db)
    .await?;
    Ok(Standing { login, owns_tables, may_enter })
}
