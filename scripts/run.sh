#!/usr/bin/env bash
# Builds everything and starts `elt up`. Settings are environment variables: see README.
. "$(dirname "$0")/lib.sh"

scripts/setup.sh run
build --quiet
exec "$CARGO_TARGET_DIR/debug/elt" up "$@"
