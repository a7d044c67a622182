#!/usr/bin/env bash
# After a boot: what was enabled runs, with its data and its roles; then an upgrade, a way back to
# the stock server, a removal and a purge.
. "$(dirname "$0")/common.sh"
units=(tanist-server tanist-server@6380 tanist-sentinel)

step "what was enabled runs again, as what it was"
for unit in "${units[@]}"; do
    eventually 60 shows "$unit" ActiveState active
done
eventually 60 eval '[[ $(info replication master_link_status) == up ]]'
expect "the new master" "$(port=6380 info replication role)" master
expect "its data" "$(port=6380 cli GET color)" blue
expect "the configuration folder" "$(stat -c '%U:%G %a' /etc/tanist)" "root:tanist 2770"
expect "the sockets' folder" "$(stat -c '%U:%G %a' /run/tanist)" "tanist:tanist 755"

step "an upgrade restarts what runs, and nothing else"
systemctl stop tanist-server
declare -A before
for unit in "${units[@]}"; do before[$unit]=$(pid "$unit"); done
deb install /packages/next/tanist.deb /packages/next/tanist-redis.deb
expect "what did not run" "$(systemctl is-active tanist-server || true)" inactive
for unit in tanist-server@6380 tanist-sentinel; do
    expect "$unit" "$(systemctl is-active $unit)" active
    [[ $(pid $unit) != "${before[$unit]}" ]] || fail "$unit was not restarted"
    [[ $(program $unit) == /usr/bin/tanist-server ]] || fail "$unit runs $(program $unit)"
done
expect "the data" "$(port=6380 cli GET color)" blue
systemctl start tanist-server

step "the stock server comes back"
deb install /packages/stock.deb
expect "the server at boot" "$(systemctl is-enabled tanist-server 2>/dev/null || true)" disabled
expect "the server" "$(systemctl is-active tanist-server || true)" inactive
systemctl start redis-server
[[ $(program redis-server) == */redis-check-rdb || $(program redis-server) == */redis-server ]] ||
    fail "redis-server runs $(program redis-server)"
expect "another one" "$(systemctl is-active tanist-server@6380)" active

step "a removal ends what runs, and leaves configuration and data"
deb remove tanist
[[ -z $(pgrep -u tanist) ]] || fail "somebody still runs: $(pgrep -a -u tanist)"
[[ -s /etc/tanist/redis.conf && -d /var/lib/tanist/appendonlydir ]] || fail "too much is gone"

step "a purge leaves nothing but the user, and what others made"
deb purge tanist
for left in /var/lib/tanist /var/log/tanist /etc/tanist/redis.conf /etc/tanist/sentinel.conf \
    /etc/logrotate.d/tanist /usr/lib/systemd/system/tanist-server.service; do
    [[ ! -e $left ]] || fail "$left is left"
done
[[ -s /etc/tanist/redis-6380.conf && -d /var/lib/tanist-6380 ]] || fail "too much is gone"
left=$(find /etc/systemd/system -name 'tanist-*' -not -name 'tanist-server@*')
[[ -z $left ]] || fail "$left is left"
expect "failed units" "$(systemctl list-units --failed --plain --no-legend 'tanist*')" ""
