#!/bin/sh
# Three servers in a chain, and the one in the middle dies. What does the last one know, and how does it catch up?
#
# The last replica has lost its only source. It keeps its data and serves reads that get older;
# when the middle is back, both go on where they were, without a full copy if the backlog reaches.
set -e

redis-lab up --replicas 2 --sentinels 0 --chain --conf "appendonly yes"
redis-lab load client --rate 500
redis-lab readers
redis-lab wait-for writes 1000

redis-lab kill r1
redis-lab wait-for link r2 down --timeout 90s
redis-lab wait-for writes 1000
redis-lab restart r1
redis-lab wait-for link r2 up --timeout 90s
redis-lab stop-load
redis-lab wait-for synced --timeout 60s

redis-lab check r2
