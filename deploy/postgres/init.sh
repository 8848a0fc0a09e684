#!/usr/bin/env bash
# Two databases, and a login for each kind of process. `elt` owns the control database and migrates it; `elt_serve` and
# `elt_work` may do what the API and the workers need; `elt_target` owns the default target and cannot enter the control
# database. Passwords are read from files of /run/secrets, or of the folder in ELT_SECRETS. Needs psql 15 or newer.
#
# The container of PostgreSQL runs it at its first start. It may be run again at any time, for example after a password
# file was exchanged: it adds what is missing, sets the passwords, takes the right to connect to the four databases elt,
# elt_db, postgres and template1 away from PUBLIC, and leaves everything else as it is. Another server is named with PGHOST,
# PGPORT, PGUSER and PGPASSWORD (or ~/.pgpass) of a superuser, or of a login with CREATEROLE and CREATEDB.
set -euo pipefail
secrets=${ELT_SECRETS:-/run/secrets}
for name in owner api worker target; do
    password=$(cat "$secrets/${name}_password")
    export "elt_$name=$password"
done

# The server on this machine lets only the account `postgres` be its superuser.
as=()
[ "$(id -u)" != 0 ] || [ -n "${PGHOST:-}" ] || as=(runuser --user postgres --)

# psql takes the passwords from its environment, so that no process list shows them and no character of them is SQL.
"${as[@]}" psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${PGUSER:-postgres}" --dbname postgres <<'SQL'
\getenv owner elt_owner
\getenv api elt_api
\getenv worker elt_worker
\getenv target elt_target
-- Roles have no `create … if not exists`, and databases neither: each line of the answer is run as a statement.
select format('create role %I', name)
from unnest(array['elt_api', 'elt_worker', 'elt_reader', 'elt', 'elt_serve', 'elt_work', 'elt_target']) name
where not exists (select from pg_roles where rolname = name)
\gexec
alter role elt login password :'owner';
alter role elt_serve login password :'api';
alter role elt_work login password :'worker';
alter role elt_target login password :'target';
-- A grant that is there already would be a notice.
set client_min_messages = warning;
grant elt_api to elt_serve;
grant elt_worker to elt_work;
-- Only a superuser and the members of a role may make a database that belongs to it.
select format('grant %I to current_user', name)
from unnest(array['elt', 'elt_target']) name
where not (select rolsuper from pg_roles where rolname = current_user)
\gexec
select format('create database %I owner %I', name, owner)
from (values ('elt', 'elt'), ('elt_db', 'elt_target')) wanted (name, owner)
where not exists (select from pg_database where datname = name)
\gexec
revoke all on database elt, elt_db from public;
grant connect on database elt to elt_api, elt_worker, elt_reader;
-- On a managed server they may belong to the provider. Then they stay as they are.
select format('revoke connect on database %I from public', datname)
from pg_database
where datname in ('postgres', 'template1') and pg_has_role(datdba, 'usage')
\gexec
\connect elt
set client_min_messages = warning;
create extension if not exists hstore;
SQL
