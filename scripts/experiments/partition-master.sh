#!/bin/sh
# The master is cut off together with one of its clients. What becomes of that client's writes?
#
# On its side nothing seems wrong: the old master goes on acknowledging. When the network heals it
# becomes a replica of the new master, and all that it took meanwhile is gone.
set -e

redis-lab up
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
