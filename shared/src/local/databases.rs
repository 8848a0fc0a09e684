//! The two databases and their two roles, made when missing: a start that was cut short is completed by the next.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::error::LocalError;
use super::folder::Passwords;
use super::server::connect_options;
use super::{CONTROL, SUPERUSER, TARGET_DATABASE, TARGET_ROLE};
use crate::secret::Secret;

/// Makes what is missing. Neither role may do more than own its database, and neither may enter the other's.
pub(super) async fn prepare(passwords: &Passwords, port: u16) -> Result<(), LocalError> {
    let superuser = passwords.superuser.expose();
    let mut db = connect(port, superuser, "postgres").await?;
    let roles = [(CONTROL, &passwords.control, CONTROL), (TARGET_ROLE, &passwords.target, TARGET_DATABASE)];
    for (role, password, database) in roles {
        create_role(&mut db, role, password).await?;
        create_database(&mut db, database, role).await?;
    }
    limit_connections(&mut db).await?;
    db.close().await.map_err(failed("say goodbye".into()))?;

    let mut db = connect(port, superuser, CONTROL).await?;
    sqlx::query("create extension if not exists hstore").execute(&mut db).await.map_err(LocalError::NoHstore)?;
    db.close().await.map_err(failed("say goodbye".into()))
}

/// The connections that loads, data views and exports may have together: the server allows 100, so that the control
/// database always has some left for the API and a few workers.
const TARGET_CONNECTIONS: u8 = 64;

async fn limit_connections(db: &mut PgConnection) -> Result<(), LocalError> {
    let sql = format!("alter role {TARGET_ROLE} connection limit {TARGET_CONNECTIONS}");
    sqlx::query(AssertSqlSafe(sql)).execute(db).await.map_err(failed(format!("limit the role {TARGET_ROLE}")))?;
    Ok(())
}

async fn connect(port: u16, password: &str, database: &str) -> Result<PgConnection, LocalError> {
    let options = connect_options(port, SUPERUSER, password, database);
    options.connect().await.map_err(failed(format!("connect to {database}")))
}

async fn create_role(db: &mut PgConnection, role: &str, password: &Secret) -> Result<(), LocalError> {
    let doing = || failed(format!("create the role {role}"));
    let known = sqlx::query("select 1 from pg_roles where rolname = $1").bind(role).fetch_optional(&mut *db);
    if known.await.map_err(doing())?.is_none() {
        // Names are our constants and the password is letters and digits: nothing to escape.
        let password = password.expose();
        let sql = format!("create role {role} login password '{password}'");
        sqlx::query(AssertSqlSafe(sql)).execute(db).await.map_err(doing())?;
    }
    Ok(())
}

async fn create_database(db: &mut PgConnection, database: &str, owner: &str) -> Result<(), LocalError> {
    let doing = || failed(format!("create the database {database}"));
    let known = sqlx::query("select 1 from pg_database where datname = $1").bind(database).fetch_optional(&mut *db);
    if known.await.map_err(doing())?.is_none() {
        let sql = format!("create database {database} owner {owner}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *db).await.map_err(doing())?;
    }
    let sql = format!("revoke all on database {database} from public");
    sqlx::query(AssertSqlSafe(sql)).execute(db).await.map_err(doing())?;
    Ok(())
}

fn failed(doing: String) -> impl FnOnce(sqlx::Error) -> LocalError {
    move |source| LocalError::Prepare { doing, source }
}
