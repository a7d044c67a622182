#!/usr/bin/env bash
# The container image: it is built, and what is in it is started as its user, asked by its health
# check, and ended.
#
#     tests/packaging/image.sh [IMAGE]
#
# IMAGE is one that is built already. It needs buildah, which runs programs of an image without a
# daemon, and for a build the images that the Containerfile begins with, from REGISTRY if that is
# set; where they are not there and cannot be had, the test says so and is content.
# BUILDAH_ISOLATION=chroot does without a runtime.
set -euo pipefail

cd "$(dirname "$0")/../.."
. tests/packaging/client.sh
skip() { echo "skipped: $*"; exit 0; }
fail() { echo "FAILED: $*" >&2; exit 1; }

command -v buildah >/dev/null || skip "no buildah"
buildah info >/dev/null 2>&1 || skip "buildah does not work here"
work=$(mktemp -d)
container=
server=
end() {
    if [[ -n $server ]]; then
        ask SHUTDOWN NOSAVE >/dev/null 2>&1 || true
        kill "$server" 2>/dev/null || true
    fi
    [[ -z $container ]] || buildah rm "$container" >/dev/null || true
    rm -rf "$work"
}
trap end EXIT

image=${1:-}
if [[ -z $image ]]; then
    image=tanist-test
    file=packaging/container/Containerfile
    for base in $(sed -n 's/^FROM ${REGISTRY}\([^ ]*\).*/\1/p' $file); do
        base=${REGISTRY:-}$base
        buildah inspect --type image "$base" >/dev/null 2>&1 ||
            buildah pull --quiet "$base" >/dev/null 2>"$work/log" ||
            skip "no image $base: $(tail -n 1 "$work/log")"
    done
    buildah build --format docker --build-arg REGISTRY="${REGISTRY:-}" \
        -t $image -f $file . >"$work/log" 2>&1 ||
        fail "the build: $(tail -n 20 "$work/log")"
fi

said() { buildah inspect --type image --format "{{.Docker.Config.$1}}" "$image"; }
expect() { [[ $2 == "$3" ]] || fail "$1: '$2', not '$3'"; }
expect "the user" "$(said User)" tanist
expect "the program" "$(said Entrypoint)" "[redis-server]"
[[ $(said Healthcheck) == *"[CMD healthcheck]"* ]] || fail "no health check"

container=$(buildah from --pull-never "$image")
inside() { buildah run --network host --env HEALTHCHECK_PORT=$port "$container" -- "$@"; }
healthy() { inside healthcheck 2>/dev/null; }
start() {
    inside redis-server "$@" --port $port >"$work/log" 2>&1 &
    server=$!
    local tries=100
    until healthy; do
        kill -0 "$server" 2>/dev/null || fail "the server has ended: $(cat "$work/log")"
        ((tries-- > 0)) || fail "a server with $* is not healthy: $(cat "$work/log")"
        sleep 0.1
    done
}
# The server saves, as it does by SIGTERM, and is gone.
stop() {
    ask SHUTDOWN >/dev/null || true
    wait "$server" || fail "the server ended with $?: $(cat "$work/log")"
    server=
}

expect "the user" "$(inside id -un)" tanist
healthy && fail "nobody is there, and it is healthy"
read -ra words <<<"$(said Cmd | tr -d '[]')"
start "${words[@]}"
expect "SET" "$(ask SET color green)" +OK
stop
start "${words[@]}"
expect "what was saved" "$(ask STRLEN color)" ":5"
stop
start /etc/tanist/sentinel.conf --sentinel
stop
for name in check-rdb check-aof lab; do
    inside test -x "/usr/local/bin/redis-$name" || fail "no redis-$name"
done
[[ $# != 0 ]] || buildah rmi "$image" >/dev/null
echo "the image is good"
