#!/usr/bin/env bash
# The end-to-end tests talk to stock Redis: its redis-cli, its redis-benchmark, and its server as
# the other end of a replication link; and Prometheus' promtool reads the page of metrics. This puts
# them in place where it can. Without the first it says what to do and fails, without the last a
# test is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive

as_root=none
if command -v apt-get >/dev/null; then
    if [[ $(id -u) == 0 ]]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    fi
fi
is_updated=no
update() {
    [[ $is_updated == yes ]] || $as_root apt-get update -qq
    is_updated=yes
}

missing=()
for tool in redis-cli redis-benchmark redis-check-rdb; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if [[ ${#missing[@]} != 0 && $as_root == none ]]; then
    echo "The tests need Redis's own tools; missing: ${missing[*]}" >&2
    echo "Install them (Debian, Ubuntu: apt-get install redis-tools) and run again." >&2
    exit 1
elif [[ ${#missing[@]} != 0 ]]; then
    # Debian's redis-tools holds the server too, under the name redis-check-rdb, and unlike the
    # package redis-server it starts no service on port 6379.
    echo "installing redis-tools (missing: ${missing[*]})"
    update
    $as_root apt-get install -y -qq --no-install-recommends redis-tools >/dev/null
fi

# Taken out of its package, which would install and start a Prometheus.
fetch_promtool() {
    local folder
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .) &&
        install -D "$folder/usr/bin/promtool" target/tools/promtool
    local result=$?
    rm -rf "$folder"
    return $result
}
if ! command -v promtool >/dev/null && [[ ! -x target/tools/promtool && $as_root != none ]]; then
    echo "fetching promtool (Debian's package prometheus)"
    { update && fetch_promtool; } >/dev/null 2>&1 ||
        echo "there is no promtool; the test that wants it is left out" >&2
fi
