#!/usr/bin/env bash
# The end-to-end tests talk to stock Redis: its redis-cli, its redis-benchmark, and its server as
# the other end of a replication link. This puts them in place where it can, and says what to do
# where it cannot.
set -euo pipefail

missing=()
for tool in redis-cli redis-benchmark redis-check-rdb; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
[[ ${#missing[@]} == 0 ]] && exit 0

# Debian's redis-tools holds the server too, under the name redis-check-rdb, and unlike the
# package redis-server it starts no service on port 6379.
as_root=()
if [[ $(id -u) != 0 ]]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || as_root=()
fi
if command -v apt-get >/dev/null && [[ $(id -u) == 0 || ${#as_root[@]} != 0 ]]; then
    echo "installing redis-tools (missing: ${missing[*]})"
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends redis-tools >/dev/null
    exit 0
fi

echo "The tests need Redis's own tools; missing: ${missing[*]}" >&2
echo "Install them (Debian, Ubuntu: apt-get install redis-tools) and run again." >&2
exit 1
