#!/usr/bin/env bash
# The health check of the container image, beside a server on this machine:
#
#     tests/packaging/healthcheck.sh PROGRAM
set -euo pipefail

program=$(realpath "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
server=
end() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

port=$((20000 + RANDOM % 10000))
while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
healthy() { packaging/container/healthcheck "$port" 2>/dev/null; }

healthy && fail "nobody is there, and it is healthy"
for password in "" secret; do
    "$program" --port "$port" --dir "$work" --requirepass "$password" >"$work/log" &
    server=$!
    tries=600
    until healthy; do
        kill -0 "$server" 2>/dev/null || fail "the server has ended: $(cat "$work/log")"
        ((tries-- > 0)) || fail "a server with the password '$password' is not healthy"
        sleep 0.1
    done
    if [[ -z $password ]]; then
        # One that hangs takes connections, and says nothing.
        kill -STOP "$server"
        healthy && fail "a server that hangs is healthy"
        kill -CONT "$server"
    fi
    kill "$server"
    wait "$server" || fail "the server ended with $?"
    server=
done
echo "the health check tells life from death"
