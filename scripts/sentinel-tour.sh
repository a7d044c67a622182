#!/usr/bin/env bash
# The Sentinel tutorial, walked through with the real redis-cli: one master, two replicas and one
# sentinel; then the same with three sentinels that have to agree.
#
#   scripts/sentinel-tour.sh                             our release build, as server and sentinel
#   SERVER=/usr/bin/redis-server SENTINEL=/usr/bin/redis-sentinel scripts/sentinel-tour.sh
#   PORTS="7001 7002 7003" SENTINEL_PORTS="8001 8002 8003 8004" scripts/sentinel-tour.sh
#                                         other ports than 6379 to 6381 and 26379 to 26382
#
# Every step is checked; the first that fails ends the tour with all logs. All files live in a
# temporary folder and go with it.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
server=${SERVER:-$here/target/release/redis-server}
sentinel=${SENTINEL:-$server}
read -r -a ports <<<"${PORTS:-6379 6380 6381}"
read -r -a sentinels <<<"${SENTINEL_PORTS:-26379 26380 26381 26382}"
# A failover that has no leader is tried again only after twice its time limit.
PATIENCE=${PATIENCE:-60}
. "$here/scripts/tour.sh"
need_server "$server"
need_server "$sentinel"
alone=${sentinels[0]}
trio=("${sentinels[@]:1:3}")
name=mymaster

