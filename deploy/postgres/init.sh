#!/usr/bin/env bash
# The first start of the container: two databases, and a role for each part of elt. No role may do more than it needs.
# Safe to run again; it gives an installation of an older release, which had one role `elt`, the separate ones.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --username postgres \
    --set owner="$ELT_CONTROL_PASSWORD" --set api="$ELT_API_PASSWORD" --set worker="$ELT_WORKER_PASSWORD" \
    --set target="$ELT_TARGET_PASSWORD" <<'SQL'
select 'alter role elt rename to elt_owner'
where exists (select from pg_roles where rolname = 'elt')
  and not exists (select from pg_roles where rolname = 'elt_owner') \gexec
select format('create role %I', name)
from unnest(array['elt_owner', 'elt_api', 'elt_worker', 'elt_reader', 'elt_target']) as name
where not exists (select from pg_roles where rolname = name) \gexec
alter role elt_owner login password :'owner';
alter role elt_api login password :'api';
alter role elt_worker login password :'worker';
alter role elt_target login password :'target';
select 'create database elt owner elt_owner' where not exists (select from pg_database where datname = 'elt') \gexec
select 'create database elt_db owner elt_target' where not exists (select from pg_database where datname = 'elt_db') \gexec
revoke all on database elt, elt_db, postgres, template1 from public;
grant connect on database elt to elt_api, elt_worker, elt_reader;
\connect elt
create extension if not exists hstore;
SQL
