#!/usr/bin/env bash
# The faults of every day and the long ones, and a table of what they measured.
. "$(dirname "$0")/lib.sh"

have_postgres || fail "PostgreSQL's server programs (initdb, postgres) are needed: apt install postgresql, or set PG_BIN."
if ! command -v faketime >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "faketime is needed, for workers with a wrong clock: apt install faketime."
    fi
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends faketime >/dev/null
fi
said="$(mktemp)"
trap 'rm -f "$said"' EXIT

say "faults"
status=0
cargo test --package elt --test faults --test faults_long --no-fail-fast -- --nocapture --test-threads=1 | tee "$said" || status=$?

say "what they measured; a fault that failed has no row"
printf '| fault | times | rows lost | rows doubled | runs stuck | recovery p50 s | max s |\n|---|---|---|---|---|---|---|\n'
grep '^| ' "$said" || true
exit "$status"
