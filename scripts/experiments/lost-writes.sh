#!/bin/sh
# A master that is cut off takes writes while its replica is promoted, and is demoted then. Where are those writes?
#
# On stock servers they are gone, without a trace. Ours writes down what the new master does not
# have before it copies its data: a file of commands, which the new master takes.
set -e

redis-lab up --replicas 1 --sentinels 0
redis-lab load old --rate 500 --stay m1
redis-lab wait-for writes 500

redis-lab partition m1,old r1
redis-lab wait-for writes 500
redis-lab slaveof r1 no one
redis-lab load new --rate 500 --stay r1
redis-lab wait-for writes 1000
redis-lab stop-load

redis-lab heal
redis-lab slaveof m1 r1
redis-lab wait-for link m1 up
redis-lab wait-for synced
redis-lab check r1

for ledger in "$REDIS_LAB_DIR"/m1/lost-*.aof; do
    test -f "$ledger" || continue
    redis-lab note a ledger, which is sent to r1
    redis-check-aof --show-lost "$ledger" | sed -n 1,5p
    redis-cli -u "redis://$(redis-lab address r1)" --pipe <"$ledger"
done
redis-lab wait-for synced

redis-lab check r1
