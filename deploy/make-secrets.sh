#!/usr/bin/env bash
# Makes the passwords, keys and URLs of an installation, one a file. What is there already stays.
#
#   make-secrets.sh                     for compose.yaml: in deploy/secrets
#   make-secrets.sh FOLDER HOST[:PORT]  for services on this machine: in FOLDER, with URLs of the PostgreSQL at HOST
set -euo pipefail

# In a container the account has another number than on this machine, so every account must be able to read the files of
# deploy/secrets. Only the folder protects them.
mode=444 host=postgres:5432 query=
if [ $# -eq 0 ]; then
    cd "$(dirname "$0")/secrets"
else
    mode=600 host=${2:?usage: make-secrets.sh FOLDER HOST[:PORT]}
    [[ $host == *:* ]] || host+=:5432
    mkdir -p "$1"
    cd "$1"
    # PostgreSQL on this machine needs no TLS. Everywhere else elt refuses to send a password unencrypted.
    case $host in
        localhost:* | 127.*) ;;
        *) query='?sslmode=require' ;;
    esac
fi
chmod 700 .

# make NAME [TEXT]: the text, or 64 random hexadecimal digits
make() {
    [ ! -s "$1" ] || return 0
    printf '%s\n' "${2:-$(head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n')}" >"$1.new"
    chmod "$mode" "$1.new"
    mv "$1.new" "$1"
}

names=(owner_password api_password worker_password target_password jwt_key secret_key)
[ $# -gt 0 ] || names+=(postgres_password grafana_password)
for name in "${names[@]}"; do
    make "$name"
done
make owner_url "postgres://elt:$(cat owner_password)@$host/elt$query"
make api_url "postgres://elt_serve:$(cat api_password)@$host/elt$query"
make worker_url "postgres://elt_work:$(cat worker_password)@$host/elt$query"
# The container of PostgreSQL has no certificate, and its network does not leave the machine.
[ $# -gt 0 ] || query='?sslmode=prefer'
make target_url "postgres://elt_target:$(cat target_password)@$host/elt_db$query"
echo "the secrets are in $PWD"
