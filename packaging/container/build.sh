#!/usr/bin/env bash
# Builds the image with whichever builder of images is here and works: build.sh [NAME]
#
# REGISTRY, if set, stands in front of the names of the images that it begins with: HOST/FOLDER/
set -euo pipefail
cd "$(dirname "$0")/../.."

name=${1:-tanist}
for builder in podman docker buildah; do
    command -v $builder >/dev/null || continue
    if ! $builder info >/dev/null 2>&1; then
        echo "$builder is installed, but does not work here ($builder info)" >&2
        continue
    fi
    echo "building with $builder"
    # Only docker keeps the health check in its own format; podman and buildah are told to.
    format=()
    [[ $builder == docker ]] || format=(--format docker)
    exec $builder build "${format[@]}" --build-arg REGISTRY="${REGISTRY:-}" \
        -t "$name" -f packaging/container/Containerfile .
done
echo "no image was built: it needs podman, docker or buildah" >&2
exit 1
