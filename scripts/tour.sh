# shellcheck shell=bash
# What the tours share: a temporary place that goes with its servers, steps that are shown and
# checked, and waiting with an end. To be sourced; each process of a tour writes its pid to
# $place/NAME.pid and its log to $place/NAME.log.

patience=${PATIENCE:-30}
place=$(mktemp -d)

command -v redis-cli >/dev/null || { echo "redis-cli is missing (apt-get install redis-tools)"; exit 1; }

cli() { redis-cli -p "$@"; }

cleanup() {
    local status=$? file
    for file in "$place"/*.pid; do
        [[ -f $file ]] && kill -KILL "$(<"$file")" 2>/dev/null || true
    done
    rm -rf "$place"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    local file
    echo
    echo "FAILED: $*"
    for file in "$place"/*.log; do
        echo "--- the end of ${file##*/} ---"
        tail -n 25 "$file" 2>/dev/null || true
    done
    exit 1
}

step() { printf '\n== %s\n' "$*"; }

need_server() { [[ -x $1 ]] || { echo "$1 is missing (make build)"; exit 1; }; }

need_free_ports() {
    local port
    for port in "$@"; do
        if cli "$port" PING >/dev/null 2>&1; then
            fail "something listens on $port already; choose others, see the head of $0"
        fi
    done
}

# Runs a command as the reader would type it and shows it with its reply.
type_in() {
    local port=$1
    shift
    echo "127.0.0.1:$port> $*"
    cli "$port" --no-raw "$@" 2>&1 | tr -d '\r'
}

# The same for several commands on one connection, a line each.
type_in_all() {
    local port=$1 line
    shift
    for line in "$@"; do echo "127.0.0.1:$port> $line"; done
    printf '%s\n' "$@" | cli "$port" --no-raw 2>&1 | tr -d '\r'
}

# One field of a section of INFO.
info_field() { cli "$1" INFO "$2" 2>/dev/null | tr -d '\r' | sed -n "s/^$3://p"; }
field() { info_field "$1" replication "$2"; }
persistence() { info_field "$1" persistence "$2"; }

expect() {
    local what=$1 got=$2 wanted=$3
    [[ $got == "$wanted" ]] || fail "$what: expected \"$wanted\", got \"$got\""
}

# Waits until a command prints what is wanted.
await() {
    local what=$1 wanted=$2
    shift 2
    local end=$((SECONDS + patience)) got=
    while ((SECONDS <= end)); do
        got=$("$@" 2>/dev/null || true)
        # shellcheck disable=SC2053  # the wanted side may be a pattern
        [[ $got == $wanted ]] && return
        sleep 0.1
    done
    fail "$what: still \"$got\" after $patience s, expected \"$wanted\""
}

await_link() { await "the link of $1" "$2" field "$1" master_link_status; }

# Shows INFO replication without the fields that say nothing here.
show() {
    echo "127.0.0.1:$1> INFO replication"
    cli "$1" INFO replication | tr -d '\r' | grep -v '^master_failover_state\|^replica_announced'
}

# Kills a process of the tour as a crash would.
crash() {
    echo "\$ kill -KILL \$(cat $1.pid)"
    kill -KILL "$(<"$place/$1.pid")"
    await "the end of $1" "" cli "$1" PING
    rm -f "$place/$1.pid"
}
