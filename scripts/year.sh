#!/usr/bin/env bash
# A year of history: 300,000 runs, 5 million log lines, 20 million receipts of files and a million rejected rows. Shows what
# retention leaves of it, and how long it takes. Needs some 6 GB of disk for a while.
. "$(dirname "$0")/lib.sh"

have_postgres || fail "PostgreSQL's server programs (initdb, postgres) are needed: apt install postgresql, or set PG_BIN."
ELT_YEAR=whole cargo test --package elt-tests --test it simulated_year -- --nocapture --test-threads=1
