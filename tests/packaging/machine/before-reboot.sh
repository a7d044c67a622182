#!/usr/bin/env bash
# Installs beside a stock server that runs, takes its place, and tries what the units promise and
# what they must not forbid.
. "$(dirname "$0")/common.sh"
conf=/etc/tanist/redis.conf

step "beside a stock server nothing is started, and a port that is taken is no start"
expect "the stock server" "$(systemctl is-active redis-server)" active
deb install /packages/now/tanist.deb
expect "the new server" "$(systemctl is-active tanist-server || true)" inactive
expect "the new server at boot" "$(systemctl is-enabled tanist-server || true)" disabled
systemctl start tanist-server 2>/dev/null && fail "two servers have the same port"
eventually 30 eval '[[ $(property tanist-server Result) == exit-code ]]'
eventually 30 shows tanist-server ActiveState failed
expect "the stock server" "$(systemctl is-active redis-server)" active

step "take the place of the stock server"
deb install /packages/now/tanist-redis.deb
expect "the name of the stock unit" "$(systemctl is-active redis-server)" active
expect "the new server at boot" "$(systemctl is-enabled tanist-server)" enabled
expect "the program" "$(program redis-server)" /usr/bin/tanist-server
expect "the manager" "$(info server process_supervised)" systemd
expect "the user" "$(stat -c %U "/proc/$(pid tanist-server)")" tanist

step "a start ends when the data set is loaded, and says what it does until then"
for ((i = 0; i < 3000; i++)); do echo "SET key:$i $i"; done | cli --pipe >/dev/null
cli SAVE >/dev/null
set_in $conf key-load-delay 2000
systemctl restart --no-block tanist-server
eventually 30 shows tanist-server StatusText "Redis is loading..."
expect "the state" "$(property tanist-server ActiveState)" activating
[[ $(cli PING) == LOADING* ]] || fail "the server is not loading any more"
eventually 60 shows tanist-server ActiveState active
expect "the status" "$(status tanist-server)" "Ready to accept connections"
expect "the keys" "$(cli DBSIZE)" 3000

step "a server that is loading can be stopped, and is restarted by an upgrade"
systemctl restart --no-block tanist-server
eventually 30 shows tanist-server ActiveState activating
eventually 30 shows tanist-server StatusText "Redis is loading..."
before=$(pid tanist-server)
sed -i '/^key-load-delay/d' $conf
deb install --reinstall /packages/now/tanist.deb
[[ $(pid tanist-server) != "$before" ]] || fail "an upgrade leaves a server that is loading"
eventually 60 shows tanist-server ActiveState active
set_in $conf key-load-delay 2000
systemctl restart --no-block tanist-server
eventually 30 shows tanist-server StatusText "Redis is loading..."
systemctl stop tanist-server
expect "the end" "$(property tanist-server Result)" success
sed -i '/^key-load-delay/d' $conf
systemctl start tanist-server
expect "the keys" "$(cli DBSIZE)" 3000

step "a stop saves as configured"
cli SET color green >/dev/null
systemctl restart tanist-server
expect "what was saved" "$(cli GET color)" green
cli CONFIG SET save "" >/dev/null
cli SET color red >/dev/null
systemctl restart tanist-server
expect "what was not saved" "$(cli GET color)" green
expect "restarts without a reason" "$(property tanist-server NRestarts)" 0

step "a snapshot that is written does not hold up a stop"
cli CONFIG SET rdb-key-save-delay 100000 >/dev/null
cli BGSAVE >/dev/null
expect "a child" "$(info persistence rdb_bgsave_in_progress)" 1
cli CONFIG SET rdb-key-save-delay 0 save "" >/dev/null
systemctl stop tanist-server
expect "the end" "$(property tanist-server Result)" success
compgen -G '/var/lib/tanist/temp-*' && fail "a child left its file"
systemctl start tanist-server

