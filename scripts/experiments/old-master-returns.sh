#!/bin/sh
# A master dies with writes that no replica has, and comes back with its file. Where are those writes?
#
# They are in its file, and it loads them; then it follows the new master and its data goes.
set -e

redis-lab up --conf "appendonly yes" --conf "appendfsync always"
redis-lab load client --rate 500
redis-lab load local --rate 500 --stay m1
redis-lab wait-for writes 1000

redis-lab cut m1 r1,r2
redis-lab wait-for writes 200
redis-lab kill m1
redis-lab wait-for other-master m1 --timeout 60s
redis-lab heal
redis-lab restart m1
redis-lab wait-for role m1 replica --timeout 60s
redis-lab wait-for whole --timeout 60s

redis-lab check
