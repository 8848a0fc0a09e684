#!/usr/bin/env bash
# Feeds files and configs that nobody would write to the readers, starting from the odd files of the tests.
# Usage: fuzz.sh [SECONDS FOR EACH]
. "$(dirname "$0")/lib.sh"

seconds=${1:-120}
if ! cargo fuzz --version >/dev/null 2>&1; then
    say "installing cargo-fuzz"
    cargo install --quiet --locked cargo-fuzz@0.13.2
fi

# The first byte says which format it is: see fuzz_targets/files.rs.
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
mkdir "$seeds/files" "$seeds/xml" "$seeds/fixed_width" "$seeds/typed_files" "$seeds/archives" "$seeds/expressions"
number=0
for suffix in csv txt json ndjson; do
    for file in tests/corpus/*."$suffix"; do
        { printf '%b' "\\x0$number"; cat "$file"; } >"$seeds/files/$(basename "$file")"
    done
    number=$((number + 1))
done
number=0
for suffix in xlsx xls xlsb ods parquet arrow; do
    for file in tests/fixtures/{excel,parquet}/*."$suffix"; do
        [ ! -f "$file" ] || { printf '%b' "\\x0$number"; cat "$file"; } >"$seeds/typed_files/$(basename "$file")"
    done
    number=$((number + 1))
done
for file in tests/fixtures/archives/*.zip; do
    { printf '\x00'; cat "$file"; } >"$seeds/archives/$(basename "$file")"
done
for seed in 4:passphrase.csv.gpg 5:methods.zip.pgp 6:sparse-gnu.tar.xz; do
    { printf '%b' "\\x0${seed%%:*}"; cat "tests/fixtures/archives/${seed#*:}"; } >"$seeds/archives/${seed#*:}"
done
printf '%s' "case when cast(a as numeric) > 1 and b like 'x%' then coalesce(c, 'y') || 1 end" >"$seeds/expressions/case"
# There the first bytes choose the options.
for file in tests/corpus/formats/x_*.xml; do
    { printf '\x01'; cat "$file"; } >"$seeds/xml/$(basename "$file")"
done
for file in tests/corpus/formats/fw_*.dat; do
    { printf '\x00\x03'; cat "$file"; } >"$seeds/fixed_width/$(basename "$file")"
done
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/fuzz"
# cargo-fuzz passes options of a nightly compiler, which the stable one of rust-toolchain.toml takes with this.
export RUSTC_BOOTSTRAP=1
# What is fuzzed has the dependencies that are released. cargo adds those of the fuzzer alone.
cp Cargo.lock tests/fuzz/Cargo.lock
for target in files typed_files archives expressions xml fixed_width configs masks cursors host_rules target_urls; do
    corpus=$seeds/$target
    mkdir -p "$corpus"
    say "fuzzing $target for $seconds s"
    cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$target" "$corpus" -- \
        -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=4096 -print_final_stats=1
done