step "one that is killed comes back with what its append-only file has"
expect "APPENDONLY" "$(cli CONFIG SET appendonly yes appendfsync always)" OK
eventually 30 grep -q 'type i' /var/lib/tanist/appendonlydir/appendonly.aof.manifest
eventually 60 eval '[[ $(info persistence aof_rewrite_in_progress) == 0 ]]'
expect "REWRITE" "$(cli CONFIG REWRITE)" OK
grep -q '^appendonly yes' $conf || fail "nothing was rewritten"
cli SET color blue >/dev/null
before=$(pid tanist-server)
kill -KILL "$before"
eventually 30 shows tanist-server NRestarts 1
eventually 30 shows tanist-server ActiveState active
[[ $(pid tanist-server) != "$before" ]] || fail "it was not started again"
expect "what was written" "$(cli GET color)" blue
eventually 30 eval '[[ $(cli BGREWRITEAOF) == *started* ]]'
eventually 60 eval '[[ $(info persistence aof_rewrite_in_progress) == 0 ]]'
expect "the rewrite" "$(info persistence aof_last_bgrewrite_status)" ok

step "limits and scores are as the unit and the server say"
files() { awk '/^Max open files/ { print $5 }' "/proc/$1/limits"; }
# A machine may have less to give than the unit asks for.
most=$(($(files 1) < 65535 ? $(files 1) : 65535))
expect "files" "$(files "$(pid tanist-server)")" $most
expect "maxclients" "$(cli CONFIG GET maxclients | tail -n 1)" 10000
expect "a child that is out of memory" "$(property tanist-server OOMPolicy)" continue
score="/proc/$(pid tanist-server)/oom_score_adj"
base=$(cat "$score")
expect "OOM" "$(cli CONFIG SET oom-score-adj-values '7 200 800' oom-score-adj relative)" OK
expect "the score" "$(cat "$score")" $((base + 7))

