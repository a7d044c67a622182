#!/bin/sh
# A client waits until one replica has each write (WAIT 1). Is such a write safe?
#
# The replica that has it need not be the one that is promoted. Here r1 confirms, r2 is behind; then
# the master and r1 are gone, and r2 is what is left.
set -e

redis-lab up
redis-lab load careful --wait 1 --rate 500
redis-lab wait-for writes 1000

redis-lab cut m1 r2
redis-lab wait-for writes 500
redis-lab kill m1 r1
redis-lab wait-for master r2 --timeout 90s
redis-lab heal
redis-lab note r1 comes back, too late
redis-lab restart r1
redis-lab wait-for synced --timeout 60s

redis-lab check r2
