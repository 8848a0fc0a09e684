#!/usr/bin/env bash
# Speed and memory of loads, as ratios to `psql \copy` of the same file in the same session, on a PostgreSQL of its own
# with the settings the goals were measured with.  Usage: bench.sh [ROUNDS] [MILLIONS OF ROWS OF THE LARGE FILE]
. "$(dirname "$0")/lib.sh"

scripts/setup.sh test
bin=$(dirname "$(find /usr/lib/postgresql /usr/pgsql-* -name initdb -path '*/bin/*' 2>/dev/null | sort -V | tail -1)")
bin=${PG_BIN:-$bin}
[ -x "$bin/initdb" ] || fail "missing: the PostgreSQL server; name its folder in PG_BIN"

# PostgreSQL refuses to run as root.
as_server=()
[ "$(id -u)" != 0 ] || as_server=(setpriv --reuid=postgres --regid=postgres --clear-groups)
data=$(mktemp -d "${TMPDIR:-/tmp}/elt-bench.XXXXXX")
[ "$(id -u)" != 0 ] || chown postgres: "$data"
port=${ELT_BENCH_PORT:-54330}

server() { (cd / && "${as_server[@]}" "$bin/pg_ctl" -D "$data/pg" "$@" >/dev/null); }
finish() {
    server stop -m immediate || true
    rm -rf "$data"
}
trap finish EXIT

(cd / && "${as_server[@]}" "$bin/initdb" -D "$data/pg" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null)
server start -w -l "$data/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c shared_buffers=1GB -c max_wal_size=8GB -c checkpoint_timeout=15min"

export TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"
if [ "${1:-}" = --server-only ]; then
    psql "$TEST_DATABASE_URL" -Atc "select current_setting('shared_buffers'), current_setting('fsync')"
    exit 0
fi
say "building an optimised program (several minutes the first time)"
cargo build --release --package elt
export ELT_BIN=$CARGO_TARGET_DIR/release/elt
cargo bench --package elt-tests --bench load -- "${1:-5}" "${2:-5}"
cargo bench --package elt-tests --bench formats -- 1000 3
cargo bench --package elt-tests --bench api -- 1
