#!/bin/sh
# Somebody wants another master, with all nodes well. How long is the pause, and is anything lost?
#
# A coordinated failover waits until the heir has everything. Stock Sentinels have none: they promote
# a replica while clients still write to the old master.
set -e

redis-lab up
redis-lab load client --rate 1000
redis-lab load fast --pipeline 16 --rate 5000
redis-lab readers
redis-lab wait-for writes 3000

redis-lab failover coordinated || redis-lab failover
redis-lab wait-for other-master m1
redis-lab wait-for writes 3000
redis-lab wait-for whole --timeout 60s

redis-lab check
