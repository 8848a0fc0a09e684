#!/usr/bin/env bash
# The faults of every day and the long ones; every test prints what it measured.
. "$(dirname "$0")/lib.sh"

have_postgres || fail "PostgreSQL's server programs (initdb, postgres) are needed: apt install postgresql, or set PG_BIN."
say "faults"
cargo test --package elt --test faults --test faults_long --no-fail-fast -- --nocapture --test-threads=1
