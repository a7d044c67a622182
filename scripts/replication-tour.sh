#!/usr/bin/env bash
# The replication tutorial, walked through with the real redis-cli on three servers.
#
#   scripts/replication-tour.sh                          our release build
#   SERVER=/usr/bin/redis-server scripts/replication-tour.sh
#   PORTS="7001 7002 7003" scripts/replication-tour.sh   other ports than 6379 6380 6381
#
# Every step is checked; the first that fails ends the tour with the servers' logs. All files
# live in a temporary folder and go with it.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
server=${SERVER:-$here/target/release/redis-server}
read -r -a ports <<<"${PORTS:-6379 6380 6381}"
first=${ports[0]} second=${ports[1]} third=${ports[2]}
. "$here/scripts/tour.sh"
need_server "$server"

write_config() {
    local port=$1
    cat >"$place/$port.conf" <<CONFIG
port $port
daemonize yes
pidfile $place/$port.pid
logfile $place/$port.log
dir $place
dbfilename $port.rdb
save 3600 1
CONFIG
}

start() {
    local port=$1
    echo "\$ redis-server $port.conf"
    "$server" "$place/$port.conf" || fail "the server on $port did not start"
    await "the server on $port" PONG cli "$port" PING
    [[ -s $place/$port.pid ]] || fail "the server on $port wrote no pid file"
    [[ -s $place/$port.log ]] || fail "the server on $port wrote no log"
}

shut_down() {
    local port=$1 pid
    pid=$(<"$place/$port.pid")
    echo "127.0.0.1:$port> SHUTDOWN"
    cli "$port" SHUTDOWN 2>/dev/null || true
    local end=$((SECONDS + patience))
    while kill -0 "$pid" 2>/dev/null; do
        ((SECONDS <= end)) || fail "the server on $port does not end"
        sleep 0.05
    done
    [[ -s $place/$port.rdb ]] || fail "the server on $port saved nothing"
}

full_syncs() { cli "$1" INFO stats | tr -d '\r' | sed -n 's/^sync_full://p'; }
partial_syncs() { cli "$1" INFO stats | tr -d '\r' | sed -n 's/^sync_partial_ok://p'; }

step "Three servers from three config files"
need_free_ports "${ports[@]}"
for port in "${ports[@]}"; do write_config "$port"; done
echo "\$ cat $first.conf"
cat "$place/$first.conf"
for port in "${ports[@]}"; do start "$port"; done

step "Everyone starts as a master"
for port in "${ports[@]}"; do expect "role of $port" "$(field "$port" role)" master; done
type_in "$first" SET greeting hello
show "$first"

step "Two become replicas of the first"
type_in "$second" SLAVEOF 127.0.0.1 "$first"
type_in "$third" SLAVEOF 127.0.0.1 "$first"
await_link "$second" up
await_link "$third" up
await "replicas seen by $first" 2 field "$first" connected_slaves
await "first replica online" "*state=online*" field "$first" slave0
await "second replica online" "*state=online*" field "$first" slave1
for port in "${ports[@]}"; do show "$port"; done
for port in "$second" "$third"; do
    expect "role of $port" "$(field "$port" role)" slave
    expect "history of $port" "$(field "$port" master_replid)" "$(field "$first" master_replid)"
    expect "copy at $port" "$(cli "$port" GET greeting)" hello
done

step "A write at the master is read at the replicas"
type_in "$first" SET color blue
for port in "$second" "$third"; do
    await "the write at $port" blue cli "$port" GET color
    type_in "$port" GET color
done

step "WAIT tells how many replicas have what this client wrote"
waited=$(type_in_all "$first" "SET color green" "WAIT 2 5000")
echo "$waited"
expect "replicas that have it" "${waited##*$'\n'}" "(integer) 2"
for port in "$second" "$third"; do
    expect "the write at $port" "$(cli "$port" GET color)" green
done
type_in "$first" SET color blue
for port in "$second" "$third"; do await "the write at $port" blue cli "$port" GET color; done

step "A replica refuses writes"
refusal=$(type_in "$second" SET color red)
echo "$refusal"
expect "the refusal" "${refusal##*$'\n'}" \
    "(error) READONLY You can't write against a read only replica."

