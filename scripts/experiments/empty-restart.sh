#!/bin/sh
# A master without persistence dies and is restarted, empty, before anybody calls it down. Who has the data then?
#
# A supervisor that restarts a process within moments does this. The replicas come back to the same
# address, ask to go on, and are offered a full copy of nothing. Stock replicas take it. Ours keep what
# they have (replica-lineage-guard) until somebody decides.
set -e

redis-lab up --sentinels 0
redis-lab load client --rate 1000
redis-lab wait-for writes 2000
redis-lab stop-load
redis-lab wait-for synced

redis-lab kill m1
redis-lab wipe m1
redis-lab restart m1
redis-lab note it is back, without a key
redis-lab wait-for link r1 up --timeout 8s || redis-lab note r1 does not follow it

redis-lab check r1