write_config() {
    local port=$1
    cat >"$place/$port.conf" <<CONFIG
port $port
daemonize yes
pidfile $place/$port.pid
logfile $place/$port.log
dir $place
dbfilename $port.rdb
repl-diskless-sync-delay 0
CONFIG
    [[ $# -lt 2 ]] || echo "replicaof 127.0.0.1 $2" >>"$place/$port.conf"
}

write_sentinel_config() {
    local port=$1 master=$2 quorum=$3
    cat >"$place/$port.conf" <<CONFIG
port $port
daemonize yes
pidfile $place/$port.pid
logfile $place/$port.log
dir $place
sentinel monitor $name 127.0.0.1 $master $quorum
sentinel down-after-milliseconds $name 1000
sentinel failover-timeout $name 5000
sentinel parallel-syncs $name 1
CONFIG
}

start() {
    echo "\$ redis-server $1.conf"
    "$server" "$place/$1.conf" || fail "the server on $1 did not start"
    await "the server on $1" PONG cli "$1" PING
}

start_sentinel() {
    echo "\$ redis-server $1.conf --sentinel"
    "$sentinel" "$place/$1.conf" --sentinel || fail "the sentinel on $1 did not start"
    await "the sentinel on $1" PONG cli "$1" PING
}

shut_down() {
    echo "127.0.0.1:$1> SHUTDOWN"
    cli "$1" SHUTDOWN 2>/dev/null || true
    await "the end of $1" "" cli "$1" PING
    rm -f "$place/$1.pid"
}

# One line of a reply of names and values, as SENTINEL MASTER gives it.
of_master() { cli "$1" SENTINEL MASTER "$name" | tr -d '\r' | grep -A1 -x "$2" | tail -n 1; }

# The port of the master that a sentinel names.
named_by() { cli "$1" SENTINEL GET-MASTER-ADDR-BY-NAME "$name" | tr -d '\r' | tail -n 1; }

names_another() { [[ $(named_by "$1") == "$2" ]] || echo yes; }

# What a sentinel's list of replicas says of one of them.
flags_of_replica() {
    cli "$1" SENTINEL REPLICAS "$name" | tr -d '\r' | grep -A20 -x "127.0.0.1:$2" |
        grep -A1 -x flags | tail -n 1
}

# The lines of a file that begin with the words given, without quotes.
lines_of() { tr -d '"' <"$place/$1.conf" | grep "^$2" || true; }

# Events in a log, from the line after the one given.
story() {
    tail -n +"$(($2 + 1))" "$place/$1.log" | sed 's/^[0-9]*:X [^#*]* [#*] //' |
        grep '^[-+][a-z]\|^[0-9a-f]\{40\} voted for ' || true
}

log_length() { wc -l <"$place/$1.log"; }

logged() { if story "$1" "$2" | grep -q -- "^$3"; then echo yes; else echo no; fi; }

await_event() { await "$3 in the log of $1" yes logged "$@"; }

# Checks that the events given are in a log, in this order.
expect_order() {
    local port=$1 from=$2 event line last=0
    shift 2
    for event in "$@"; do
        line=$(story "$port" "$from" | grep -n -- "^$event" | cut -d: -f1 |
            awk -v last="$last" '$1 > last && !found { print; found = 1 }' || true)
        [[ -n $line ]] || fail "the log of $port: no $event where it is expected"
        last=$line
    done
}

# What a sentinel must know before a failover can work.
await_whole() {
    local sentinel=$1 others=$2
    await "replicas known to $sentinel" 2 of_master "$sentinel" num-slaves
    await "other sentinels known to $sentinel" "$others" of_master "$sentinel" num-other-sentinels
    await "what $sentinel says of the master" master of_master "$sentinel" flags
}

replicas_of() { cli "$1" INFO replication | grep '^slave[0-9]' | tr -d '\r'; }

# The two servers that are not the master.
others_than() {
    local port
    for port in "${ports[@]}"; do [[ $port == "$1" ]] || echo "$port"; done
}

# After a failover: everyone follows the new master, in memory and in the files, and has its data.
expect_followers() {
    local master=$1 port
    expect "role of $master" "$(field "$master" role)" master
    type_in "$master" INCR writes-after-failovers
    for port in $(others_than "$master"); do
        await "the master of $port" "$master" field "$port" master_port
        await_link "$port" up
        await "the write at $port" "$(cli "$master" GET writes-after-failovers)" \
            cli "$port" GET writes-after-failovers
        await "replicaof in $port.conf" "replicaof 127.0.0.1 $master" lines_of "$port" replicaof
        echo "\$ grep replicaof $port.conf"
        lines_of "$port" replicaof
    done
    await "replicaof in $master.conf" "" lines_of "$master" replicaof
}

expect_sentinel_file() {
    local port=$1 master=$2 quorum=$3 known
    await "the master in $port.conf" "sentinel monitor $name 127.0.0.1 $master $quorum" \
        lines_of "$port" "sentinel monitor"
    known=$(lines_of "$port" "sentinel known-\(replica\|slave\) $name" | wc -l)
    expect "replicas in $port.conf" "$known" 2
    expect "id in $port.conf" "$(lines_of "$port" "sentinel myid")" \
        "sentinel myid $(cli "$port" SENTINEL MYID)"
    echo "\$ grep ^sentinel $port.conf"
    lines_of "$port" sentinel
}

step "A master and two replicas"
need_free_ports "${ports[@]}" "${sentinels[@]:0:4}"
first=${ports[0]}
write_config "$first"
for port in $(others_than "$first"); do write_config "$port" "$first"; done
for port in "${ports[@]}"; do start "$port"; done
for port in $(others_than "$first"); do await_link "$port" up; done
type_in "$first" SET greeting hello
for port in $(others_than "$first"); do
    await "the greeting at $port" hello cli "$port" GET greeting
    await "$port, online at its master" "*port=$port,state=online*" replicas_of "$first"
done
show "$first"

step "One sentinel watches the master and finds the rest by itself"
write_sentinel_config "$alone" "$first" 1
echo "\$ cat $alone.conf"
cat "$place/$alone.conf"
start_sentinel "$alone"
await_whole "$alone" 0
await_event "$alone" 0 "+monitor master $name 127.0.0.1 $first quorum 1"
for port in $(others_than "$first"); do
    await_event "$alone" 0 \
        "+slave slave 127.0.0.1:$port 127.0.0.1 $port @ $name 127.0.0.1 $first"
done
story "$alone" 0
type_in "$alone" SENTINEL GET-MASTER-ADDR-BY-NAME "$name"
expect "the master that $alone names" "$(named_by "$alone")" "$first"
for port in $(others_than "$first"); do
    await "known replicas in $alone.conf" "*127.0.0.1 $port*" \
        lines_of "$alone" "sentinel known-\(replica\|slave\) $name"
done

step "Whoever subscribes at the sentinel sees what happens"
echo "127.0.0.1:$alone> PSUBSCRIBE *"
cli "$alone" PSUBSCRIBE '*' >"$place/events" 2>/dev/null &
echo $! >"$place/subscriber.pid"
await "the subscription" 1 info_field "$alone" stats pubsub_patterns

step "The master crashes, and one of the replicas takes its place"
from=$(log_length "$alone")
crash "$first"
await_event "$alone" "$from" "+switch-master $name 127.0.0.1 $first 127.0.0.1 "
await_event "$alone" "$from" "+slave slave 127.0.0.1:$first 127.0.0.1 $first "
master=$(named_by "$alone")
story "$alone" "$from"
me=$(cli "$alone" SENTINEL MYID)
target="slave 127.0.0.1:$master 127.0.0.1 $master @ $name 127.0.0.1 $first"
watched="master $name 127.0.0.1 $first"
expect_order "$alone" "$from" "+sdown $watched" "+odown $watched #quorum 1/1" "+new-epoch 1" \
    "+try-failover $watched" "+vote-for-leader $me 1" "+elected-leader $watched" \
    "+failover-state-select-slave $watched" "+selected-slave $target" \
    "+failover-state-send-slaveof-noone $target" "+failover-state-wait-promotion $target" \
    "+promoted-slave $target" "+failover-state-reconf-slaves $watched" "+slave-reconf-sent " \
    "+slave-reconf-inprog " "+slave-reconf-done " "+failover-end $watched" \
    "+switch-master $name 127.0.0.1 $first 127.0.0.1 $master"

step "It is the same on the wire, and clients that ask get the new one"
grep -q -- '+switch-master' "$place/events" || fail "the subscriber was not told"
grep -A1 -x -- '+switch-master' "$place/events" | sort -u
type_in "$alone" SENTINEL GET-MASTER-ADDR-BY-NAME "$name"
expect "the data at $master" "$(cli "$master" GET greeting)" hello
type_in "$master" SET written-while yes

step "The old master starts again as it was left, and comes back as a replica"
from=$(log_length "$alone")
await "what $alone says of $first" "*s_down*" flags_of_replica "$alone" "$first"
start "$first"
await_event "$alone" "$from" "-sdown slave 127.0.0.1:$first "
await_event "$alone" "$from" "+convert-to-slave slave 127.0.0.1:$first "
story "$alone" "$from"
await "role of $first" slave field "$first" role
await_link "$first" up
await "what it missed" yes cli "$first" GET written-while
show "$first"

step "All of it is in the files, for the next start"
expect_followers "$master"
expect_sentinel_file "$alone" "$master" 1
expect "epoch in $alone.conf" "$(lines_of "$alone" "sentinel config-epoch")" \
    "sentinel config-epoch $name 1"
expect "epoch in $alone.conf" "$(lines_of "$alone" "sentinel current-epoch")" \
    "sentinel current-epoch 1"

step "The sentinel starts again and knows what it knew"
subscriber=$(<"$place/subscriber.pid")
shut_down "$alone"
wait "$subscriber" 2>/dev/null || true
rm -f "$place/subscriber.pid"
start_sentinel "$alone"
expect "its id" "$(cli "$alone" SENTINEL MYID)" "$me"
expect "the master that it names" "$(named_by "$alone")" "$master"
await_whole "$alone" 0
shut_down "$alone"

step "Three sentinels, two of which must agree"
for port in "${trio[@]}"; do
    write_sentinel_config "$port" "$master" 2
    start_sentinel "$port"
done
for port in "${trio[@]}"; do await_whole "$port" 2; done
for port in "${trio[@]}"; do
    await "the quorum at $port" "OK 3 usable Sentinels*" cli "$port" SENTINEL CKQUORUM "$name"
    await "known sentinels in $port.conf" "*$name*$name*" \
        lines_of "$port" "sentinel known-sentinel"
done
type_in "${trio[0]}" SENTINEL CKQUORUM "$name"

step "The master crashes, and they elect one of them to act"
old=$master
declare -A mark
for port in "${trio[@]}"; do mark[$port]=$(log_length "$port"); done
crash "$old"
for port in "${trio[@]}"; do
    await_event "$port" "${mark[$port]}" "+switch-master $name 127.0.0.1 $old 127.0.0.1 "
done
leaders=()
for port in "${trio[@]}"; do
    echo "--- the log of $port"
    story "$port" "${mark[$port]}"
    [[ $(logged "$port" "${mark[$port]}" +elected-leader) == no ]] || leaders+=("$port")
done
expect "how many were elected" "${#leaders[@]}" 1
leader=${leaders[0]}
master=$(named_by "$leader")
target="slave 127.0.0.1:$master 127.0.0.1 $master @ $name 127.0.0.1 $old"
watched="master $name 127.0.0.1 $old"
expect_order "$leader" "${mark[$leader]}" "+try-failover $watched" \
    "+vote-for-leader $(cli "$leader" SENTINEL MYID) " "+elected-leader $watched" \
    "+selected-slave $target" "+promoted-slave $target" "+failover-end $watched" \
    "+switch-master $name 127.0.0.1 $old 127.0.0.1 $master"
expect_order "$leader" "${mark[$leader]}" "+try-failover $watched" "[0-9a-f]* voted for " \
    "+elected-leader $watched"
expect_order "$leader" "${mark[$leader]}" "+sdown $watched" "+odown $watched #quorum [23]/2"

step "All three name the same master, with the same epoch"
epoch=$(of_master "$leader" config-epoch)
for port in "${trio[@]}"; do
    type_in "$port" SENTINEL GET-MASTER-ADDR-BY-NAME "$name"
    expect "the master that $port names" "$(named_by "$port")" "$master"
    await "epoch of $port" "$epoch" of_master "$port" config-epoch
done

step "The old master comes back as a replica again"
start "$old"
await "role of $old" slave field "$old" role
await_link "$old" up
expect_followers "$master"
for port in "${trio[@]}"; do
    await_whole "$port" 2
    expect_sentinel_file "$port" "$master" 2
    expect "epoch in $port.conf" "$(lines_of "$port" "sentinel config-epoch")" \
        "sentinel config-epoch $name $epoch"
done

step "A failover by hand needs no crash"
old=$master
await "an end of the last failover" "" of_master "${trio[0]}" failover-state
type_in "${trio[0]}" SENTINEL FAILOVER "$name"
for port in "${trio[@]}"; do
    await "whether $port names another master" yes names_another "$port" "$old"
done
master=$(named_by "${trio[0]}")
await "role of $old" slave field "$old" role
expect_followers "$master"
show "$master"

step "One sentinel alone is no majority, and says so"
for port in "${trio[1]}" "${trio[2]}"; do crash "$port"; done
await "the quorum at ${trio[0]}" "*NOQUORUM 1 usable Sentinels*" \
    cli "${trio[0]}" SENTINEL CKQUORUM "$name"
type_in "${trio[0]}" SENTINEL CKQUORUM "$name"
start_sentinel "${trio[1]}"
await "the quorum at ${trio[0]}" "OK 2 usable Sentinels*" \
    cli "${trio[0]}" SENTINEL CKQUORUM "$name"
type_in "${trio[0]}" SENTINEL CKQUORUM "$name"

echo
echo "The tour is over: every step did what the tutorial says."
