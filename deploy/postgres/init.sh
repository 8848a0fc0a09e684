#!/usr/bin/env bash
# The first start of the container: two databases and two roles. Neither may do more than own its database.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --username postgres \
    --set control="$ELT_CONTROL_PASSWORD" --set target="$ELT_TARGET_PASSWORD" <<'SQL'
create role elt login password :'control';
create database elt owner elt;
revoke all on database elt from public;
create role elt_target login password :'target';
create database elt_db owner elt_target;
revoke all on database elt_db from public;
\connect elt
create extension hstore;
SQL
