//! The two databases and their roles, made when missing: a start that was cut short is completed by the next.

use elt_shared::secret::Secret;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::error::LocalError;
use crate::folder::Passwords;
use crate::server::connect_options;
use crate::{API_ROLE, CONTROL, OWNER_ROLE, READER_ROLE, SUPERUSER, TARGET_DATABASE, TARGET_ROLE, WORKER_ROLE};

/// The name that older releases gave to the owner of the control database.
const OLD_OWNER: &str = "elt";

/// Makes what is missing, and mends what older releases left open. No role may do more than it is there for, and none
/// may enter a database that is not its own: `postgres` and `template1` are for the superuser alone.
pub(super) async fn prepare(passwords: &Passwords, port: u16) -> Result<(), LocalError> {
    let superuser = passwords.superuser.expose();
    let mut db = connect(port, superuser, "postgres").await?;
    rename_old_owner(&mut db).await?;
    for (role, password) in [
        (OWNER_ROLE, &passwords.control),
        (API_ROLE, &passwords.api),
        (WORKER_ROLE, &passwords.worker),
        (TARGET_ROLE, &passwords.target),
    ] {
        create_role(&mut db, role, password).await?;
    }
    create_reader(&mut db).await?;
    create_database(&mut db, CONTROL, OWNER_ROLE).await?;
    create_database(&mut db, TARGET_DATABASE, TARGET_ROLE).await?;
    for statement in [
        "grant connect on database elt to elt_api, elt_worker, elt_reader",
        "revoke all on database postgres from public",
        "revoke all on database template1 from public",
    ] {
        sqlx::query(statement).execute(&mut db).await.map_err(failed("set who may connect".into()))?;
    }
    limit_connections(&mut db).await?;
    db.close().await.map_err(failed("say goodbye".into()))?;

    let mut db = connect(port, superuser, CONTROL).await?;
    sqlx::query("create extension if not exists hstore").execute(&mut db).await.map_err(LocalError::NoHstore)?;
    db.close().await.map_err(failed("say goodbye".into()))
}

/// Gives the owner of an older release's control database its present name. The password and everything it owns stay.
async fn rename_old_owner(db: &mut PgConnection) -> Result<(), LocalError> {
    let doing = || failed(format!("rename the role {OLD_OWNER}"));
    let is_old: bool = sqlx::query_scalar(
        "select exists (select from pg_roles where rolname = $1) and not exists (select from pg_roles where rolname = $2)",
    )
    .bind(OLD_OWNER)
    .bind(OWNER_ROLE)
    .fetch_one(&mut *db)
    .await
    .map_err(doing())?;
    if is_old {
        let sql = format!("alter role {OLD_OWNER} rename to {OWNER_ROLE}");
        sqlx::query(AssertSqlSafe(sql)).execute(db).await.map_err(doing())?;
    }
    Ok(())
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
    let known = sqlx::query_scalar("select rolcanlogin from pg_roles where rolname = $1").bind(role);
    let verb = match known.fetch_optional(&mut *db).await.map_err(doing())? {
        Some(true) => return Ok(()),
        // A migration makes roles that cannot log in, when it comes first.
        Some(false) => "alter",
        None => "create",
    };
    // Names are our constants and the password is letters and digits: nothing to escape.
    let sql = format!("{verb} role {role} login password '{}'", password.expose());
    sqlx::query(AssertSqlSafe(sql)).execute(db).await.map_err(doing())?;
    Ok(())
}

/// Makes the role of people and programs that only look. It has no login until somebody gives it one.
async fn create_reader(db: &mut PgConnection) -> Result<(), LocalError> {
    let doing = || failed(format!("create the role {READER_ROLE}"));
    let known = sqlx::query("select 1 from pg_roles where rolname = $1").bind(READER_ROLE).fetch_optional(&mut *db);
    if known.await.map_err(doing())?.is_none() {
        let sql = format!("create role {READER_ROLE} nologin");
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
