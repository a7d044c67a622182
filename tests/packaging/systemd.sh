#!/usr/bin/env bash
# The units, users, folders and the rotation of logs as the programs that read them see them. What
# is not installed is left out, and said.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
units=packaging/systemd

has() { command -v "$1" >/dev/null || { echo "skipped: no $1"; return 1; }; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# Both kinds of unit keep their process in the same cage.
cage() { sed -n '/^NoNewPrivileges/,/^$/p' "$1"; }
for unit in tanist-server@.service tanist-sentinel.service; do
    diff <(cage $units/tanist-server.service) <(cage "$units/$unit") ||
        fail "$unit differs in what it forbids"
done
echo "the units forbid the same"

if has systemd-analyze; then
    # The programs that units start, and what they are ordered with, must exist.
    root=$work/root
    mkdir -p "$root"/{usr/bin,etc/systemd/system,usr/lib/systemd/system,usr/share/man}
    printf '#!/bin/sh\n' >"$root/usr/bin/tanist-server"
    chmod 755 "$root/usr/bin/tanist-server"
    ln -s tanist-server "$root/usr/bin/tanist-sentinel"
    cp $units/*.service "$root/usr/lib/systemd/system"
    for name in sysinit basic network-online multi-user shutdown; do
        printf '[Unit]\nDescription=%s\n' $name >"$root/usr/lib/systemd/system/$name.target"
    done
    for unit in tanist-server.service tanist-sentinel.service tanist-server@6380.service; do
        found=$(systemd-analyze verify --man=no --root="$root" "$unit" 2>&1) || fail "$unit: $found"
        [[ -z $found ]] || fail "$unit: $found"
    done
    echo "systemd-analyze verify is content"
    for unit in tanist-server.service tanist-sentinel.service; do
        # 0 is safest, 100 is a service without any limits.
        systemd-analyze security --offline=yes --threshold=25 "$units/$unit" >"$work/report" ||
            fail "$unit is too exposed: $(cat "$work/report")"
    done
    echo "systemd-analyze security is content"
fi

if has systemd-sysusers; then
    mkdir -p "$work/users/etc"
    systemd-sysusers --root="$work/users" "$PWD/$units/tanist.sysusers" 2>"$work/err" ||
        fail "sysusers: $(cat "$work/err")"
    grep -q '^tanist:.*:/var/lib/tanist:' "$work/users/etc/passwd" || fail "no user tanist"
    echo "systemd-sysusers makes the user"
    if [[ $(id -u) == 0 ]] && has systemd-tmpfiles; then
        systemd-tmpfiles --create --root="$work/users" "$PWD/$units/tanist.tmpfiles"
        [[ $(stat -c %a "$work/users/var/lib/tanist") == 750 ]] || fail "no data folder"
        [[ $(stat -c %a "$work/users/etc/tanist") == 2770 ]] || fail "no configuration folder"
        echo "systemd-tmpfiles makes the folders"
    fi
fi

if has logrotate; then
    # Nobody has the user here: without that line the file means the same.
    sed "/^ *su /d; s|/var/log/tanist|$work/log|" packaging/tanist.logrotate >"$work/rotate"
    mkdir "$work/log"
    echo line >"$work/log/server.log"
    chmod 644 "$work/rotate"
    logrotate --force --state "$work/state" "$work/rotate" || fail "logrotate"
    [[ -s $work/log/server.log.1 ]] || fail "the log was not rotated"
    echo "logrotate rotates"
fi
