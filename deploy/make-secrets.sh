#!/usr/bin/env bash
# Makes the passwords and keys that compose.yaml reads, one a file in deploy/secrets. What is there already stays.
set -euo pipefail
cd "$(dirname "$0")/secrets"

# Only this account may enter the folder. In it the files are readable by all, because the accounts inside the containers
# have other numbers than those of this machine.
chmod 700 .

# make NAME [TEXT]: the text, or 64 random hexadecimal digits
make() {
    [ ! -s "$1" ] || return 0
    printf '%s\n' "${2:-$(head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n')}" >"$1.new"
    chmod 444 "$1.new"
    mv "$1.new" "$1"
}

for name in postgres_password owner_password api_password worker_password target_password jwt_key secret_key grafana_password; do
    make "$name"
done
make owner_url "postgres://elt:$(cat owner_password)@postgres:5432/elt"
make api_url "postgres://elt_serve:$(cat api_password)@postgres:5432/elt"
make worker_url "postgres://elt_work:$(cat worker_password)@postgres:5432/elt"
# Inside one machine's own network there is no TLS. A target elsewhere should keep the default.
make target_url "postgres://elt_target:$(cat target_password)@postgres:5432/elt_db?sslmode=prefer"
echo "the secrets are in $PWD"
