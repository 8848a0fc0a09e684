#!/usr/bin/env bash
# The first start of the container: two databases, and a login for each kind of process. `elt` owns the control database
# and migrates it; `elt_serve` and `elt_work` may do what the API and the workers need; `elt_target` owns the default
# target and cannot enter the control database. Passwords are read from files of /run/secrets.
set -euo pipefail
export ELT_SECRETS=${ELT_SECRETS:-/run/secrets}

# psql itself reads the passwords, so that no process list shows them and no character of them is SQL.
psql --set ON_ERROR_STOP=1 --username postgres <<'SQL'
\set owner `cat "$ELT_SECRETS/owner_password"`
\set api `cat "$ELT_SECRETS/api_password"`
\set worker `cat "$ELT_SECRETS/worker_password"`
\set target `cat "$ELT_SECRETS/target_password"`
create role elt_api nologin;
create role elt_worker nologin;
create role elt_reader nologin;
create role elt login password :'owner';
create role elt_serve login password :'api' in role elt_api;
create role elt_work login password :'worker' in role elt_worker;
create database elt owner elt;
revoke all on database elt from public;
grant connect on database elt to elt_api, elt_worker, elt_reader;
create role elt_target login password :'target';
create database elt_db owner elt_target;
revoke all on database elt_db from public;
revoke connect on database postgres, template1 from public;
\connect elt
create extension hstore;
SQL
