#!/usr/bin/env bash
# Everything that can be said about the code without running it. All checks run, and each ends with a line `ok NAME` or
# `not ok NAME`. What a check needs and this machine lacks is named; nothing is downloaded or installed.
. "$(dirname "$0")/lib.sh"

failed=0

# check NAME COMMAND…
check() {
    local name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name"
        failed=$((failed + 1))
    fi
}

# Layouts at the heads of modules link to private items, and the pages have them.
rustdoc() {
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
        cargo doc --quiet --workspace --no-deps --document-private-items
}

# The tests of `tests/it` check licences, sources, banned crates and advisories on every machine; cargo-deny checks more.
dependencies() {
    if cargo deny --version >/dev/null 2>&1; then
        scripts/supply.sh --offline
    else
        echo "cargo-deny is not here: it did not check the dependencies (\`make supply\` installs it)"
    fi
}

shell_scripts() {
    local script
    local scripts=(scripts/*.sh deploy/*.sh deploy/postgres/*.sh cli/tests/cli/operate/*.sh .ci/run)
    for script in "${scripts[@]}"; do bash -n "$script" || return; done
    if command -v shellcheck >/dev/null; then
        # Sourced files are not followed, and the stand-ins call their functions by the names of programs.
        shellcheck --shell=bash --exclude=SC1091,SC2317 "${scripts[@]}"
    else
        echo "shellcheck is not here: only the syntax was checked"
    fi
}

dashboard() {
    if have_node && [ -d dashboard/node_modules ]; then
        (cd dashboard && npm run --silent lint)
    else
        echo "no packages of the dashboard are here: it was not checked (\`make dashboard\` installs them)"
    fi
}

say "Rust"
check "formatting" cargo fmt --all --check
check "clippy" cargo clippy --quiet --workspace --all-targets -- -D warnings
check "documentation of the code" rustdoc
say "dependencies"
check "dependencies" dependencies
say "configs"
check "examples" cargo run --quiet --package elt -- check --strict examples/*.yaml examples/apis/*.yaml demo/*.yaml
say "shell scripts"
check "shell scripts" shell_scripts
say "deployment"
check "deployment" scripts/lint-deploy.sh
say "dashboard"
check "dashboard" dashboard

[ $failed -eq 0 ]
