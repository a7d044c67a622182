#!/bin/sh
# A replica behind a slow link needs a full copy while clients write. Does it ever arrive?
#
# What is written during the copy waits in the master's output buffer for that replica. Once the
# buffer is over its limit, a stock master drops the replica, which begins again, and so for ever.
# One of ours keeps it on disk: sync_full at the end is 2, with the copy of the start.
set -e

redis-lab up --replicas 1 --sentinels 0 --conf "enable-debug-command yes" \
    --conf "rdbcompression no" --conf "repl-backlog-size 16kb" \
    --conf "client-output-buffer-limit replica 256kb 0 0"
redis-lab cli m1 DEBUG POPULATE 20000 key 200
redis-lab load client --rate 2000
redis-lab wait-for writes 1000

redis-lab kill r1
redis-lab wipe r1
redis-lab rate m1 r1 1mb
redis-lab restart r1
redis-lab wait-for link r1 up --timeout 20s || redis-lab note it does not arrive while clients write
redis-lab stop-load
redis-lab wait-for link r1 up --timeout 60s
redis-lab wait-for synced --timeout 60s
redis-lab cli m1 INFO stats | grep sync_full

redis-lab check r1
