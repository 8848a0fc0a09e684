#!/usr/bin/env bash
# Line coverage of the Rust tests: coverage/coverage.json, imported for /coverage-report into DATABASE_URL, or into the
# database of the `elt up` in ELT_DATA_DIR or the default data folder.
. "$(dirname "$0")/lib.sh"

scripts/setup.sh test
if ! cargo llvm-cov --version >/dev/null 2>&1; then
    say "installing cargo-llvm-cov"
    cargo install --quiet --locked cargo-llvm-cov@0.9.1
fi

# rustup's own tools fit best; else the newest LLVM there is, which reads what rustc writes.
if ! cargo llvm-cov show-env >/dev/null 2>&1; then
    newest() { find /usr/bin -name "$1-[0-9]*" 2>/dev/null | sort -V | tail -1; }
    if [ -z "$(newest llvm-cov)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get -o DPkg::Lock::Timeout=300 update -qq
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends llvm-19 >/dev/null
    fi
    LLVM_COV=$(newest llvm-cov) LLVM_PROFDATA=$(newest llvm-profdata)
    [ -n "$LLVM_COV" ] || fail "missing: rustup component add llvm-tools, or LLVM's llvm-cov and llvm-profdata"
    export LLVM_COV LLVM_PROFDATA
fi

mkdir -p coverage
say "running the tests with coverage"
cargo llvm-cov --workspace --ignore-filename-regex '(^|/)(tests|cli)/' --json --summary-only --output-path coverage/coverage.json
data=/var/lib/elt
[ "$(id -u)" = 0 ] || data=${XDG_DATA_HOME:-$HOME/.local/share}/elt
data=${ELT_DATA_DIR:-$data}
if [ -n "${DATABASE_URL:-}" ]; then
    set --
elif [ -e "$data/postgres/data/PG_VERSION" ]; then
    set -- --data-dir "$data"
else
    say "there is no database of \`elt up\` in $data: the report is in coverage/coverage.json, and the next build includes it"
    exit 0
fi
cargo run --quiet --package elt -- coverage import coverage/coverage.json --commit "$(git rev-parse HEAD)" "$@"
