#!/bin/sh
# The master stops and says nothing (SIGSTOP). How long until somebody else takes its writes?
#
# Nobody's connection breaks, so all depends on time limits: that of the Sentinels
# (down-after-milliseconds) and that of the client, which waits for a reply in vain. A client that
# stays with the old master writes there again when it wakes up, until somebody tells it its place.
set -e

redis-lab up --down-after 1s
redis-lab load client --rate 1000
redis-lab load loyal --rate 500 --stay m1
redis-lab readers
redis-lab wait-for writes 1000

redis-lab stop m1
redis-lab wait-for other-master m1
redis-lab wait-for writes 1000
redis-lab note it wakes up and does not know yet
redis-lab cont m1
redis-lab wait-for role m1 replica
redis-lab wait-for whole --timeout 60s

redis-lab check
