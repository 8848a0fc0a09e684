#!/usr/bin/env bash
# This elt and the one of another git ref on one control database: each works beside the other while the newer one is
# brought in.  Usage: upgrade-test.sh [REF]   (default: the newest tag)
# The other one is built outside the checkout, which takes minutes. ELT_OLD_BIN names a program that is built already.
. "$(dirname "$0")/lib.sh"

ref=${1:-$(git describe --tags --abbrev=0 2>/dev/null || true)}
[ -n "$ref" ] || [ -n "${ELT_OLD_BIN:-}" ] || fail "There is no tag yet. Name a git ref: make upgrade-test REF=main~5"
have_postgres || fail "PostgreSQL's server programs (initdb, postgres) are needed: apt install postgresql, or set PG_BIN."

work=$(mktemp -d)
chmod 711 "$work"
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    [ ! -e "$work/source" ] || git worktree remove --force "$work/source"
    rm -rf "$work"
}
trap cleanup EXIT

old=${ELT_OLD_BIN:-}
if [ -z "$old" ]; then
    say "building $ref"
    git worktree add --quiet --detach "$work/source" "$ref"
    # The program embeds the files of the dashboard, and these tests need none of them.
    mkdir -p "$work/source/dashboard/dist/browser"
    (cd "$work/source" && CARGO_TARGET_DIR="$CARGO_TARGET_DIR-upgrade" cargo build --package elt)
    old="$CARGO_TARGET_DIR-upgrade/debug/elt"
fi
new=${ELT_NEW_BIN:-$CARGO_TARGET_DIR/debug/elt}
[ -x "$new" ] || cargo build --package elt

export ELT_DATA_DIR="$work/data" ELT_FS_ROOTS="$work" ELT_ADMIN_PASSWORD="correct horse"
export ELT_WAIT_SECONDS=600 ELT_DRAIN_SECONDS=0
url=http://127.0.0.1:$((20000 + RANDOM % 10000))
failed=0

check() { # check WHAT COMMAND…
    local what=$1
    shift
    if "$@"; then echo "ok      $what"; else echo "FAILED  $what"; failed=1; fi
}
start() { # start LOG PROGRAM ARGUMENTS…
    local log=$work/$1
    shift
    "$@" >"$log" 2>&1 &
    pids+=($!)
}
stop_all() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait "${pids[@]}" 2>/dev/null || true
    pids=()
}
says() { # says LOG TEXT: waits up to two minutes
    local _
    for _ in $(seq 1200); do
        grep -q -- "$2" "$work/$1" 2>/dev/null && return 0
        sleep 0.1
    done
    tail -5 "$work/$1" >&2
    return 1
}
json() { node -e 'let t = ""; process.stdin.on("data", (d) => (t += d)).on("end", () => console.log(eval("JSON.parse(t)" + process.argv[1])))' "$1"; }
run_goes_through() { # run_goes_through: uploads a config and waits for its run
    local token id state _
    token=$(curl -sf "$url/auth/login" -H 'content-type: application/json' -d '{"username":"admin","password":"correct horse"}' | json .token) || return 1
    rows=$((rows + 1))
    echo "$rows,x" >>"$work/in/people.csv"
    id=$(curl -sf "$url/trigger-job" -H "authorization: Bearer $token" -F "file=@$work/people.yaml" | json .run_id) || return 1
    for _ in $(seq 600); do
        state=$(curl -sf "$url/runs/$id" -H "authorization: Bearer $token" | json .state) || return 1
        case $state in succeeded) return 0 ;; failed | stopped) break ;; esac
        sleep 0.2
    done
    echo "the run is $state" >&2
    return 1
}

rows=0
mkdir "$work/in"
echo id,name >"$work/in/people.csv"
printf 'sources: [{type: local, path: %s/in, settle_seconds: 0}]\ntarget: {table: people}\nmonitor: {enabled: false}\n' "$work" >"$work/people.yaml"
chmod -R a+rX "$work/in" "$work/people.yaml"

say "the older program on its own schema"
start old-up "$old" up --listen "${url#http://}"
says old-up "Ctrl-C stops it" || fail "the older program does not start"
check "a run of the older program goes through" run_goes_through
stop_all

say "the newer program on the older schema"
status=0
"$new" migrate --check || status=$?
if [ "$status" = 5 ]; then
    start new-worker "$new" worker
    check "a newer worker waits for the migration" says new-worker "lacks .* migrations"
else
    check "the schema did not change (exit code $status)" [ "$status" = 0 ]
    start new-worker "$new" worker
fi
start old-server "$old" serve --listen "${url#http://}"
start old-worker "$old" worker
says old-server "elt answers at" || fail "the older server does not start"
says old-worker "working on queue" || fail "the older worker does not start"
check "the newer program migrates beside the older server and worker" "$new" migrate
check "the newer worker goes on after the migration" says new-worker "working on queue"
check "a run goes through with the older server" run_goes_through
stop_all

say "the older program on the newer schema"
start old-server2 "$old" serve --listen "${url#http://}"
start old-worker2 "$old" worker
check "an older server starts" says old-server2 "elt answers at"
check "an older worker starts" says old-worker2 "working on queue"
check "a run goes through with older server and worker" run_goes_through
check "the older migrate leaves the schema alone" "$old" migrate
stop_all
start new-server "$new" serve --listen "${url#http://}"
start old-worker3 "$old" worker
check "a newer server starts beside an older worker" says new-server "elt answers at"
says old-worker3 "working on queue" || true
check "a run goes through with a newer server and an older worker" run_goes_through
stop_all
check "the schema is up to date" "$new" migrate --check

say "$([ $failed = 0 ] && echo "all of it works" || echo "something does not work")"
exit $failed