step "certificates, a socket, the system log and scripts"
install -d -o root -g tanist -m 750 /etc/tanist/tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout /etc/tanist/tls/server.key -out /etc/tanist/tls/server.crt 2>/dev/null
chgrp tanist /etc/tanist/tls/*
chmod 640 /etc/tanist/tls/*
# The key lies where Debian has keys, for those of a group.
groupadd --system --force ssl-cert
usermod --append --groups ssl-cert tanist
install -d -o root -g ssl-cert -m 710 /etc/ssl/private
install -o root -g ssl-cert -m 640 /etc/tanist/tls/server.key /etc/ssl/private/tanist.key
set_in $conf tls-cert-file /etc/tanist/tls/server.crt
set_in $conf tls-key-file /etc/ssl/private/tanist.key
set_in $conf tls-ca-cert-file /etc/tanist/tls/server.crt
set_in $conf tls-ca-cert-dir /etc/ssl/certs
set_in $conf tls-port 6390
set_in $conf unixsocket /run/tanist/redis.sock
set_in $conf unixsocketperm 770
set_in $conf syslog-enabled yes
set_in $conf pidfile /run/tanist/server.pid
set_in $conf server_cpulist 0
systemctl restart tanist-server
tls=(--tls --cacert /etc/tanist/tls/server.crt --cert /etc/tanist/tls/server.crt
    --key /etc/tanist/tls/server.key)
expect "TLS" "$(redis-cli -p 6390 "${tls[@]}" PING)" PONG
expect "the socket" "$(redis-cli -s /run/tanist/redis.sock PING)" PONG
expect "its mode" "$(stat -c '%U:%G %a' /run/tanist/redis.sock)" "tanist:tanist 770"
expect "the pid file" "$(cat /run/tanist/server.pid)" "$(pid tanist-server)"
eventually 30 eval 'journalctl --no-pager -t redis | grep -q "Ready to accept connections"'
expect "its processor" "$(taskset --cpu-list --pid "$(pid tanist-server)")" \
    "pid $(pid tanist-server)'s current affinity list: 0"
expect "a script" "$(cli EVAL 'return 1 + 1' 0)" 2
# A renewed certificate is read again while the server runs.
expect "renewal" "$(cli CONFIG SET tls-cert-file /etc/tanist/tls/server.crt)" OK
expect "TLS" "$(redis-cli -p 6390 "${tls[@]}" PING)" PONG

step "one that crashes leaves a report, and comes back"
kill -SEGV "$(pid tanist-server)"
eventually 30 shows tanist-server NRestarts 1
eventually 60 shows tanist-server ActiveState active
grep -q 'TANIST BUG REPORT START' /var/log/tanist/server.log || fail "no report"
grep -q 'TANIST BUG REPORT END' /var/log/tanist/server.log || fail "half a report"
expect "its data" "$(cli GET color)" blue

step "what the unit forbids"
inside=(nsenter -t "$(pid tanist-server)" -m --
    setpriv --reuid tanist --regid tanist --clear-groups)
"${inside[@]}" ls /home 2>/dev/null && fail "it sees home folders"
nsenter -t "$(pid tanist-server)" -m -- touch /usr/x 2>/dev/null && fail "/usr can be written"
"${inside[@]}" test -e /dev/kmsg && fail "it sees devices"
expect "its capabilities" "$(sed -n 's/^CapBnd:\t//p' "/proc/$(pid tanist-server)/status")" \
    0000000000000000
expect "system calls" "$(sed -n 's/^Seccomp:\t//p' "/proc/$(pid tanist-server)/status")" 2

step "a log that was rotated goes on in a new file"
lines() { wc -l <"/var/log/tanist/$1"; }
old=$(lines server.log)
logrotate --force /etc/logrotate.d/tanist
expect "the old log" "$(lines server.log.1)" "$old"
cli CONFIG SET loglevel debug >/dev/null
cli SAVE >/dev/null
cli CONFIG SET loglevel notice >/dev/null
eventually 30 test -s /var/log/tanist/server.log
expect "the old log" "$(lines server.log.1)" "$old"
expect "its owner" "$(stat -c '%U:%G %a' /var/log/tanist/server.log)" "tanist:tanist 600"
logrotate --force /etc/logrotate.d/tanist
[[ -s /var/log/tanist/server.log.2.gz ]] || fail "the oldest log was not compressed"

step "one of several, as a replica"
cp $conf /etc/tanist/redis-6380.conf
chown tanist:tanist /etc/tanist/redis-6380.conf
second=/etc/tanist/redis-6380.conf
sed -i -E '/^(tls-|unixsocket|syslog|pidfile)/d' $second
set_in $second port 6380
set_in $second dir /var/lib/tanist-6380
set_in $second logfile /var/log/tanist/server-6380.log
set_in $second replicaof "127.0.0.1 6379"
systemctl start tanist-server@6380
systemctl enable tanist-server@6380 2>/dev/null
eventually 60 eval '[[ $(port=6380 info replication master_link_status) == up ]]'
[[ $(status tanist-server@6380) == "MASTER <-> REPLICA sync: Finished"* ]] || fail "no status"
expect "its data" "$(port=6380 cli GET color)" blue

step "a Sentinel replaces the master, and all remember it"
set_in /etc/tanist/sentinel.conf "sentinel monitor" "mymaster 127.0.0.1 6379 1"
set_in /etc/tanist/sentinel.conf "sentinel down-after-milliseconds" "mymaster 1000"
systemctl enable --now tanist-sentinel 2>/dev/null
sentinel() { redis-cli -p 26379 SENTINEL "$@"; }
eventually 60 eval '[[ $(sentinel replicas mymaster) == *6380* ]]'
id=$(sentinel myid)
systemctl stop tanist-server
eventually 120 eval '[[ $(sentinel get-master-addr-by-name mymaster | tail -n 1) == 6380 ]]'
eventually 60 eval '[[ $(port=6380 info replication role) == master ]]'
systemctl start tanist-server
eventually 120 eval '[[ $(info replication master_link_status) == up ]]'
eventually 30 grep -q '^replicaof 127.0.0.1 6380' $conf
eventually 30 eval '! grep -q ^replicaof /etc/tanist/redis-6380.conf'
grep -q '^sentinel monitor mymaster 127.0.0.1 6380 1' /etc/tanist/sentinel.conf || fail "no memory"
systemctl restart tanist-sentinel
expect "the Sentinel's id" "$(sentinel myid)" "$id"
expect "its memory" "$(sentinel get-master-addr-by-name mymaster | tail -n 1)" 6380
expect "the owner of what was rewritten" "$(stat -c '%U %a' $conf)" "tanist 640"
redis-cli -p 26379 SHUTDOWN >/dev/null 2>&1 || true
eventually 30 shows tanist-sentinel NRestarts 1
eventually 30 shows tanist-sentinel ActiveState active
