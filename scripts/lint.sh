#!/usr/bin/env bash
# Everything that can be said about the code without running it.
. "$(dirname "$0")/lib.sh"

say "Rust"
cargo fmt --all --check
cargo clippy --quiet --workspace --all-targets -- -D warnings

if cargo deny --version >/dev/null 2>&1; then
    say "dependencies"
    scripts/supply.sh --offline
else
    echo "cargo-deny is not here: the dependencies were not checked (\`make supply\` installs it)"
fi

say "configs"
cargo run --quiet --package elt -- check --strict examples/*.yaml demo/*.yaml

say "shell scripts"
for script in scripts/*.sh .ci/run; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then
    shellcheck --shell=bash --exclude=SC1091 scripts/*.sh .ci/run
else
    echo "shellcheck is not here: only the syntax was checked"
fi

say "deployment"
scripts/lint-deploy.sh

if have_node && [ -d dashboard/node_modules ]; then
    say "dashboard"
    (cd dashboard && npm run --silent lint)
fi
