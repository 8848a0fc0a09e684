#!/usr/bin/env bash
# Pins the images of deploy/ to digests: asks the registry for the digest of each tag and writes it behind the tag,
# `postgres:17.6@sha256:…`. Needs docker and the network. A pinned image is asked for again by its tag.
# Usage: pin-images.sh [--check | --tags]   Both change nothing. --check: fail when an image has no digest.
#                                             --tags: fail when an image has no exact tag, or the tag `latest`
. "$(dirname "$0")/lib.sh"

files=(deploy/Dockerfile deploy/compose.yaml)
# Images that are built here, and stages of the Dockerfile, have no registry.
images() {
    { sed -n 's/^FROM \([^ ]*\).*/\1/p' deploy/Dockerfile; sed -n 's/^ *image: *//p' deploy/compose.yaml; } |
        grep ':' | grep -v '^elt:' | sort -u
}

if [ "${1:-}" = --tags ]; then
    stages=$(sed -n 's/^FROM .* AS \(.*\)/\1/p' deploy/Dockerfile)
    named=$({ sed -n 's/^FROM \([^ ]*\).*/\1/p' deploy/Dockerfile; sed -n 's/^ *image: *//p' deploy/compose.yaml; } | sort -u)
    # What is built here has no registry.
    foreign=$(grep -vxF -e "$stages" <<<"$named" | grep -v '^elt:')
    loose=$(grep -vE '^[^@]+:[^:/@]+(@sha256:[0-9a-f]{64})?$' <<<"$foreign" || true)
    loose+=$(grep -E ':latest(@|$)' <<<"$foreign" || true)
    [ -z "$loose" ] || fail "no exact tag: $(tr '\n' ' ' <<<"$loose")"
    exit 0
fi

if [ "${1:-}" = --check ]; then
    unpinned=$(images | grep -v '@sha256:' || true)
    [ -z "$unpinned" ] || fail "no digest: $(tr '\n' ' ' <<<"$unpinned"). Run scripts/pin-images.sh where the registry can be reached."
    exit 0
fi

command -v docker >/dev/null || fail "missing: docker, which asks the registry for digests"
for image in $(images); do
    tag=${image%@*}
    digest=$(docker buildx imagetools inspect "$tag" --format '{{.Manifest.Digest}}') || fail "the registry gave no digest of $tag"
    [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "the registry gave no digest of $tag"
    sed -i "s#\(FROM\|image:\) $image\$#\1 $tag@$digest#; s#\(FROM\) $image \(AS .*\)#\1 $tag@$digest \2#" "${files[@]}"
    echo "$tag@$digest"
done
