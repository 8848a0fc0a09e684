#!/usr/bin/env bash
# Builds the dashboard, when something about it changed. The program embeds dashboard/dist/browser.
#
# Usage: dashboard.sh [--optional]   --optional: without Node, say so and go on; the program then has no dashboard.
. "$(dirname "$0")/lib.sh"

if ! have_node; then
    [ "${1:-}" = --optional ] || fail "missing: Node 20.19 or newer with npm"
    say "no Node 20.19 or newer here: the dashboard is left out (the API works)"
    exit 0
fi
cd dashboard || exit

# npm ci empties node_modules: only when the lock file is another one.
lock=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ "$(cat node_modules/.lock-hash 2>/dev/null)" != "$lock" ]; then
    say "installing the dashboard's packages"
    # Scripts of packages are not run, because one hijacked package would own this machine. The native programs of
    # esbuild, lmdb and others come as packages of their own.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    echo "$lock" >node_modules/.lock-hash
fi

newer=$(find src public angular.json package-lock.json tsconfig*.json -newer dist/.built 2>/dev/null | head -1 || true)
if [ ! -e dist/.built ] || [ ! -e dist/browser/index.html ] || [ -n "$newer" ]; then
    say "building the dashboard"
    npm run --silent build
    touch dist/.built
fi
