#!/usr/bin/env bash
# The linters and all tests: Rust, dashboard, browser. All run even when one fails; the last lines name what failed and sum
# it up.
. "$(dirname "$0")/lib.sh"

scripts/setup.sh test
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0 failed=0
table="" failures=""

# suite NAME COUNT-FUNCTION COMMAND…: runs a suite, then asks the function for "passed failed".
suite() {
    local name=$1 count=$2 status=0 good bad began=$SECONDS
    shift 2
    say "$name"
    "$@" 2>&1 | tee "$out/log" || status=$?
    sed -e 's/\x1b\[[0-9;]*[A-Za-z]//g' "$out/log" >"$out/plain"
    read -r good bad < <("$count" "$out/plain")
    # A suite that broke before it could count is one failure.
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ "$bad" -ne 0 ]; then failures+=$(failed_names "$out/plain" | sed "s/^/$name: /")$'\n'; fi
    passed=$((passed + good)) failed=$((failed + bad))
    table+=$(printf '%-12s %5d passed %5d failed %6d s' "$name" "$good" "$bad" $((SECONDS - began)))$'\n'
}

# test result: ok. 11 passed; 0 failed; …
count_cargo() { sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$1" | awk '{p += $1; f += $2} END {print p + 0, f + 0}'; }
#       Tests  1 failed | 5 passed (6)
count_vitest() { grep -E '^ *Tests ' "$1" | awk '{for (i = 2; i <= NF; i++) {if ($i == "passed") p += $(i - 1); if ($i == "failed") f += $(i - 1)}} END {print p + 0, f + 0}'; }
#   1 failed / 3 passed (10s)
count_playwright() { grep -E '^ *[0-9]+ (passed|failed|flaky|interrupted|did not run)' "$1" | awk '{if ($2 == "passed") p += $1; else f += $1} END {print p + 0, f + 0}'; }
# lint.sh prints a line for each check, `ok NAME` or `not ok NAME`
count_checks() { awk '/^ok /{p++} /^not ok /{f++} END {print p + 0, f + 0}' "$1"; }

# The names of what failed, as each suite prints them when it fails.
#   test module::name ... FAILED | not ok NAME | FAIL src/x.spec.ts > name |   1) e2e/x.e2e.ts:1:1 › name ──
failed_names() {
    sed -n -e 's/^test \(.*\) \.\.\. FAILED$/\1/p' -e 's/^not ok //p' -e 's/^ *FAIL *//p' \
        -e 's/^ *[0-9][0-9]*) \(e2e\/.*\)/\1/p' "$1" | sed -e 's/[ ─]*$//' | sort -u | head -n 50
}

dashboard_tests() { (cd dashboard && npm run --silent test); }
# A port below those that the system gives to outgoing connections, so that none takes it before the server does. Each half
# has ports of its own.
free_port() {
    node -e 'const look = () => {
        const port = 12500 + 2500 * process.argv[1] + Math.floor(Math.random() * 2500);
        const server = require("net").createServer().once("error", look);
        server.listen(port, "127.0.0.1", () => { console.log(port); server.close(); });
    };
    look();' "$1"
}
# The stories wait for most of their time, so two halves run side by side, each with a server of its own.
browser_tests() {
    local half halves=() status=0
    for half in 1 2; do
        browser_half "$half" >"$out/half-$half" 2>&1 &
        halves+=($!)
    done
    for half in 1 2; do
        wait "${halves[half - 1]}" || status=1
        cat "$out/half-$half"
    done
    return $status
}
browser_half() {
    local port
    port=$(free_port "$1")
    (cd dashboard && ELT_BIN="$CARGO_TARGET_DIR/debug/elt" ELT_E2E_PORT=$port CHROMIUM_BIN="$(find_chromium)" \
        npm run --silent e2e -- --shard="$1/2" --output="test-results/$1")
}

scripts/dashboard.sh || true # its tests then fail, and the others still run
suite lint count_checks scripts/lint.sh
# Most of a test's time goes by while it waits for a database, a server or a file, so more run at once than there are processors.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}
suite Rust count_cargo cargo test --workspace --no-fail-fast
suite dashboard count_vitest dashboard_tests
suite browser count_playwright browser_tests

say "summary"
printf '%s' "$failures$table"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
