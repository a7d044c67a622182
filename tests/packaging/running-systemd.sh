#!/usr/bin/env bash
# The packages and their units under a systemd that runs: a clean Debian, the stock server in it, is
# booted as a machine of its own, and the steps of tests/packaging/machine are done in it, with a
# reboot between them.
#
#     tests/packaging/running-systemd.sh FOLDER NEXT
#
# FOLDER has the packages, NEXT those of a later revision. It needs root, systemd-nspawn (Debian:
# systemd-container) and what tests/packaging/clean-root.sh needs; where that is not there, or a
# machine does not boot, the test says why and is content. The machine has no network but its own
# loopback.
set -euo pipefail

folder=$(realpath "$1") next=$(realpath "$2")
cd "$(dirname "$0")"
. ./clean-root.sh

skip() { echo "skipped: $*"; exit 0; }
fail() { echo "FAILED: $*" >&2; exit 1; }

[[ $(id -u) == 0 ]] || skip "only root can boot a machine"
command -v systemd-nspawn >/dev/null || skip "no systemd-nspawn (Debian: systemd-container)"
work=$(mktemp -d)
root=$work/root
name=tanist-test-$$
machine=
# A machine that does not care about being powered off is killed, and all in it with it.
end() {
    if [[ -n $machine ]]; then
        kill "$machine" 2>/dev/null || true
        timeout 60 tail --pid="$machine" -f /dev/null || kill -KILL "$machine" || true
    fi
    rm -rf "$work" "/run/systemd/nspawn/propagate/$name"
    [[ -d /run/systemd/system ]] || remove_groups
}
# Without a systemd on this machine, control groups are made below our own. They are empty then.
remove_groups() {
    local controllers path group
    while IFS=: read -r _ controllers path; do
        case $controllers in
        "" | name=systemd)
            for group in /sys/fs/cgroup{,/unified,/systemd}"${path%/}"/{payload,supervisor}; do
                [[ ! -d $group ]] || find "$group" -depth -type d -exec rmdir {} + || true
            done
            ;;
        esac
    done </proc/self/cgroup
}
trap end EXIT

clean_root "$root" "$work/log" systemd systemd-sysv dbus adduser logrotate openssl procps \
    redis-server redis-tools || skip "no clean system: $(tail -n 1 "$work/log")"
mkdir "$root/packages" "$root/packages/now" "$root/packages/next"
for package in tanist tanist-redis; do
    cp "$folder/$package"_*.deb "$root/packages/now/$package.deb"
    cp "$next/$package"_*.deb "$root/packages/next/$package.deb"
done
cp -r machine "$root/packages/steps"
cp /etc/resolv.conf "$root/etc/resolv.conf"
(cd "$root/packages" && chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec \
    'apt-get -q update; cd /packages; apt-get -q download redis-server;
     mv redis-server_*.deb stock.deb') >"$work/log" 2>&1 || skip "$(tail -n 1 "$work/log")"

# Starts the machine and waits until its boot is over.
boot() {
    local unit=()
    [[ -d /run/systemd/system ]] || unit=(--keep-unit)
    systemd-nspawn --quiet --boot --directory="$root" --machine="$name" --private-network \
        --register=no "${unit[@]}" --console=pipe </dev/null >"$work/console" 2>&1 &
    machine=$!
    local tries=600
    while kill -0 "$machine" 2>/dev/null && ((tries-- > 0)); do
        case $(inside 10 systemctl is-system-running 2>/dev/null || true) in
        running | degraded) return 0 ;;
        esac
        sleep 0.1
    done
    return 1
}
# Powers it off, and waits until it is.
power_off() {
    kill "$machine"
    timeout 120 tail --pid="$machine" -f /dev/null || fail "the machine is not powered off"
    wait "$machine" || fail "the end of the machine: $(tail -n 3 "$work/console")"
    machine=
}
# A command in the machine, with a limit of seconds.
inside() {
    local limit=$1 leader
    shift
    leader=$(pgrep -P "$machine") || return 1
    timeout "$limit" nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

boot || skip "no machine boots here: $(tail -n 3 "$work/console")"
inside 600 /packages/steps/before-reboot.sh || fail "before the reboot"
power_off
boot || fail "the machine does not boot again: $(tail -n 3 "$work/console")"
inside 600 /packages/steps/after-reboot.sh || fail "after the reboot"
power_off
echo "the units are good under systemd"
