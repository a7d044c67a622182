#!/bin/sh
# The link between the master and a replica comes and goes. What does each break cost?
#
# Short breaks are bridged by TCP: bytes wait and arrive. After repl-timeout a side gives up, connects
# again and is given what it missed from the backlog: no full copy.
set -e

redis-lab up --sentinels 0 --conf "repl-timeout 2" --conf "repl-ping-replica-period 1"
redis-lab load client --rate 1000
redis-lab readers
redis-lab wait-for writes 500

for length in 200ms 500ms 1s 3s; do
    redis-lab cut m1 r1
    redis-lab wait-for time $length
    redis-lab heal m1 r1
    redis-lab wait-for link r1 up --timeout 60s
    redis-lab wait-for writes 500
done
redis-lab stop-load
redis-lab wait-for synced --timeout 60s

redis-lab check r1
