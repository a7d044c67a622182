#!/bin/sh
# The master is cut off with one of its clients, but takes no writes without a replica. Does that help?
#
# min-replicas-to-write bounds what can be lost: a master that has heard of no replica for
# min-replicas-max-lag seconds refuses. What it took within those seconds is still lost.
set -e

redis-lab up --conf "min-replicas-to-write 1" --conf "min-replicas-max-lag 1" \
    --conf "repl-ping-replica-period 1"
redis-lab load majority --rate 500
redis-lab load minority --rate 500 --stay m1
redis-lab readers
redis-lab wait-for writes 1000

redis-lab partition m1,minority r1,r2,sentinels,majority,readers
redis-lab wait-for other-master m1
redis-lab wait-for time 4s
redis-lab heal
redis-lab wait-for role m1 replica --timeout 60s
redis-lab wait-for whole --timeout 60s

redis-lab check
