# shellcheck shell=bash
# What the scripts share. Sourced, not run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/elt/target}"
export NG_CLI_ANALYTICS=false

# rust-toolchain.toml names the compiler of the checks. A machine without it builds with the compiler it has, because
# rustup would otherwise download that one. setup.sh refuses a compiler that is too old.
pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
if [ -z "${RUSTUP_TOOLCHAIN:-}" ] && command -v rustup >/dev/null && [[ $(rustup toolchain list) != *"$pinned-"* ]]; then
    RUSTUP_TOOLCHAIN=$(rustup default | cut -d' ' -f1)
    export RUSTUP_TOOLCHAIN
fi

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

# build [FLAGS OF CARGO]: the dashboard and a development build of elt at the same time, because npm mostly waits for the
# network and the disk. Such a build reads the files of the dashboard while it runs, so either may be ready first.
build() {
    local status=0 dashboard
    scripts/dashboard.sh --optional &
    dashboard=$!
    cargo build --package elt "$@" || status=$?
    wait "$dashboard" || status=$?
    return $status
}
