#!/usr/bin/env bash
# The health check of the container image, beside a server on this machine:
#
#     tests/packaging/healthcheck.sh PROGRAM
set -euo pipefail

program=$(realpath "$1")
cd "$(dirname "$0")/../.."
. tests/packaging/client.sh
work=$(mktemp -d)
server=
end() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

healthy() { packaging/container/healthcheck "$port" 2>/dev/null; }

# Starts a server with these options, and waits until it is healthy.
start() {
    "$program" --dir "$work" --save "" "$@" >"$work/log" &
    server=$!
    local tries=600
    until healthy; do
        kill -0 "$server" 2>/dev/null || fail "the server has ended: $(cat "$work/log")"
        ((tries-- > 0)) || fail "a server with $* is not healthy"
        sleep 0.1
    done
}
stop() {
    kill "$server"
    wait "$server" || fail "the server ended with $?"
    server=
}

healthy && fail "nobody is there, and it is healthy"
start --port "$port"
# One that hangs takes connections, and says nothing.
kill -STOP "$server"
healthy && fail "a server that hangs is healthy"
kill -CONT "$server"
stop
start --port "$port" --requirepass secret
stop
start --port "$port"
exec 6<>"/dev/tcp/127.0.0.1/$port"
printf 'CONFIG SET maxclients 1\r\n' >&6
IFS= read -r -t 10 answer <&6
[[ $answer == +OK* ]] || fail "CONFIG SET maxclients: $answer"
healthy || fail "a server that has no room for more clients is not healthy"
exec 6>&-
stop
# As where all clients speak TLS.
start --port 0 --unixsocket "$work/socket" --metrics-port "$port"
stop
echo "the health check tells life from death"
