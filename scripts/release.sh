#!/usr/bin/env bash
# Builds a release: dist/elt-VERSION-TARGET.tar.gz with the program (dashboard and migrations are inside it), its bills of
# materials (CycloneDX, crates and npm packages), deploy/ and the documents; and dist/SHA256SUMS.
# Usage: release.sh [--binary FILE]   --binary: pack this program instead of building one
. "$(dirname "$0")/lib.sh"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
target=$(rustc -vV | sed -n 's/^host: //p')
# The time of the commit, so that the same commit gives the same archive.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

if [ "${1:-}" = --binary ]; then
    binary=${2:?name the program}
else
    scripts/dashboard.sh
    say "building an optimised program"
    cargo build --locked --release --package elt
    binary=$CARGO_TARGET_DIR/release/elt
fi

say "packing elt $version for $target"
name=elt-$version-$target
out=${ELT_DIST:-dist}
rm -rf "${out:?}/$name"
mkdir -p "$out/$name"
install -m 755 "$binary" "$out/$name/elt"
install -m 644 README.md CHANGELOG.md LICENSE "$out/$name/"
# Only what is committed: deploy/secrets and deploy/.env may have secrets. The chart gets a copy of the alerts instead of a link to them.
git archive HEAD deploy | tar -x -C "$out/$name"
(cd "$out/$name/deploy/helm/elt/files" && cp --remove-destination ../../../prometheus/alerts.yml alerts.yml)
rm -r "$out/$name/deploy/helm/tools"
[ ! -d docs ] || cp -r docs "$out/$name/"
cargo metadata --format-version 1 --locked --filter-platform "$target" |
    node scripts/sbom.mjs "$version" >"$out/$name/elt.cdx.json"
(cd dashboard && npm sbom --sbom-format cyclonedx --omit dev --package-lock-only) >"$out/$name/dashboard.cdx.json"

tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
cp "$out/$name"/*.cdx.json "$out/"
rm -rf "${out:?}/$name"
(cd "$out" && sha256sum "$name.tar.gz" ./*.cdx.json | sed 's|\./||' >SHA256SUMS && cat SHA256SUMS)
