#!/usr/bin/env bash
# Sends thousands of odd requests to a fresh `elt up`, as an admin, an analyst, an API token and nobody side by side, and
# fails on a 5xx and on an answer that /openapi.json does not describe.  Usage: [ELT_BIN=FILE] schemathesis.sh [SECONDS]
# ELT_BIN is a program that is built already.
. "$(dirname "$0")/lib.sh"

seconds=${1:-1200}
if ! command -v schemathesis >/dev/null; then
    say "installing schemathesis"
    python3 -m venv "$CARGO_TARGET_DIR/schemathesis"
    "$CARGO_TARGET_DIR/schemathesis/bin/pip" install --quiet schemathesis==4.32.5
    PATH=$CARGO_TARGET_DIR/schemathesis/bin:$PATH
fi
elt=${ELT_BIN:-$CARGO_TARGET_DIR/debug/elt}
[ -n "${ELT_BIN:-}" ] || cargo build --quiet --package elt

data=$(mktemp -d "${TMPDIR:-/tmp}/elt-schemathesis.XXXXXX")
chmod 711 "$data" # as root, elt and its database run as other accounts, which must pass through
export ELT_ADMIN_PASSWORD=correct-horse-battery ELT_USER_PASSWORD=correct-horse-battery
export -n DATABASE_URL DATABASE_URL_FILE ELT_TARGET_URL ELT_TARGET_URL_FILE ELT_ADMIN_PASSWORD_FILE ELT_USER_PASSWORD_FILE
"$elt" up --data-dir "$data/elt" --listen 127.0.0.1:0 >"$data/out" 2>&1 &
up=$!
finish() {
    kill -TERM "$up" 2>/dev/null && wait "$up" 2>/dev/null
    rm -rf "$data"
}
trap finish EXIT
until grep -q 'Ctrl-C stops it' "$data/out"; do
    kill -0 "$up" 2>/dev/null || fail "$(cat "$data/out")"
    sleep 0.2
done
url=$(sed -n 's|.*\(http://[0-9.:]*\)/docs.*|\1|p' "$data/out" | head -1)

session() {
    curl -sS --fail-with-body -H 'Content-Type: application/json' -d "{\"username\":\"$1\",\"password\":\"$ELT_ADMIN_PASSWORD\"}" \
        "$url/auth/login" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p'
}
api_token() {
    curl -sS --fail-with-body -H 'Content-Type: application/json' -H "Authorization: Bearer $(session admin)" \
        -d '{"name":"schemathesis","scopes":["trigger","read","upload","data"]}' "$url/tokens" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p'
}

# Sends requests of one caller. Left out: what ends the caller's own session or account, and the streams that never end.
send() {
    local headers=()
    [ -z "$2" ] || headers=(--header "Authorization: Bearer $2")
    # It keeps what it found in a folder below the current one.
    cd "$data" || return
    schemathesis run "$url/openapi.json" "${headers[@]}" --max-time "$seconds" --continue-on-failure --max-failures 50 \
        --exclude-path-regex '^/auth/|^/users/|/events$|/follow$' --request-timeout 60 --suppress-health-check all \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
        >"$data/$1" 2>&1
}

say "as an admin, an analyst, an API token and nobody, for $seconds s"
declare -A sending
for caller in admin user token nobody; do
    case $caller in
    admin | user) bearer=$(session "$caller") ;;
    token) bearer=$(api_token) ;;
    nobody) bearer= ;;
    esac
    [ "$caller" = nobody ] || [ -n "$bearer" ] || fail "no token for the caller $caller"
    send "$caller" "$bearer" &
    sending[$caller]=$!
done
status=0
for caller in admin user token nobody; do
    wait "${sending[$caller]}" || status=1
    say "as $caller"
    cat "$data/$caller"
done
exit "$status"
