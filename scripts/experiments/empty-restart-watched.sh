#!/bin/sh
# The same as empty-restart, with Sentinels. Who is the master afterwards, and who has the data?
#
# Stock Sentinels see a master that answers, whatever it has lost: it stays the master, and its replicas
# copy it. Replicas of ours refuse that, and Sentinels of ours see it and have one of them take over.
set -e

redis-lab up --sentinel-conf "sentinel down-after-milliseconds mymaster 10000"
redis-lab load client --rate 1000
redis-lab wait-for writes 2000
redis-lab stop-load
redis-lab wait-for synced

redis-lab kill m1
redis-lab wipe m1
redis-lab restart m1
redis-lab note it is back, without a key
redis-lab wait-for other-master m1 --timeout 20s || redis-lab note nobody replaces it
redis-lab wait-for whole --timeout 60s

redis-lab check
