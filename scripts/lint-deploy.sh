#!/usr/bin/env bash
# Checks deploy/ with the linters that are here, and says which are not.
. "$(dirname "$0")/lib.sh"

absent() { echo "$1 is not here: $2 not checked"; }

if command -v hadolint >/dev/null; then
    hadolint deploy/Dockerfile
    echo "Dockerfile: ok"
else
    absent hadolint "deploy/Dockerfile was"
fi

scripts/pin-images.sh --tags
scripts/pin-images.sh --check || echo "the images of deploy/ are named by tags"

compose=()
docker compose version >/dev/null 2>&1 && compose=(docker compose)
[ ${#compose[@]} -eq 0 ] && command -v docker-compose >/dev/null && compose=(docker-compose)
if [ ${#compose[@]} -gt 0 ]; then
    "${compose[@]}" -f deploy/compose.yaml --profile observe --profile sftp config --quiet
    echo "compose.yaml: ok"
else
    absent "docker compose" "deploy/compose.yaml was"
fi

if command -v promtool >/dev/null; then
    promtool check config deploy/prometheus/prometheus.yml
    promtool test rules deploy/prometheus/tests.yml
else
    absent promtool "deploy/prometheus was"
fi

if tools=$(scripts/helm-tools.sh 2>/dev/null); then
    rendered=$(mktemp -d)
    for values in deploy/helm/elt/ci/*.yaml; do
        "$tools/helm" lint --strict deploy/helm/elt --values "$values" >"$rendered/said" 2>&1 || fail "$(cat "$rendered/said")"
        "$tools/helm" template elt deploy/helm/elt --values "$values" 2>"$rendered/said" >"$rendered/$(basename "$values")" ||
            fail "$(cat "$rendered/said")"
    done
    node "$tools/check.mjs" "$rendered"/*.yaml
    rm -r "$rendered"
    echo "Helm chart: ok"
else
    absent helm "deploy/helm was"
fi

if nginx=$(PATH=$PATH:/usr/sbin type -P nginx); then
    folder=$(mktemp -d)
    echo "pid $folder/pid; events {} http { include $PWD/deploy/nginx/default.conf; }" >"$folder/nginx.conf"
    "$nginx" -t -q -e "$folder/log" -c "$folder/nginx.conf" || fail "deploy/nginx/default.conf is wrong"
    rm -r "$folder"
    echo "proxy of compose.yaml: ok"
else
    absent nginx "deploy/nginx was"
fi

if command -v systemd-analyze >/dev/null; then
    units=$(mktemp -d)
    trap 'rm -rf "$units"' EXIT
    # Verify looks for the program and the account; neither need be on this machine.
    for unit in deploy/systemd/*.service; do
        sed -e 's|/usr/local/bin/elt|/bin/true|; s|^User=elt|User=daemon|; s|^Documentation=.*||' "$unit" >"$units/$(basename "$unit")"
    done
    problems=$(systemd-analyze verify "$units"/elt-{api,migrate,worker@1}.service 2>&1 | grep "$units" || true)
    [ -z "$problems" ] || fail "$problems"
    # From 0, confined, to 100. Below 20 systemd says OK.
    for unit in "$units"/elt-{api,migrate,worker@}.service; do
        systemd-analyze security --offline=true --threshold=20 --no-pager "$unit" | tail -1
    done
    echo "systemd units: ok"
else
    absent systemd-analyze "deploy/systemd was"
fi
