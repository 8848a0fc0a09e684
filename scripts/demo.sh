#!/usr/bin/env bash
# The main job, end to end, on real data: `elt up` on a data folder of its own, a config uploaded over HTTP, a run
# through API, queue and worker, the rows it loaded, its report, and a second run that inserts nothing.
. "$(dirname "$0")/lib.sh"

started=$SECONDS
scripts/setup.sh run
say "building elt (the first time takes several minutes; a development build, not an optimised one)"
build
elt="$CARGO_TARGET_DIR/debug/elt"

data=$(mktemp -d "${TMPDIR:-/tmp}/elt-demo.XXXXXX")
chmod 711 "$data" # as root, the database runs as another account, which must pass through
export ELT_ADMIN_PASSWORD=demo-of-elt ELT_LOG_FORMAT=human
export -n DATABASE_URL DATABASE_URL_FILE ELT_TARGET_URL ELT_TARGET_URL_FILE ELT_ADMIN_PASSWORD_FILE ELT_USER_PASSWORD_FILE # the demo has a database of its own
log="$data/up.out"

"$elt" up --data-dir "$data/elt" --listen 127.0.0.1:0 >"$log" 2>&1 &
up=$!
finish() {
    kill -TERM "$up" 2>/dev/null && wait "$up" 2>/dev/null
    rm -rf "$data"
}
trap finish EXIT

wait_for() { # wait_for SECONDS WHAT COMMAND…
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $until ] || { cat "$log" >&2; fail "gave up waiting for $what"; }
        sleep 0.2
    done
}
member() { sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p"; } # member NAME: of a flat JSON answer on stdin

say "elt up"
is_up() { grep -q 'Ctrl-C stops it' "$log"; }
wait_for 60 "elt up" is_up
url=$(sed -n 's|.*\(http://[0-9.:]*\)/docs.*|\1|p' "$log" | head -1)
[ ! -e dashboard/dist/browser/index.html ] || curl -fsS "$url/ui/" >/dev/null || fail "the dashboard is not in this build"
cat "$log"

say "log in"
token=$(curl -sS --fail-with-body -H 'Content-Type: application/json' \
    -d "{\"username\":\"admin\",\"password\":\"$ELT_ADMIN_PASSWORD\"}" "$url/auth/login" | member token)
call() { curl -sS --fail-with-body -H "Authorization: Bearer $token" "$@"; }
echo "POST /auth/login: admin, with a token of ${#token} characters"

say "upload demo/world.yaml"
cat demo/world.yaml
echo "POST /upload-config: $(call -F file=@demo/world.yaml "$url/upload-config")"

run_once() {
    local answer run
    answer=$(call -F file=@demo/world.yaml "$url/trigger-job")
    echo "POST /trigger-job: $answer"
    run=$(member run_id <<<"$answer")
    state_of() { call "$url/runs/$run" | member state; }
    ended() { case "$(state_of)" in succeeded | failed | stopped) return 0 ;; *) return 1 ;; esac; }
    wait_for 60 "the run" ended
    "$elt" report "$run" --data-dir "$data/elt"
    [ "$(state_of)" = succeeded ] || fail "the run did not succeed"
}

say "first run"
run_once

say "the table, from POST /data-view"
call -F file=@demo/world.yaml "$url/data-view?format=csv&sort=zone&columns=zone,country_code,country,latitude,utc_offset_minutes,daylight_saving,standard_time_since" >"$data/rows.csv"
{ head -6 "$data/rows.csv"; echo …; grep Windhoek "$data/rows.csv"; echo …; tail -3 "$data/rows.csv"; }
echo "$(($(wc -l <"$data/rows.csv") - 1)) rows"

say "second run of the same files: nothing new"
run_once | tee "$data/second.out"
grep -Eq '^ +all +424 +0 ' "$data/second.out" || fail "the second run should read 424 lines and insert none of them"

say "done in $((SECONDS - started)) s. \`make run\` keeps it running, with the dashboard at http://127.0.0.1:8080/ui/"
