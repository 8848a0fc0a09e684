//! Roles: copied with their passwords, memberships and settings. Those of PostgreSQL itself exist on every server.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::Running;
use crate::SUPERUSER;
use crate::error::LocalError;

/// Statements that make the roles again. The old server writes and quotes them.
const STATEMENTS: [&str; 3] = [
    "select format('create role %I with %s %s %s %s %s %s %s connection limit %s%s%s', rolname,
            case when rolsuper then 'superuser' else 'nosuperuser' end,
            case when rolinherit then 'inherit' else 'noinherit' end,
            case when rolcreaterole then 'createrole' else 'nocreaterole' end,
            case when rolcreatedb then 'createdb' else 'nocreatedb' end,
            case when rolcanlogin then 'login' else 'nologin' end,
            case when rolreplication then 'replication' else 'noreplication' end,
            case when rolbypassrls then 'bypassrls' else 'nobypassrls' end,
            rolconnlimit,
            case when rolpassword is null then '' else format(' password %L', rolpassword) end,
            case when rolvaliduntil is null then '' else format(' valid until %L', rolvaliduntil::text) end)
     from pg_authid where rolname !~ '^pg_' and rolname <> $1 order by rolname",
    "select format('grant %I to %I%s', role.rolname, member.rolname,
            case when admin_option then ' with admin option' else '' end)
     from pg_auth_members
     join pg_roles role on role.oid = roleid
     join pg_roles member on member.oid = pg_auth_members.member
     where member.rolname !~ '^pg_' and member.rolname <> $1 order by role.rolname, member.rolname",
    // Lists are kept as they were written, with their own quotes.
    "select format('alter role %I set %I to %s', rolname, split_part(setting, '=', 1),
            case when split_part(setting, '=', 1) in ('search_path', 'temp_tablespaces', 'session_preload_libraries',
                                                      'local_preload_libraries')
                 then substr(setting, strpos(setting, '=') + 1)
                 else quote_literal(substr(setting, strpos(setting, '=') + 1)) end)
     from pg_db_role_setting join pg_roles on pg_roles.oid = setrole cross join unnest(setconfig) setting
     where setdatabase = 0 and rolname !~ '^pg_' and rolname <> $1 order by rolname, setting",
];

/// Makes the roles of the old server on the new one.
pub(super) async fn copy(old: &Running<'_>, new: &Running<'_>) -> Result<(), LocalError> {
    let (mut from, mut to) = (connect(old, "postgres").await?, connect(new, "postgres").await?);
    for select in STATEMENTS {
        let statements: Vec<String> =
            sqlx::query_scalar(select).bind(SUPERUSER).fetch_all(&mut from).await.map_err(failed("read the roles"))?;
        for statement in statements {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut to).await.map_err(failed("copy the roles"))?;
        }
    }
    for connection in [from, to] {
        connection.close().await.map_err(failed("say goodbye"))?;
    }
    Ok(())
}

/// A connection as the superuser.
pub(super) async fn connect(server: &Running<'_>, database: &str) -> Result<PgConnection, LocalError> {
    let address = server.address(database)?;
    address.driver_options().connect().await.map_err(failed("connect to a database"))
}

pub(super) fn failed(doing: &str) -> impl FnOnce(sqlx::Error) -> LocalError {
    move |source| LocalError::Prepare { doing: doing.to_owned(), source }
}
