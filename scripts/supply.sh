#!/usr/bin/env bash
# Checks where the dependencies come from: advisories, licences and sources of the crates (deny.toml), and for npm that
# each package has a hash, comes from npm's registry, and needs no install script.
# Usage: supply.sh [--offline]   --offline: do not ask the network for newer advisories
. "$(dirname "$0")/lib.sh"

if ! cargo deny --version >/dev/null 2>&1; then
    [ "${1:-}" != --offline ] || fail "missing: cargo install --locked cargo-deny@0.20.2"
    say "installing cargo-deny"
    cargo install --quiet --locked cargo-deny@0.20.2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# cargo-deny reads advisories from a git checkout with this name. This one holds the snapshot of supply/.
checkout_of_snapshot() {
    local checkout=$work/advisory-db-3157b0e258782691
    tar -xJf supply/advisories.tar.xz -C "$work"
    mv "$work/advisory-db" "$checkout"
    git -C "$checkout" init --quiet
    git -C "$checkout" add --all
    GIT_COMMITTER_DATE=$(cat supply/advisories.date) git -C "$checkout" -c user.name=elt -c user.email=elt@localhost \
        -c commit.gpgsign=false commit --quiet --message "advisories of $(cat supply/advisories.date)"
}

config=deny.toml
say "advisories"
if [ "${1:-}" != --offline ] && timeout 60 cargo deny fetch db >/dev/null 2>&1; then
    echo "newest advisories of https://github.com/rustsec/advisory-db"
else
    echo "no newer advisories could be fetched: the snapshot of $(cat supply/advisories.date) is used"
    checkout_of_snapshot
    config=$work/deny.toml
    sed "s|^\[advisories\]|&\ndb-path = \"$work\"|" deny.toml >"$config"
fi
cargo fetch --quiet --locked
# Everything was fetched above, and an offline check cannot hang.
cargo deny --offline --locked --log-level error --config "$config" check --hide-inclusion-graph

say "npm"
node - <<'JS'
const { packages } = JSON.parse(require('fs').readFileSync('dashboard/package-lock.json', 'utf8'));
const problems = [];
for (const [path, entry] of Object.entries(packages)) {
  if (path === '' || entry.link) continue;
  if (!entry.integrity?.startsWith('sha512-')) problems.push(`${path}: no sha512 in package-lock.json`);
  // Without an address the package comes from npm's registry.
  if (entry.resolved && !entry.resolved.startsWith('https://registry.npmjs.org/')) problems.push(`${path}: from ${entry.resolved}`);
}
for (const [name, range] of Object.entries({ ...packages[''].dependencies, ...packages[''].devDependencies })) {
  if (!/^\d+\.\d+\.\d+$/.test(range)) problems.push(`${name}: ${range} is not an exact version`);
}
if (problems.length > 0) { console.error(problems.join('\n')); process.exit(1); }
console.log(`${Object.keys(packages).length - 1} packages: each with a hash, from registry.npmjs.org, in exact versions`);
JS
