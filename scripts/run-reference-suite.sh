#!/usr/bin/env bash
# Runs files of Redis's own test suite against our server.
#
#   scripts/run-reference-suite.sh ~/src/redis-7.2.4 unit/type/string unit/protocol
#
# The first argument is somebody's checkout of Redis 7.2.4, the others are test files as its
# runtest knows them. Nothing in the checkout is touched: the suite runs in a temporary copy of
# its tests, where src/ holds our server and the redis-cli and redis-benchmark found in PATH.
# SERVER=path puts another server in. Arguments that begin with -- go to runtest (--only "name").
set -euo pipefail

[[ $# -ge 2 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
server=$(realpath "${SERVER:-$here/target/release/redis-server}")
suite=$(realpath "$1")
shift

[[ -x $suite/runtest && -d $suite/tests ]] || { echo "$suite holds no runtest and tests/"; exit 2; }
[[ -x $server ]] || { echo "$server is missing (make build)"; exit 2; }
command -v tclsh >/dev/null || { echo "tclsh is missing (apt-get install tcl)"; exit 2; }

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cp -r "$suite/tests" "$suite/runtest" "$place/"
[[ -f $suite/redis.conf ]] && cp "$suite/redis.conf" "$place/"
rm -rf "$place/tests/tmp"
mkdir -p "$place/src" "$place/tests/tmp"
for name in redis-server redis-sentinel redis-check-rdb redis-check-aof; do
    ln -s "$server" "$place/src/$name"
done
for name in redis-cli redis-benchmark; do
    ln -s "$(command -v "$name")" "$place/src/$name"
done

files=() options=()
while [[ $# -gt 0 ]]; do
    case $1 in
    --only | --skiptest | --tags | --timeout | --baseport | --portcount) options+=("$1" "$2"); shift 2 ;;
    --*) options+=("$1"); shift ;;
    *) files+=(--single "$1"); shift ;;
    esac
done

log=$place/output
status=0
(cd "$place" && ./runtest --clients 1 --no-latency "${files[@]}" "${options[@]}") 2>&1 |
    tee "$log" || status=$?

plain() { sed 's/\x1b\[[0-9;]*m//g' "$log"; }
echo
echo "== summary"
printf '%s passed, %s failed\n' "$(plain | grep -c '^\[ok\]' || true)" \
    "$(plain | grep -c '^\[err\]\|^\[exception\]' || true)"
plain | grep '^\[err\]\|^\[exception\]' | sort -u || true
exit "$status"
