# Sourced by the steps that tests/packaging/running-systemd.sh has done in a machine of its own.
# shellcheck shell=bash
set -euo pipefail

# Failures are told even where the output of a command is not.
exec 3>&2
step() { echo "- $*"; }
# What is known of the units when something is wrong.
fail() {
    echo "FAILED: $*" >&3
    systemctl --no-pager status 'tanist-*' 'redis-*' >&3 || true
    tail -n 20 /var/log/tanist/*.log >&3 || true
    journalctl --no-pager --lines 20 >&3 || true
    exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
expect() { [[ $2 == "$3" ]] || fail "$1: '$2', not '$3'"; }

# systemd refuses many starts in a short time, but those of a test are meant.
systemctl() {
    case $1 in start | restart) command systemctl reset-failed ;; esac
    command systemctl "$@"
}

# Waits until a command says yes: eventually SECONDS COMMAND ...
eventually() {
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        ((tries-- > 0)) || fail "it never came to this: $*"
        sleep 0.1
    done
}

port=6379
cli() { redis-cli -p "$port" "$@"; }
# One value of a section of INFO.
info() { cli INFO "$1" | tr -d '\r' | sed -n "s/^$2://p"; }
answers() { [[ $(cli PING) == PONG ]]; }
property() { systemctl show --value --property "$2" "$1"; }
# Whether a property has a value: shows UNIT PROPERTY VALUE
shows() { [[ $(property "$1" "$2") == "$3" ]]; }
pid() { property "$1" MainPID; }
status() { property "$1" StatusText; }
# The program that a unit runs; one whose file was replaced is "(deleted)".
program() { readlink "/proc/$(pid "$1")/exe"; }
deb() { apt-get -q -y -o Dpkg::Options::=--force-confold "$@" >/tmp/apt.log 2>&1 ||
    fail "apt-get $*: $(cat /tmp/apt.log)"; }
# Changes a directive in a configuration file, or adds it: set_in FILE NAME VALUE
set_in() {
    sed -i -E "/^$2 /d" "$1"
    echo "$2 $3" >>"$1"
}