step "The master shuts down: roles stay, reads go on"
shut_down "$first"
await_link "$second" down
await_link "$third" down
show "$second"
expect "role of $second" "$(field "$second" role)" slave
[[ $(field "$second" master_link_down_since_seconds) =~ ^[0-9]+$ ]] ||
    fail "$second does not say since when its link is down"
type_in "$second" GET color
expect "a read at $second" "$(cli "$second" GET color)" blue

step "It starts again and is found by itself, without a full copy"
start "$first"
await_link "$second" up
await_link "$third" up
expect "full syncs since the restart" "$(full_syncs "$first")" 0
expect "partial syncs since the restart" "$(partial_syncs "$first")" 2
type_in "$first" INCR visits
await "the write at $third" 1 cli "$third" GET visits
show "$first"

step "A chain of three: the third follows the second"
type_in "$third" SLAVEOF 127.0.0.1 "$second"
await_link "$third" up
await "replicas seen by $second" 1 field "$second" connected_slaves
await "replicas seen by $first" 1 field "$first" connected_slaves
type_in "$first" SET down-the-chain yes
await "the write at $third" yes cli "$third" GET down-the-chain
show "$second"

step "SLAVEOF NO ONE in the middle: its replica continues without a full copy"
full_before=$(full_syncs "$second")
old_id=$(field "$second" master_replid)
type_in "$second" SLAVEOF NO ONE
expect "role of $second" "$(field "$second" role)" master
expect "the history it came from" "$(field "$second" master_replid2)" "$old_id"
type_in "$second" SET promoted yes
await_link "$third" up
await "the write at $third" yes cli "$third" GET promoted
expect "full syncs given by $second" "$(full_syncs "$second")" "$full_before"
expect "what $first has of it" "$(cli "$first" EXISTS promoted)" 0
show "$second"

step "A role given at run time ends with the process"
shut_down "$third"
start "$third"
expect "role of $third" "$(field "$third" role)" master
type_in "$third" GET promoted
expect "its data" "$(cli "$third" GET promoted)" yes
type_in "$third" SET local yes

step "CONFIG REWRITE keeps it"
type_in "$third" SLAVEOF 127.0.0.1 "$second"
await_link "$third" up
expect "its local write" "$(cli "$third" EXISTS local)" 0
type_in "$third" CONFIG REWRITE
shut_down "$third"
start "$third"
await_link "$third" up
expect "role of $third" "$(field "$third" role)" slave
show "$third"

step "FAILOVER hands the role over, and no write is lost"
await "replica $third online" "*port=$third,state=online*" field "$second" slave0
old_id=$(field "$second" master_replid)
type_in "$second" SET before-the-failover yes
type_in "$second" FAILOVER TO 127.0.0.1 "$third"
await "the failover at $second" no-failover field "$second" master_failover_state
await_link "$second" up
expect "role of $third" "$(field "$third" role)" master
expect "role of $second" "$(field "$second" role)" slave
expect "the last write, at $third" "$(cli "$third" GET before-the-failover)" yes
expect "the history it came from" "$(field "$third" master_replid2)" "$old_id"
expect "full syncs given by $third" "$(full_syncs "$third")" 0
expect "partial syncs given by $third" "$(partial_syncs "$third")" 1
type_in "$third" SET after-the-failover yes
await "the write at $second" yes cli "$second" GET after-the-failover
show "$third"

step "An append-only file brings back what no snapshot has"
type_in "$third" CONFIG SET appendonly yes
await "its first rewrite" ok persistence "$third" aof_last_bgrewrite_status
await "the end of that rewrite" 0 persistence "$third" aof_rewrite_in_progress
expect "rewrites that failed" "$(persistence "$third" aof_rewrites_consecutive_failures)" 0
type_in "$third" CONFIG REWRITE
type_in "$third" CONFIG SET appendfsync always
type_in "$third" SET logged yes
crash "$third"
start "$third"
type_in "$third" GET logged
expect "the last write before the kill" "$(cli "$third" GET logged)" yes
await_link "$second" up
await "the write at $second" yes cli "$second" GET logged

echo
echo "The tour is over: every step did what the tutorial says."
