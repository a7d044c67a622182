#!/bin/sh
# Servers with an append-only file are killed under load and restarted at once. How many full copies does it take?
#
# A stock server that is killed has its data back and has forgotten where in the replication history they
# belong: each death costs a full copy. Ours goes on where its file ends. ROUNDS says how often each is killed.
set -e

redis-lab up --replicas 1 --sentinels 0 --conf "appendonly yes" --conf "repl-backlog-size 64mb" \
    --conf "repl-diskless-sync-delay 0" --conf "auto-aof-rewrite-percentage 0"
redis-lab load client --rate 2000
redis-lab wait-for writes 1000
copies() { redis-lab cli m1 INFO stats | sed -n 's/^sync_full:\([0-9]*\).*/\1/p'; }
rounds=${ROUNDS:-5}
first=$(copies) total=0

for round in $(seq "$rounds"); do
    redis-lab kill r1
    redis-lab restart r1
    redis-lab wait-for link r1 up --timeout 60s
    total=$((total + $(copies) - first))
    redis-lab kill m1
    redis-lab restart m1
    redis-lab wait-for link r1 up --timeout 60s
    # A process counts from its start.
    first=$(copies) total=$((total + first))
    redis-lab wait-for writes 1000
done
redis-lab note "$((2 * rounds)) deaths took $total full copies"
echo "$((2 * rounds)) deaths took $total full copies"
redis-lab stop-load
redis-lab wait-for synced --timeout 60s

redis-lab check r1
