#!/usr/bin/env bash
# Sends thousands of odd requests to a fresh `elt up`, as an admin, an analyst, an API token and nobody side by side, and
# fails on a 5xx and on an answer that /openapi.json does not describe.  Usage: [ELT_BIN=FILE] schemathesis.sh [SECONDS]
# ELT_BIN is a program that is built already; a relative path begins at the repository.
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
# Otherwise most answers to the API token would be that it sends too many requests.
export ELT_TOKEN_RATE=1000000 ELT_FS_ROOTS=$data/in
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
    curl -sS --fail-with-body -H 'Content-Type: application/json' -H "Authorization: Bearer $admin" \
        -d '{"name":"schemathesis","scopes":["trigger","read","upload","data"]}' "$url/tokens" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p'
}

# Asks as an admin, and prints a member of the answer: MEMBER METHOD PATH [TYPE BODY]
ask() {
    curl -sS --fail-with-body -X "$2" -H "Authorization: Bearer $admin" ${4:+-H "Content-Type: $4" -d "$5"} "$url$3" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# Makes a thing of each kind, and names them in schemathesis.toml, so that many requests find something. The others name
# what schemathesis makes up.
furnish() {
    mkdir "$data/in"
    printf 'id,name\n1,Ann\nx,Bob\n' >"$data/in/orders.csv"
    local config run schedule state= until=$((SECONDS + 120))
    config=$(ask id POST /upload-config application/yaml "{name: orders, on_bad_row: quarantine, output_csv_path: orders.csv,
        sources: [{type: local, path: '$data/in', settle_seconds: 0}], schema: {columns: {id: int64}}, target: {table: orders}}")
    run=$(ask id POST /runs application/json "{\"config_id\":$config}")
    until [ "$state" = succeeded ]; do
        state=$(ask state GET "/runs/$run")
        if [ "$state" = failed ] || [ "$SECONDS" -ge "$until" ]; then fail "$(cat "$data/elt/elt.log")"; fi
        sleep 0.2
    done
    schedule=$(ask id POST /schedules application/json "{\"config_id\":$config,\"cron\":\"0 0 1 1 *\"}")
    ask user PUT /pipelines/orders/shares/user >/dev/null
    ask name PUT /secrets/orders application/json '{"value":"correct-horse","pipelines":["orders"]}' >/dev/null
    # A host that nobody has, because requests ask for messages to it.
    ask name PUT /channels/orders application/json '{"webhook":"https://receiver.invalid/orders"}' >/dev/null
    cat >"$data/schemathesis.toml" <<END
[dictionaries]
names = { values = ["orders"] }
users = { values = ["user"] }
configs = { values = [$config] }
runs = { values = ["$run"] }
schedules = { values = ["$schedule"] }
columns = { values = ["id", "-name"] }
formats = { values = ["csv", "xlsx", "parquet"] }
END
    known '^/(pipelines|shared-tables|secrets|channels)/' path.name names path.user users path.filter names \
        query.sort columns query.columns columns query.format formats
    known '^/runs/' path.id runs
    known '^/configs?/' path.id configs
    known '^/schedules/' path.id schedules
    known '^/(data-view|quarantine|configs)' query.config_id configs query.run_id runs query.from configs query.to configs
}

# Parameters of some operations that are often taken from a dictionary: PATHS [PARAMETER DICTIONARY]...
known() {
    printf "\n[[operations]]\ninclude-path-regex = '%s'\n[operations.parameters]\n" "$1"
    shift
    printf '"%s" = { dictionary = "%s", probability = 0.6 }\n' "$@"
} >>"$data/schemathesis.toml"

# Sends requests of one caller. Left out: what ends the caller's own session or account, and the streams that never end.
send() {
    local headers=()
    [ -z "$2" ] || headers=(--header "Authorization: Bearer $2")
    # It keeps what it found in a folder below the current one.
    mkdir -p "$data/as-$1" && cd "$data/as-$1" || return
    schemathesis --config-file "$data/schemathesis.toml" run "$url/openapi.json" "${headers[@]}" \
        --max-time "$seconds" --continue-on-failure --max-failures 50 \
        --exclude-path-regex '^/auth/|^/users/|/events$|/follow$' --request-timeout 60 --suppress-health-check all \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
        >"$data/$1" 2>&1
}

admin=$(session admin)
furnish
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
