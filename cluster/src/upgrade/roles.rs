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
    // From version 16 on, a membership also says whether the member has the rights of the role and may become it, and a role
    // may have it several times, from different grantors. Each option that one of them gives counts.
    "select format('grant %I to %I', role, member) || case
                when inherits is null and administers then ' with admin option'
                when inherits is null then ''
                else format(' with admin %s, inherit %s, set %s', administers::text, inherits::text, sets::text) end
     from (select role.rolname as role, member.rolname as member, bool_or(m.admin_option) as administers,
                  bool_or((to_jsonb(m) ->> 'inherit_option')::boolean) as inherits,
                  bool_or((to_jsonb(m) ->> 'set_option')::boolean) as sets
           from pg_auth_members m
           join pg_roles role on role.oid = m.roleid
           join pg_roles member on member.oid = m.member
           group by role.rolname, member.rolname) memberships
     where member !~ '^pg_' and member <> $1 order by role, member",
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
