#!/usr/bin/env bash
# The Debian packages in a clean system: installed, started, upgraded, in the place of the stock
# server, removed and purged.
#
#     tests/packaging/debian.sh FOLDER NEXT
#
# FOLDER has the packages, NEXT those of a later revision. The system is a folder, see
# tests/packaging/clean-root.sh; where that cannot be, the test says why and is content.
set -euo pipefail

folder=$(realpath "$1") next=$(realpath "$2")
. "$(dirname "$0")/clean-root.sh"
# The system has the network of this machine.
. "$(dirname "$0")/client.sh"

skip() { echo "skipped: $*"; exit 0; }
fail() { echo "FAILED: $*" >&2; exit 1; }
step() { echo "- $*"; }

[[ $(id -u) == 0 ]] || skip "only root can enter another system (chroot)"
work=$(mktemp -d)
root=$work/root
server=
end() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

clean_root "$root" "$work/log" || skip "no clean system: $(tail -n 1 "$work/log")"
enter=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
    chroot "$root")
inside() { "${enter[@]}" "$@"; }
inside true 2>"$work/log" || skip "chroot: $(cat "$work/log")"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# Nothing inside may start a service by itself.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/now" "$root/next"
for name in tanist tanist-redis; do
    cp "$folder/$name"_*.deb "$root/now/$name.deb"
    cp "$next/$name"_*.deb "$root/next/$name.deb"
done

quiet() { "$@" >"$work/log" 2>&1 || fail "$*: $(cat "$work/log")"; }
apt() { quiet inside apt-get -q -y -o Dpkg::Options::=--force-confold "$@"; }
owner() { inside stat -c '%U:%G %a' "$1"; }
expect() { [[ $2 == "$3" ]] || fail "$1: $2, not $3"; }

# Starts what the unit starts, as its user, and waits until it answers.
start() {
    local line
    line=$(sed -n 's/^ExecStart=//p' "$root/usr/lib/systemd/system/$1.service")
    line=${line/--supervised systemd/--supervised no}
    # shellcheck disable=SC2086
    "${enter[@]}" setpriv --reuid tanist --regid tanist --init-groups $line --port "$port" \
        >"$work/out" 2>&1 &
    server=$!
    local tries=600
    until [[ $(ask PING 2>/dev/null) == +PONG ]]; do
        kill -0 "$server" 2>/dev/null || fail "$line: $(cat "$work/out")"
        ((tries-- > 0)) || fail "$line does not answer"
        sleep 0.1
    done
}
stop() {
    kill "$server"
    wait "$server" || fail "the server ended with $?: $(cat "$work/out")"
    server=
}

step "install"
apt update
apt install /now/tanist.deb
expect "the data folder" "$(owner /var/lib/tanist)" "tanist:tanist 750"
expect "the configuration folder" "$(owner /etc/tanist)" "root:tanist 2770"
expect "redis.conf" "$(owner /etc/tanist/redis.conf)" "tanist:tanist 640"
expect "sentinel.conf" "$(owner /etc/tanist/sentinel.conf)" "tanist:tanist 640"
inside tanist-server --version | grep -q tanist= || fail "no version"
expect "the checker's version" "$(inside tanist-check-rdb --version)" "redis-check-rdb 7.2.4"

step "start, write, let it rewrite its configuration, stop"
start tanist-server
expect "SET" "$(ask SET color green)" +OK
expect "CONFIG SET" "$(ask CONFIG SET maxmemory-samples 7)" +OK
expect "CONFIG REWRITE" "$(ask CONFIG REWRITE)" +OK
stop
[[ -s $root/var/lib/tanist/dump.rdb ]] || fail "no snapshot was saved"
[[ -s $root/var/log/tanist/server.log ]] || fail "no log was written"
grep -q '^maxmemory-samples 7' "$root/etc/tanist/redis.conf" || fail "nothing was rewritten"

step "start a Sentinel, which keeps its memory"
start tanist-sentinel
id=$(sed -n 's/^sentinel myid //p' "$root/etc/tanist/sentinel.conf")
[[ ${#id} == 40 ]] || fail "the Sentinel wrote no id"
stop

step "upgrade"
apt install /next/tanist.deb
grep -q '^maxmemory-samples 7' "$root/etc/tanist/redis.conf" || fail "the configuration was lost"
grep -q "^sentinel myid $id" "$root/etc/tanist/sentinel.conf" || fail "a Sentinel lost its memory"
start tanist-server
ask GET color >/dev/null
expect "the data after the upgrade" "$(ask STRLEN color)" ":5"
stop

step "take the place of the stock server"
apt install redis-server
apt install /next/tanist-redis.deb
inside dpkg-query -W -f '${db:Status-Status}\n' redis-server 2>/dev/null | grep -qx installed &&
    fail "the stock server is still installed"
inside redis-server --version | grep -q tanist= || fail "redis-server is not ours"
[[ -L $root/etc/systemd/system/multi-user.target.wants/tanist-server.service ]] ||
    echo "  (not looked at: services are not enabled without systemd's helpers)"
inside redis-cli --version >/dev/null || fail "redis-cli is gone"
apt install redis-server
inside redis-server --version | grep -q tanist= && fail "the stock server did not come back"

step "remove"
apt remove tanist
[[ ! -e $root/usr/bin/tanist-server ]] || fail "the program is still there"
[[ -e $root/etc/tanist/redis.conf ]] || fail "the configuration went with it"
[[ -s $root/var/lib/tanist/dump.rdb ]] || fail "the data went with it"

step "purge"
apt purge tanist
for left in etc/tanist var/lib/tanist var/log/tanist etc/logrotate.d/tanist; do
    [[ ! -e $root/$left ]] || fail "/$left is left"
done
echo "the packages are good"
