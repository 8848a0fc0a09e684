# shellcheck shell=bash
# What the scripts share. Sourced, not run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/elt/target}"
export NG_CLI_ANALYTICS=false

# Started as root, elt runs as another account, which cannot read the sources in a checkout such as /root/elt.
if [ "$(id -u)" = 0 ] && [ -z "${ELT_RUN_AS:-}" ] && ! runuser -u nobody -- test -r README.md 2>/dev/null; then
    export ELT_ALLOW_ROOT=true
fi

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# version_at_least 1.94 1.95.0
version_at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -1)" = "$1" ]; }

# Whether PostgreSQL's server programs are here: initdb and postgres in one folder.
have_postgres() {
    local bin
    for bin in "${PG_BIN:-}" ${PATH//:/ } /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
        [ -n "$bin" ] && [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] && return 0
    done
    return 1
}

find_chromium() {
    local name
    for name in "${CHROMIUM_BIN:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && command -v "$name" && return 0
    done
    return 1
}

have_node() {
    command -v node >/dev/null && command -v npm >/dev/null && version_at_least 20.19.0 "$(node -p process.versions.node)"
}
